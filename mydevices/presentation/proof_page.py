"""The question back: who asks for something that needs a fresh proof confirms, in the middle of it, that it's them.
Nothing that they typed is lost, and nothing of it is kept here: the page carries the form, and sends it again.

The proof comes with the same form (a password, or the code of an authenticator app), so it works without scripts and in
a dialog. Who has neither, or would rather use a passkey, confirms in another tab and then sends the form again.
"""

import base64
import binascii
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from django import forms
from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from mydevices.accounts.requests import person_of, prove_by_code, prove_by_password
from mydevices.errors import TooMany
from mydevices.lines import is_one_line
from mydevices.presentation.access import go, in_dialog

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

PREFIX: Final = "confirm"
FILE: Final = f"{PREFIX}-file"
BACK: Final = f"{PREFIX}-back"
CSRF: Final = "csrfmiddlewaretoken"
MOST_CARRIED: Final = 500 * 1024
"""Bytes of the files that the page carries along. Whatever is larger is chosen again."""
_ROOM: Final = 16 * 1024
"""Bytes that are left free for the proof and the names of fields, in a form that may have so many in all
(`DATA_UPLOAD_MAX_MEMORY_SIZE`)."""


WAYS: Final = {"password": "reauthenticate", "code": "mfa_reauthenticate"}
"""The ways of django-allauth that are fields of this page."""


