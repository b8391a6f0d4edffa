from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.location"
    label = "location"

    def ready(self) -> None:
        from mydevices.location import tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.location.models import Position  # noqa: PLC0415  the same

        tasks.register()
        registry.column(Position, "place")
