from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.commands"
    label = "commands"

    def ready(self) -> None:
        from mydevices.commands import batches, tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.commands.models import Action  # noqa: PLC0415  the same

        tasks.register()
        batches.register()
        registry.column(Action, "secret")
