"""The organisation's own colour and logo. Open to everybody, as the sign-in page is."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from mydevices.organisation import colour, selectors


def _kept(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@require_safe
def stylesheet(_request: HttpRequest, accent: str) -> HttpResponse:
    """Shades of the present accent only: this is no service for colours."""
    if accent != selectors.current().accent.removeprefix("#"):
        raise Http404
    return _kept(HttpResponse(colour.stylesheet(f"#{accent}"), content_type="text/css; charset=utf-8"))


@require_safe
def logo(_request: HttpRequest, version: str) -> HttpResponse:
    picture = selectors.current()
    if not picture.logo or version != picture.logo_version:
        raise Http404
    return _kept(HttpResponse(bytes(picture.logo), content_type="image/png"))
