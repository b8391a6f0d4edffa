"""What administrators do to people: suspend them, let them in again, change their role.

Whatever would leave no administrator is refused; what could is done one at a time (`organisation.hold`). What concerns
an administrator can wait for another one (`approvals`). Who is in which group: `memberships`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import approvals, following, rights, sessions
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Person
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.organisation import services as organisation


def _check(actor: Actor, person: Person) -> None:
    rights.require(actor, Right.MANAGE_PEOPLE)
    if actor.id == str(person.id):
        raise NotAllowed(_("Not to yourself: ask another administrator."))
    rights.ceiling(actor, person=person)


def _hold(person: Person) -> None:
    """One at a time, each with what the one before has left."""
    organisation.hold()
    person.refresh_from_db(fields=["role", "is_active"])


def _keep_an_administrator(person: Person) -> None:
    """Raises Conflict where this person is the last who can administer. After `organisation.hold`."""
    others = Person.objects.filter(role=Person.Role.ADMINISTRATOR, is_active=True).exclude(id=person.id)
    if person.is_administrator and not others.exists():
        raise Conflict(_("%(name)s is the last administrator. Make somebody else one first.") % {"name": person.name})


def suspend(*, actor: Actor, person: Person, now: datetime | None = None) -> Person:
    """Nothing of this person's works any more, at once and everywhere, until they are resumed. Their devices stay
    managed. Raises NotAllowed, NeedsFreshAuthentication, Conflict for the last administrator; Waits for another one,
    unless there is nobody to ask."""
    _check(actor, person)
    actor.require_fresh(now := now or timezone.now())
    with transaction.atomic():
        _hold(person)
        _keep_an_administrator(person)
        approval = _ask(SUSPEND, actor, person, now, waits=person.is_administrator and person.is_active)
        if approval is None:
            return _suspend(actor, person)
    raise approvals.waits(approval)


def _suspend(actor: Actor, person: Person) -> Person:
    if Person.objects.filter(id=person.id, is_active=True).update(is_active=False):
        person.is_active = False
        sessions.end_all(actor=actor, person=person)
        following.changed([person.id])
        _record(Verb.PERSON_SUSPENDED, actor, person)
    return person


def resume(*, actor: Actor, person: Person, now: datetime | None = None) -> Person:
    """Let a suspended person in again. Raises as `suspend`."""
    _check(actor, person)
    now = now or timezone.now()
    with transaction.atomic():
        _hold(person)
        approval = _ask(RESUME, actor, person, now, waits=person.is_administrator and not person.is_active)
        if approval is None:
            return _resume(actor, person, now)
    raise approvals.waits(approval)


def _resume(actor: Actor, person: Person, now: datetime) -> Person:
    if Person.objects.filter(id=person.id, is_active=False).update(is_active=True):
        person.is_active = True
        if person.is_administrator:  # they have it again from now on: who has just been let in decides nothing yet
            person.role_since = now
            person.save(update_fields=["role_since"])
        following.changed([person.id])
        _record(Verb.PERSON_RESUMED, actor, person)
    return person


def change_role(*, actor: Actor, person: Person, role: str, now: datetime | None = None) -> Person:
    """Raises Invalid for a role that there is not, NotAllowed, NeedsFreshAuthentication, Conflict for the last
    administrator; Waits where it makes an administrator, or makes one less, unless there is nobody to ask."""
    _check(actor, person)
    actor.require_fresh(now := now or timezone.now())
    if role not in Person.Role.values:
        raise Invalid(_("There is no such role."))
    rights.ceiling(actor, role=role)
    with transaction.atomic():
        _hold(person)
        if role != Person.Role.ADMINISTRATOR:
            _keep_an_administrator(person)
        waits = person.role != role and Person.Role.ADMINISTRATOR in {person.role, role}
        approval = _ask(ROLE, actor, person, now, waits=waits, after=role)
        if approval is None:
            return _change_role(actor, person, role, given_by=actor, now=now)
    raise approvals.waits(approval)


def _change_role(actor: Actor, person: Person, role: str, *, given_by: Actor, now: datetime) -> Person:
    if person.role != role:
        before, person.role, person.role_since = person.role, role, now
        person.role_given_by = given_by.id if given_by.kind == "person" else ""
        person.save(update_fields=["role", "role_since", "role_given_by"])
        _record(Verb.ROLE_CHANGED, actor, person, before=before, after=role)
    return person


# What is done to administrators waits for another one


SUSPEND: Final = "person.suspend"
RESUME: Final = "person.resume"
ROLE: Final = "person.role"


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        SUSPEND,
        _matter(
            lambda approval: _("Suspend the administrator %(name)s") % {"name": approval.subject},
            lambda _approval: [Change(_("Account"), _("Active"), _("Suspended"))],
            _carry_out_suspend,
        ),
    )
    approvals.register(
        RESUME,
        _matter(
            lambda approval: _("Let the administrator %(name)s in again") % {"name": approval.subject},
            lambda _approval: [Change(_("Account"), _("Suspended"), _("Active"))],
            _carry_out_resume,
        ),
    )
    approvals.register(ROLE, _matter(_title_of_role, _lines_of_role, _carry_out_role))


def _matter(
    title: Callable[[Approval], str],
    lines: Callable[[Approval], Sequence[Change]],
    carry_out: Callable[[Approval, Actor, datetime], None],
) -> Matter:
    return Matter(right=Right.MANAGE_PEOPLE, title=title, lines=lines, carry_out=carry_out)


def whats(person: Person) -> Sequence[str]:
    """How approvals name what may be done to somebody."""
    return [f"{thing}:{person.id}" for thing in ("account", "role", "factors")]


def _ask(kind: str, actor: Actor, person: Person, now: datetime, *, waits: bool, after: str = "") -> Approval | None:
    """After `organisation.hold`. What waits to be done to their role, or to their account, is replaced."""
    what = f"{'role' if kind == ROLE else 'account'}:{person.id}"
    wanted = Wanted(kind, what, person.name, {"person": str(person.id), "before": _state(person), "after": after})
    return approvals.ask(actor=actor, wanted=wanted, loosens=waits, now=now)


def _state(person: Person) -> dict[str, Any]:
    return {"role": str(person.role), "is_active": person.is_active}


def _unchanged(approval: Approval) -> Person:
    """Whom it is about. Raises Conflict where they are gone, or another role or suspension has come meanwhile."""
    person = Person.objects.select_for_update().filter(id=approval.arguments["person"]).first()
    if person is None:
        raise Conflict(_("There is no such person."))
    approvals.check_unchanged(_state(person), approval)
    return person


def _carry_out_suspend(approval: Approval, actor: Actor, _now: datetime) -> None:
    person = _unchanged(approval)
    _keep_an_administrator(person)
    _suspend(actor, person)


def _carry_out_resume(approval: Approval, actor: Actor, now: datetime) -> None:
    _resume(actor, _unchanged(approval), now)


def _carry_out_role(approval: Approval, actor: Actor, now: datetime) -> None:
    person, role = _unchanged(approval), approval.arguments["after"]
    if role != Person.Role.ADMINISTRATOR:
        _keep_an_administrator(person)
    # Who asked gave it, whoever allowed it: they decide on nothing of theirs.
    _change_role(actor, person, role, given_by=Actor(kind="person", id=approval.asker_id), now=now)


def _title_of_role(approval: Approval) -> str:
    words = {"name": approval.subject}
    if approval.arguments["after"] == Person.Role.ADMINISTRATOR:
        return _("Make %(name)s an administrator") % words
    return _("Take the role of administrator from %(name)s") % words


def _lines_of_role(approval: Approval) -> Sequence[Change]:
    before, after = Person.Role(approval.arguments["before"]["role"]), Person.Role(approval.arguments["after"])
    return [Change(_("Role"), str(before.label), str(after.label))]


def _record(verb: Verb, actor: Actor, person: Person, **details: str | int) -> None:
    audit.record(verb, actor=actor, person=person, details=details)
