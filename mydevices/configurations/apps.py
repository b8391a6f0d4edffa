from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.configurations"
    label = "configurations"

    def ready(self) -> None:
        from mydevices.configurations import tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
