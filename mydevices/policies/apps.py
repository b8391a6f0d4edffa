from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.policies"
    label = "policies"

    def ready(self) -> None:
        from mydevices.devices import selectors as devices  # noqa: PLC0415  models must be loaded first
        from mydevices.policies import selectors, services  # noqa: PLC0415  the same

        devices.loading(selectors.with_rules)
        services.register()
