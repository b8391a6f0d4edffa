"""Invitations in the console: who was invited and what became of it, and inviting one person or a list of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from csp.decorators import csp_replace, csp_update
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import list_updates, mail, memberships
from mydevices.accounts.mail import Reader
from mydevices.accounts.notices import Notice
from mydevices.accounts.requests import actor_of, person_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.console.access import console_page
from mydevices.console.forms import InviteForm, ListForm
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound, Waits
from mydevices.organisation import outgoing
from mydevices.presentation import moments
from mydevices.presentation.access import sent
from mydevices.presentation.slow_pages import waits
from mydevices.registration import invitation_rules, invitations, invitees, selectors
from mydevices.registration.invitations import Wish
from mydevices.registration.invitees import Row
from mydevices.registration.models import Invitation

PAGE: Final = 50
STATES: Final[Sequence[tuple[str, str | Promise]]] = (
    ("", gettext_lazy("Any state")),
    (Invitation.State.OPEN, gettext_lazy("Open")),
    (selectors.NOT_SENT, gettext_lazy("Mail not sent")),
    (Invitation.State.ACCEPTED, gettext_lazy("Accepted")),
    (Invitation.State.EXPIRED, gettext_lazy("Expired")),
    (Invitation.State.REVOKED, gettext_lazy("Revoked")),
)
CHANGES: Final[dict[str, Callable[[UUID, Actor], Invitation]]] = {
    "resend": lambda one, actor: invitations.resend(invitation_id=one, actor=actor),
    "revoke": lambda one, actor: invitations.revoke(invitation_id=one, actor=actor),
}


@dataclass(frozen=True, slots=True)
class ShownInvitation:
    """An invitation as a row of the table."""

    id: UUID
    name: str
    email: str
    state: str
    tone: str
    can_change: bool
    problem: str
    sent: SafeString | str
    made: SafeString
    by: str
    until: SafeString


def _shown(one: Invitation, now: datetime) -> ShownInvitation:
    state = one.state(now)
    is_open = state == Invitation.State.OPEN
    can_change = one.accepted_at is None and one.revoked_at is None
    return ShownInvitation(
        id=one.id,
        name=one.person.name,
        email=one.person.email,
        state=_("Opened, not accepted") if is_open and one.opened_at else str(state.label),
        tone="accent" if is_open else "warn" if state == Invitation.State.EXPIRED else "",
        can_change=can_change,
        problem=_problem(one) if is_open else "",
        sent=moments.moment(one.sent_at, now) if one.sent_at else "",
        made=moments.moment(one.created_at, now),
        by=one.created_by,
        until=moments.moment(one.expires_at, now),
    )


def _problem(one: Invitation) -> str:
    if not invitations.is_of_now(one):
        return _("Their role was changed since, so the link has stopped. Send the invitation again.")
    return one.mail_problem


@require_safe
@console_page(Right.SEE_PEOPLE)
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    state = request.GET.get("state", "")
    words = request.GET.get("q", "")[:200]
    found = selectors.invitations(state=state, words=words, now=now)
    page: Page[Invitation] = Paginator(found, PAGE).get_page(request.GET.get("page"))
    query = urlencode({"state": state, "q": words})
    context = {
        "rows": [_shown(one, now) for one in page],
        "page": page,
        "query": query,
        "state": state,
        "states": STATES,
        "words": words,
        "is_filtered": bool(state or words),
        "may_invite": Right.INVITE in rights_of(request),
        "no_mail": not outgoing.is_set(),
    }
    return render(request, "console/invitations/index.html", context)


@require_POST
@console_page(Right.INVITE)
def change(request: HttpRequest) -> HttpResponse:
    """Send again or revoke what was chosen. What cannot be is said, and holds up nothing else."""
    verb = CHANGES.get(request.POST.get("do", ""))
    chosen = [_uuid(text) for text in request.POST.getlist("id")[:PAGE]]
    if verb is None:
        raise Invalid(_("Choose what to do: send again or revoke."))
    if not chosen:
        messages.warning(request, _("Choose at least one invitation."))
    actor = actor_of(request)
    done = 0
    reasons: list[str] = []
    for one in chosen:
        try:
            verb(one, actor)
            done += 1
        except (Conflict, NotAllowed, NotFound) as refusal:
            reasons.append(refusal.message)
    if done:
        messages.success(request, _done(request.POST["do"], done))
    for reason in dict.fromkeys(reasons):
        messages.warning(request, reason)
    back = request.POST.get("back", "")
    address = reverse("console:invitations")
    if back == "one" and len(chosen) == 1:
        address = reverse("console:invitations_one", args=chosen)
    elif back:
        address += f"?{urlencode({'state': request.POST.get('state', ''), 'q': request.POST.get('q', '')})}"
    return HttpResponseRedirect(address, status=303)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(_("There is no such invitation.")) from error


def _done(what: str, number: int) -> str:
    if what == "resend":
        return ngettext(
            "%(number)d invitation goes out again. Its old link has stopped.",
            "%(number)d invitations go out again. Their old links have stopped.",
            number,
        ) % {"number": number}
    return ngettext(
        "%(number)d invitation is revoked. Its link has stopped.",
        "%(number)d invitations are revoked. Their links have stopped.",
        number,
    ) % {"number": number}


@require_safe
@console_page(Right.SEE_PEOPLE)
def invitation(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    return _one(request, invitation_id)


@require_POST
@console_page(Right.INVITE)
def link(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Show the link, to be handed over without mail."""
    return _one(request, invitation_id, invitations.show_link(invitation_id=invitation_id, actor=actor_of(request)))


