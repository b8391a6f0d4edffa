"""Waking Apple devices: a push to each channel, and what the push service's answers mean for them."""

import atexit
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mydevices.devices.models import Channel
from mydevices.errors import CannotOpen, Conflict
from mydevices.platforms.apple import push_certificate
from mydevices.platforms.apple.gateway import Answer, Gateway, Push, Service
from mydevices.port.platform import NotWoken
from mydevices.protocols.apple.push import PushOutcome
from mydevices.registration import lives

logger = logging.getLogger(__name__)

UNTIL_REPAIRED: Final = timedelta(minutes=10)
"""Between two tries of what fails until an administrator does something: devices can still poll by themselves."""

GATEWAY: Final = Gateway()
"""One for the process, so that its connection outlives a batch."""
atexit.register(GATEWAY.close)


def wake(channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
    """Push to each channel, loaded with its registration and its device. By channel id: None when it is not to be tried
    again, because the push was taken or because nobody listens any more."""
    # A user's channel whose token is dead has none until that user's Mac gives a new one.
    those = [channel for channel in channels if channel.push_token]
    result: dict[int, NotWoken | None] = dict.fromkeys((channel.pk for channel in channels), None)
    if not those:
        return result
    try:
        service = _service()
    except (Conflict, CannotOpen) as error:
        logger.warning("%d devices were not woken: %s", len(those), error.message)
        return result | dict.fromkeys((channel.pk for channel in those), NotWoken(error.message, after=UNTIL_REPAIRED))
    messages = [
        Push(bytes(channel.push_token), channel.apple.push_magic, channel.registration.apple.topic) for channel in those
    ]
    answers = dict(zip((channel.pk for channel in those), GATEWAY.push(messages, service), strict=True))
    _record(those, answers, timezone.now())
    _log(answers)
    return result | {channel_id: _failure(answer) for channel_id, answer in answers.items()}


def _service() -> Service:
    """Raises Conflict without a push certificate that is valid now, CannotOpen without the master key that it needs."""
    identity = push_certificate.identity()
    now = timezone.now()
    if identity.not_after <= now:
        raise Conflict(push_certificate.warning(now))
    environment = settings.ENVIRONMENT
    return Service(environment.apple_push_url, identity, environment.apple_push_ca)


@transaction.atomic
def _record(channels: Sequence[Channel], answers: Mapping[int, Answer], now: datetime) -> None:
    delivered = [pk for pk, answer in answers.items() if answer.outcome is PushOutcome.DELIVERED]
    # In the order of ids, as every batch does, so that two workers do not wait for each other in a circle.
    locked = Channel.objects.select_for_update().filter(id__in=delivered).order_by("id").values("id")
    if delivered:
        Channel.objects.filter(id__in=locked).update(pushed_at=now)
    for channel in channels:
        if answers[channel.pk].outcome is PushOutcome.DEAD_TOKEN:
            _bury(channel, now)


def _bury(channel: Channel, now: datetime) -> None:
    """Nobody listens to this channel's token any more, unless the device has given another one meanwhile."""
    present = Channel.objects.select_for_update().filter(id=channel.pk, push_token=bytes(channel.push_token))
    if not present.exists():
        return
    if channel.kind == Channel.Kind.USER:
        present.update(push_token=b"")
    else:
        lives.unreachable(registration=channel.registration, now=now)


def _failure(answer: Answer) -> NotWoken | None:
    match answer.outcome:
        case PushOutcome.DELIVERED | PushOutcome.DEAD_TOKEN:
            return None
        case PushOutcome.RETRY:
            return NotWoken(answer.message, after=answer.retry_after)
        case PushOutcome.REJECTED:
            return NotWoken(answer.message, after=UNTIL_REPAIRED)


def _log(answers: Mapping[int, Answer]) -> None:
    """One line for each reason, however many devices it concerns. Tokens stay out of the log."""
    reasons: dict[str, int] = {}
    for answer in answers.values():
        if answer.outcome in {PushOutcome.RETRY, PushOutcome.REJECTED}:
            reasons[answer.message] = reasons.get(answer.message, 0) + 1
    for reason, number in reasons.items():
        logger.warning("%d devices were not woken: %s", number, reason)
