"""The ways to a provider and back. They are links, not forms: the policy of these pages lets no form lead elsewhere."""

from allauth.account.utils import get_next_redirect_url
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mydevices.accounts import arrivals, provider_sign_in, providers
from mydevices.accounts.provider_sign_in import Purpose
from mydevices.accounts.requests import actor_of, person_of
from mydevices.errors import TooMany
from mydevices.presentation.access import freshly_signed_in
from mydevices.presentation.slow_pages import waits


@waits("GET")
@require_safe
@never_cache
def leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the provider. A link on a page of somebody else's only shows the way: nobody is signed in without having
    asked for it."""
    provider = providers.by_id(provider_id)
    wanted = get_next_redirect_url(request) or ""
    if request.user.is_authenticated:
        return HttpResponseRedirect(wanted or reverse("portal:devices"), status=303)
    if _from_elsewhere(request):
        return render(request, "account/provider_leave.html", {"provider": provider, "again": request.get_full_path()})
    return provider_sign_in.leave(request, provider, Purpose.SIGN_IN, to=wanted)


@waits("GET")
@require_safe
@login_required
@never_cache
def again(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Prove anew at the provider who one is: `?go` leads there, which asks even whom it knows (`prompt=login`)."""
    provider = next((one for one in providers.linked(person_of(request)) if one.id == provider_id), None)
    if provider is None:
        return HttpResponseRedirect(reverse("account_reauthenticate"), status=303)
    if "go" not in request.GET or _from_elsewhere(request):
        wanted = request.GET.copy()
        wanted["go"] = "1"
        return render(request, "account/provider_again.html", {"provider": provider, "go": f"?{wanted.urlencode()}"})
    return provider_sign_in.leave(request, provider, Purpose.AGAIN, to=get_next_redirect_url(request) or "")


@waits("GET")
@require_safe
@never_cache
def back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Where the provider sends people."""
    return provider_sign_in.finish(request, providers.by_id(provider_id))


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def adopt(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Whoever a provider brought has an account here already, and proves that it is theirs."""
    provider = providers.by_id(provider_id)
    waiting = provider_sign_in.adoption(request, provider)
    if waiting is None:
        message = _("That took too long. Sign in with %(provider)s again.") % {"provider": provider.name}
        return provider_sign_in.refused(request, provider, message)
    person, _said = waiting
    fault, status = "", 200
    if request.method == "POST":
        try:
            entered = provider_sign_in.prove_and_enter(
                request, provider, password=request.POST.get("password", "")[:1024]
            )
        except TooMany as refusal:
            fault, status = refusal.message, 429
        else:
            if entered is not None:
                return entered
            fault, status = _("That is not the password of this account."), 400
    context = {
        "provider": provider,
        "email": person.email,
        "fault": fault,
        "passkey": providers.has_passkey(person),
    }
    return render(request, "account/provider_adopt.html", context, status=status)


@waits("GET")
@require_safe
@freshly_signed_in
@never_cache
def link(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the provider, to link the account there to one's own here. Only when asked on our own page: a link from
    elsewhere shows the way."""
    provider = providers.by_id(provider_id)
    if "go" not in request.GET or _from_elsewhere(request):
        return render(request, "account/provider_link.html", {"provider": provider})
    return provider_sign_in.leave(request, provider, Purpose.LINK, to="")


@require_POST
@freshly_signed_in
@never_cache
def unlink(request: HttpRequest, provider_id: str) -> HttpResponse:
    provider = providers.by_id(provider_id)
    arrivals.unlink_own(actor=actor_of(request), person=person_of(request), provider=provider)
    messages.success(request, _("You no longer sign in with %(provider)s.") % {"provider": provider.name})
    return HttpResponseRedirect(reverse("mfa_index"), status=303)


def _from_elsewhere(request: HttpRequest) -> bool:
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
