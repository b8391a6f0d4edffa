"""Asking channels to poll: at once when something was queued for them, and again while they have not come."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices.models import Registration
from mydevices.outbox import services as outbox

WAKE_AGAIN_AFTER: Final = timedelta(minutes=10)


def wake(channel_ids: Iterable[int]) -> None:
    """Ask channels to poll, once this transaction is committed."""
    for channel_id in sorted(channel_ids):
        outbox.post("wake", {"channel": channel_id}, key=str(channel_id))


def wake_again(*, now: datetime) -> int:
    """Push once more to whoever has had commands waiting since well before its last push. The number of channels. What
    a device has put off has its own pace (`deferrals`).

    A device that is off for weeks is not pushed to every ten minutes: only for what is young, or once a day."""
    waited = now - WAKE_AGAIN_AFTER
    waiting = Command.objects.filter(
        Q(queued_at__gte=now - timedelta(hours=6), channel__pushed_at__lte=waited)
        | Q(channel__pushed_at__lte=now - timedelta(days=1))
        | Q(channel__pushed_at=None),
        state__in=[State.QUEUED, State.SENT],
        queued_at__lte=waited,
        channel__registration__state=Registration.State.ACTIVE,
        channel__registration__unreachable_since=None,
    ).exclude(channel__push_token=b"")
    channel_ids = set(waiting.values_list("channel_id", flat=True))
    with transaction.atomic():
        wake(channel_ids)
    return len(channel_ids)
