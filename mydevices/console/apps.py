from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.console"
    label = "console"
