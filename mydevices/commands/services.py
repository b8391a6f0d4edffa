"""The verbs of the queue. Moves are compare-and-swap: the loser of a race gets Conflict, or changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.commands import capabilities, limits, outcomes, selectors
from mydevices.commands.models import Action, Batch, Command
from mydevices.commands.outcomes import Others, Outcome, Reported
from mydevices.commands.states import OPEN, State, before
from mydevices.devices import services as devices
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import Conflict, ForbiddenByPolicy, Invalid, NotAllowed, ProtocolError, Unsupported
from mydevices.organisation import services as organisation
from mydevices.outbox import services as outbox
from mydevices.platforms import port
from mydevices.platforms.port import ActionKind, Parameters
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.vault import services as vault

FRESH: Final = frozenset({ActionKind.WIPE, ActionKind.RETIRE, ActionKind.UNLOCK})
"""What needs a proof of identity no older than five minutes."""

TOLD: Final[Mapping[ActionKind, Notice]] = {
    ActionKind.LOCK: Notice.DEVICE_LOCKED,
    ActionKind.UNLOCK: Notice.DEVICE_UNLOCKED,
    ActionKind.LOST: Notice.DEVICE_LOST,
    ActionKind.LOCATE: Notice.DEVICE_LOCATED,
    ActionKind.WIPE: Notice.DEVICE_WIPED,
    ActionKind.RETIRE: Notice.DEVICE_RETIRED,
}
"""What a device's owner gets a mail about, at once, when somebody else asks it."""

OPENING: Final = frozenset({ActionKind.UNLOCK, ActionKind.FOUND})
"""What gives a device to whoever holds it. Whoever assists does not ask it of the device of somebody with more rights;
to lock it or mark it as lost, with a reason, only protects it."""

WITHOUT_PROOF: Final = Limit(3, timedelta(hours=1))
"""How often somebody may ask something of devices of others without a fresh proof."""

UNDOABLE: Final = frozenset({ActionKind.WIPE, ActionKind.RETIRE})

LIFETIMES: Final[Mapping[str, timedelta]] = {
    ActionKind.UNLOCK: timedelta(hours=1),
    ActionKind.CHECK_IN: timedelta(days=1),
    ActionKind.SOUND: timedelta(hours=1),
}
"""What pointless late obedience would be. Whatever is not named waits for the device without end."""

UPKEEP_KEPT: Final = timedelta(days=30)
"""How long a finished command that nobody asked for is worth its row."""

PARKED_AT_ONCE: Final = 500

LONGEST_REASON: Final = 500
"""Characters of why somebody acts on a device that is not theirs."""

WAKE_AGAIN_AFTER: Final = timedelta(minutes=10)


