from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.applications"
    label = "applications"

    def ready(self) -> None:
        from mydevices.applications import tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.applications.models import Listing  # noqa: PLC0415  the same

        tasks.register()
        registry.column(Listing, "content")
