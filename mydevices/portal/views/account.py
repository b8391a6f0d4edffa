"""The person's own account, and the first administrator's beginning."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from mydevices.accounts import services as accounts
from mydevices.accounts.requests import actor_of, address_of, person_of
from mydevices.errors import Conflict, Invalid
from mydevices.portal.forms import NameForm, SetupForm
from mydevices.presentation import moments
from mydevices.presentation.access import sent


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    form = NameForm(sent(request), initial={"name": person.name})
    if request.method == "POST" and form.is_valid():
        accounts.change_name(actor=actor_of(request), person=person, name=form.cleaned_data["name"])
        messages.success(request, _("Your name is saved."))
        return HttpResponseRedirect(reverse("portal:account"), status=303)
    context = {"form": form, "joined": moments.day(person.joined_at)}
    return render(request, "portal/account.html", context, status=400 if form.errors else 200)


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
            return HttpResponseRedirect(reverse("account_login"), status=303)
    return render(request, "setup.html", {"form": form}, status=400 if form.errors else 200)
