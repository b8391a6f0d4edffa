"""The audit: everything that happened, newest first, narrowed and as a file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from mydevices.accounts.requests import actor_of
from mydevices.accounts.rights import Right
from mydevices.audit import selectors
from mydevices.audit import services as audit_services
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.console.access import console_page
from mydevices.presentation import files, moments, verbs

PAGE: Final = 100
LONGEST_ID: Final = 18


def _wanted(request: HttpRequest) -> "QuerySet[Entry]":
    """The entries that the address asks for: words in names or an exact id or address, a verb or its subject, days."""
    rows, query = selectors.latest(), request.GET
    text = query.get("q", "").strip()[:100]
    if text:
        names = Q(actor_name__icontains=text) | Q(person_name__icontains=text) | Q(device_name__icontains=text)
        exact = Q(address=text) | Q(device_id=text) | Q(person_id=text) | Q(actor_id=text) | Q(action_id=text)
        rows = rows.filter(names | exact)
    verb = query.get("verb", "")
    if verb in {str(one) for one in Verb}:
        rows = rows.filter(verb=verb)
    first, last = _day(query.get("from", "")), _day(query.get("to", ""))
    if first:
        rows = rows.filter(at__gte=first)
    if last:
        rows = rows.filter(at__lt=last + timedelta(days=1))
    return rows


def _day(text: str) -> datetime | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone()) if day else None


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None


@require_safe
@console_page(Right.SEE_AUDIT)
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    wanted, before = _wanted(request), _id(request.GET.get("before", ""))
    if request.GET.get("q", "").strip():
        page = selectors.page_of_search(wanted, size=PAGE, before=before)
    else:
        page = selectors.page(wanted, size=PAGE, before=before, after=_id(request.GET.get("after", "")))
    rows = [
        {
            "entry": entry,
            "what": verbs.name_of(entry.verb),
            "at": moments.moment(entry.at, now),
            "details": ", ".join(f"{name}: {value}" for name, value in entry.details.items() if value != ""),
        }
        for entry in page.entries
    ]
    kept = request.GET.copy()
    for name in ("before", "after"):
        kept.pop(name, None)
    sealed = selectors.sealed()
    context = {
        "rows": rows,
        "page": page,
        "kept": kept.urlencode(),
        "verbs": sorted(((str(verb), str(name)) for verb, name in verbs.NAMES.items()), key=lambda one: one[1]),
        "values": {name: request.GET.get(name, "") for name in ("q", "verb", "from", "to")},
        "sealed": sealed,
        "looked_at": selectors.LOOKED_AT,
    }
    return render(request, "console/audit.html", context)


FIELDS: Final = (
    "id", "at", "verb", "actor_kind", "actor_id", "actor_name", "actor_role", "address", "device_id", "device_name",
    "person_id", "person_name", "action_id", "outcome",
)  # fmt: skip


@require_safe
@console_page(Right.EXPORT)
def export(request: HttpRequest) -> HttpResponse:
    """What the page shows, all of it, as CSV or, with `?as=json`, as one JSON object a line. Itself an entry."""
    rows = _wanted(request).iterator(chunk_size=1000)
    # Translated now: the file is written when nobody's language holds any more.
    names = {str(verb): str(name) for verb, name in verbs.NAMES.items()}
    audit_services.record(Verb.LIST_EXPORTED, actor=actor_of(request), details={"list": "audit"})
    if request.GET.get("as") == "json":
        response = HttpResponse(_json(rows, names), content_type="application/x-ndjson")
        response["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
        return response
    return files.file("audit", [*FIELDS, "what", "details"], _lines(rows, names))


def _values(entry: Entry, names: Mapping[str, str]) -> dict[str, object]:
    """The fields, and what happened in words (`names`, by verb)."""
    told = {name: getattr(entry, name) for name in FIELDS} | {"at": entry.at.astimezone(UTC).isoformat()}
    return told | {"what": names.get(entry.verb, entry.verb)}


def _lines(rows: Iterator[Entry], names: Mapping[str, str]) -> Iterator[Sequence[object]]:
    for entry in rows:
        yield [*_values(entry, names).values(), json.dumps(entry.details, ensure_ascii=False, sort_keys=True)]


def _json(rows: Iterator[Entry], names: Mapping[str, str]) -> Iterator[str]:
    for entry in rows:
        yield json.dumps(_values(entry, names) | {"details": entry.details}, ensure_ascii=False) + "\n"
