"""What holds for every page: errors become pages, and times are the reader's own."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlencode
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _

from mydevices.accounts import factors, limited, passwords, role_factors, selectors, sessions
from mydevices.accounts.models import Person
from mydevices.accounts.requests import BEGAN, SECURE, SEEN, note_refusal, write_cookie
from mydevices.actions import ACTIONS
from mydevices.errors import (
    Conflict,
    Invalid,
    LimitedSession,
    MyDevicesError,
    NeedsFreshAuthentication,
    NotAllowed,
    NotFound,
    NotTheirs,
    TooMany,
    Unsupported,
    Waits,
)
from mydevices.presentation import proof_page
from mydevices.presentation.access import go

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
        if isinstance(error, NeedsFreshAuthentication):
            return proof_page.ask(request)
        if not isinstance(error, MyDevicesError):
            return None
        if isinstance(error, LimitedSession):
            return render(request, "portal/limited.html", status=403)
        if isinstance(error, Waits):  # what waits has a page, with until when and how it is stopped
            messages.info(request, error.message)
            return go(request, reverse("console:approvals_one", args=[error.approval]))
        is_of_console = request.resolver_match is not None and request.resolver_match.namespace == "console"
        if isinstance(error, NotTheirs) or (isinstance(error, NotAllowed) and is_of_console):
            note_refusal(request, hidden=isinstance(error, NotTheirs))
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
        template = f"{status}.html" if status in PAGES else "portal/refused.html"
        return render(request, template, {"message": error.message}, status=status)


class NotKept:
    """Whatever somebody gets who is signed in stays in no cache, error pages among it: those carry a name, too. Only
    what says itself that it is the same for everybody may be kept. The outermost, so that nothing is answered past it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Without `user` it was answered before anybody asked who it is: static files.
        if "public" not in response.get("Cache-Control", "") and hasattr(request, "user") and signed_in(request):
            patch_cache_control(response, no_store=True, private=True)
        return response


class Readable:
    """No database keeps a NUL as text, and PostgreSQL takes none as a question either: an address or a form that has
    one is refused here, once for every page. Cookies that have one are as good as none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name in [name for name, value in request.COOKIES.items() if "\0" in value]:
            del request.COOKIES[name]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        given = [request.path_info]
        for fields in (request.GET, request.POST):
            given.extend(text for name, values in fields.lists() for text in (name, *map(str, values)))
        if not any("\0" in text for text in given):
            return None
        message = _("This has characters that cannot be kept. Type it anew.")
        return render(request, "400.html", {"message": message}, status=400)


class Preferences:
    """Pages are in the language and time zone that their reader chose; else in the zone that the page's script found
    and left in a cookie, and in the language that the browser asks for. The theme is the template's work."""

    COOKIE: Final = "__Host-zone" if settings.SESSION_COOKIE_SECURE else "zone"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.zones = available_timezones()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = signed_in(request)
        name = (person.time_zone if person else "") or unquote(request.COOKIES.get(self.COOKIE, ""))
        zone = ZoneInfo(name) if name in self.zones else None
        language = person.language if person else ""
        with ExitStack() as chosen:
            if zone is not None:
                chosen.enter_context(timezone.override(zone))
            if language:
                chosen.enter_context(translation.override(language))
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
            return response


def signed_in(request: HttpRequest) -> Person | None:
    """Who is signed in. Asks the database for nobody who brings no session."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    return request.user if isinstance(request.user, Person) else None


class Sessions(SessionMiddleware):
    """Django's, but what a page asks for by itself never takes the cookie away: such a request may have left with
    the key of a moment ago, just before a proof of identity renewed it (`accounts.sessions.renew`), and its answer
    would come after the one with the new key."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if is_by_itself(request) and request.session.is_empty():
            patch_vary_headers(response, ("Cookie",))
            return response
        return super().process_response(request, response)


class Limited:
    """A session that began with a password alone, because the second factor is what was lost, opens the pages that lock
    and find a device, and no other: whatever is not named here is refused, with how to get at it. It ends after half an
    hour, and as soon as the rules or its person's role no longer allow it. Verbs refuse by themselves besides
    (`audit.services.record`)."""

    OPEN: Final = frozenset(
        {
            "account_logout",
            "portal:brand",
            "portal:logo",
            "portal:lost_device",
            "portal:lost_device_now",
            "portal:lost_devices",
            "portal:where",
            "portal:where_now",
            *(f"portal:{kind}" for kind, rules in ACTIONS.items() if rules.limited),
        }
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = signed_in(request)
        if person is not None and limited.until_of(request) is not None and limited.is_over(request, person):
            limited.end(request)
            messages.info(request, _("Your session has ended: it was for locking and finding a device only."))
        response = self.get_response(request)
        if person is not None and signed_in(request) is None:  # their session has ended with this request
            response.headers["Clear-Site-Data"] = '"storage"'
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _arguments: object, _named: object
    ) -> HttpResponse | None:
        if signed_in(request) is None or limited.until_of(request) is None:
            return None
        match = request.resolver_match
        if match is not None and match.view_name in self.OPEN:
            return None
        return render(request, "portal/limited.html", status=403)


