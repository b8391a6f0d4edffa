"""Questions about actions: what is under way, how far it is, what has been."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from mydevices.actions import ACTIONS, ActionKind, rules_of
from mydevices.commands.models import Action, Command
from mydevices.commands.states import OPEN, PENDING, State, before
from mydevices.devices import selectors as devices
from mydevices.devices.models import STILL_TALKING, Device, Registration
from mydevices.errors import NotFound

_RANK = [
    # From the command that is least far on: an action is as far as its slowest part.
    State.HELD,
    State.QUEUED,
    State.DEFERRED,
    State.SENT,
    State.FAILED,
    State.EXPIRED,
    State.VOID,
    State.CANCELLED,
    State.DONE,
]


def with_device(actions: QuerySet[Action]) -> QuerySet[Action]:
    """With their devices, as far as it takes to say how each is and whose. No statement more."""
    return actions.select_related(
        "device__owner", "device__registration", "device__inventory", *devices.beside("device__registration")
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an action is. Times are those of its slowest part; a time that has not come is None."""

    action: Action
    state: State
    queued_at: datetime
    pushed_at: datetime | None
    sent_at: datetime | None
    deferred_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    error: str
    result: Mapping[str, object]
    """What of the device's answer may be shown."""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def can_be_cancelled(self) -> bool:
        return self.state in before(State.CANCELLED)


def actions_of(device: Device) -> QuerySet[Action]:
    """A device's actions with their commands, newest first."""
    return (
        Action.objects.filter(device=device)
        .prefetch_related(Prefetch("commands", queryset=Command.objects.select_related("channel").order_by("id")))
        .order_by("-requested_at")
    )


def action_of(device: Device, action_id: UUID) -> Action:
    """One action of this device. Raises NotFound."""
    action = actions_of(device).filter(id=action_id).first()
    if action is None:
        raise NotFound(_("There is no such action on this device."))
    return action


def progress(action: Action) -> Progress:
    """Derived from the commands; asks nothing when they are prefetched."""
    commands = list(action.commands.all())
    slowest = min(commands, key=lambda command: _RANK.index(State(command.state)))
    finished = [command.finished_at for command in commands if command.finished_at]
    pushed = slowest.channel.pushed_at
    queued_at = slowest.queued_at
    return Progress(
        action=action,
        state=State(slowest.state),
        queued_at=queued_at,
        # A push is for the channel, not for a command: the first one after the command was queued is its own.
        pushed_at=pushed if pushed and pushed >= queued_at and slowest.state != State.HELD else None,
        sent_at=slowest.sent_at,
        deferred_at=slowest.deferred_at,
        finished_at=max(finished) if finished and slowest.state not in OPEN else None,
        expires_at=slowest.expires_at,
        error=next((command.error for command in commands if command.error), ""),
        result=slowest.result,
    )


RECENT: Final = 8


def recent_of_each(devices: Sequence[Device]) -> dict[UUID, list[Progress]]:
    """The newest few actions of each of these devices, newest first, in two statements however many there are. What
    has not come to an end is always among them: a wipe that waits for weeks must stay in sight."""
    found: dict[UUID, list[Progress]] = {device.id: [] for device in devices}
    is_open = Exists(Command.objects.filter(action=OuterRef("pk"), state__in=OPEN))
    rank = Window(RowNumber(), partition_by="device_id", order_by=[F("ended").asc(), F("requested_at").desc()])
    actions = (
        Action.objects.filter(device__in=devices)
        .annotate(ended=Case(When(is_open, then=Value(0)), default=Value(1)))
        .annotate(rank=rank)
        .filter(rank__lte=RECENT)
        .prefetch_related(Prefetch("commands", queryset=Command.objects.select_related("channel").order_by("id")))
        .order_by("-requested_at")
    )
    for action in actions:
        found[action.device_id].append(progress(action))
    return found


def waiting() -> QuerySet[Command]:
    """The commands that their devices have yet to ask for, or to answer."""
    return Command.objects.filter(state__in=PENDING, finished_at=None)


def failed_since(moment: datetime) -> QuerySet[Command]:
    """The commands of actions that their devices refused since then, newest first."""
    failed = Command.objects.filter(state=State.FAILED, finished_at__gte=moment, action__isnull=False)
    return failed.order_by("-finished_at")


def was_given(registration: Registration, kind: ActionKind) -> bool:
    """Whether this life's device has been given such an action and has not answered."""
    return Command.objects.filter(action__registration=registration, action__kind=kind, state=State.SENT).exists()


def obeyed(registration: Registration, kind: ActionKind) -> Command | None:
    """The command of such an action that ended this life, as it was given; None when it is no longer kept."""
    return (
        Command.objects.select_related("action", "channel__registration__device")
        .filter(action__registration=registration, action__kind=kind, state=State.DONE)
        .order_by("-id")
        .first()
    )


def waits_for(registration: Registration, kind: ActionKind) -> bool:
    """Whether such an action waits for this life's device, given or not (its undo window being over)."""
    return Command.objects.filter(action__registration=registration, action__kind=kind, state__in=PENDING).exists()


def was_lost_before(action: Action) -> bool:
    """Whether its device has been told to be lost, by another action of this life, and not to be found since."""
    told = Action.objects.filter(
        registration_id=action.registration_id,
        kind__in=[kind for kind, rules in ACTIONS.items() if rules.marks_lost is not None],
        commands__sent_at__isnull=False,
    )
    newest = told.exclude(id=action.id).order_by("-requested_at").values_list("kind", flat=True).first()
    return newest is not None and bool(rules_of(newest).marks_lost)


def said_when_lost(device: Device) -> Mapping[str, str]:
    """What the screen of a lost device says, or is to say: `message`, `phone_number`. Nothing for one that is not lost,
    which asks the database nothing."""
    if not device.is_lost or device.registration_id is None:
        return {}
    said = Action.objects.filter(
        registration_id=device.registration_id,
        kind=ActionKind.LOST,
        commands__state__in=[State.QUEUED, State.SENT, State.DEFERRED, State.DONE],
    )
    newest = said.order_by("-requested_at").first()
    return newest.parameters if newest else {}


def past_their_use(moment: datetime) -> QuerySet[Action]:
    """Actions that ended before this moment and that nobody can need any more. What is left out: a PIN that a computer
    may still wait for, because the computer has not spoken since it was sent; and the order to erase itself of a device
    that has not registered anew, for it may yet turn out to talk."""
    of_the_action = Command.objects.filter(action=OuterRef("pk"))
    lasting = of_the_action.filter(Q(state__in=OPEN) | Q(finished_at=None) | Q(finished_at__gte=moment))
    ended = of_the_action.order_by("-finished_at").values("finished_at")[:1]
    spoke = ExpressionWrapper(OuterRef("ended") + STILL_TALKING, output_field=DateTimeField())
    has_spoken = Registration.objects.filter(device=OuterRef("device"), last_seen_at__gt=spoke)
    was_sent = of_the_action.filter(sent_at__isnull=False)
    return (
        Action.objects.filter(requested_at__lt=moment)
        .exclude(Exists(lasting))
        .annotate(ended=Subquery(ended))
        .exclude(Q(secret__isnull=False) & Exists(was_sent) & ~Exists(has_spoken))
        .exclude(
            kind=ActionKind.WIPE,
            registration__state=Registration.State.WIPED,
            registration=F("device__registration"),
        )
        .order_by("requested_at", "id")
    )