def enqueue(
    *,
    device: Device,
    kind: ActionKind,
    actor: Actor,
    parameters: Parameters | None = None,
    reason: str = "",
    now: datetime | None = None,
    confirmed_at: datetime | None = None,
) -> Action:
    """Ask something of a device: three statements and the audit entry, in one transaction.

    `device` comes from `devices.selectors`, with its registration and channels loaded. `confirmed_at` is when the actor
    said so, where that was before `now` (`batches`): then their proof had to be fresh. Raises NotAllowed for somebody
    else's device without the right, Invalid where they give no `reason`, NeedsFreshAuthentication, LimitedSession for
    more than a password alone allows, ForbiddenByPolicy with the policy and whom to ask, Unsupported with the reason,
    Conflict when the same is under way already.

    A wipe beyond the limits of its policy is held for an administrator (`approvals`): the action then says so."""
    now = now or timezone.now()
    parameters = parameters or Parameters()
    _check_allowed(device, kind, actor, confirmed_at or now)
    reason = checked(reason)
    if _is_another(device, actor) and not reason:
        raise Invalid(_("Say why. Its owner reads it."))
    capability = capabilities.of(device, actor)[kind]
    registration = device.registration
    if capability.policy:
        raise ForbiddenByPolicy(capability.reason)
    if registration is None or not capability.possible:
        raise Unsupported(capability.reason)
    plan = port.adapter_for(device.platform).plan(device, kind, parameters)
    channels = {channel.kind: channel for channel in registration.channels.all()}
    held_until = now + timedelta(seconds=undo_seconds(device)) if kind in UNDOABLE else None
    held = held_until is not None and held_until > now
    action = Action(
        id=uuid4(),
        device=device,
        registration=registration,
        kind=kind,
        actor_id=actor.id,
        actor_name=actor.name,
        requested_at=now,
        parameters=parameters.public(),
        held_until=held_until if held else None,
    )
    if plan.secret:
        action.secret = vault.seal(plan.secret, **secret_place(action.id, device.id))
    lifetime = LIFETIMES.get(kind)
    commands = [
        Command(
            action=action,
            channel=channels[step.channel],
            request_type=step.request_type,
            parameters=dict(step.parameters),
            exclusive=kind if index == 0 else None,
            state=State.HELD if held else State.QUEUED,
            queued_at=now,
            expires_at=now + lifetime if lifetime else None,
        )
        for index, step in enumerate(plan.steps)
    ]
    try:
        with transaction.atomic():
            _look_at_limits(action, commands, actor, now, in_batch=confirmed_at is not None)
            action.save(force_insert=True)
            Command.objects.bulk_create(commands)
            _follow(action, now)
            if action.limit:
                limits.tell(action=action, now=now)
            elif held:
                release_at(action, now)
            else:
                wake({command.channel_id for command in commands})
            _ask_who_asks_often(device, actor)
            record(Verb.ACTION_REQUESTED, actor=actor, device=device, action=action, reason=reason)
            _tell_owner(action, actor, reason, now)
    except IntegrityError as error:
        if "one_open_command_of_a_kind" not in str(error) and "exclusive" not in str(error):
            raise
        raise Conflict(_("This is under way already. See how far it is on the device’s page.")) from error
    return action


def _look_at_limits(
    action: Action, commands: Sequence[Command], actor: Actor, now: datetime, *, in_batch: bool
) -> None:
    """One device more than may be wiped without an administrator's word waits for it; one more than somebody may retire
    by themselves is refused. In the caller's transaction, in which nobody else counts."""
    if action.kind == ActionKind.RETIRE and not in_batch and _is_another(action.device, actor):
        organisation.hold()
        limits.check_retired(device=action.device, actor=actor, now=now)
    if action.kind != ActionKind.WIPE:
        return
    organisation.hold()
    limit = limits.exceeded(device=action.device, actor=actor, now=now)
    if limit is None:
        return
    action.approval, action.limit, action.held_until = Action.Approval.WAITING, limit, None
    for command in commands:
        command.state = State.HELD


def _follow(action: Action, now: datetime) -> None:
    """What being lost, or found, means for the device and for what waits for it."""
    if action.kind == ActionKind.LOST:
        devices.lost(device_id=action.device_id, now=now)
        pointless = [ActionKind.UNLOCK]
    elif action.kind == ActionKind.FOUND:
        pointless = [ActionKind.LOST, ActionKind.LOCATE, ActionKind.SOUND]
    else:
        return
    waiting = Q(action__registration_id=action.registration_id, action__kind__in=pointless)
    _end(waiting, State.CANCELLED, Verb.ACTION_CANCELLED, now)


def _ask_who_asks_often(device: Device, actor: Actor) -> None:
    """Without a fresh proof somebody may act on one device of somebody else, and not on one after the other: that is a
    list by another name. Raises NeedsFreshAuthentication."""
    now = timezone.now()
    if not _is_another(device, actor) or actor.is_fresh(now):
        return
    if not attempts.take("actions without a proof", actor.id, WITHOUT_PROOF):
        actor.require_fresh(now)


def _tell_owner(action: Action, actor: Actor, reason: str, now: datetime) -> None:
    device, notice = action.device, TOLD.get(ActionKind(action.kind))
    if notice is None or not _is_another(device, actor):
        return
    facts = {
        "device": device.known_as,
        "by": actor.name,
        "reason": reason,
        "at": now.isoformat(timespec="seconds"),
        "page": f"/devices/{device.id}",
    }
    accounts.notify(person=device.owner, notice=notice, facts=facts)


def undo_seconds(device: Device) -> int:
    """How long a wipe or retire of this device waits before anything is sent: by its policy, else by the setting."""
    decided = policies.of_device(device, SelfServiceRules).values.undo_seconds
    seconds: int = settings.ENVIRONMENT.undo_seconds
    return seconds if decided is None else decided


