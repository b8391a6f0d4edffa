"""What people have uploaded, for those who look after it. Private keys are neither shown nor sent from here."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from mydevices.accounts.requests import actor_of, rights_of
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors
from mydevices.certificates.models import Certificate
from mydevices.console import listing
from mydevices.console.access import console_page
from mydevices.console.listing import Column, Filter
from mydevices.presentation import certificates as presentation
from mydevices.presentation import files

COLUMNS: Final = (
    Column("name", gettext_lazy("Certificate Name"), (Lower("type__label"), "id")),
    Column("person", gettext_lazy("Person"), (Lower("person__name"), "id")),
    Column("issuer", gettext_lazy("Issued By"), (Lower("issuer"), "id")),
    Column("uploaded", gettext_lazy("Uploaded On"), ("uploaded_at", "id")),
    Column("expires", gettext_lazy("Expiration Date"), ("not_after", "id")),
    Column("key", gettext_lazy("Private key")),
)
_DAYS: Final = ("1", "7", "30", "90")


def _expiring(rows: "QuerySet[Certificate]", value: str) -> "QuerySet[Certificate]":
    now = timezone.now()
    if value == "expired":
        return rows.filter(not_after__lte=now)
    return rows.filter(not_after__gt=now, not_after__lte=now + timedelta(days=int(value)))


def _uploaded(rows: "QuerySet[Certificate]", value: str) -> "QuerySet[Certificate]":
    return rows.filter(uploaded_at__gt=timezone.now() - timedelta(days=int(value)))


def _state(rows: "QuerySet[Certificate]", value: str) -> "QuerySet[Certificate]":
    if value in {"present", "replaced"}:
        return rows.filter(replaced_at__isnull=value == "present")
    return rows.filter(key__isnull=value == "without")


def _filters() -> "Sequence[Filter[Certificate]]":
    types = [(str(one.id), one.label) for one in selectors.types()[:200]]
    last = dict(zip(_DAYS, (_("Today"), _("Within 7 days"), _("Within 30 days"), _("Within 90 days")), strict=True))
    states = [
        ("present", _("Present")),
        ("replaced", _("Replaced")),
        ("with", _("With its private key")),
        ("without", _("Without a private key")),
    ]
    return (
        Filter("type", _("Any certificate"), types, lambda rows, value: rows.filter(type_id=value)),
        Filter("uploaded", _("Uploaded any time"), list(last.items()), _uploaded),
        Filter("expires", _("Expires any time"), [("expired", _("Expired")), *list(last.items())[1:]], _expiring),
        Filter("state", _("Any state"), states, _state),
    )


@require_safe
@console_page(Right.SEE_PEOPLE)
def index(request: HttpRequest) -> HttpResponse:
    page = listing.page(
        selectors.all_certificates(),
        request.GET,
        columns=COLUMNS,
        filters=_filters(),
        search=selectors.searched,
        full=lambda rows: selectors.listed().filter(pk__in=rows.values("pk")),
        default="-uploaded",
    )
    now = timezone.now()
    rows = [{"row": presentation.row(one, now), "person": one.person} for one in page.rows]
    return render(request, "console/certificates.html", {"page": page, "rows": rows, "may": rights_of(request)})


@require_safe
@console_page(Right.EXPORT)
def export(request: HttpRequest) -> HttpResponse:
    """The certificates that the list shows, all pages of it, as a file."""
    wanted = listing.narrowed(selectors.all_certificates(), request.GET, search=selectors.searched, filters=_filters())
    audit.record(Verb.LIST_EXPORTED, actor=actor_of(request), details={"list": "certificates"})
    head = [_("Certificate Name"), _("Person"), _("E-mail"), _("Issued By"), _("Subject"), _("Addresses")]
    head += [_("Serial number"), _("SHA-256"), _("Kind of key"), _("Uploaded On"), _("Expiration Date")]
    head += [_("Replaced"), _("Private key")]

    def lines() -> Iterator[Sequence[object]]:
        rows = selectors.listed().filter(pk__in=wanted.values("pk")).order_by("-uploaded_at", "id")
        for row in rows.iterator(chunk_size=500):
            yield (
                row.type.label, row.person.name, row.person.email, row.issuer, row.subject, ", ".join(row.addresses),
                row.serial, row.fingerprint, row.key_algorithm, row.uploaded_at.isoformat(timespec="seconds"),
                row.not_after.isoformat(timespec="seconds"),
                row.replaced_at.isoformat(timespec="seconds") if row.replaced_at else "",
                _("kept, sealed") if row.has_key else _("none"),
            )  # fmt: skip

    return files.file("certificates", head, lines())
