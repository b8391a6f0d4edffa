"""A second administrator: what loosens a rule, or reaches many devices at once, waits until another one allows it.

A verb calls `ask`, `loosen` or `hold` within its transaction, after `organisation.hold`. Where it gets None, nothing
has to wait and it goes on. Otherwise it gets an approval, and raises `waits(approval)` after its transaction has
committed. Later the change is carried out by the function that is registered for its kind (`register`), which checks
anew whether it still can be.

Nothing waits for the server itself (its command line is the way back), where there is no other administrator, and
while few devices are registered. Whoever could decide is mailed at once, whatever comes of it. See decision 21.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Field, Model, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mydevices import names
from mydevices.accounts import rights, services
from mydevices.accounts.models import Approval, ApprovalRules, Person, ReachedDevice
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound, Waits
from mydevices.organisation import services as organisation
from mydevices.vault import services as vault

DAY: Final = timedelta(hours=24)
WEEK: Final = timedelta(days=7)
ROLE_HELD: Final = timedelta(hours=24)
"""How long somebody must have had their role before they decide."""
MADE_LATELY: Final = WEEK
"""For how long whoever made an administrator does not allow what that one asks for. Longer would leave two of whom one
made the other with nobody to decide."""
LONGEST_REASON: Final = 500
LONGEST_DETAILS: Final = 1000
"""Characters of a mail on what would change."""
AT_ONCE: Final = 100
"""How many approvals one round of the worker ends."""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of what would change, in words; `before` is empty for what is new, `after` for what goes."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Matter:
    """A kind of change that can wait. `title` and `lines` put it into words, in the language of the moment; `right` is
    that of who decides. `carry_out` gets the approver, or the server where nobody stopped it in time, and raises a
    MyDevicesError where it is no longer possible; `dropped` is told when it will never be carried out."""

    right: Right
    title: Callable[[Approval], str]
    lines: Callable[[Approval], Sequence[Change]]
    carry_out: Callable[[Approval, Actor, datetime], None]
    lasts: timedelta = DAY
    goes: bool = True
    """Whether it is carried out by itself when its time is over. Otherwise it is dropped."""
    is_form: bool = False
    """Whether several things may be changed at once, some of them stricter: they wait as a whole."""
    asks: Right | None = None
    """The right of who may ask for it, where it is less than that of who decides."""
    dropped: Callable[[Approval, datetime], None] = lambda _approval, _now: None


MATTERS: Final[dict[str, Matter]] = {}
_COUNTING: Final[list[Callable[[], int]]] = []


def register(kind: str, matter: Matter) -> None:
    """From an app's `ready`."""
    MATTERS[kind] = matter


