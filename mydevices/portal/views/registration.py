"""Register a device: choose, show it on the other device, open it there."""

import io
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import segno
from allauth.core.internal.ratelimit import consume
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import addresses, attempts, factors
from mydevices.accounts import selectors as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.accounts.requests import actor_of, address_of, cookie_of, person_of, prove_by_password
from mydevices.audit.actor import FRESH, Actor
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed, NotFound, TooMany
from mydevices.organisation import selectors as organisation
from mydevices.port.platform import PLATFORMS, detect, device_kind, platform_named
from mydevices.portal import desks, tickets
from mydevices.portal.forms import AskPinForm, ProofForm, RegisterForm
from mydevices.presentation import device_looks, device_status, unconfirmed_devices
from mydevices.presentation.access import freshly_signed_in, sent
from mydevices.presentation.proof_page import to_proof
from mydevices.registration import pins, selectors
from mydevices.registration import terms as registration_terms
from mydevices.registration import tickets as registration_tickets
from mydevices.registration.models import Ticket
from mydevices.registration.refusals import Refused

GUESSES: Final = {"ticket": "60/10m/ip"}
"""Wrong short addresses opened from one place that are answered as such. Right ones always open: nobody guesses 59
random bits, and a whole office may register behind one address."""
PIN_ASKED: Final = {"pin_asked": "20/10m/ip,2/10m/key"}
"""New PINs asked for without a session."""
PINS_A_DAY: Final = Limit(6, timedelta(days=1))
"""The same for one address. Each takes the place of the one before, so whoever asks for somebody else's without end
would keep them from ever using one: the last of these stays good."""
OWN_PIN_ASKED: Final = Limit(2, timedelta(minutes=10))
"""New PINs that somebody asks for signed in: whoever is behind the same address does not matter."""
OPENED: Final = "opened_ticket"
"""In the session: the ticket that was opened in it last."""
PROVED: Final = "registering"
"""Where an anonymous session keeps who proved to be whom."""
PROVED_FOR: Final = timedelta(minutes=15)
"""By a PIN, which registers one device and nothing else. A password is good for `FRESH`, as everywhere."""


@require_http_methods(["GET", "HEAD", "POST"])
@freshly_signed_in
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    rules = selectors.rules_of(person)
    form = RegisterForm(
        sent(request),
        here=_here(request),
        organisation=organisation.current().name,
        rules=rules.values,
        with_pin=rules.values.asks_pin,
    )
    obstacle, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            opened = _open(form, person, actor_of(request), typed=form.cleaned_data.get("pin"))
        except (Conflict, Refused) as refusal:
            obstacle, status = refusal.message, 403 if isinstance(refusal, Refused) else 200
        except NotAllowed as wrong:
            form.add_error("pin", wrong.message)
        else:
            request.session[OPENED] = str(opened.id)
            if form.is_here():
                return _see("portal:open_ticket", registration_tickets.code_of(opened))
            return _see("portal:ticket", opened.id)
    context = {
        "form": form,
        "obstacle": obstacle,
        "tickets": _open_tickets(request),
        "desk": desks.shown(person, rules, timezone.now()),
        **_promise(person, rules.values.fixed_ownership),
    }
    return render(request, "portal/register.html", context, status=400 if form.errors else status)


def _open(form: RegisterForm, person: Person, actor: Actor, *, typed: str | None = None) -> Ticket:
    return registration_tickets.open_ticket(
        person=person,
        actor=actor,
        ownership=form.ownership_given(),
        intended=form.intended(),
        pin=None if typed is None else pins.check(person=person, email=person.email, typed=typed, actor=actor),
    )


