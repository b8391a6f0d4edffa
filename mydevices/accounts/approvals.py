"""A second administrator: what loosens a rule, or reaches many devices at once, waits until another one allows it.

A verb calls `ask`, `loosen` or `hold` within its transaction, after `organisation.hold`. Where it gets None, nothing
has to wait and it goes on. Otherwise it gets an approval, and raises `waits(approval)` after its transaction has
committed. Later the change is carried out (`approval_decisions`) by the function that is registered for its kind
(`register`), which checks anew whether it still can be.

Nothing waits for the server itself (its command line is the way back), where there is no other administrator, and
while few devices are registered. Whoever could decide is mailed at once, whatever comes of it. See decision 21.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Field, Model, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from mydevices.accounts import rights, services
from mydevices.accounts.models import Approval, ApprovalRules, Person, ReachedDevice
from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, NotFound, Waits
from mydevices.outbox import services as outbox
from mydevices.vault import services as vault

TOPIC: Final = "approval"
"""Of the messages that come when a change has waited its time, one for each."""
DAY: Final = timedelta(hours=24)
WEEK: Final = timedelta(days=7)
LONGEST_DETAILS: Final = 1000
"""Characters of a mail on what would change."""


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
        approval.enclosure = vault.seal(wanted.enclosure, _place(approval))
    approval.save(force_insert=True)
    outbox.post(TOPIC, {"approval": str(approval.id)}, key=str(approval.id), not_before=approval.ends_at)
    record(Verb.CHANGE_WAITS, approval, actor)
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
    if actor.kind == "system" or not who_could_decide(actor.id).exists():
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
        stop_waiting(approval, Verb.CHANGE_REPLACED, actor, now)


def withdraw(*, actor: Actor, what: str, now: datetime) -> None:
    """Somebody has stopped what waited to be done to this thing, in the transaction of the verb that does so."""
    for approval in of(what):
        stop_waiting(approval, Verb.CHANGE_STOPPED, actor, now)


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


_UNREADABLE: Final = (LookupError, TypeError, ValueError)
"""What reading the arguments of an earlier version raises."""


def title(approval: Approval) -> str:
    """In words; of one whose arguments cannot be read any more, the name of the thing."""
    try:
        return MATTERS[approval.kind].title(approval)
    except _UNREADABLE:
        return approval.subject or approval.what


def lines(approval: Approval) -> Sequence[Change]:
    """Nothing where the arguments cannot be read any more."""
    try:
        return MATTERS[approval.kind].lines(approval)
    except _UNREADABLE:
        return ()


def page(approval: Approval) -> str:
    """The address of its page here, from the slash on."""
    return f"/console/waiting/{approval.id}"


def enclosed(approval: Approval) -> bytes:
    """What was enclosed; nothing where nothing was."""
    return vault.open_sealed(approval.enclosure, _place(approval)) if approval.enclosure else b""


def _place(approval: Approval) -> vault.Place:
    return vault.Place("accounts_approval", "enclosure", row=approval.id, owner=approval.asker_id)


# Who decides


def who_could_decide(actor_id: str, right: Right = Right.MANAGE_SETTINGS) -> QuerySet[Person]:
    """The people who could decide, but for this one."""
    found = Person.objects.filter(role__in=rights.roles_with(right), is_active=True)
    return found.exclude(id=actor_id) if is_uuid(actor_id) else found


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def stop_waiting(held: Approval, verb: Verb, actor: Actor, now: datetime, *, reason: str = "") -> None:
    """It is never carried out: recorded as `verb`, and whoever asked for it is told."""
    end(held, Approval.State.STOPPED, now, by=name_of(actor), reason=reason)
    record(verb, held, actor, reason=reason)
    drop(held, now)
    tell_asker(held, Notice.CHANGE_STOPPED, actor, now)


def end(held: Approval, state: Approval.State, now: datetime, *, by: str, reason: str, keep: bool = False) -> None:
    """Compare and swap: of two who decide the second gets Conflict. `keep`: what is enclosed is needed yet."""
    values: dict[str, Any] = {"state": state, "decided_at": now, "decided_by": by[:200], "reason": reason}
    if not keep:
        values["enclosure"] = None
    if not Approval.objects.filter(id=held.id, state=Approval.State.WAITING).update(**values):
        raise Conflict(_("This has been decided already, or was replaced by another change."))
    for name, value in values.items():
        setattr(held, name, value)


def drop(held: Approval, now: datetime) -> None:
    MATTERS[held.kind].dropped(held, now)


# Telling


def record(verb: Verb, approval: Approval, actor: Actor, *, reason: str = "") -> None:
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


def tell_asker(approval: Approval, notice: Notice, actor: Actor, now: datetime) -> None:
    asker = Person.objects.filter(id=approval.asker_id, is_active=True).first()
    if asker is None or str(asker.id) == actor.id:
        return
    with translation.override(services.language_of(asker)):
        facts = {"change": title(approval), "at": _moment(now), **_by(actor)}
    services.notify(
        person=asker, notice=notice, facts={**facts, **({"reason": approval.reason} if approval.reason else {})}
    )


def _by(actor: Actor) -> dict[str, str]:
    name = name_of(actor)
    return {"by": name} if name else {}


def name_of(actor: Actor) -> str:
    """Empty for the server."""
    return actor.name if actor.kind == "person" else ""


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