def count_devices(counting: Callable[[], int]) -> None:
    """Name the function that says how many devices are registered: devices are known to an app above."""
    _COUNTING[:] = [counting]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants done: see `models.Approval`. `enclosure` is sealed."""

    kind: str
    what: str
    subject: str
    arguments: Mapping[str, Any]
    enclosure: bytes = field(default=b"", repr=False)


def rules() -> ApprovalRules:
    """What holds now. One statement."""
    return ApprovalRules.objects.filter(id=1).first() or ApprovalRules(id=1)


# Asking


def ask(*, actor: Actor, wanted: Wanted, loosens: bool, now: datetime) -> Approval | None:
    """As `loosen` where the change loosens a rule. Any other change happens at once, and replaces what waits to be done
    to the same thing. In the transaction of the change. Raises NeedsFreshAuthentication where it loosens."""
    if loosens:
        return loosen(actor=actor, wanted=wanted, now=now)
    replace(actor=actor, what=wanted.what, now=now)
    return None


def loosen(*, actor: Actor, wanted: Wanted, now: datetime) -> Approval | None:
    """A rule is to be loosened. None where that may happen at once: administrators are then mailed that it did. In the
    transaction of the change. Raises NeedsFreshAuthentication."""
    actor.require_fresh(now)
    approval = hold(actor=actor, wanted=wanted, now=now)
    if approval is None:
        made = _unsaved(actor, wanted, now)
        facts = {"at": _moment(now), **_by(actor)}
        services.tell_administrators(notice=Notice.CHANGE_MADE, facts=lambda: {**_words(made), **facts})
    return approval


def hold(*, actor: Actor, wanted: Wanted, now: datetime) -> Approval | None:
    """A change that another administrator should see first. None where it may happen at once. In the transaction of
    the change. What waits to be done to the same thing is replaced."""
    replace(actor=actor, what=wanted.what, now=now)
    if not must_wait(actor):
        return None
    approval = _unsaved(actor, wanted, now)
    if wanted.enclosure:
        approval.enclosure = vault.seal(wanted.enclosure, **_place(approval))
    approval.save(force_insert=True)
    _record(Verb.CHANGE_WAITS, approval, actor)
    goes = {"goes": _moment(approval.ends_at)} if MATTERS[wanted.kind].goes else {}
    facts = {"at": _moment(now), "page": page(approval), **_by(actor), **goes}
    services.tell_administrators(notice=Notice.CHANGE_WAITS, facts=lambda: {**_words(approval), **facts})
    return approval


def waits(approval: Approval) -> Waits:
    """What the verb raises once its transaction stands."""
    words = {"change": title(approval)}
    return Waits(_("Another administrator is asked first: %(change)s. Nothing has changed yet.") % words, approval.id)


def check_unchanged(present: object, approval: Approval) -> None:
    """Raises Conflict where what would change is not any more what it was when somebody asked."""
    if present != approval.arguments["before"]:
        raise Conflict(_("It has been changed meanwhile. Look at it again."))


def must_wait(actor: Actor) -> bool:
    """Whether anything that this actor loosens would wait: another administrator is there to ask, and enough devices
    are registered for a slip to matter."""
    if actor.kind == "system" or not _others(actor.id).exists():
        return False
    return sum(counting() for counting in _COUNTING) >= rules().from_devices


def may_reach(*, actor: Actor, device_ids: Collection[UUID], now: datetime) -> bool:
    """Whether something new may reach these devices without another's word. They count from then on: all that this
    actor has reached so within a day count together, or one change would be made of many small ones. After
    `organisation.hold`. Raises NeedsFreshAuthentication where another's word may be needed."""
    if not device_ids or not must_wait(actor):
        return True
    actor.require_fresh(now)  # nothing is counted that is refused afterwards
    lately = ReachedDevice.objects.filter(actor_id=actor.id, at__gt=now - DAY).values_list("device_id", flat=True)
    if len({*device_ids, *lately}) > rules().configuration_devices:
        return False
    ReachedDevice.objects.bulk_create(
        [ReachedDevice(actor_id=actor.id, device_id=device_id, at=now) for device_id in device_ids],
        update_conflicts=True,
        unique_fields=["actor_id", "device_id"],
        update_fields=["at"],
    )
    return True


def replace(*, actor: Actor, what: str, now: datetime) -> None:
    """Somebody changes this thing in another way: what waited to be done to it is over."""
    for approval in of(what):
        _stop(approval, Verb.CHANGE_REPLACED, actor, now)


def withdraw(*, actor: Actor, what: str, now: datetime) -> None:
    """Somebody has stopped what waited to be done to this thing, in the transaction of the verb that does so."""
    for approval in of(what):
        _stop(approval, Verb.CHANGE_STOPPED, actor, now)


def _unsaved(actor: Actor, wanted: Wanted, now: datetime) -> Approval:
    return Approval(
        id=uuid4(),
        kind=wanted.kind,
        what=wanted.what,
        subject=wanted.subject[:200],
        arguments=dict(wanted.arguments),
        asker_id=actor.id,
        asker_name=actor.name[:200],
        address=actor.address[:64],
        asked_at=now,
        ends_at=now + MATTERS[wanted.kind].lasts,
    )


# Looking


def waiting() -> QuerySet[Approval]:
    """What waits, what ends soonest first."""
    return Approval.objects.filter(state=Approval.State.WAITING, kind__in=MATTERS).order_by("ends_at", "id")


