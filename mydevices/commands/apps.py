from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.commands"
    label = "commands"

    def ready(self) -> None:
        from mydevices.commands import tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
