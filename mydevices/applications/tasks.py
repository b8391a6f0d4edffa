"""What applications do by themselves: ask devices whose turn it is, and let go of what may not be kept."""

from datetime import timedelta

from django.utils import timezone

from mydevices.applications import services
from mydevices.outbox import registry


def register() -> None:
    registry.periodic("applications.sweep", timedelta(minutes=5), sweep)


def sweep() -> None:
    services.sweep(now=timezone.now())
