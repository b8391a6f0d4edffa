from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from mydevices.accounts import limited, role_factors, selectors
from mydevices.accounts.models import Person
from mydevices.accounts.requests import BEGAN
from mydevices.policies import helpdesk
from mydevices.presentation import moments


def help_place(request: HttpRequest) -> dict[str, object]:
    """Whom this visitor asks, for the foot of every page and for pages that refuse; read only where it is shown. A page
    about one device hands over the helpdesk of that device's policy instead."""

    def found() -> helpdesk.Helpdesk:
        somebody = getattr(request, "user", None)
        return helpdesk.of_person(somebody) if isinstance(somebody, Person) else helpdesk.default()

    return {"helpdesk": SimpleLazyObject(found)}


def factor_due(request: HttpRequest) -> dict[str, object]:
    """Until when somebody may go on without the second factor that their role asks for, for the line that every page
    has till then."""
    user, now = getattr(request, "user", None), timezone.now()
    until = role_factors.due(user) if isinstance(user, Person) else None
    return {"factor_due": moments.by(until, now) if until is not None and until > now else ""}


def limited_session(request: HttpRequest) -> dict[str, object]:
    """Until when a session goes on that began with a password alone, for the line that every page of it has."""
    until = limited.until_of(request)
    return {"limited_until": moments.at(until, timezone.now()) if until else ""}


def session_lasts(request: HttpRequest) -> dict[str, object]:
    """How many seconds the session goes on where no other page is opened: so long a page may show what it does. Empty
    where nobody is signed in."""
    if not isinstance(getattr(request, "user", None), Person):
        return {"session_lasts": ""}
    idle = selectors.sign_in_rules().idle_minutes * 60 or settings.SESSION_COOKIE_AGE
    until, now = limited.until_of(request), timezone.now()
    began = request.session.get(BEGAN, int(now.timestamp()))
    left = int((until - now).total_seconds()) if until else began + settings.SESSION_COOKIE_AGE - int(now.timestamp())
    return {"session_lasts": str(max(1, min(idle, left)))}
