"""The link in the mail to an old address: undo the change, prove who you are, and decide about what was set aside."""

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from mydevices.accounts import email_change, factors, passkeys, set_aside
from mydevices.accounts.models import EmailChange
from mydevices.accounts.requests import address_of, browser_of, prove_by_code, remember_in_browser
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.portal.forms import BeforeForm, NewPasswordForm
from mydevices.presentation import moments


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("before", "code", "password", "again")
@never_cache
def restore_email(request: HttpRequest, token: str) -> HttpResponse:
    """One address for every step. Which one is next is told by the change itself and by a signed proof in the form: the
    page can be opened again at any time, and opening it changes nothing."""
    try:
        change = email_change.to_undo(token)
    except NotAllowed:
        change = email_change.to_settle(token)
    proof = request.POST.get("proof", "")
    way = email_change.proved(change, proof)
    if change.undone_at is None and not change.demands_factor:
        return _undo(request, token, change, "")
    if not way:
        return _prove(request, token, change)
    if change.undone_at is None:
        return _undo(request, token, change, proof)
    return _settle(request, token, change, proof)


def _undo(request: HttpRequest, token: str, change: EmailChange, proof: str) -> HttpResponse:
    if request.method == "POST":
        email_change.undo(token=token, address=address_of(request), proof=proof)
        messages.success(request, _("Your old address is back, and you’re signed out everywhere."))
        return HttpResponseRedirect(request.path, status=303)
    return render(request, "portal/account/restore_email.html", {"change": change, "proof": proof})


def _prove(request: HttpRequest, token: str, change: EmailChange) -> HttpResponse:
    """Ask for the password or a factor from before. What is typed is checked here and goes no further."""
    person = change.person
    form = BeforeForm(
        request.POST if request.method == "POST" and "before" in request.POST else None,
        with_password=bool(change.password) and change.undone_at is not None,
        with_code=email_change.has_factor_from_before(
            change, Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
        ),
    )
    refusal = ""
    if request.method == "POST":
        try:
            proof = email_change.prove(
                change, password=request.POST.get("before", ""), factor=_used_factor(request, change)
            )
        except Invalid as wrong:
            refusal = wrong.message
        else:
            return (
                _undo(request, token, change, proof)
                if change.undone_at is None
                else _settle(request, token, change, proof, is_first=True)
            )
    context = {
        "change": change,
        "form": form,
        "refusal": refusal,
        "options": passkeys.begin(request, passkeys.Ceremony.UNDO, person)
        if email_change.has_factor_from_before(change, Authenticator.Type.WEBAUTHN)
        else None,
    }
    return render(request, "portal/account/restore_prove.html", context, status=400 if refusal else 200)


def _used_factor(request: HttpRequest, change: EmailChange) -> Authenticator | None:
    """The factor behind a code or a passkey that was sent; None where neither was. Raises Invalid for a wrong one, and
    TooMany for too many codes: they are counted as at sign-in."""
    factor: Authenticator | None
    if request.POST.get("credential"):
        form = passkeys.UndoForm(data=request.POST, user=change.person)
        if not form.is_valid():
            raise Invalid(" ".join(str(error) for errors in form.errors.values() for error in errors))
        factor = form.cleaned_data["credential"]
        factor.record_usage()
        return factor
    if request.POST.get("code"):
        factor = prove_by_code(request, change.person, request.POST["code"])
        if factor is None:
            raise Invalid(_("That code isn’t right, or it has been used."))
        return factor
    return None


def _settle(
    request: HttpRequest, token: str, change: EmailChange, proof: str, *, is_first: bool = False
) -> HttpResponse:
    """Choose a new password, and what comes back into use. `is_first`: the form that was sent was the proof's."""
    person = change.person
    form = NewPasswordForm(None if is_first or "password" not in request.POST else request.POST)
    aside, back = set_aside.of(person), request.POST.getlist("back")
    if form.is_bound and form.is_valid():
        try:
            email_change.settle(
                token=token,
                proof=proof,
                give_back=[one.pk for one in aside if str(one.pk) in back],
                password=form.cleaned_data["password"],
                address=address_of(request),
                browser=browser_of(request),
            )
        except (Invalid, Conflict) as refusal:
            form.add_error("password" if isinstance(refusal, Invalid) else None, refusal.message)
        else:
            messages.success(request, _("Your new password is set. Sign in with it."))
            person.refresh_from_db()
            remember_in_browser(request, person)
            return HttpResponseRedirect(reverse("account_login"), status=303)
    context = {
        "change": change,
        "form": form,
        "person": person,
        "proof": proof,
        "aside": [{"id": one.pk, "name": factors.named(one), "added": moments.day(one.created_at)} for one in aside],
        "back": back,
        "strength_url": reverse("portal:restore_strength", args=[token]),
    }
    return render(request, "portal/account/restore_settle.html", context, status=400 if form.errors else 200)
