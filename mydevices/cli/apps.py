from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.cli"
    label = "cli"
