"""Second factors and sessions of one's own. The ceremonies are django-allauth's; what stands before them is ours: a
fresh proof of identity before the form is shown, and nothing of a form kept in the session."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.models import Login
from allauth.account.stages import LoginStageController
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp.internal.flows import activate_totp
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.internal import flows
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    LoginWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import (
    codes,
    factor_removal,
    factors,
    limited,
    passkeys,
    provider_sign_in,
    role_factors,
    sessions,
    set_aside,
)
from mydevices.accounts.browsers import described
from mydevices.accounts.forms import AppForm
from mydevices.accounts.models import FactorCounter, Person
from mydevices.accounts.passkeys import Ceremony
from mydevices.accounts.requests import LIMITED, SECURE, actor_of, person_of
from mydevices.errors import Conflict
from mydevices.location import selectors as location
from mydevices.presentation import moments
from mydevices.presentation.access import freshly_signed_in

View = Callable[..., HttpResponse]


def _added(request: HttpRequest) -> HttpResponse:
    """After another way to sign in: the recovery codes that come with the first one, in this very answer, for they are
    kept as hashes only."""
    person = person_of(request)
    if factors.recovery_codes_of(person) is not None:
        return _changed()
    return _show(request, codes.make(person))


def _show(request: HttpRequest, made: list[str]) -> HttpResponse:
    context = {"made": made, "elsewhere": _elsewhere(request)}
    return render(request, "mfa/codes.html", context)


def _changed() -> HttpResponse:
    """The page of all ways to sign in, which offers now to sign out everywhere else."""
    return HttpResponseRedirect(f"{reverse('mfa_index')}?changed", status=303)


def _elsewhere(request: HttpRequest) -> int:
    """In how many other browsers the person is signed in."""
    return sum(session.session_key != request.session.session_key for session in sessions.of(person_of(request)))


class AddPasskey(AddWebAuthnView):  # type: ignore[misc]  # the same
    template_name = "mfa/passkey_add.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        options = passkeys.begin(self.request, Ceremony.ADD, person_of(self.request))
        context: dict[str, Any] = super(AddWebAuthnView, self).get_context_data(**kwargs)
        return {**context, "options": options}

    def form_valid(self, form: forms.Form) -> HttpResponse:
        flows.add_authenticator(
            self.request, name=form.cleaned_data["name"], credential=form.cleaned_data["credential"]
        )
        return _added(self.request)


class AddApp(ActivateTOTPView):  # type: ignore[misc]  # the same
    template_name = "mfa/app_add.html"

    def form_valid(self, form: AppForm) -> HttpResponse:
        factor, _none = activate_totp(self.request, form)
        FactorCounter.raise_to(factor.pk, form.step)  # the code that set it up has been used
        return _added(self.request)


class SignInWithPasskey(LoginWebAuthnView):  # type: ignore[misc]  # the same
    """Leads on to where the person wanted to go, which the library forgets."""

    def get(self, request: HttpRequest, *_arguments: Any, **_named: Any) -> HttpResponse:
        if get_account_adapter().is_ajax(request):
            return JsonResponse({"request_options": passkeys.begin(request, Ceremony.SIGN_IN)})
        return HttpResponseRedirect(reverse("account_login"))

    def form_valid(self, form: forms.Form) -> HttpResponse:
        authenticator = form.cleaned_data["credential"]
        carried = provider_sign_in.by_passkey(self.request, authenticator.user)
        login = Login(user=authenticator.user, redirect_url=provider_sign_in.way_on(carried), signal_kwargs=carried)
        from_allauth: HttpResponse = flows.perform_passwordless_login(self.request, authenticator, login)
        wanted = get_next_redirect_url(self.request)
        if wanted and self.request.user.is_authenticated:
            return HttpResponseRedirect(wanted)
        return from_allauth


class SecondStep(AuthenticateView):  # type: ignore[misc]  # the same
    """After too many wrong codes the half-done sign-in is dropped: whoever goes on has to know the password still. So
    it is after a new password."""

    template_name = "mfa/second_step.html"

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        stage = LoginStageController.enter(request, AuthenticateStage.key)
        if stage is not None and not limited.still_counts(stage.login):
            to_sign_in: HttpResponse = stage.abort()
            return to_sign_in
        page: HttpResponseBase = super().dispatch(request, *arguments, **named)
        return page

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The library's begins a ceremony of no purpose."""
        context: dict[str, Any] = super(AuthenticateView, self).get_context_data(**kwargs)
        options = passkeys.begin(self.request, Ceremony.SECOND_STEP, self.stage.login.user)
        forms_of = {"form": self.auth_form, "webauthn_form": self.webauthn_form}
        return {**context, **forms_of, "js_data": {"request_options": options}}

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        if not getattr(form, "is_over", False):
            page: HttpResponse = super().form_invalid(form)
            return page
        refused = getattr(form, "is_refused", False)
        reason = " ".join(str(error) for error in form.errors["code"]) if refused else _("That was wrong too often.")
        messages.error(self.request, _("%(reason)s Start again with your password.") % {"reason": reason})
        to_sign_in: HttpResponse = self.stage.abort()
        return to_sign_in


