from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.devices"
    label = "devices"
