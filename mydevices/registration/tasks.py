"""What registrations need by themselves: new certificates in time, and an end for devices that left without a word."""

from datetime import timedelta

from django.utils import timezone

from mydevices.outbox import registry
from mydevices.registration import services


def register() -> None:
    registry.periodic("registration.renew", timedelta(hours=1), renew)
    registry.periodic("registration.finish_silent", timedelta(hours=1), finish_silent)


def renew() -> None:
    services.renew_due(now=timezone.now())


def finish_silent() -> None:
    services.finish_silent(now=timezone.now())