class AgainWithCode(ReauthenticateView):  # type: ignore[misc]  # the same
    template_name = "mfa/again_code.html"

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        status = 429 if getattr(form, "is_refused", False) else 200
        page: HttpResponse = self.render_to_response(self.get_context_data(form=form), status=status)
        return page


class AgainWithPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]  # the same
    """Asks once more where the passkey would not do; the library leads to signing in, where one is already."""

    template_name = "mfa/again_passkey.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The library's begins a ceremony of no purpose."""
        context: dict[str, Any] = super(ReauthenticateWebAuthnView, self).get_context_data(**kwargs)
        options = passkeys.begin(self.request, Ceremony.AGAIN, person_of(self.request))
        return {**context, "js_data": {"request_options": options}}

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        context = self.get_context_data(form=form, refused=True)
        page: HttpResponse = self.render_to_response(context, status=400)
        return page


class RemovePasskey(RemoveWebAuthnView):  # type: ignore[misc]  # the same
    template_name = "mfa/remove.html"

    def get_success_url(self) -> str:
        return f"{reverse('mfa_index')}?changed"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        name = self.get_object().wrap().name
        title = _("Remove the passkey “%(name)s”") % {"name": name}
        return {**super().get_context_data(**kwargs), "title": title, "last": _is_last(self.request)}


class TurnOffApp(DeactivateTOTPView):  # type: ignore[misc]  # the same
    template_name = "mfa/remove.html"

    def get_success_url(self) -> str:
        return f"{reverse('mfa_index')}?changed"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {**context, "title": _("Remove the authenticator app"), "last": _is_last(self.request)}


def _is_last(request: HttpRequest) -> bool:
    return factors.besides_codes(person_of(request)).count() == 1


