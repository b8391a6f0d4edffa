"""One thing done to many people: the question before it, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from mydevices.accounts import memberships, people, rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.models import Group, Person
from mydevices.accounts.requests import actor_of
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.console.access import console_page
from mydevices.console.forms import CrowdForm
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotFound
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.registration import invitations

MOST: Final = 200
"""People at once: as many as a list shows on its longest page, and no wait that anybody would notice."""
NAMED: Final = 12
TOLD: Final = 8
"""Reasons that are told one by one."""
LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class CrowdAction:
    """What can be done to many. `title` and `done` are for a number of people; `to` does it to one of them."""

    label: Promise
    title: Callable[[int], str]
    done: Callable[[int], str]
    text: Promise
    to: Callable[[Actor, Person, Group | None], None]
    right: Right = Right.MANAGE_PEOPLE
    first: Callable[[Actor, Sequence[Person], Group | None], None] = lambda _actor, _people, _group: None
    """Asked once before, for all of them. Raises Waits where another administrator is asked first."""
    names_group: bool = False
    is_dangerous: bool = False


def _join(actor: Actor, person: Person, group: Group | None) -> None:
    if group is None:
        raise Invalid(_("Choose a group."))
    memberships.put_in_group(actor=actor, person=person, group=group)


def _ask_to_join(actor: Actor, chosen: Sequence[Person], group: Group | None) -> None:
    if group is not None:
        memberships.ask_to_move(actor=actor, joins={person.id: [group.id] for person in chosen})


def _ask_to_leave(actor: Actor, chosen: Sequence[Person], group: Group | None) -> None:
    if group is not None:
        memberships.ask_to_move(actor=actor, leaves={person.id: [group.id] for person in chosen})


def _leave(actor: Actor, person: Person, group: Group | None) -> None:
    if group is None:
        raise Invalid(_("Choose a group."))
    memberships.take_from_group(actor=actor, person=person, group=group)


def _suspend(actor: Actor, person: Person, _group: Group | None) -> None:
    if not person.is_active:
        raise Conflict(_("%(name)s is suspended.") % {"name": person.name})
    people.suspend(actor=actor, person=person)


def _resume(actor: Actor, person: Person, _group: Group | None) -> None:
    if person.is_active:
        raise Conflict(_("%(name)s is not suspended.") % {"name": person.name})
    people.resume(actor=actor, person=person)


def _invite(actor: Actor, person: Person, _group: Group | None) -> None:
    newest = person.invitations.filter(accepted_at=None, revoked_at=None).order_by("-created_at").first()
    if newest is None:
        raise Conflict(_("%(name)s has no invitation that is open.") % {"name": person.name})
    invitations.resend(invitation_id=newest.id, actor=actor)


CROWD_ACTIONS: Final[Mapping[str, CrowdAction]] = {
    "join": CrowdAction(
        gettext_lazy("Add to group"),
        lambda number: ngettext("Add %(number)d person to a group", "Add %(number)d people to a group", number),
        lambda number: ngettext("%(number)d person was added.", "%(number)d people were added.", number),
        gettext_lazy("What is assigned to the group reaches them and their devices at once."),
        _join,
        first=_ask_to_join,
        names_group=True,
    ),
    "leave": CrowdAction(
        gettext_lazy("Remove from group"),
        lambda number: ngettext(
            "Remove %(number)d person from a group", "Remove %(number)d people from a group", number
        ),
        lambda number: ngettext("%(number)d person was removed.", "%(number)d people were removed.", number),
        gettext_lazy("What reached them through the group alone no longer does."),
        _leave,
        first=_ask_to_leave,
        names_group=True,
    ),
    "invite": CrowdAction(
        gettext_lazy("Invite again"),
        lambda number: ngettext("Invite %(number)d person again", "Invite %(number)d people again", number),
        lambda number: ngettext(
            "%(number)d person was invited again.", "%(number)d people were invited again.", number
        ),
        gettext_lazy("Those whose invitation is open get it again, with a new link. The old link stops."),
        _invite,
        right=Right.INVITE,
    ),
    "suspend": CrowdAction(
        gettext_lazy("Suspend"),
        lambda number: ngettext("Suspend %(number)d person", "Suspend %(number)d people", number),
        lambda number: ngettext("%(number)d person was suspended.", "%(number)d people were suspended.", number),
        gettext_lazy(
            "They are signed out everywhere and cannot come back until they are resumed. Devices stay managed."
        ),
        _suspend,
        is_dangerous=True,
    ),
    "resume": CrowdAction(
        gettext_lazy("End suspension"),
        lambda number: ngettext("Let %(number)d person in again", "Let %(number)d people in again", number),
        lambda number: ngettext("%(number)d person may sign in again.", "%(number)d people may sign in again.", number),
        gettext_lazy("They can sign in again as before."),
        _resume,
    ),
}
"""By the name that addresses carry, in the order in which the list offers them."""


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(Right.INVITE)
def ask(request: HttpRequest, action: str) -> HttpResponse:
    """Do this to the people that are ticked in the list."""
    known = CROWD_ACTIONS.get(action)
    if known is None:
        raise NotFound(_("There is no such thing to do to many people."))
    rights.require(actor_of(request), known.right)
    return (_fresh_ask if known.is_dangerous else _ask)(request, action)


def _ask(request: HttpRequest, name: str) -> HttpResponse:
    action = CROWD_ACTIONS[name]
    given = request.POST if request.method == "POST" else request.GET
    ids = given.getlist("id")
    back = f"{reverse('console:people')}?{given.get('query', '')[:LONGEST].removeprefix('?')}"
    if len(ids) > MOST:
        text = _("Choose at most %(number)d people at once. Nothing was done.") % {"number": MOST}
        messages.warning(request, text)
        return HttpResponseRedirect(back, status=303)
    chosen = _people(ids)
    if not chosen:
        messages.warning(request, _("Choose at least one person."))
        return HttpResponseRedirect(back, status=303)
    form = CrowdForm(sent(request), names_group=action.names_group)
    if request.method == "POST" and form.is_valid():
        _do(request, action, chosen, form.cleaned_data.get("group"))
        return HttpResponseRedirect(back, status=303)
    context = {
        "title": action.title(len(chosen)) % {"number": len(chosen)},
        "action": action,
        "form": form,
        "people": chosen,
        "named": chosen[:NAMED],
        "others": len(chosen) - min(NAMED, len(chosen)),
        "query": given.get("query", "")[:LONGEST],
        "back": back,
    }
    return render(request, "console/crowd.html", context, status=400 if form.errors else 200)


_fresh_ask = freshly_signed_in(_ask)


def _people(ids: Sequence[str]) -> list[Person]:
    """Those of the ids that are somebody's. What is no id is not heard."""
    found = []
    for text in ids:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return list(accounts.people_of(found))


def _do(request: HttpRequest, action: CrowdAction, chosen: Sequence[Person], group: Group | None) -> None:
    """Each by themselves: whoever cannot be done it to holds up nobody else, and is named with the reason."""
    actor, done = actor_of(request), 0
    action.first(actor, chosen, group)
    reasons: list[str] = []
    for person in chosen:
        try:
            action.to(actor, person, group)
            done += 1
        except MyDevicesError as refusal:
            reasons.append(refusal.message)
    if done:
        messages.success(request, action.done(done) % {"number": done})
    for reason in reasons[:TOLD]:
        messages.warning(request, reason)
    rest = len(reasons) - TOLD
    if rest > 0:
        text = ngettext("And %(number)d more is left as it was.", "And %(number)d more are left as they were.", rest)
        messages.warning(request, text % {"number": rest})
