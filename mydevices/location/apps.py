from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.location"
    label = "location"

    def ready(self) -> None:
        from mydevices.accounts import sessions, set_aside  # noqa: PLC0415  models must be loaded first
        from mydevices.location import services, tasks  # noqa: PLC0415  the same
        from mydevices.location.models import Position  # noqa: PLC0415  the same

        tasks.register()
        set_aside.also(services.pause_since)
        sessions.also(services.pause_since)
        registry.column(Position, "place")
