"""The apps of a device, as portal and console list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.applications.models import Listing
from mydevices.applications.selectors import App
from mydevices.presentation import moments


@dataclass(frozen=True, slots=True)
class AppRow:
    name: str
    identifier: str
    version: str
    size: str


@dataclass(frozen=True, slots=True)
class AppList:
    """What is known of the apps. `why` says, where there are no rows, why that is so."""

    rows: Sequence[AppRow]
    summary: str
    read: str
    why: str


def listed(listing: Listing | None, apps: Sequence[App], *, scope: str, refusal: str, now: datetime) -> AppList:
    """`scope` is what may be read, `refusal` why this device cannot be asked."""
    rows = [AppRow(app.name, app.identifier, app.version, size(app.size)) for app in apps]
    read = moments.ago(listing.read_at, now) if listing and listing.read_at else ""
    number = ngettext("%(number)d app", "%(number)d apps", len(rows)) % {"number": len(rows)}
    if listing and listing.is_cut:
        number = _("The first %(number)d apps") % {"number": len(rows)}
    return AppList(rows, number, read, "" if rows else _why(listing, scope, refusal))


def _why(listing: Listing | None, scope: str, refusal: str) -> str:
    if not scope:
        return _("Nobody asks this device which apps are on it.")
    if refusal:
        return refusal
    if listing is None or listing.read_at is None:
        return _("It has been asked, or soon will be, and has not answered yet.")
    if scope == Listing.Scope.MANAGED:
        return _("There is no app on it that the organisation installed.")
    return _("It says that there are no apps on it but those that came with it.")


def size(amount: int | None) -> str:
    """“31 MB”, as people know it from their devices; empty where it is not known."""
    if amount is None:
        return ""
    if amount >= 10**9:
        return _("%(number)s GB") % {"number": number_format(round(amount / 10**9, 1))}
    return _("%(number)s MB") % {"number": number_format(max(1, round(amount / 10**6)))}
