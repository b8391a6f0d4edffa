"""Forgotten passwords: ask for a link, and set a new password with it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from mydevices.accounts import factor_removal, factors, password_reset
from mydevices.accounts.requests import address_of, browser_of, remember_in_browser
from mydevices.audit.actor import Actor
from mydevices.errors import Invalid
from mydevices.portal.forms import ForgottenForm, NewPasswordForm
from mydevices.portal.views.factors import factors_of
from mydevices.presentation.access import sent


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask(request: HttpRequest) -> HttpResponse:
    """The answer is the same whether or not anybody has the address."""
    form = ForgottenForm(sent(request))
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        actor = Actor(kind="anonymous", address=address_of(request))
        password_reset.ask(actor=actor, email=email, browser=browser_of(request))
        return render(request, "account/forgotten_sent.html", {"email": email})
    return render(request, "account/forgotten.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password", "again")
@never_cache
def reset(request: HttpRequest, person_id: UUID, token: str) -> HttpResponse:
    """Where the mail leads. Opening it spends nothing."""
    person = password_reset.whose(person_id=person_id, token=token)
    form = NewPasswordForm(sent(request))
    missing = request.POST.getlist("missing")
    own = factors_of(person)
    keys = {str(factor["id"]) for factor in own}
    if request.method == "POST" and form.is_valid():
        try:
            person = password_reset.reset(
                person_id=person_id,
                token=token,
                password=form.cleaned_data["password"],
                address=address_of(request),
                browser=browser_of(request),
                missing=[int(key) for key in missing if key in keys],
            )
        except Invalid as refusal:
            form.add_error("password", refusal.message)
        else:
            messages.success(request, _("Your new password is set. Sign in with it."))
            if not factors.has_one(person):  # the mailbox is theirs, which is not all that is asked of the others
                remember_in_browser(request, person)
            return HttpResponseRedirect(reverse("account_login"), status=303)
    context = {
        "form": form,
        "person": person,
        "factors": own,
        "may_remove": factor_removal.may_ask(person),
        "missing": missing,
        "strength_url": reverse("portal:reset_strength", args=[person_id, token]),
    }
    return render(request, "account/reset.html", context, status=400 if form.errors else 200)