def of(*what: str) -> QuerySet[Approval]:
    """What waits to be done to these things."""
    return waiting().filter(what__in=what)


def by_id(approval_id: UUID) -> Approval:
    """One that waits, or waited. Raises NotFound."""
    approval = Approval.objects.filter(id=approval_id, kind__in=MATTERS).first()
    if approval is None:
        raise NotFound(_("There is no such change, or it is no longer kept."))
    return approval


def changed_fields(
    of: type[Model], before: Mapping[str, Any], after: Mapping[str, Any], *, labels: Mapping[str, str] | None = None
) -> Sequence[Change]:
    """The fields of a row of rules that would change, under these names or those that the model gives them."""
    return [
        Change((labels or {}).get(name) or str(_field(of, name).verbose_name), said(before[name]), said(value))
        for name, value in after.items()
        if before.get(name) != value
    ]


def _field(of: type[Model], name: str) -> "Field[Any, Any]":
    field = of._meta.get_field(name)  # noqa: SLF001  Django's own way to a field
    if not isinstance(field, Field):
        raise TypeError(name)
    return field


def said(value: object) -> str:
    """A value in words."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return str(value)


def title(approval: Approval) -> str:
    return MATTERS[approval.kind].title(approval)


def lines(approval: Approval) -> Sequence[Change]:
    return MATTERS[approval.kind].lines(approval)


def page(approval: Approval) -> str:
    """The address of its page here, from the slash on."""
    return f"/console/waiting/{approval.id}"


def enclosed(approval: Approval) -> bytes:
    """What was enclosed; nothing where nothing was."""
    return vault.open_sealed(approval.enclosure, **_place(approval)) if approval.enclosure else b""


def _place(approval: Approval) -> dict[str, str]:
    return {
        "table": "accounts_approval",
        "column": "enclosure",
        "row": str(approval.id),
        "owner": approval.asker_id,
    }


# Who decides


def _others(actor_id: str, right: Right = Right.MANAGE_SETTINGS) -> QuerySet[Person]:
    """The people who could decide, but for this one."""
    found = Person.objects.filter(role__in=rights.roles_with(right), is_active=True)
    return found.exclude(id=actor_id) if _is_uuid(actor_id) else found


def obstacle(*, actor: Actor, right: Right, asker_id: str, now: datetime) -> str:
    """Why this actor, who has the right to, may not allow what somebody asked for; empty where they may. Nobody allows
    what they asked for themselves while there is somebody else; who has had the role for less than a day while
    somebody else has had it longer, or was given it by who asks, allows nothing. Nor does whoever has lately made an
    administrator of who asks: the two may be one.

    Read anew here, after `organisation.hold`: their own role may have ended since the request began."""
    if actor.kind == "system":
        return ""
    if actor.id == asker_id:
        others = _others(actor.id, right).exists()
        return _("You asked for this yourself: another administrator decides.") if others else ""
    known = Person.objects.filter(role__in=rights.roles_with(right), is_active=True)
    person = known.filter(id=actor.id).first() if _is_uuid(actor.id) else None
    is_new = person is None or now - person.role_since < ROLE_HELD
    if person is None or (is_new and _others(actor.id, right).filter(role_since__lte=now - ROLE_HELD).exists()):
        return _("You have had your role for less than a day. Another administrator decides; you can stop this.")
    if person.role_given_by and person.role_given_by == asker_id:
        return _("Whoever asked for this gave you your role. Another administrator decides; you can stop this.")
    asker = known.filter(id=asker_id).first() if _is_uuid(asker_id) else None
    if asker is not None and asker.role_given_by == actor.id and now - asker.role_since < MADE_LATELY:
        return _(
            "You gave whoever asked for this their role less than a week ago. Another administrator decides; you can "
            "stop this."
        )
    return ""


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# Deciding


@transaction.atomic
def approve(*, approval_id: UUID, actor: Actor, reason: str = "", now: datetime | None = None) -> Approval:
    """Carry it out now. What has become of it stands in the answer's `state`: where it can no longer be done it has
    failed, with the reason. Raises NotFound, NotAllowed with the reason to who may not decide,
    NeedsFreshAuthentication, Invalid for a reason that cannot be kept, Conflict when it no longer waits."""
    now = now or timezone.now()
    right = MATTERS[by_id(approval_id).kind].right
    rights.require(actor, right)
    actor.require_fresh(now)
    reason = checked(reason)
    organisation.hold()
    held = _held(approval_id)
    why_not = obstacle(actor=actor, right=right, asker_id=held.asker_id, now=now)
    if why_not:
        raise NotAllowed(why_not)
    _go(held, actor, reason, now)
    return held


@transaction.atomic
def stop(*, approval_id: UUID, actor: Actor, reason: str = "", now: datetime | None = None) -> Approval:
    """It is never carried out. Whoever could decide may, and who asked; needs no fresh proof, for it only protects.
    Raises NotFound, NotAllowed, Invalid without a reason where it is somebody else's, and for one that cannot be kept,
    Conflict when it no longer waits."""
    now = now or timezone.now()
    found = by_id(approval_id)
    is_own = actor.kind == "person" and actor.id == found.asker_id
    if is_own:
        actor.require_full()
    else:
        rights.require(actor, MATTERS[found.kind].right)
    reason = checked(reason)
    if not reason and not is_own:
        raise Invalid(_("Say why. Whoever asked for it gets your reason by mail."))
    organisation.hold()
    held = _held(approval_id)
    _stop(held, Verb.CHANGE_STOPPED, actor, now, reason=reason)
    return held


def carry_out_due(*, now: datetime) -> int:
    """End what has waited its time: carry it out, or drop it, by its kind. How many. One that breaks (its arguments are
    of an earlier version, say) goes on waiting and keeps no other from its time; what broke is raised at the end."""
    number, broken = 0, None
    for approval_id in list(waiting().filter(ends_at__lte=now).values_list("id", flat=True)[:AT_ONCE]):
        try:
            number += _end_due(approval_id, now)
        except Exception as error:  # noqa: BLE001  raised below, once the others have had their turn
            broken = error
    if broken is not None:
        raise broken
    return number


@transaction.atomic
def _end_due(approval_id: UUID, now: datetime) -> bool:
    """False where somebody decided in this very moment."""
    organisation.hold()
    try:
        held = _held(approval_id)
    except Conflict:
        return False
    server = Actor.system("approvals")
    if MATTERS[held.kind].goes:
        _go(held, server, "", now)
    else:
        _stop(held, Verb.CHANGE_DROPPED, server, now)
    return True


def clear(*, now: datetime) -> None:
    """Forget what was decided long ago; the audit keeps it."""
    Approval.objects.filter(decided_at__lt=now - timedelta(days=settings.ENVIRONMENT.keep_actions_days)).delete()
    ReachedDevice.objects.filter(at__lte=now - DAY).delete()


def checked(reason: str) -> str:
    """A reason as it is kept. Raises Invalid for one that is too long, or more than one line that can be shown."""
    reason = names.checked(reason)
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("This has at most %(number)d characters.") % {"number": LONGEST_REASON})
    return reason


def _held(approval_id: UUID) -> Approval:
    """As it is now, kept from others until the transaction ends. Raises Conflict when it no longer waits."""
    held = Approval.objects.select_for_update().filter(id=approval_id, state=Approval.State.WAITING).first()
    if held is None:
        raise Conflict(_("This has been decided already, or was replaced by another change."))
    return held


def _go(held: Approval, actor: Actor, reason: str, now: datetime) -> None:
    _end(held, Approval.State.DONE, now, by=_name(actor), reason=reason, keep=True)
    _record(Verb.CHANGE_APPROVED if actor.kind == "person" else Verb.CHANGE_DUE, held, actor, reason=reason)
    try:
        with transaction.atomic():
            _check_asker(held)
            MATTERS[held.kind].carry_out(held, actor, now)
    except MyDevicesError as refusal:
        held.state, held.reason = Approval.State.FAILED, refusal.message[:LONGEST_REASON]
        held.save(update_fields=["state", "reason"])
        _record(Verb.CHANGE_FAILED, held, actor, reason=held.reason)
        _drop(held, now)
        _tell_asker(held, Notice.CHANGE_FAILED, actor, now)
    else:
        _tell_asker(held, Notice.CHANGE_APPROVED, actor, now)
    held.enclosure = None
    held.save(update_fields=["enclosure"])


def _stop(held: Approval, verb: Verb, actor: Actor, now: datetime, *, reason: str = "") -> None:
    """It is never carried out: recorded as `verb`, and whoever asked for it is told."""
    _end(held, Approval.State.STOPPED, now, by=_name(actor), reason=reason)
    _record(verb, held, actor, reason=reason)
    _drop(held, now)
    _tell_asker(held, Notice.CHANGE_STOPPED, actor, now)


def _check_asker(held: Approval) -> None:
    """Raises Conflict where who asked could not ask any more."""
    asker = Person.objects.filter(id=held.asker_id, is_active=True).first()
    allowed = rights.BY_ROLE.get(asker.role, frozenset()) if asker else frozenset()
    matter = MATTERS[held.kind]
    if asker is None or (matter.asks or matter.right) not in allowed:
        raise Conflict(_("%(name)s, who asked for this, may not do it any more.") % {"name": held.asker_name})


def _end(held: Approval, state: Approval.State, now: datetime, *, by: str, reason: str, keep: bool = False) -> None:
    """Compare and swap: of two who decide the second gets Conflict. `keep`: what is enclosed is needed yet."""
    values: dict[str, Any] = {"state": state, "decided_at": now, "decided_by": by[:200], "reason": reason}
    if not keep:
        values["enclosure"] = None
    if not Approval.objects.filter(id=held.id, state=Approval.State.WAITING).update(**values):
        raise Conflict(_("This has been decided already, or was replaced by another change."))
    for name, value in values.items():
        setattr(held, name, value)


def _drop(held: Approval, now: datetime) -> None:
    MATTERS[held.kind].dropped(held, now)


# Telling


def _record(verb: Verb, approval: Approval, actor: Actor, *, reason: str = "") -> None:
    # The audit speaks one language, whoever decides.
    with translation.override(settings.LANGUAGE_CODE):
        words = _words(approval)
    details: dict[str, str] = {
        "change": words["change"],
        "decided": words.get("details", ""),
        "approval": str(approval.id),
        "asked_by": approval.asker_name,
    }
    if verb == Verb.CHANGE_WAITS:
        details["until"] = _moment(approval.ends_at)
    audit.record(verb, actor=actor, details={**details, **({"reason": reason} if reason else {})})


def _words(approval: Approval) -> dict[str, str]:
    said = "; ".join(_line(change) for change in lines(approval))
    shortened = said if len(said) <= LONGEST_DETAILS else f"{said[: LONGEST_DETAILS - 1]}…"
    return {"change": title(approval), **({"details": shortened} if said else {})}


def _line(change: Change) -> str:
    if change.before and change.after:
        return _("%(what)s: %(before)s → %(after)s") % {
            "what": change.label,
            "before": change.before,
            "after": change.after,
        }
    return f"{change.label}: {change.after or change.before}"


def _tell_asker(approval: Approval, notice: Notice, actor: Actor, now: datetime) -> None:
    asker = Person.objects.filter(id=approval.asker_id, is_active=True).first()
    if asker is None or str(asker.id) == actor.id:
        return
    with translation.override(services.language_of(asker)):
        facts = {"change": title(approval), "at": _moment(now), **_by(actor)}
    services.notify(
        person=asker, notice=notice, facts={**facts, **({"reason": approval.reason} if approval.reason else {})}
    )


def _by(actor: Actor) -> dict[str, str]:
    name = _name(actor)
    return {"by": name} if name else {}


def _name(actor: Actor) -> str:
    """Empty for the server."""
    return actor.name if actor.kind == "person" else ""


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
