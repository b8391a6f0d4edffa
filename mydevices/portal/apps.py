from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.portal"
    label = "portal"
