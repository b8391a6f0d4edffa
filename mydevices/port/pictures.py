"""How a device is called and drawn."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A drawing of a kind of device: a symbol of an SVG file among the static files, its size, and where the middle of
    its screen is, with the radius of what is shown there. Lengths in the drawing's own units, which are pixels at its
    usual size."""

    file: str
    """As `{% static %}` takes it: “laptops/drawings.svg”."""
    symbol: str
    width: int
    height: int
    x: float
    y: float
    radius: int


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a person calls a device (“laptop”), which drawing stands for it, and whether it can be locked with a PIN to
    show."""

    noun: str
    shape: Shape
    has_pins: bool = False
    management: str = ""
    """How far it is the organisation's, in the language of the page, where that is more than usual: “supervised”."""
