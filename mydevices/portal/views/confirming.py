"""Where the mail about a new device leads: it is its owner's, or it is not. No session is needed, and none begins."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from mydevices.accounts.requests import address_of
from mydevices.errors import Invalid
from mydevices.presentation import moments
from mydevices.presentation.device_looks import name_of
from mydevices.registration import confirmations


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Opening it changes nothing: mail scanners open links."""
    now = timezone.now()
    if request.method != "POST":
        return _question(request, token)
    answer, address = request.POST.get("answer"), address_of(request)
    if answer == "yes":
        device = confirmations.confirm_by_link(token=token, address=address, now=now)
        return render(request, "portal/confirmed.html", {"name": name_of(device)})
    if answer == "no":
        device = confirmations.disown_by_link(token=token, address=address, now=now)
        return render(request, "portal/disowned.html", {"name": name_of(device)})
    raise Invalid(_("Open the link in the mail again, and answer there."))


def _question(request: HttpRequest, token: str) -> HttpResponse:
    now = timezone.now()
    asked = confirmations.asked(token, now)
    life = asked.registration
    context = {
        "name": name_of(life.device),
        "owner": life.device.owner.name,
        "since": moments.at(life.started_at, now),
        "address": asked.address,
        "confirmed": moments.at(life.confirmed_at, now) if life.confirmed_at else "",
    }
    return render(request, "portal/confirm_by_link.html", context)
