from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.outbox"
    label = "outbox"
