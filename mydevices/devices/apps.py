from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.devices"
    label = "devices"

    def ready(self) -> None:
        from mydevices.accounts import approvals  # noqa: PLC0415  models must be loaded first
        from mydevices.devices import selectors  # noqa: PLC0415  the same

        approvals.count_devices(selectors.number)
