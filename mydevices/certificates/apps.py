from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.certificates"
    label = "certificates"
