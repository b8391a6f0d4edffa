from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.audit"
    label = "audit"

    def ready(self) -> None:
        from mydevices.audit import tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