def _check_allowed(device: Device, kind: ActionKind, actor: Actor, now: datetime) -> None:
    if actor.kind == "system":
        return
    if not actor.may_ask(kind.value):
        actor.require_full()
    _check_right(device, kind, actor)
    if kind in FRESH:
        actor.require_fresh(now)


def checked(reason: str) -> str:
    """A reason as it is kept. Raises Invalid for one that is too long or cannot be shown."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("This has at most %(number)d characters.") % {"number": LONGEST_REASON})
    if port.UNSENDABLE.search(reason):
        raise Invalid(_("This has characters that cannot be shown. Type it anew."))
    return reason


def _is_another(device: Device, actor: Actor) -> bool:
    """Whether a person acts who is not the device's owner."""
    return actor.kind == "person" and actor.id != str(device.owner_id)


def _check_right(device: Device, kind: str, actor: Actor) -> None:
    """The owner may; others by right. Who assists does not take devices away, nor open an administrator's."""
    if actor.kind == "system" or (actor.kind == "person" and not _is_another(device, actor)):
        return
    rights.require(actor, Right.MANAGE_DEVICES if kind in UNDOABLE else Right.ASSIST)
    if kind in OPENING:
        rights.ceiling(actor, person=device.owner)


def secret_place(action_id: UUID, device_id: UUID) -> dict[str, str]:
    """Where an action's secret is sealed to: it opens nowhere else."""
    return {"table": "commands_action", "column": "secret", "row": str(action_id), "owner": str(device_id)}


def upkeep(
    *,
    channel: Channel,
    request_type: str,
    parameters: Mapping[str, object] | None = None,
    exclusive: str | None = None,
    now: datetime | None = None,
) -> Command | None:
    """Queue a command that nobody asked for, such as a renewal. None when the same is under way already."""
    try:
        with transaction.atomic():
            command = Command.objects.create(
                channel=channel,
                request_type=request_type,
                parameters=dict(parameters or {}),
                exclusive=exclusive,
                queued_at=now or timezone.now(),
            )
            wake([channel.pk])
    except IntegrityError:
        return None
    return command


def call_off(*, command_id: int, now: datetime) -> bool:
    """Take back upkeep that no device has been given. False when it has, or it has ended."""
    waiting = Command.objects.filter(id=command_id, action=None, state=State.QUEUED)
    return bool(waiting.update(state=State.CANCELLED, finished_at=now))


def wake(channel_ids: Iterable[int]) -> None:
    """Ask channels to poll, once this transaction is committed."""
    for channel_id in sorted(channel_ids):
        outbox.post("wake", {"channel": channel_id}, key=str(channel_id))


def release_at(action: Action, now: datetime) -> None:
    """Let an action go when its undo window ends, or at once where it has none. In a transaction."""
    if action.held_until is None:
        release(action_id=action.id, now=now)
        return
    outbox.post("release", {"action": str(action.id)}, key=str(action.id), not_before=action.held_until)


@transaction.atomic
def release(*, action_id: UUID, now: datetime) -> bool:
    """The undo window has passed: what is still held may go. False when it was called off."""
    held = Command.objects.filter(action_id=action_id, state=State.HELD)
    channels = set(held.values_list("channel_id", flat=True))
    if not held.update(state=State.QUEUED, queued_at=now):
        return False
    wake(channels)
    action = Action.objects.select_related("device__owner").get(id=action_id)
    record(Verb.ACTION_RELEASED, actor=Actor.system("queue"), device=action.device, action=action)
    return True


@transaction.atomic
def cancel(*, action: Action, actor: Actor, now: datetime | None = None) -> bool:
    """Call off what has not been sent. True when that was all of it. Raises Conflict when the device has it already or
    it has ended."""
    device = action.device
    _check_right(device, action.kind, actor)
    if _is_another(device, actor) and actor.id != action.actor_id:
        rights.ceiling(actor, person=device.owner)
    moved = Command.objects.filter(action=action, state__in=before(State.CANCELLED)).update(
        state=State.CANCELLED, finished_at=now or timezone.now()
    )
    if not moved:
        raise Conflict(_("Too late to call this off: the device has it already, or it has ended."))
    record(Verb.ACTION_CANCELLED, actor=actor, device=device, action=action)
    if action.kind == ActionKind.LOST and not selectors.was_lost_before(action):
        devices.found(device_id=device.id)
    return not Command.objects.filter(action=action, sent_at__isnull=False).exists()


