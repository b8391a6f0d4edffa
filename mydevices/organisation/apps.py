from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.organisation"
    label = "organisation"
