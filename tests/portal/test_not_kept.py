"""No cache keeps what somebody gets who is signed in, whatever its status: error pages carry a name, too."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.test import Client
from django.urls import include, path, reverse

from mydevices import errors
from mydevices.organisation import selectors
from mydevices.organisation.models import Organisation
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

KINDS: Final[dict[str, type[Exception]]] = {
    kind.__name__: kind
    for kind in (
        *(one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.MyDevicesError)),
        *(PermissionDenied, Http404, BadRequest, SuspiciousOperation, RuntimeError),
    )
}
STATUSES: Final = (200, 201, 204, 302, 303, 304, 400, 401, 403, 404, 405, 409, 410, 413, 429, 500, 503)


def raising(_request: HttpRequest, name: str) -> HttpResponse:
    raise KINDS[name]


def answering(_request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(status=status)


def with_a_name(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html", status=404)


def led_on(_request: HttpRequest) -> HttpResponse:
    return redirect("portal:devices")


urlpatterns = [
    path("test/raise/<str:name>", raising),
    path("test/status/<int:status>", answering),
    path("test/named", with_a_name),
    path("test/led-on", led_on),
    path("", include("mydevices.urls")),
]


@pytest.fixture
def browser() -> Client:
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
    browser.force_login(factories.person())
    return browser


def kept(response: Any) -> bool:
    return "no-store" not in response.get("Cache-Control", "")


@pytest.mark.parametrize("name", KINDS)
def test_what_was_raised_is_not_kept(browser: Client, name: str) -> None:
    response = browser.get(f"/test/raise/{name}")
    assert response.status_code >= 400
    assert not kept(response)


@pytest.mark.parametrize("status", STATUSES)
def test_no_status_is_kept(browser: Client, status: int) -> None:
    response = browser.get(f"/test/status/{status}")
    assert response.status_code == status
    assert not kept(response)


@pytest.mark.parametrize(
    "ask",
    [
        lambda browser: browser.get("/test/named"),
        lambda browser: browser.get("/test/led-on"),
        lambda browser: browser.get("/nowhere"),
        lambda browser: browser.get("/devices/none\0"),
        lambda browser: browser.post(reverse("account_logout")),  # without its token
        lambda browser: browser.delete(reverse("portal:devices")),
        lambda browser: browser.get(reverse("portal:devices")),
        lambda browser: browser.get(reverse("portal:history_file")),
    ],
)
def test_real_pages_are_not_kept(browser: Client, ask: Callable[[Client], Any]) -> None:
    assert not kept(ask(browser))


def test_what_is_the_same_for_everybody_may_be_kept(
    browser: Client, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "current", lambda: Organisation(accent="#e07a00"))
    sheet = reverse("portal:brand", args=["e07a00"])
    for somebody in (browser, client):
        response = somebody.get(sheet)
        assert response.status_code == 200
        assert "public" in response["Cache-Control"]
        assert "no-store" not in response["Cache-Control"]
    assert kept(client.get("/nowhere"))  # nobody is named there
