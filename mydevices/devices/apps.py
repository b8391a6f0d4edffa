from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.devices"
    label = "devices"

    def ready(self) -> None:
        from mydevices.devices.models import Channel, Registration  # noqa: PLC0415  models must be loaded first

        registry.column(Channel, "unlock_token")
        registry.column(Registration, "bootstrap_token")