class SignedIn:
    """A session that nobody used for long ends, and so does one that has gone on for long, however much it was used;
    one with an expired password opens only what renews it."""

    ALWAYS_OPEN: Final = frozenset({"account_change_password", "account_logout", "account_reauthenticate", "strength"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = signed_in(request)
        if person is not None and not self._ended_for_its_age(request, person):
            self._keep_or_end(request, person, timedelta(minutes=selectors.sign_in_rules().idle_minutes))
        response = self.get_response(request)
        write_cookie(request, response)
        return response

    def _ended_for_its_age(self, request: HttpRequest, person: Person) -> bool:
        """Whether it began too long ago and has therefore ended. Django's own end moves with all that is written into
        the session, so that whoever has its key could use it for ever."""
        now, key = timezone.now(), request.session.session_key or ""
        if BEGAN not in request.session:  # of an earlier version
            request.session[BEGAN] = int((sessions.began(key) or now).timestamp())
        if now.timestamp() - int(request.session[BEGAN]) <= settings.SESSION_COOKIE_AGE:
            return False
        sessions.end_old(person=person, session_key=key)
        self._end(request, _("You were signed out, because two weeks have passed since you signed in."))
        return True

    @staticmethod
    def _end(request: HttpRequest, why: str) -> None:
        request.session.flush()
        request.user = AnonymousUser()
        messages.info(request, why)

    def _keep_or_end(self, request: HttpRequest, person: Person, idle: timedelta) -> None:
        if not idle:
            return
        now = int(timezone.now().timestamp())
        seen = int(request.session.get(SEEN, now))
        if now - seen > idle.total_seconds():
            sessions.end_idle(person=person, session_key=request.session.session_key or "")
            self._end(request, _("You were signed out, because nothing was opened here for some time."))
        # Not written for every page: at most a tenth of the time-out late, and never more than ten minutes.
        elif SEEN not in request.session or (
            now - seen > min(600, idle.total_seconds() / 10) and not is_by_itself(request)
        ):
            request.session[SEEN] = now

    def process_view(
        self, request: HttpRequest, _view: object, _arguments: object, _named: object
    ) -> HttpResponse | None:
        person = signed_in(request)
        match = request.resolver_match
        if person is None or match is None or match.url_name in self.ALWAYS_OPEN:
            return None
        if limited.until_of(request) is not None:  # opens no page that would renew it, and has to work all the same
            return None
        if not passwords.is_expired(person, rules=selectors.sign_in_rules(), now=timezone.now()):
            return None
        return go(request, reverse("account_change_password"))


def is_by_itself(request: HttpRequest) -> bool:
    """Whether the page's script asks anew for what changes, with nobody there perhaps."""
    return request.method == "GET" and request.headers.get("HX-Request") == "true"


class SecondFactor:
    """Whoever must have a second factor by now, because of a group or of their role, and has none sees only the pages
    that add one, and the way out. Notes by the way that the session is used.

    Nothing is asked of the database while no group demands a factor (known for five seconds), nor for a role: until
    when that one waits stands in the person's row."""

    OPEN: Final = frozenset(
        {
            "account_change_password",
            "account_logout",
            "account_reauthenticate",
            "confirmed",
            "mfa_activate_totp",
            "mfa_add_webauthn",
            "mfa_deactivate_totp",
            "mfa_generate_recovery_codes",
            "mfa_index",
            "mfa_reauthenticate",
            "mfa_reauthenticate_webauthn",
            "mfa_remove_webauthn",
            "mfa_view_recovery_codes",
            "openid_connect_callback",  # the way back of `provider_again`
            "portal:brand",
            "portal:logo",
            "portal:secure",
            "portal:strength",
            "provider_again",
        }
    )

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
        if match is None or match.view_name in self.OPEN:
            return None
        if role_factors.is_overdue(user, now):
            return self._lead(request, reverse("portal:secure"))
        if SECURE in request.session and request.method == "GET" and not is_by_itself(request):
            if role_factors.due(user) is not None:
                return go(request, f"{reverse('portal:secure')}?{urlencode({'next': request.get_full_path()})}")
            del request.session[SECURE]
        if not factors.demanded():
            return None
        due = factors.due(user)
        if due is None or due > now:
            return None
        return self._lead(request, reverse("mfa_index"))

    @staticmethod
    def _lead(request: HttpRequest, address: str) -> HttpResponse:
        """To that page as a whole: what a script asked for is a part of another, into which it does not fit."""
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": address})
        return go(request, address)


class Confirmed:
    """A form that comes with a proof of identity (`presentation.proof_page`): the proof is checked here, and the view
    sees the form as it was first sent. A limited session proves nothing by it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: tuple[object, ...], _named: dict[str, object]
    ) -> HttpResponse | None:
        if signed_in(request) is None or limited.until_of(request) is not None:
            return None
        return proof_page.take(request)
