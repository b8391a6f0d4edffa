from mydevices.port.pictures import Shape

BOX = Shape("mydevices.svg", "device", 20, 20, 10, 10, 4)
"""A symbol that is there."""
