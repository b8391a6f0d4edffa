from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.accounts"
    label = "accounts"