@require_POST
@login_required
def new_pin(request: HttpRequest) -> HttpResponse:
    """A signed-in person asks for a new PIN: it goes by mail, and the former one stops."""
    person = person_of(request)
    actor_of(request).require_fresh(timezone.now())  # before it is counted
    if not attempts.take("registration PIN asked for", str(person.id), OWN_PIN_ASKED):
        raise TooMany(_("A PIN was sent a moment ago. Look into your mail, or wait ten minutes."))
    pins.issue(person=person, actor=actor_of(request))
    messages.success(request, _("A new PIN is on its way to %(email)s.") % {"email": person.email})
    return _see("portal:register")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def terms(request: HttpRequest) -> HttpResponse:
    """The terms of service of whoever registers, signed in or by PIN: to read again, or to accept."""
    someone = _somebody(request)
    if someone is None:
        return redirect_to_login(request.path)
    person, actor, back = someone
    rules = selectors.rules_of(person)
    if request.method == "POST":
        try:
            policy_id, version = UUID(request.POST.get("policy", "")), int(request.POST.get("version", ""))
        except ValueError as error:
            raise Invalid(_("Open this page anew, and accept there.")) from error
        registration_terms.accept_terms(person=person, policy_id=policy_id, version=version, actor=actor)
        return _see(back)
    context = {
        "rules": rules.values,
        "policy_id": rules.policy_id,
        "accepted": selectors.has_accepted(person, rules),
        "back": reverse(back),
    }
    return render(request, "portal/terms.html", context)


# Without a session: an address and a PIN, a password, or both


def _somebody(request: HttpRequest) -> tuple[Person, Actor, str] | None:
    """Who registers, as what actor, and where their desk is; None for nobody."""
    if isinstance(request.user, Person):
        return request.user, actor_of(request), "portal:register"
    proved = request.session.get(PROVED)
    if not isinstance(proved, dict) or str(proved.get("until", "")) < timezone.now().isoformat():
        return None
    person = accounts.all_people().filter(id=UUID(str(proved["person"])), is_active=True).first()
    # A new password ends what was proved before it, as it ends sessions.
    changed_at = person.password_changed_at if person is not None else None
    if person is None or (changed_at is not None and str(proved.get("at", "")) < changed_at.isoformat()):
        return None
    # Without a role: it can open a ticket and nothing else.
    actor = replace(Actor.by_link(person, address=address_of(request)), role=Person.Role.PERSON)
    return person, actor, "portal:register_by_pin_device"


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password", "pin")
@never_cache
def by_pin(request: HttpRequest) -> HttpResponse:
    """Prove who registers, without signing in. The answer and the work are the same for an address that nobody has."""
    if request.user.is_authenticated:
        return _see("portal:register")
    with_password, with_pin = selectors.proofs_in_use()
    form = ProofForm(sent(request), with_password=with_password, with_pin=with_pin)
    status = 200
    if request.method == "POST" and form.is_valid():
        proved = _prove(request, form)
        if isinstance(proved, str):
            form.add_error(None, proved)
        else:
            request.session.cycle_key()
            request.session[PROVED] = proved
            return _see("portal:register_by_pin_device")
        status = 403
    elif form.errors:
        status = 400
    return render(request, "portal/by_pin.html", {"form": form, "with_pin": with_pin}, status=status)


