"""The portal's one translation of errors into pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mydevices.errors import Conflict, Invalid, MyDevicesError, NotAllowed, NotFound, TooMany, Unsupported

STATUS: dict[type[MyDevicesError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    TooMany: 429,
    Conflict: 409,
    Unsupported: 409,
    Invalid: 400,
}


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
        template = "404.html" if status == 404 else "portal/refused.html"
        return render(request, template, {"message": error.message}, status=status)
