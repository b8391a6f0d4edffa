"""The ways to a provider and back. They are links, not forms: the policy of these pages lets no form lead elsewhere."""

import time
from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.views import callback
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from requests import RequestException

from mydevices.accounts import providers
from mydevices.accounts.models import Provider
from mydevices.accounts.requests import person_of
from mydevices.presentation.waiting import waits

__all__ = ["again", "back", "leave"]


@waits("GET")
@require_safe
@never_cache
def leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the provider. A link on a page of somebody else's only shows the way: nobody is signed in without having
    asked for it."""
    provider = providers.by_id(provider_id)
    if request.user.is_authenticated:
        return HttpResponseRedirect(get_next_redirect_url(request) or reverse("portal:devices"), status=303)
    if _from_elsewhere(request):
        return render(request, "account/provider_leave.html", {"provider": provider, "again": request.get_full_path()})
    return _redirect(request, provider, next_url=get_next_redirect_url(request))


@waits("GET")
@require_safe
@login_required
@never_cache
def again(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Prove anew at the provider who one is: `?go` leads there, which asks even whom it knows (`prompt=login`)."""
    provider = providers.of(person_of(request))
    if provider is None or provider.id != provider_id:
        return HttpResponseRedirect(reverse("account_reauthenticate"), status=303)
    if "go" not in request.GET or _from_elsewhere(request):
        wanted = request.GET.copy()
        wanted["go"] = "1"
        return render(request, "account/provider_again.html", {"provider": provider, "go": f"?{wanted.urlencode()}"})
    return _redirect(
        request,
        provider,
        next_url=get_next_redirect_url(request),
        data={"again": time.time()},
        auth_params={"prompt": "login", "max_age": "0"},
    )


def _from_elsewhere(request: HttpRequest) -> bool:
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}


def _redirect(request: HttpRequest, provider: Provider, **options: Any) -> HttpResponse:
    theirs = get_adapter().get_provider(request, provider=provider.id)
    try:
        redirect: HttpResponse = theirs.redirect(request, AuthProcess.LOGIN, **options)
    except (RequestException, LookupError, ValueError):
        message = _("%(provider)s does not answer. Try again in a moment.") % {"provider": provider.name}
        context = {"provider": provider, "message": message, "local": providers.required() is not None}
        return render(request, "account/provider_refused.html", context, status=503)
    return redirect


back = waits("GET")(require_safe(never_cache(callback)))
