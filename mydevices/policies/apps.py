from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.policies"
    label = "policies"
