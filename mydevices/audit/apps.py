from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class Config(AppConfig):
    name = "mydevices.audit"
    label = "audit"

    def ready(self) -> None:
        from mydevices.audit import tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.audit.models import ChainKey  # noqa: PLC0415  the same
        from mydevices.vault import registry  # noqa: PLC0415  the same

        tasks.register()
        registry.column(ChainKey, "sealed")
        post_migrate.connect(_give_key, sender=self)


def _give_key(*, using: str, **_: Any) -> None:
    """A new database gets the key of its chain. A key that is gone later is not made again here: with it gone,
    everything could have been forged."""
    from mydevices.audit import chain  # noqa: PLC0415  models must be loaded first

    if using != "default" or not chain.has_table() or chain.has_key():
        return
    if not chain.is_used():
        chain.begin()
