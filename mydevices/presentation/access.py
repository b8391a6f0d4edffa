"""What stands before a page: sign-in, and a fresh proof of identity before what destroys, opens or reveals."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone

from mydevices.accounts.requests import actor_of

P = ParamSpec("P")


def freshly_signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask for a proof of identity before the form is shown. Who sends it too late is asked then (`confirm`), and
    nothing that they typed is lost."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        actor_of(request).require_fresh(timezone.now())
        return view(request, *args, **kwargs)

    return login_required(guarded)


def plain(name: str) -> str:
    """A typed name as it is compared: a keyboard's straight apostrophe stands for the curly one, and capital letters
    and spaces do not matter."""
    return " ".join(name.replace("’", "'").split()).casefold()


def sent(request: HttpRequest) -> QueryDict | None:
    """What a form was sent with, be it empty; None where it is only looked at."""
    return request.POST if request.method == "POST" else None


def in_dialog(request: HttpRequest) -> bool:
    """Whether the page's script asks for a question to show in a dialog over the page."""
    return "X-Dialog" in request.headers


def go(request: HttpRequest, address: str) -> HttpResponse:
    """See the other page. A dialog's script is told where, so that it does not swallow that page and its messages."""
    if in_dialog(request):
        return HttpResponse(status=204, headers={"X-Go": address})
    return HttpResponseRedirect(address, status=303)
