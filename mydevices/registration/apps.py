from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.registration"
    label = "registration"

    def ready(self) -> None:
        from mydevices.registration import tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
