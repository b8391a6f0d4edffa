"""The person's own account, and the first administrator's beginning."""

from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import email_change, passwords, providers, selectors
from mydevices.accounts import services as accounts
from mydevices.accounts.notices import OPTIONAL
from mydevices.accounts.requests import actor_of, address_of, browser_of, fresh_factor_of, person_of
from mydevices.errors import Conflict, Invalid
from mydevices.location import selectors as location
from mydevices.portal.forms import EmailForm, NameForm, NoticesForm, PreferencesForm, SetupForm, time_zones
from mydevices.portal.views.factors import ways_in
from mydevices.presentation import moments
from mydevices.presentation.access import freshly_signed_in, sent


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Name and address."""
    person = person_of(request)
    form = NameForm(sent(request), initial={"name": person.name})
    if request.method == "POST" and form.is_valid():
        accounts.change_name(actor=actor_of(request), person=person, name=form.cleaned_data["name"])
        messages.success(request, _("Your name is saved."))
        return HttpResponseRedirect(reverse("portal:account"), status=303)
    waiting = selectors.waiting_email_change(person)
    now = timezone.now()
    context = {
        "form": form,
        "shares": location.shares(person.id),
        "joined": moments.day(person.joined_at),
        "keeper": providers.keeper(person),
        "waiting": waiting,
        "until": moments.at(waiting.confirm_until, now) if waiting and waiting.confirm_until > now else "",
    }
    return render(request, "portal/account/profile.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@freshly_signed_in
@never_cache
def email(request: HttpRequest) -> HttpResponse:
    """Begin to change the address. The answer is the same whether or not somebody has the new one."""
    person = person_of(request)
    form = EmailForm(sent(request))
    if request.method == "POST" and form.is_valid():
        new = form.cleaned_data["email"]
        try:
            email_change.ask(
                actor=actor_of(request),
                person=person,
                email=new,
                browser=browser_of(request),
                factor_id=fresh_factor_of(request, timezone.now()),
            )
        except Invalid as refusal:
            form.add_error("email", refusal.message)
        else:
            messages.success(request, _("A link is on its way to %(email)s.") % {"email": new})
            return HttpResponseRedirect(reverse("portal:account"), status=303)
    return render(request, "portal/account/email.html", {"form": form}, status=400 if form.errors else 200)


@require_POST
@login_required
def keep_email(request: HttpRequest) -> HttpResponse:
    email_change.drop(actor=actor_of(request), person=person_of(request))
    messages.success(request, _("Your address stays as it is."))
    return HttpResponseRedirect(reverse("portal:account"), status=303)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Where the mail to the new address leads. Opening it changes nothing: mail scanners open links."""
    if request.method == "POST":
        email_change.confirm(token=token, address=address_of(request))
        messages.success(request, _("Your address is changed. Sign in with it from now on."))
        return HttpResponseRedirect(reverse("portal:account"), status=303)
    return render(request, "portal/account/confirm_email.html", {"change": email_change.to_confirm(token)})


@require_safe
@login_required
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """How this person signs in, and for how long."""
    person, rules = person_of(request), selectors.sign_in_rules()
    links = providers.linked(person) if providers.enabled() else []
    context = {
        "changed": moments.day(person.password_changed_at) if person.password_changed_at else "",
        "described": passwords.described(rules),
        "idle": moments.duration(timedelta(minutes=rules.idle_minutes)) if rules.idle_minutes else "",
        "keeper": providers.keeper(person),
        "has_password": person.has_usable_password(),
        "linked": [
            {"provider": one, "may_end": not person.provider and providers.has_another_way_in(person, but=one)}
            for one in links
        ],
        "to_link": [one for one in providers.enabled() if one not in links] if not person.provider else [],
        **ways_in(request),
    }
    return render(request, "portal/account/sign_in.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def preferences(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    initial = {"language": person.language, "time_zone": person.time_zone, "theme": person.theme}
    form = PreferencesForm(sent(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        accounts.change_preferences(actor=actor_of(request), person=person, **form.cleaned_data)
        with translation.override(person.language or translation.get_language()):
            messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("portal:preferences"), status=303)
    context = {"form": form, "zones": time_zones()}
    return render(request, "portal/account/preferences.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def notices(request: HttpRequest) -> HttpResponse:
    """Which mails one does without, of those that one may do without."""
    person = person_of(request)
    wanted = [notice.value for notice in OPTIONAL if notice not in person.unwanted_notices]
    form = NoticesForm(sent(request), initial={"wanted": wanted})
    if request.method == "POST" and form.is_valid():
        unwanted = {notice for notice in OPTIONAL if notice not in form.cleaned_data["wanted"]}
        accounts.change_notices(actor=actor_of(request), person=person, unwanted=unwanted, browser=browser_of(request))
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("portal:notices"), status=303)
    return render(request, "portal/account/notices.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
def old_sign_in(_request: HttpRequest) -> HttpResponse:
    """The address that people have in their bookmarks from elsewhere."""
    return redirect("account_login")


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time link of the first start: the first administrator and the organisation's name."""
    accounts.check_first_administrator_token(token)
    form = SetupForm(sent(request))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            accounts.set_up(
                token=token,
                address=address_of(request),
                email=values["email"],
                name=values["name"],
                password=values["password"],
                organisation_name=values["organisation"],
            )
        except (Invalid, Conflict) as refusal:
            form.add_error("password" if isinstance(refusal, Invalid) else "email", refusal.message)
        else:
            messages.success(request, _("Your account is ready. Sign in."))
            # The console says what a new server lacks.
            address = f"{reverse('account_login')}?{urlencode({'next': reverse('console:overview')})}"
            return HttpResponseRedirect(address, status=303)
    context = {"form": form, "strength_url": reverse("portal:setup_strength", args=[token])}
    return render(request, "setup.html", context, status=400 if form.errors else 200)
