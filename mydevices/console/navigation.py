"""The console's side navigation: what this role can open."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mydevices.accounts.requests import rights_of
from mydevices.accounts.rights import Right


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """A line of the navigation: `url` is a name, `section` the beginning of the names of its pages."""

    section: str
    url: str
    icon: str
    label: str | Promise
    right: Right


PLACES: Final = (
    NavigationLink("overview", "console:overview", "home", _("Overview"), Right.SEE_DEVICES),
    NavigationLink("approvals", "console:approvals", "clock", _("Waiting"), Right.SEE_DEVICES),
    NavigationLink("people", "console:people", "person", _("People"), Right.SEE_PEOPLE),
    NavigationLink("groups", "console:groups", "people", _("Groups"), Right.SEE_PEOPLE),
    NavigationLink("devices", "console:devices", "device", _("Devices"), Right.SEE_DEVICES),
    NavigationLink("invitations", "console:invitations", "mail", _("Invitations"), Right.SEE_PEOPLE),
    NavigationLink("policies", "console:policies", "sliders", _("Policies"), Right.SEE_SETTINGS),
    NavigationLink("configurations", "console:configurations", "layers", _("Configurations"), Right.SEE_SETTINGS),
    NavigationLink("certificates", "console:certificates", "seal", _("Certificates"), Right.SEE_PEOPLE),
    NavigationLink("audit", "console:audit", "list", _("Audit"), Right.SEE_AUDIT),
    NavigationLink("settings", "console:settings", "gear", _("Settings"), Right.SEE_SETTINGS),
)

_ELSEWHERE: Final = {"devices_wipes_one": "approvals"}
"""Pages that belong to another place than their names say."""


def context(request: HttpRequest) -> dict[str, object]:
    """For every page: the places that this visitor may open; none for people without a role."""
    if request.resolver_match is None or request.resolver_match.app_name != "console":
        return {}
    allowed = rights_of(request)
    here = _ELSEWHERE.get(name := request.resolver_match.url_name or "", name)
    return {
        "places": [
            {
                "url": reverse(place.url),
                "icon": place.icon,
                "label": place.label,
                "here": here.startswith(place.section),
            }
            for place in PLACES
            if place.right in allowed
        ]
    }
