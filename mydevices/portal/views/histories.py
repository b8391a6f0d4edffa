"""Everything that happened, as a file to keep."""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mydevices.accounts.requests import person_of
from mydevices.audit import selectors as audit
from mydevices.audit.models import Entry
from mydevices.devices import selectors as devices
from mydevices.presentation import device_looks, files, past
from mydevices.presentation.access import freshly_signed_in

AT_ONCE = 1000


@require_safe
@freshly_signed_in
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """The history of the account and its devices, as CSV or, with `?as=json`, as JSON."""
    person = person_of(request)
    names = device_looks.names(devices.owned_by(person))
    return _file(request, "history", audit.of_person(person.id), names)


@require_safe
@freshly_signed_in
@never_cache
def device(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The history of one device."""
    found = devices.owned(person_of(request), device_id)
    return _file(request, "history-of-a-device", audit.of_device(found.id), device_looks.names([found]))


def _file(request: HttpRequest, name: str, entries: "QuerySet[Entry]", names: Mapping[str, str]) -> HttpResponse:
    records = past.records(entries.iterator(chunk_size=AT_ONCE), person_of(request), names=names)
    if request.GET.get("as") == "json":
        return files.json_file(name, records)
    head = [_("Time"), _("Who"), _("Role"), _("What"), _("Device"), _("Outcome"), _("Reason"), _("Event")]
    return files.file(name, head, (list(record.values()) for record in records))
