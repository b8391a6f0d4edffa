"""What certificates do by themselves: their keys end, and so do they."""

from datetime import timedelta

from django.utils import timezone

from mydevices.certificates import keeping
from mydevices.outbox import registry


def register() -> None:
    registry.periodic("certificates.remind", timedelta(hours=1), remind)
    registry.periodic("certificates.end_keys", keeping.ROUND, end_keys)


def remind() -> None:
    keeping.remind(now=timezone.now())


def end_keys() -> None:
    now = timezone.now()
    keeping.announce_ends(now=now)
    keeping.delete_keys(now=now)
