"""What stands before a page of the console: sign-in, and a role with the right to look."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from mydevices.accounts import rights
from mydevices.accounts.requests import actor_of
from mydevices.accounts.rights import Right

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def console_page(right: Right) -> Callable[[View[P]], View[P]]:
    """A page for those with this right: others are told who may (403), visitors are asked to sign in. What a page
    changes, its verb checks again."""

    def decorated(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            rights.require(actor_of(request), right)
            return view(request, *args, **kwargs)

        return login_required(never_cache(guarded))

    return decorated
