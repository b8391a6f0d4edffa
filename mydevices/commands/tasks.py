"""What the queue does by itself: release what has waited out its undo window, expire, wake again, wake."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from mydevices.commands import asking, batches, deferrals, queue, wakes, wipes
from mydevices.devices import selectors as devices
from mydevices.devices.models import Channel, Registration
from mydevices.outbox import registry
from mydevices.outbox.registry import Delivery, DeliveryOutcome, Done, Retry
from mydevices.port.commands import Outcome as Ended
from mydevices.port.platform import Asked, NotWoken, Told, platform_named


def register() -> None:
    registry.handler("release", release, batch=20)
    registry.handler("batch", batch, batch=1)
    registry.handler("wake", wake, batch=100)
    registry.periodic("commands.expire", timedelta(seconds=30), expire)
    registry.periodic("commands.approvals", timedelta(hours=1), expire_wipes)
    registry.periodic("commands.wake_again", timedelta(minutes=10), wake_again)
    registry.periodic("commands.wake_deferred", timedelta(minutes=1), wake_deferred)
    registry.periodic("commands.park", timedelta(days=1), park)


def release(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    now = timezone.now()
    for delivery in deliveries:
        asking.release(action_id=UUID(delivery.payload["action"]), now=now)
    return {delivery.id: Done() for delivery in deliveries}


def batch(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    """A part of each batch; another message for the rest, so that no lease runs out."""
    for delivery in deliveries:
        batches.advance(batch_id=UUID(delivery.payload["batch"]), now=timezone.now())
    return {delivery.id: Done() for delivery in deliveries}


def wake(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    """Ask the platforms to push. A channel that is gone or whose registration has ended needs none."""
    channels = {
        channel.pk: channel
        for channel in Channel.objects.select_related(
            "registration__device__owner", *devices.beside(""), *devices.beside("registration")
        ).filter(
            id__in=[delivery.payload["channel"] for delivery in deliveries],
            registration__state=Registration.State.ACTIVE,
        )
    }
    by_platform: dict[str, list[Channel]] = defaultdict(list)
    for channel in channels.values():
        by_platform[channel.registration.device.platform].append(channel)
    failures: dict[int, NotWoken | None] = {}
    for name, those in by_platform.items():
        platform = platform_named(name)
        if isinstance(platform, Asked):
            failures.update(platform.wake(those))
        elif isinstance(platform, Told):
            failures.update(_tell(platform, those))
    return {
        delivery.id: Retry(failure, failure.after) if (failure := failures.get(delivery.payload["channel"])) else Done()
        for delivery in deliveries
    }


def _tell(platform: Told, channels: Sequence[Channel]) -> Mapping[int, NotWoken | None]:
    """Hand over what waits for these channels. By channel id, why something could not be. What is cancelled in the very
    moment in which the service takes it has been done all the same: the service says so, or never."""
    now = timezone.now()
    failures: dict[int, NotWoken | None] = {}
    due = {one.id: one for one in queue.to_tell(channels, now=now)}
    of_registration = {channel.registration_id: channel.pk for channel in channels}
    for command_id, answer in platform.deliver(list(due.values())).items():
        command = due[command_id]
        if isinstance(answer, NotWoken):
            failures[of_registration[command.registration_id]] = answer
            continue
        if not queue.mark_sent(command_id=command_id, seen=command.state, now=now):
            continue
        refused = queue.reported(command_id)
        if isinstance(answer, Ended) and refused is not None:
            queue.report(command=refused, outcome=answer)
    return failures


def expire() -> None:
    queue.expire(now=timezone.now())


def expire_wipes() -> None:
    wipes.expire(now=timezone.now())


def wake_again() -> None:
    wakes.wake_again(now=timezone.now())


def wake_deferred() -> None:
    deferrals.wake(now=timezone.now())


def park() -> None:
    queue.park(now=timezone.now())
