"""What Apple's platform needs by itself: a word in time before the push certificate ends."""

from datetime import timedelta

from django.utils import timezone

from mydevices.outbox import registry
from mydevices.platforms.apple import push_certificate


def register() -> None:
    registry.periodic("apple.push_certificate", timedelta(hours=12), announce_end)


def announce_end() -> None:
    push_certificate.announce_end(now=timezone.now())