def mark_sent(*, command_id: int, seen: State, now: datetime, offered_in: datetime | None = None) -> bool:
    """The device is being given this command, in the conversation that began at `offered_in`. False when it moved on
    meanwhile (cancelled, say): then it must not be sent."""
    given = Command.objects.filter(id=command_id, state=seen)
    return bool(given.update(state=State.SENT, sent_at=now, offered_in=offered_in))


def report(*, command: Reported, outcome: Outcome) -> bool:
    """Record a device's answer and do what it means. False, and nothing changed, for one that is late, doubled or
    stale. An answer that cannot be read is a failure of the command, and holds up nothing that waits behind it."""
    try:
        return _report(command, outcome)
    except ProtocolError as unreadable:
        return _report(command, replace(outcome, state=State.FAILED, error=unreadable.message, answer=None))


@transaction.atomic
def _report(command: Reported, outcome: Outcome) -> bool:
    ended = outcome.state != State.DEFERRED
    others = _others(command, command.action_id) if ended and command.action_id else command.others
    showing = outcomes.SHOWN.get(command.request_type)
    shown = showing(outcome) if showing and ended else None
    moved = Command.objects.filter(id=command.id, state__in=before(outcome.state)).update(
        state=outcome.state,
        error=outcome.error[:2000],
        **{"finished_at" if ended else "deferred_at": outcome.at},
        **({"result": dict(shown)} if shown else {}),
    )
    if not moved:
        return False
    meaning = outcomes.MEANINGS.get(command.request_type)
    if meaning and ended:
        meaning(command, outcome)
    if ended and command.action_id and others <= Others.FAILED:
        is_done = outcome.state == State.DONE and others == Others.DONE
        audit.record(
            Verb.ACTION_DONE if is_done else Verb.ACTION_FAILED,
            actor=Actor.device(str(command.device_id), command.device_name, outcome.address),
            device_id=command.device_id,
            device_name=command.device_name,
            person_id=command.owner_id,
            person_name=command.owner_name,
            action_id=command.action_id,
            outcome=State.DONE if is_done else State.FAILED,
            details={"action": command.action_kind, **({"reason": outcome.error[:200]} if outcome.error else {})},
        )
    return True


def _others(command: Reported, action_id: UUID) -> Others:
    """What has become of the others of the action, for good: whoever reports last must know that they are the last.

    What the poll read stands when nothing can change it any more, and always for an action of one command. Otherwise
    the action's commands are locked and read again, so that of two last ones that are reported at the same moment the
    second sees the first. Only on PostgreSQL does a test fail without the lock (tests/reliability/test_races.py):
    SQLite has one writer at a time anyway."""
    if command.others in {Others.DONE, Others.CANCELLED}:
        return command.others
    family = Command.objects.filter(action_id=action_id).select_for_update(of=("self",)).order_by("id")
    states = {State(state) for pk, state in family.values_list("id", "state") if pk != command.id}
    return outcomes.others(states)


@transaction.atomic
def conclude(*, registration: Registration, kind: ActionKind, reason: str, now: datetime) -> int:
    """The device has shown that this has come true, without answering: what waited for it, given or not, counts as
    done, and why is kept with it. The number of commands."""
    asked = Command.objects.filter(action__registration=registration, action__kind=kind)
    asked.filter(state__in=before(State.SENT)).update(state=State.SENT)
    given = asked.filter(state__in=before(State.DONE))
    actions = list(Action.objects.filter(commands__in=given).select_related("device__owner").distinct())
    moved = given.update(state=State.DONE, finished_at=now, result={"concluded": reason})
    for action in actions:
        record(Verb.ACTION_DONE, actor=Actor.system("queue"), device=action.device, action=action, reason=reason)
    return moved