def _guarded(view: View) -> View:
    """Freshly signed in, never cached, and the factor with what is recorded of it or neither."""

    def whole(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            return view(request, *args, **kwargs)

    return require_http_methods(["GET", "HEAD", "POST"])(never_cache(freshly_signed_in(whole)))


add_passkey = _guarded(AddPasskey.as_view())
remove_passkey = _guarded(RemovePasskey.as_view())
add_app = _guarded(AddApp.as_view())
remove_app = _guarded(TurnOffApp.as_view())


def _codes(request: HttpRequest) -> HttpResponse:
    """How many are left. They themselves are shown when they are made, and never again."""
    left = _codes_left(person_of(request))
    if left is None:
        raise Http404
    return render(request, "mfa/codes.html", {"left": left})


def _new_codes(request: HttpRequest) -> HttpResponse:
    """Raises Conflict for somebody who has nothing else that the codes could stand in for."""
    person = person_of(request)
    if request.method == "POST":
        if not factors.has_one(person):
            raise Conflict(_("Add a passkey or an authenticator app first."))
        return _show(request, codes.make(person))
    return render(request, "mfa/codes_new.html", {"left": _codes_left(person) or 0})


def _codes_left(person: Person) -> int | None:
    own = factors.recovery_codes_of(person)
    return None if own is None else codes.left(own)


show_codes = _guarded(_codes)
new_codes = _guarded(_new_codes)
sign_in_with_passkey = never_cache(SignInWithPasskey.as_view())
second_step = never_cache(SecondStep.as_view())
again_with_code = never_cache(AgainWithCode.as_view())
again_with_passkey = never_cache(AgainWithPasskey.as_view())


@require_safe
@login_required
@never_cache
def confirmed(request: HttpRequest) -> HttpResponse:
    """The end of a proof that was given in a tab of its own."""
    return render(request, "account/confirmed.html")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def secure(request: HttpRequest) -> HttpResponse:
    """What somebody is shown first whose role asks for a second factor. Sent: later, for as long as there is time."""
    person, now = person_of(request), timezone.now()
    wanted = get_next_redirect_url(request) or reverse(settings.LOGIN_REDIRECT_URL)
    until = role_factors.due(person)
    if until is None or factors.has_one(person):
        return HttpResponseRedirect(wanted, status=303)
    overdue = until <= now
    if request.method == "POST" and not overdue:
        request.session.pop(SECURE, None)
        return HttpResponseRedirect(wanted, status=303)
    context = {"until": moments.by(until, now), "overdue": overdue, "next": wanted}
    return render(request, "mfa/secure.html", context, status=403 if request.method == "POST" else 200)


def ways_in(request: HttpRequest) -> dict[str, object]:
    """What the person signs in with beside a password, for their page."""
    person, now = person_of(request), timezone.now()
    own = list(factors.of(person))
    by_type = {factor.type: factor for factor in own}
    recovery = by_type.get(Authenticator.Type.RECOVERY_CODES)
    has_one = any(factor.type != Authenticator.Type.RECOVERY_CODES for factor in own)
    dues = [factors.due(person), None if has_one else role_factors.due(person)]
    until = min((due for due in dues if due is not None), default=None)
    return {
        "passkeys": [
            {
                "name": factor.wrap().name,
                "text": _used(factor, now),
                "url": reverse("mfa_remove_webauthn", args=[factor.pk]),
            }
            for factor in own
            if factor.type == Authenticator.Type.WEBAUTHN
        ],
        "app": _used(by_type[Authenticator.Type.TOTP], now) if Authenticator.Type.TOTP in by_type else "",
        "codes_left": codes.left(recovery) if recovery else None,
        "elsewhere": _elsewhere(request) if "changed" in request.GET else 0,
        "has_one": has_one,
        "removal": moments.at(removal.due_at, now) if (removal := factor_removal.waiting(person)) else "",
        "set_aside": [factors.named(one) for one in set_aside.of(person)],
        "due": moments.by(until, now) if until and until > now else "",
        "overdue": until is not None and until <= now,
    }


def factors_of(person: Person) -> list[dict[str, object]]:
    """What somebody signs in with beside a password, named for them."""
    now = timezone.now()
    return [
        {"id": factor.pk, "name": factors.named(factor), "text": _used(factor, now)}
        for factor in factors.besides_codes(person)
    ]


def _used(factor: Authenticator, now: datetime) -> str:
    added = moments.day(factor.created_at)
    if factor.last_used_at is None:
        return format_html(_("Added {added}, not used yet."), added=added)
    return format_html(_("Added {added}, last used {used}."), added=added, used=moments.since(factor.last_used_at, now))


@require_safe
@login_required
@never_cache
def signed_in(request: HttpRequest) -> HttpResponse:
    """Where the person is signed in."""
    now = timezone.now()
    here = request.session.session_key
    rows = [
        {
            "id": session.pk,
            "browser": described(session.user_agent),
            "address": session.ip,
            "since": moments.at(session.created_at, now),
            "seen": moments.ago(session.last_seen_at, now),
            "here": session.session_key == here,
            "limited": LIMITED in session.data,
        }
        for session in sessions.of(person_of(request))
    ]
    rows.sort(key=lambda row: not row["here"])
    return render(request, "mfa/sessions.html", {"sessions": rows})


def _tell_of_paused_apps(request: HttpRequest) -> None:
    if location.has_paused_apps(person_of(request)):
        messages.info(
            request,
            _("Apps that report where your devices are have been paused. Let them go on from the device’s page."),
        )


@require_POST
@login_required
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    ended = sessions.end(actor=actor_of(request), person=person_of(request), session_id=session_id)
    messages.success(request, _("%(browser)s is signed out.") % {"browser": described(ended.user_agent)})
    _tell_of_paused_apps(request)
    return HttpResponseRedirect(reverse("usersessions_list"), status=303)


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    number = sessions.end_all(actor=actor_of(request), person=person_of(request), but=request.session.session_key or "")
    messages.success(
        request, _("Every other browser is signed out.") if number else _("You were signed in nowhere else.")
    )
    _tell_of_paused_apps(request)
    return HttpResponseRedirect(reverse("usersessions_list"), status=303)