class ProofForm(forms.Form):
    """The proof, beside whatever is asked. The code is of an app, or a recovery code."""

    password = forms.CharField(
        label=_("Your password"),
        required=False,
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    code = forms.CharField(
        label=_("Code from your app, or a recovery code"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )

    prefix = PREFIX

    def __init__(self, sent: QueryDict | None = None, *, ways: Collection[str]) -> None:
        super().__init__(sent)
        for name, way in WAYS.items():
            if way not in ways:
                del self.fields[name]

    def fails(self, field: str, message: str) -> None:
        self.add_error(field if field in self.fields else None, message)


NAMES: Final = frozenset({FILE, BACK, *(f"{PREFIX}-{name}" for name in ProofForm.base_fields)})
"""The fields of the page that are not of the form that it carries."""


@dataclass(frozen=True, slots=True)
class _Large:
    """A file that the page does not carry."""

    field: str
    name: str


def ask(request: HttpRequest, form: ProofForm | None = None, *, status: int = 403) -> HttpResponse:
    """The page that asks, instead of what was asked for. It carries what was sent; where nothing was sent, it is a
    detour by the page that asks for a proof."""
    if request.method != "POST":
        return go(request, to_proof(request.get_full_path()))
    ways, dialog = _ways(request), in_dialog(request)
    if form is None:
        form = ProofForm(ways=[way["id"] for way in ways])
    carried, large = _files(request)
    context = {
        "layout": "parts/dialog.html" if dialog else "base.html",
        "dialog": dialog,
        "back": _back(request),
        "form": form,
        "fields": list(_fields(request.POST)),
        "files": carried,
        "large": large,
        "elsewhere": [
            {**way, "url": f"{way['url']}?{urlencode({'next': reverse('confirmed')})}"}
            for way in ways
            if way["id"] not in WAYS.values()  # no field of a form: a passkey, or the organisation's provider
        ],
        # Sent once without a proof: they have come back from another tab before they confirmed there.
        "too_early": _is_answer(request) and not form.is_bound,
    }
    response = render(request, "account/confirm.html", context, status=status)
    response["Cache-Control"] = "no-store"
    response["Vary"] = "X-Dialog"
    if dialog:
        response["X-Dialog"] = "1"
    return response


def to_proof(back: str) -> str:
    """The address of the page that asks for a proof and leads back to where somebody was."""
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}"


def _is_answer(request: HttpRequest) -> bool:
    return hasattr(request, "_confirm_back")


def _back(request: HttpRequest) -> str:
    """Where whoever doesn't go on returns to: the page with the form, as the browser named it when the form was first
    sent."""
    if _is_answer(request):
        found = str(request._confirm_back)  # type: ignore[attr-defined]  # noqa: SLF001  of `take`
    else:
        came_from = urlsplit(request.headers.get("Referer", ""))
        is_ours = came_from.netloc == request.get_host()
        found = urlunsplit(("", "", came_from.path, came_from.query, "")) if is_ours else ""
    is_safe = found.startswith("/") and url_has_allowed_host_and_scheme(found, allowed_hosts=None)
    return found if is_safe else reverse("portal:devices")


def take(request: HttpRequest) -> HttpResponse | None:
    """A form that comes back with a proof: the proof is taken out and tried, and the view sees the form as it was first
    sent. Where the proof is wrong the page asks once more. For the middleware, behind the check of the CSRF token."""
    if request.method != "POST" or NAMES.isdisjoint(request.POST):
        return None
    person = person_of(request)
    sent = request.POST
    form = ProofForm(sent, ways=[way["id"] for way in _ways(request)])
    form.full_clean()
    _unwrap(request, sent)
    request._confirm_back = str(sent.get(BACK, ""))  # type: ignore[attr-defined]  # noqa: SLF001  for `ask`
    password, code = (form.cleaned_data.get(name, "") for name in ("password", "code"))
    if not password and not code:
        return ask(request, form) if form.errors else None
    try:
        if password and prove_by_password(request, email=person.email, password=password) != person:
            form.fails("password", str(get_adapter(request).error_messages["incorrect_password"]))
        factor = prove_by_code(request, person, code) if code and not form.errors else None
    except TooMany as refusal:
        form.fails("", refusal.message)
        return ask(request, form, status=429)
    if code and factor is None and not form.errors:
        form.fails("code", str(get_mfa_adapter().error_messages["incorrect_code"]))
    if form.errors:
        return ask(request, form)
    if password:
        record_authentication(request, person, method="password", reauthenticated=True)
    if factor is not None:
        record_authentication(request, person, method="mfa", id=factor.pk, type=factor.type, reauthenticated=True)
    return None


def _fields(sent: QueryDict) -> Iterator[tuple[str, str]]:
    """What was typed, field by field in the order in which it was sent."""
    for name, values in sent.lists():
        if name != CSRF and name not in NAMES:
            yield from ((name, str(value)) for value in values)


def _files(request: HttpRequest) -> tuple[list[str], list[_Large]]:
    """What the page carries of the files, each as one field, and what it does not."""
    typed = sum(len(name) + len(value.encode()) for name, value in _fields(request.POST))
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or MOST_CARRIED * 2
    room = min(MOST_CARRIED, (most - _ROOM - typed) * 3 // 4)
    carried: list[str] = []
    large: list[_Large] = []
    for name, files in request.FILES.lists():
        for file in files:
            if file.size is None or file.size > room:
                large.append(_Large(name, file.name or ""))
                continue
            room -= file.size
            carried.append(_wrapped(name, file))
    return carried, large


def _wrapped(name: str, file: "UploadedFile[bytes]") -> str:
    file.seek(0)
    content = base64.b64encode(file.read()).decode()
    return json.dumps({"field": name, "name": file.name, "type": file.content_type, "content": content})


def _unwrap(request: HttpRequest, sent: QueryDict) -> None:
    """The form as it was before the page carried it: what was typed, and the files that were chosen."""
    form = QueryDict(mutable=True, encoding=sent.encoding)
    for name, values in sent.lists():
        if name not in NAMES:
            form.setlist(name, values)
    form._mutable = False  # noqa: SLF001  as Django gives it to views
    request.POST = form  # type: ignore[assignment]  # it has just been made immutable
    for text in sent.getlist(FILE):
        found = _unwrapped(str(text))
        if found is not None:
            request.FILES.appendlist(*found)


def _unwrapped(text: str) -> "tuple[str, InMemoryUploadedFile] | None":
    """A file that the page carried; None for what is none."""
    try:
        said = json.loads(text)
        content = base64.b64decode(said["content"], validate=True)
        field, name, kind = (str(said[part] or "") for part in ("field", "name", "type"))
    except (ValueError, LookupError, TypeError, binascii.Error, RecursionError):
        return None
    if not is_one_line(field + name + kind) or len(content) > MOST_CARRIED:
        return None
    try:
        return field, InMemoryUploadedFile(BytesIO(content), field, name or "file", kind, len(content), None)
    except SuspiciousFileOperation:  # "..", and what else is no name of a file
        return None


def _ways(request: HttpRequest) -> Sequence[Mapping[str, str]]:
    """How this person can prove who they are."""
    ways: Sequence[Mapping[str, str]] = get_adapter(request).get_reauthentication_methods(person_of(request))
    return ways