@transaction.atomic
def void(*, registration: Registration, now: datetime, user_id: str | None = None) -> int:
    """A registration, or one user's channel of it, has ended: whatever waits there is pointless. The number of
    commands."""
    channels = Channel.objects.filter(registration=registration)
    if user_id is not None:
        channels = channels.filter(user_id=user_id)
    return _end(Q(channel_id__in=channels.values("id")), State.VOID, Verb.ACTION_VOID, now)


@transaction.atomic
def give_up(*, command_id: int, reason: str, now: datetime) -> None:
    """What a command needs is gone (a token of another life, say), so that it can be given to nobody: the reason is
    kept."""
    Command.objects.filter(id=command_id).update(error=reason)
    _end(Q(id=command_id), State.VOID, Verb.ACTION_VOID, now, reason)


def expire(*, now: datetime) -> int:
    """End what nobody asked for in time, and what was queued at the very moment its registration ended."""
    with transaction.atomic():
        expired = _end(Q(expires_at__lte=now), State.EXPIRED, Verb.ACTION_EXPIRED, now)
        orphaned = _end(Q(channel__registration__state__in=Registration.ENDED), State.VOID, Verb.ACTION_VOID, now)
    return expired + orphaned


def _end(which: Q, state: State, verb: Verb, now: datetime, reason: str = "") -> int:
    """Move whatever may still move and matches, and record the actions concerned. In a transaction, for the rows are
    locked: a report that comes meanwhile is waited for, and its command then no longer matches."""
    rows = list(Command.objects.filter(which, state__in=before(state)).select_for_update(of=("self",)).order_by("id"))
    if not rows:
        return 0
    moved = Command.objects.filter(id__in=[command.pk for command in rows], state__in=before(state)).update(
        state=state, finished_at=now
    )
    for action in Action.objects.filter(commands__in=rows).select_related("device__owner").distinct():
        record(verb, actor=Actor.system("queue"), device=action.device, action=action, reason=reason)
    return moved


def park(*, now: datetime) -> int:
    """Let go of finished upkeep after a month and of finished actions after a year or what is set, so that the queue's
    tables do not grow for ever; the audit keeps their history. The number of rows."""
    old = Command.objects.filter(action=None, finished_at__lt=now - UPKEEP_KEPT).exclude(state__in=OPEN)
    parked = old.delete()[0]
    before_that = now - timedelta(days=settings.ENVIRONMENT.keep_actions_days)
    while ids := list(selectors.past_their_use(before_that).values_list("id", flat=True)[:PARKED_AT_ONCE]):
        parked += Action.objects.filter(id__in=ids).delete()[0]
    parked += Batch.objects.filter(finished_at__lt=before_that).delete()[0]
    return parked


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


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN that a Mac was, or may have been, locked or erased with."""

    value: str
    kind: str
    requested_at: datetime


def reveal_pins(*, device: Device, actor: Actor, now: datetime | None = None) -> Sequence[Pin]:
    """Every PIN that may have reached this Mac, newest first. For its owner alone, freshly authenticated, and
    recorded."""
    now = now or timezone.now()
    if actor.id != str(device.owner_id):
        raise NotAllowed(_("Only its owner can see the PIN."))
    actor.require_fresh(now)
    actions = (
        Action.objects.filter(device=device, secret__isnull=False, commands__sent_at__isnull=False)
        .distinct()
        .order_by("-requested_at")
    )
    pins = [
        Pin(
            value=vault.open_sealed(bytes(action.secret or b""), **secret_place(action.id, device.id)).decode(),
            kind=action.kind,
            requested_at=action.requested_at,
        )
        for action in actions
    ]
    if pins:
        audit.record(
            Verb.PIN_REVEALED,
            actor=actor,
            device_id=device.id,
            device_name=device.name,
            person_id=device.owner_id,
            person_name=device.owner.name,
            details={"how_many": len(pins)},
        )
    return pins


def record(verb: Verb, *, actor: Actor, device: Device, action: Action, reason: str = "") -> None:
    """An entry about an action, in the caller's transaction."""
    audit.record(
        verb,
        actor=actor,
        device_id=device.id,
        device_name=device.name,
        person_id=device.owner_id,
        person_name=device.owner.name,
        action_id=action.id,
        details={
            "action": action.kind,
            **({"reason": reason} if reason else {}),
            **({"limit": str(action.limit)} if action.limit and verb == Verb.ACTION_REQUESTED else {}),
        },
    )
