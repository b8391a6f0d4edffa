"""What holds for every page: errors become pages, and times are the reader's own."""

from collections.abc import Callable
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factors, sessions
from mydevices.accounts.models import Person
from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound, TooMany, Unsupported

STATUS: dict[type[MyDevicesError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    TooMany: 429,
    Conflict: 409,
    Unsupported: 409,
    Invalid: 400,
}
PAGES = {400, 403, 404, 429}


class TranslateErrors:
    """An error that a view leaves to the edge becomes a page with its sentence and its status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, MyDevicesError):
            return None
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
        template = f"{status}.html" if status in PAGES else "portal/refused.html"
        return render(request, template, {"message": error.message}, status=status)


class LocalTime:
    """Times are shown in the zone that the page's script found and left in a cookie, else in the server's own."""

    COOKIE = "zone"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.zones = available_timezones()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = unquote(request.COOKIES.get(self.COOKIE, ""))
        if name not in self.zones:
            return self.get_response(request)
        with timezone.override(ZoneInfo(name)):
            return self.get_response(request)


class SecondFactor:
    """Whoever must have a second factor by now and has none sees only the pages that add one, and the way out. Notes by
    the way that the session is used.

    Nothing is asked of the database while no group demands a factor (known for five seconds)."""

    OPEN = frozenset({"account_logout", "account_reauthenticate", "account_change_password"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: tuple[object, ...], _named: dict[str, object]
    ) -> HttpResponse | None:
        user = request.user
        if not isinstance(user, Person):
            return None
        now = timezone.now()
        sessions.seen(session_key=request.session.session_key or "", now=now)
        match = request.resolver_match
        name = (match.url_name or "") if match else ""
        if not factors.demanded() or name in self.OPEN or name.startswith("mfa_"):
            return None
        due = factors.due(user)
        if due is None or due > now:
            return None
        return HttpResponseRedirect(reverse("mfa_index"), status=303)