def _prove(request: HttpRequest, form: ProofForm) -> dict[str, str] | str:
    """What the session keeps of whoever proved who they are, or why it is not proved.

    What is compared goes by what was typed and never by who it is: somebody who needs no PIN, somebody with a wrong one
    and nobody at all are the same questions to the database and the same hashes."""
    typed, actor = form.cleaned_data, Actor(kind="anonymous", address=address_of(request))
    email, password, plain = typed["email"], typed.get("password", ""), typed.get("pin", "")
    try:
        person: Person | None = accounts.by_email(email)
    except NotFound:
        person = None
    rules = selectors.rules_of(person or Person()).values
    right, pin = bool(password or not rules.asks_password), None
    if plain:
        try:
            pin = pins.check(person=person, email=email, typed=plain, actor=actor, cookie=cookie_of(request))
        except NotAllowed:
            right = False
    if password:  # one that is not asked for must be right all the same
        found = prove_by_password(request, email=email, password=password)
        right = right and found is not None and found == person
    if person is None or not right or (rules.asks_pin and pin is None):
        return pins.wrong()
    if not rules.asks_pin and factors.has_one(person):
        return _("Your account has a second factor. Sign in, and register the device there.")
    now = timezone.now()
    until = now + (PROVED_FOR if pin else FRESH)
    return {
        "person": str(person.id),
        "pin": str(pin.id) if pin else "",
        "at": now.isoformat(),
        "until": until.isoformat(),
    }


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def by_pin_device(request: HttpRequest) -> HttpResponse:
    """The second step: which device this is, and then its ticket."""
    someone = _somebody(request)
    if someone is None or request.user.is_authenticated:
        return _see("portal:register_by_pin")
    person, actor, _back = someone
    rules = selectors.rules_of(person)
    form = RegisterForm(
        sent(request), here=_here(request), organisation=organisation.current().name, rules=rules.values
    )
    obstacle, status = "", 200
    if request.method == "POST" and form.is_valid():
        pin = selectors.pin_of(person, timezone.now())
        if pin is not None and str(pin.id) != request.session[PROVED]["pin"]:
            pin = None
        try:
            opened = registration_tickets.open_ticket(
                person=person, actor=actor, ownership=form.ownership_given(), intended=form.intended(), pin=pin
            )
        except (Conflict, Refused) as refusal:
            obstacle, status = refusal.message, 403 if isinstance(refusal, Refused) else 200
        else:
            del request.session[PROVED]
            return _see("portal:open_ticket", registration_tickets.code_of(opened))
    context = {
        "form": form,
        "obstacle": obstacle,
        "registrant": person,
        "desk": desks.shown(person, rules, timezone.now()),
        **_promise(person, rules.values.fixed_ownership),
    }
    return render(request, "portal/by_pin_device.html", context, status=400 if form.errors else status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask_pin(request: HttpRequest) -> HttpResponse:
    """A new PIN by mail, for whoever may have one; the page says the same to everybody."""
    form = AskPinForm(sent(request))
    asked = False
    if request.method == "POST" and form.is_valid():
        whose = addresses.counted_as(form.cleaned_data["email"])
        if not consume_or_none(request, "pin_asked", PIN_ASKED, whose):
            raise TooMany(_("A PIN was asked for a moment ago. Look into your mail, or wait ten minutes."))
        if not attempts.take("registration PINs of a day", whose, PINS_A_DAY):
            raise TooMany(_("A PIN was asked for often today. The one in the newest mail is good."))
        pins.ask(email=form.cleaned_data["email"], actor=Actor(kind="anonymous", address=address_of(request)))
        asked = True
    return render(request, "portal/ask_pin.html", {"form": form, "asked": asked}, status=400 if form.errors else 200)


def consume_or_none(request: HttpRequest, action: str, config: Mapping[str, str], key: str) -> bool:
    """Count one more of these, from this place and for this key; False when there have been too many."""
    usage = consume(request, app="mydevices", action=action, config=config, key=key, limit_get=True)
    return usage is not None


def _here(request: HttpRequest) -> str:
    """Which kind of device this page is open on, as far as its browser says; empty for what cannot be registered."""
    return detect(request.headers.get("User-Agent", ""))


def _see(name: str, *args: object) -> HttpResponse:
    return HttpResponseRedirect(reverse(name, args=args), status=303)


def _promise(person: Person, ownership: str, platforms: Collection[str] = PLATFORMS) -> dict[str, object]:
    """What the page says that registration makes possible, on any of these platforms."""
    own = [selectors.may_erase(person, platform=name, ownership=Device.Ownership.PERSONAL) for name in platforms]
    return {"ownership": ownership, "may_erase_personal": all(own)}


def _open_tickets(request: HttpRequest, here: Ticket | None = None) -> list[tickets.ShownTicket]:
    now = timezone.now()
    return [
        tickets.shown(ticket, now, here=here is not None and ticket.id == here.id)
        for ticket in selectors.open_tickets(person_of(request), now)
    ]


@require_safe
@login_required
@never_cache
def ticket(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    found = selectors.ticket_of(person_of(request), ticket_id)
    context = {
        **_ticket(request, found),
        "tickets": _open_tickets(request, found),
        **_promise(found.person, found.ownership, [found.platform]),
    }
    return render(request, "portal/register_ticket.html", context)


@require_safe
@login_required
@never_cache
def ticket_now(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The steps alone, asked for until the device is there."""
    return render(request, "portal/_ticket.html", _ticket(request, selectors.ticket_of(person_of(request), ticket_id)))


def _may_see_code(request: HttpRequest, found: Ticket, now: datetime) -> bool:
    """Whoever has the code can register a device, and is sent what it gets. So it is shown for five minutes after a
    proof; the one with which the ticket was opened counts from then on, in the session that it was opened in."""
    opened_here = request.session.get(OPENED) == str(found.id)
    return actor_of(request).is_fresh(now) or (opened_here and now - found.created_at <= FRESH)


def _ticket(request: HttpRequest, found: Ticket) -> dict[str, object]:
    now = timezone.now()
    code = registration_tickets.code_of(found)
    link = settings.PUBLIC_URL + reverse("portal:open_ticket", args=[code])
    closed = tickets.closed(found, now)
    device = found.device
    return {
        "ticket": tickets.shown(found, now, here=True),
        "closed": closed,
        "confirm": "" if _may_see_code(request, found, now) else to_proof(reverse("portal:ticket", args=[found.id])),
        "pending": not closed and (device is None or device_status.is_registering(device)),
        "link": link,
        "address": link.partition("://")[2].replace(code, tickets.readable(code)),
        "device": device,
        "device_name": device_looks.name_of(device) if device else "",
        "unconfirmed": unconfirmed_devices.unconfirmed(device, now) if device else None,
    }


@require_safe
@login_required
@never_cache
def qr(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    """The short address as a QR code, for the camera of the other device."""
    found = selectors.ticket_of(person_of(request), ticket_id)
    if not _may_see_code(request, found, timezone.now()):
        raise NeedsFreshAuthentication
    link = settings.PUBLIC_URL + reverse("portal:open_ticket", args=[registration_tickets.code_of(found)])
    picture = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        picture, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, nl=False, omitsize=True
    )
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml; charset=utf-8")


@require_POST
@login_required
def revoke(request: HttpRequest, ticket_id: UUID) -> HttpResponse:
    found = selectors.ticket_of(person_of(request), ticket_id)
    try:
        registration_tickets.revoke(ticket=found, actor=actor_of(request))
        messages.success(request, _("Revoked. Its address no longer works."))
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return _see("portal:register")


@require_safe
@never_cache
def open_ticket(request: HttpRequest, code: str) -> HttpResponse:
    """What the other device sees, without a password: opening it spends nothing."""
    found = _by_code(request, code)
    registration_tickets.note_opened(ticket=found, actor=Actor(kind="anonymous", address=address_of(request)))
    guide = device_kind(found.intended)
    is_elsewhere = not _is_on(found.platform, request)
    context = {
        "guide": guide,
        "person": found.person.name,
        "works_until": tickets.shown(found, timezone.now()).works_until,
        "wrong_device": guide.wrong_device if is_elsewhere else "",
        "link": registration_tickets.link_for(ticket=found),
        "download": reverse("portal:profile", args=[code]),
        **_promise(found.person, found.ownership, [found.platform]),
    }
    return render(request, "portal/open_ticket.html", context)


def _is_on(platform: str, request: HttpRequest) -> bool:
    """Whether a page is open on a device of this platform, as far as its browser says. Which kind of device it is,
    nobody is told: browsers of some tablets call themselves a computer."""
    return bool(platform_named(platform).detect(request.headers.get("User-Agent", "")))


@require_safe
@never_cache
def profile(request: HttpRequest, code: str) -> HttpResponse:
    """The registration profile itself. Fetched twice, it is the same profile."""
    document = registration_tickets.document_for(ticket=_by_code(request, code))
    response = HttpResponse(document.content, content_type=document.content_type)
    response["Content-Disposition"] = f'attachment; filename="{document.file_name}"'
    return response


def _by_code(request: HttpRequest, code: str) -> Ticket:
    try:
        return registration_tickets.find_by_code(code=code)
    except NotFound as unknown:
        if consume(request, app="mydevices", action="ticket", config=GUESSES, limit_get=True) is None:
            raise TooMany(_("Too many wrong addresses tried from here. Wait ten minutes.")) from unknown
        raise
