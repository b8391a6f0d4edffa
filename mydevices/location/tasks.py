"""What location does by itself: positions go when their time is over, or when nobody may keep them any more."""

from datetime import timedelta

from django.utils import timezone

from mydevices.location import services
from mydevices.outbox import registry


def register() -> None:
    registry.periodic("location.sweep", timedelta(minutes=10), sweep)


def sweep() -> None:
    services.sweep(now=timezone.now())