def _one(request: HttpRequest, invitation_id: UUID, address: str = "") -> HttpResponse:
    found = selectors.invitation(invitation_id)
    now = timezone.now()
    context = {
        "one": _shown(found, now),
        "is_open": found.state(now) == Invitation.State.OPEN,
        "opened": moments.moment(found.opened_at, now) if found.opened_at else "",
        "accepted": moments.moment(found.accepted_at, now) if found.accepted_at else "",
        "revoked": moments.moment(found.revoked_at, now) if found.revoked_at else "",
        "reminders": found.reminders,
        "groups": _(", ").join(found.person.groups.order_by("name").values_list("name", flat=True)),
        "link": address,
        "may_invite": Right.INVITE in rights_of(request),
    }
    return render(request, "console/invitations/one.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@csp_update({"frame-src": ["'self'"]})
@console_page(Right.INVITE)
def new(request: HttpRequest) -> HttpResponse:
    """Invite one person, or choose a list; with the mail as they will read it."""
    form = InviteForm(sent(request), actor=actor_of(request))
    if request.method == "POST" and form.is_valid() and "look" not in request.POST:
        values = form.cleaned_data
        try:
            made = invitations.invite(
                actor=actor_of(request),
                email=values["email"],
                name=values["name"],
                groups=list(values["groups"]),
                language=values["language"],
            )
        except MyDevicesError as refusal:
            form.add_error("email", refusal.message)
        else:
            messages.success(request, _("%(name)s is invited.") % {"name": made.person.name})
            address = reverse("console:invitations_one", args=[made.id])
            return HttpResponseRedirect(address, status=303)
    return _new(request, form, ListForm())


def _new(request: HttpRequest, form: InviteForm, list_form: ListForm) -> HttpResponse:
    typed = {
        "name": form.data.get("name") or _("Ines Okafor"),
        "language": form.data.get("language") or "",
    }
    context = {
        "form": form,
        "list_form": list_form,
        "written": _sample(request, **typed),
        "preview": f"{reverse('console:invitations_mail')}?{urlencode(typed)}",
        "most": invitees.MOST,
        "may_change": _may_change(request),
        "no_mail": not outgoing.is_set(),
    }
    status = 400 if form.errors or list_form.errors else 200
    return render(request, "console/invitations/new.html", context, status=status)


def _sample(request: HttpRequest, *, name: str, language: str) -> mail.Mail:
    """The mail of an invitation as it would be written now. Its link leads nowhere."""
    until = timezone.now() + timedelta(days=invitation_rules.current().good_for_days)
    facts = {
        "secret_link": f"{settings.PUBLIC_URL}{invitations.PATH}…",
        "until": until.isoformat(),
        "by": person_of(request).name,
    }
    reader = Reader(name[: invitees.LONGEST_NAME], language)
    return mail.render(Notice.INVITATION, reader=reader, facts=facts, on_page=True)


@require_safe
@xframe_options_sameorigin
@csp_replace(
    {
        "default-src": ["'none'"],
        "script-src": None,
        # A mail's styles stand in its lines, and its logo is ours; nothing else may load, run or be sent.
        "style-src": ["'unsafe-inline'"],
        "img-src": ["'self'"],
        "font-src": None,
        "connect-src": None,
        "form-action": ["'none'"],
        "frame-ancestors": ["'self'"],
        "sandbox": True,
    }
)
@console_page(Right.INVITE)
def mail_preview(request: HttpRequest) -> HttpResponse:
    """The mail alone, for a frame."""
    name, language = request.GET.get("name", ""), request.GET.get("language", "")
    return HttpResponse(_sample(request, name=name, language=language).html)


@waits("POST")
@require_POST
@csp_update({"frame-src": ["'self'"]})
@console_page(Right.INVITE)
def read_list(request: HttpRequest) -> HttpResponse:
    """Read a file, and show what it says. Nobody is invited or changed yet."""
    list_form = ListForm(request.POST, request.FILES)
    if list_form.is_valid():
        file = list_form.cleaned_data["file"]
        try:
            rows = invitees.read(file.read(invitees.LARGEST + 1), actor=actor_of(request))
        except Invalid as refusal:
            list_form.add_error("file", refusal.message)
        else:
            return _list(request, rows)
    return _new(request, InviteForm(actor=actor_of(request)), list_form)


def _may_change(request: HttpRequest) -> bool:
    return Right.MANAGE_PEOPLE in rights_of(request)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a list, and what becomes of it in words."""

    row: Row
    effects: Sequence[str]


def _line(row: Row) -> Line:
    if row.problems:
        return Line(row, row.problems)
    if row.person is None or row.difference is None:
        return Line(row, [_("Is invited.")])
    found, effects = row.difference, [_("Is here already.")]
    if found.name:
        effects.append(_("Their name is changed from “%(name)s”.") % {"name": row.person.name})
    if found.groups:
        effects.append(_("Comes into: %(groups)s.") % {"groups": _(", ").join(group.name for group in found.groups)})
    if found.language:
        effects.append(_("Their language becomes %(language)s.") % {"language": row.language_name})
    if found.is_nothing:
        effects.append(_("Nothing changes."))
    if found.is_name_kept:
        words = {"name": row.person.name}
        effects.append(_("Their name stays “%(name)s”: it comes from where they sign in.") % words)
    if not row.person.is_active:
        effects.append(_("Stays suspended."))
    return Line(row, effects)


def _list(request: HttpRequest, rows: Sequence[Row], *, status: int = 200) -> HttpResponse:
    context = {
        "lines": [_line(row) for row in rows],
        "good": sum(row.can_invite for row in rows),
        "changed": sum(row.can_change for row in rows),
        "same": sum(row.person is not None and not row.problems and not row.can_change for row in rows),
        "bad": sum(bool(row.problems) for row in rows),
        "list": invitees.written(rows),
    }
    return render(request, "console/invitations/list.html", context, status=status)


@require_POST
@console_page(Right.INVITE)
def send_list(request: HttpRequest) -> HttpResponse:
    """Invite the chosen rows of a list, and change those who are here already. What a row was shown to do is in the
    name of its box: one that would do something else meanwhile is left out."""
    rows = invitees.read(request.POST.get("list", "").encode(), actor=actor_of(request))
    # The number is the place in the list as it came back: one line a row.
    new, here = (set(request.POST.getlist(name)) for name in ("row", "change"))
    places = [(str(place), row) for place, row in enumerate(rows, 1)]
    wanted = [row for place, row in places if place in new and row.can_invite]
    changing = [row for place, row in places if place in here and row.can_change]
    if not wanted and not changing:
        messages.warning(request, _("Choose at least one person who can be invited or changed."))
        return _list(request, rows, status=400)
    waits = _ask_to_join(request, changing)
    _invite_rows(request, wanted)
    _change_rows(request, changing, with_groups=waits is None)
    done = {row.number for row in (*wanted, *changing)}
    for place, row in places:
        if place in new | here and row.number not in done:
            words = {"email": row.email, "why": " ".join(_line(row).effects)}
            messages.warning(request, _("Left as it was, for it has changed meanwhile: %(email)s. %(why)s") % words)
    return HttpResponseRedirect(reverse("console:invitations" if wanted else "console:people"), status=303)


def _invite_rows(request: HttpRequest, wanted: Sequence[Row]) -> None:
    groups = invitees.known_groups(name for row in wanted for name in row.groups)
    wishes = [
        Wish(row.email, row.name, [groups[name.casefold()] for name in row.groups], row.language) for row in wanted
    ]
    results = invitations.invite_many(actor=actor_of(request), wishes=wishes)
    made = sum(isinstance(result, Invitation) for result in results)
    if made:
        text = ngettext("%(number)d person is invited.", "%(number)d people are invited.", made)
        messages.success(request, text % {"number": made})
    for row, result in zip(wanted, results, strict=True):
        if isinstance(result, str):
            messages.warning(request, f"{row.email}: {result}")


def _ask_to_join(request: HttpRequest, changing: Sequence[Row]) -> Waits | None:
    """Once for the whole list. What the groups bring to many devices waits; everything else is done."""
    joins = {
        row.person.id: [group.id for group in row.difference.groups]
        for row in changing
        if row.person is not None and row.difference is not None and row.difference.groups
    }
    if not joins:
        return None
    try:
        memberships.ask_to_move(actor=actor_of(request), joins=joins)
    except Waits as waits:
        messages.info(request, waits.message)
        return waits
    return None


def _change_rows(request: HttpRequest, changing: Sequence[Row], *, with_groups: bool) -> None:
    """Each by themselves: whoever cannot be changed holds up nobody else."""
    groups = invitees.known_groups(name for row in changing for name in row.groups)
    done = 0
    for row in changing:
        if row.person is None:
            continue
        wanted = [groups[name.casefold()] for name in row.groups] if with_groups else []
        try:
            list_updates.bring_up_to_date(
                actor=actor_of(request), person=row.person, name=row.name, language=row.language, groups=wanted
            )
            done += 1
        except MyDevicesError as refusal:
            messages.warning(request, f"{row.email}: {refusal.message}")
    if done:
        text = ngettext("%(number)d person is changed.", "%(number)d people are changed.", done)
        messages.success(request, text % {"number": done})
