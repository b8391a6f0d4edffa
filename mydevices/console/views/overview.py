"""The console's first page: what needs somebody, and how the organisation's devices are.

Everything on it is counted when it is asked for, each figure in an index of its own: it is as true as a list is, and no
periodic work has to have run. Each role sees what it may open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from mydevices.accounts import approvals
from mydevices.accounts import selectors as accounts
from mydevices.accounts.requests import rights_of
from mydevices.accounts.rights import Right
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import RENEW_BEFORE
from mydevices.commands import limits
from mydevices.commands import selectors as commands
from mydevices.commands.models import Command
from mydevices.console.access import console_page
from mydevices.console.views.devices import LATELY
from mydevices.devices import selectors as devices
from mydevices.devices.models import Registration
from mydevices.devices.selectors import Fleet
from mydevices.organisation import outgoing
from mydevices.outbox import selectors as outbox
from mydevices.policies import selectors as policies
from mydevices.port.platform import settings_pages, systems
from mydevices.port.registering import Words
from mydevices.port.settings import Countdown
from mydevices.presentation import device_looks, moments
from mydevices.presentation.actions import called
from mydevices.registration import selectors as registration
from mydevices.registration.models import Invitation
from mydevices.registration.selectors import Unanswered

NAMED: Final = 4
"""Devices that a line names."""
MOST: Final = 1000
"""Up to here certificates are counted: what matters is that there are so many."""
LONG: Final = timedelta(days=7)
"""For how long a command may wait before somebody should know."""
LATE: Final = timedelta(days=14)
"""A device's certificate is renewed from 30 days before its end; if there is still none by now, something is wrong."""
State = Registration.State
STATES: Final = {
    State.ACTIVE: gettext_lazy("Managed"),
    State.PENDING: gettext_lazy("Registering"),
    State.RETIRED: gettext_lazy("Retired"),
    State.WIPED: gettext_lazy("Erased"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A device in a line: `about` says what happened to it."""

    url: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Need:
    """Something that somebody should look at, and where."""

    icon: str
    title: str
    text: str
    url: str = ""
    label: str = ""
    named: Sequence[Named] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its list; no address where there is nothing to list."""

    label: str
    number: int
    url: str = ""
    warns: bool = False
    more: bool = False
    """There are more than that."""


@dataclass(frozen=True, slots=True)
class Row:
    """A system: its devices in each state, and where its part of the bar begins and how long it is, in per cent."""

    name: str
    cells: Sequence[Figure]
    begin: str
    length: str


@dataclass(frozen=True, slots=True)
class SetupStep:
    """Of setting up."""

    title: str
    text: str
    url: str
    label: str
    is_done: bool
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted."""

    now: datetime
    fleet: Fleet
    waiting: int
    oldest: datetime | None
    failures: int
    failed: Sequence[Command]
    ending: int
    late: int
    undecided: int
    changes: int


def _find(now: datetime) -> Found:
    waiting = commands.waiting().aggregate(number=Count("*"), oldest=Min("queued_at"))
    failed = commands.failed_since(now - LATELY)
    named = failed.select_related("action__device__owner")[:NAMED]
    return Found(
        now=now,
        fleet=devices.fleet(now),
        waiting=waiting["number"],
        oldest=waiting["oldest"],
        failures=failed.count(),
        failed=list(named),
        ending=certificates.ending(now, within=RENEW_BEFORE)[: MOST + 1].count(),
        late=certificates.ending(now, within=LATE)[: MOST + 1].count(),
        undecided=limits.waiting().count(),
        changes=approvals.waiting().count(),
    )


def _devices(**query: str) -> str:
    return f"{reverse('console:devices')}?{urlencode(query)}"


@require_safe
@console_page(Right.SEE_DEVICES)
def overview(request: HttpRequest) -> HttpResponse:
    now, may = timezone.now(), rights_of(request)
    found = _find(now)
    invited = registration.unanswered(now) if Right.SEE_PEOPLE in may else None
    dead = outbox.given_up().filter(topic="mail")[: MOST + 1].count() if Right.SEE_SETTINGS in may else 0
    needs = list(_needs(found))
    if Right.SEE_SETTINGS in may:
        needs = [*_needs_of_platforms(now), *_needs_of_sign_in(), *needs, *_needs_of_mail(dead)]
    if invited is not None:
        needs += _needs_of_invitations(invited)
    is_new = not found.fleet.by_system
    context = {
        "needs": [] if is_new else needs,
        "steps": _steps() if is_new and Right.MANAGE_SETTINGS in may else [],
        "is_new": is_new,
        "rows": _rows(found.fleet),
        "states": list(STATES.values()),
        "managed": found.fleet.number(State.ACTIVE),
        "apart": _apart(found.fleet),
        "commands": _of_commands(found),
        "oldest": moments.ago(found.oldest, now) if found.oldest else "",
        "lasting": _lasting(now) if Right.SEE_SETTINGS in may else (),
        "certificates": _of_certificates(found),
        "invitations": _of_invitations(invited) if invited is not None else [],
        "may_invite": Right.INVITE in may,
    }
    return render(request, "console/overview.html", context)


# What needs somebody


def _needs(found: Found) -> Iterator[Need]:
    if found.changes:
        yield Need(
            "clock",
            ngettext(
                "%(number)d change waits for an administrator",
                "%(number)d changes wait for an administrator",
                found.changes,
            )
            % {"number": found.changes},
            _("Rules would become less strict, or many devices would be reached at once. Allow it or stop it."),
            reverse("console:approvals"),
            _("Show changes"),
        )
    if found.undecided:
        yield Need(
            "erase",
            ngettext(
                "%(number)d wipe waits for an administrator",
                "%(number)d wipes wait for an administrator",
                found.undecided,
            )
            % {"number": found.undecided},
            _("More devices than may be wiped without an administrator’s word. Nothing is sent before."),
            reverse("console:approvals"),
            _("Show wipes"),
        )
    if found.late:
        yield Need(
            "seal",
            ngettext(
                "The certificate of %(number)d device ends within two weeks, or has ended",
                "The certificates of %(number)d devices end within two weeks, or have ended",
                found.late,
            )
            % {"number": found.late}
            if found.late <= MOST
            else _("The certificates of more than %(number)d devices end within two weeks, or have ended")
            % {"number": MOST},
            _(
                "Devices renew it by themselves from 30 days before. One whose certificate has ended must be "
                "registered again: have it check in before."
            ),
            _devices(state="certificate"),
            _("Show devices"),
        )
    if found.failures:
        yield Need(
            "alert",
            ngettext(
                "%(number)d action failed in the last 7 days",
                "%(number)d actions failed in the last 7 days",
                found.failures,
            )
            % {"number": found.failures},
            _("The device’s page says why, and what can be done instead."),
            _devices(state="failed"),
            _("Show devices"),
            [_named(command, found.now) for command in found.failed],
        )
    if found.oldest is not None and found.now - found.oldest > LONG:
        yield Need(
            "clock",
            format_html(_("A command has waited since {when}"), when=moments.day(found.oldest)),
            _("Its device has not asked for it: it is off, or cannot be reached."),
            _devices(state="waiting"),
            _("Show devices"),
        )
    if found.fleet.unreachable:
        number = found.fleet.unreachable
        yield Need(
            "unseen",
            ngettext("%(number)d device cannot be woken", "%(number)d devices cannot be woken", number)
            % {"number": number},
            _("Their push address is dead: they were erased, or their management was removed. Ask their owners."),
            _devices(state="unreachable"),
            _("Show devices"),
        )
    if found.fleet.lost:
        number = found.fleet.lost
        yield Need(
            "pin",
            ngettext("%(number)d device is lost", "%(number)d devices are lost", number) % {"number": number},
            _("Their owners have said so."),
            _devices(state="lost"),
            _("Show devices"),
        )


def _named(command: Command, now: datetime) -> Named:
    action = command.action
    assert action is not None  # noqa: S101  `failed_since` gives commands of actions
    when = moments.ago(command.finished_at or now, now)
    about = format_html("{what}, {when}", what=called(action.kind), when=when)
    return Named(reverse("console:devices_one", args=[action.device_id]), device_looks.name_of(action.device), about)


def _needs_of_platforms(now: datetime) -> Iterator[Need]:
    for name, page in settings_pages().items():
        caution = page.caution(now)
        if caution is not None:
            address = reverse("console:settings_platform", args=[name])
            yield Need("key", caution.title, caution.text, address, caution.button)


def _needs_of_sign_in() -> Iterator[Need]:
    if not accounts.sign_in_rules().console_factor:
        yield Need(
            "key",
            _("A password alone opens the console"),
            _(
                "The rules of sign-in ask administrators, helpdesk and auditors for no second factor. Whoever learns "
                "one of their passwords sees everybody’s devices."
            ),
            reverse("console:settings_sign_in"),
            _("Ask for one"),
        )


def _needs_of_mail(dead: int) -> Iterator[Need]:
    if dead:
        yield Need(
            "mail",
            ngettext("%(number)d mail could not be sent", "%(number)d mails could not be sent", dead)
            % {"number": min(dead, MOST)},
            _("The mail server refused, or was not reached in time. The invitations among them can be sent again."),
            f"{reverse('console:invitations')}?{urlencode({'state': registration.NOT_SENT})}",
            _("Show invitations"),
        )
    if not outgoing.is_set():
        yield Need(
            "mail",
            _("No mail server is set"),
            _("Mails wait until there is one. Invitations show their link here, to be handed over another way."),
            reverse("console:settings_mail"),
            _("Set a mail server"),
        )


def _needs_of_invitations(invited: Unanswered) -> Iterator[Need]:
    if invited.ending:
        yield Need(
            "mail",
            ngettext(
                "%(number)d invitation ends within three days",
                "%(number)d invitations end within three days",
                invited.ending,
            )
            % {"number": invited.ending},
            _("Sent again, an invitation is good for as long as a new one."),
            f"{reverse('console:invitations')}?state={Invitation.State.OPEN}",
            _("Show invitations"),
        )


# The figures


def _rows(fleet: Fleet) -> Sequence[Row]:
    """Of each system that there is: those of our platforms by name, and the rest as one."""
    known = [system.name for system in systems()]
    others = {system for system, _state in fleet.by_system} - set(known)
    found, begin = [], 0.0
    whole = fleet.number(State.ACTIVE) or 1
    for name in (*known, ""):
        those = [name] if name else sorted(others)
        cells = []
        for state, label in STATES.items():
            number = sum(fleet.number(state, system) for system in those)
            cells.append(Figure(str(label), number, _devices(state=state, os=name) if number and name else ""))
        if any(cell.number for cell in cells):
            length = 100 * cells[0].number / whole
            found.append(Row(name or _("Another system"), cells, f"{begin:.2f}", f"{length:.2f}"))
            begin += length
    return found


def _apart(fleet: Fleet) -> Sequence[Figure]:
    """Managed devices that are not as they should be."""
    return [
        Figure(_("Silent for a week"), fleet.silent, _devices(state="silent")),
        Figure(_("Cannot be woken"), fleet.unreachable, _devices(state="unreachable"), warns=True),
        Figure(_("Lost"), fleet.lost, _devices(state="lost"), warns=True),
    ]


def _of_commands(found: Found) -> Sequence[Figure]:
    return [
        Figure(_("Waiting for their devices"), found.waiting, _devices(state="waiting")),
        Figure(_("Failed in the last 7 days"), found.failures, _devices(state="failed"), warns=True),
    ]


def _of_certificates(found: Found) -> Sequence[Figure]:
    number = min(found.ending, MOST)
    return [
        Figure(_("Of devices, ending within 30 days"), number, _devices(state="certificate"), more=found.ending > MOST)
    ]


def _of_invitations(invited: Unanswered) -> Sequence[Figure]:
    address = reverse("console:invitations")
    return [
        Figure(_("Open"), invited.open, f"{address}?state={Invitation.State.OPEN}"),
        Figure(_("Mail not sent"), invited.not_sent, f"{address}?state={registration.NOT_SENT}", warns=True),
        Figure(_("Expired"), invited.expired, f"{address}?state={Invitation.State.EXPIRED}"),
    ]


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a platform needs, and how long it still lasts."""

    title: Words
    url: str
    countdown: Countdown


def _lasting(now: datetime) -> Sequence[Lasting]:
    found = [(name, page, page.countdown(now)) for name, page in settings_pages().items()]
    return [
        Lasting(page.title, reverse("console:settings_platform", args=[name]), countdown)
        for name, page, countdown in found
        if countdown is not None
    ]


# Nothing here yet


def _steps() -> Sequence[SetupStep]:
    """What to do first, in order; the first that is not done is next."""
    firsts = [(name, page.first_step()) for name, page in settings_pages().items()]
    steps = [
        *(
            SetupStep(
                first.title, first.text, reverse("console:settings_platform", args=[name]), first.button, first.is_done
            )
            for name, first in firsts
        ),
        SetupStep(
            _("Say who may register what"),
            _("Whose devices, how many, and what people prove themselves with. Until you decide, sound defaults hold."),
            reverse("console:policies"),
            _("Open policies"),
            policies.has_policies(),
        ),
        SetupStep(
            _("Invite somebody, or a list of people"),
            _("They choose how they sign in, and are led to registering their device. Begin with yourself."),
            reverse("console:invitations_new"),
            _("Invite somebody"),
            registration.has_invited(),
        ),
    ]
    following = next((step for step in steps if not step.is_done), None)
    return [replace(step, is_next=step is following) for step in steps]
