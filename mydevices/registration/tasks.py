"""What registrations need by themselves: new certificates in time, and an end for devices that left without a word."""

from datetime import timedelta

from django.utils import timezone

from mydevices.accounts import post
from mydevices.accounts.notices import Notice
from mydevices.outbox import registry
from mydevices.registration import invitations, services


def register() -> None:
    post.follow(Notice.INVITATION, invitations.heard)
    post.follow(Notice.INVITATION_REMINDER, invitations.heard)
    registry.periodic("registration.remind", timedelta(hours=1), remind)
    registry.periodic("registration.expire", timedelta(hours=1), expire)
    registry.periodic("registration.renew", timedelta(hours=1), renew)
    registry.periodic("registration.finish_silent", timedelta(hours=1), finish_silent)


def renew() -> None:
    services.renew_due(now=timezone.now())


def finish_silent() -> None:
    services.finish_silent(now=timezone.now())


def remind() -> None:
    invitations.settle(now=timezone.now())
    invitations.remind(now=timezone.now())


def expire() -> None:
    invitations.expire(now=timezone.now())
