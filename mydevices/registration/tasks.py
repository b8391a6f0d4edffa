"""What registrations need by themselves: new certificates in time, and an end for devices that left without a word."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from mydevices.accounts import post
from mydevices.accounts.notices import Notice
from mydevices.outbox import registry
from mydevices.outbox.registry import Delivery, DeliveryOutcome, Done
from mydevices.registration import invitations, lives, pins, renewal


def register() -> None:
    post.follow(Notice.INVITATION, invitations.heard)
    post.follow(Notice.INVITATION_REMINDER, invitations.heard)
    registry.handler(pins.ASKED, answer)
    registry.periodic("registration.remind", timedelta(hours=1), remind)
    registry.periodic("registration.expire", timedelta(hours=1), expire)
    registry.periodic("registration.renew", timedelta(hours=1), renew)
    registry.periodic("registration.finish_silent", timedelta(hours=1), finish_silent)


def answer(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    for asked in deliveries:
        payload = asked.payload
        now = datetime.fromisoformat(payload["at"])
        pins.answer(email=payload["email"], address=payload["address"], now=now)
    return {asked.id: Done() for asked in deliveries}


def renew() -> None:
    renewal.renew_due(now=timezone.now())


def finish_silent() -> None:
    lives.finish_silent(now=timezone.now())


def remind() -> None:
    invitations.settle(now=timezone.now())
    invitations.remind(now=timezone.now())


def expire() -> None:
    invitations.expire(now=timezone.now())
