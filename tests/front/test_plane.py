"""The device plane's dispatch, without a server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings

from mydevices import environment, plane
from mydevices.errors import ProtocolError
from mydevices.port import routes


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> Callable[[routes.Endpoint], None]:
    monkeypatch.setattr(routes, "ROUTES", dict(routes.ROUTES))

    def route(endpoint: routes.Endpoint) -> None:
        routes.serve({"/mdm/test": routes.Route(endpoint, 100, ("GET", "PUT"))})

    return route


def put(body: bytes = b"", **more: Any) -> routes.Response:
    return plane.plane(routes.Request("PUT", "/mdm/test", body=body, **more))


def test_an_endpoints_error_is_answered_in_words(routed: Callable[[routes.Endpoint], None]) -> None:
    def endpoint(_request: routes.Request) -> routes.Response:
        raise ProtocolError("That is no property list.")

    routed(endpoint)
    answer = put()
    assert (answer.status, answer.body) == (400, b"That is no property list.\n")


def test_what_nobody_expected_is_left_to_the_server(routed: Callable[[routes.Endpoint], None]) -> None:
    def endpoint(_request: routes.Request) -> routes.Response:
        raise ZeroDivisionError

    routed(endpoint)
    with pytest.raises(ZeroDivisionError):
        plane.plane(routes.Request("GET", "/mdm/test"))


@pytest.fixture
def broken_connection() -> Iterator[None]:
    yield
    connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broken_connection")
def test_a_lost_connection_is_answered_503_and_the_next_request_works(
    routed: Callable[[routes.Endpoint], None],
) -> None:
    def endpoint(request: routes.Request) -> routes.Response:
        with connection.cursor() as cursor:
            if request.query == "lose" and connection.vendor == "postgresql":
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            elif request.query == "lose":
                connection.errors_occurred = True
                raise OperationalError("disk I/O error")
            cursor.execute("SELECT 1")
        return routes.Response(200)

    routed(endpoint)
    assert plane.plane(routes.Request("GET", "/mdm/test")).status == 200
    lost = plane.plane(routes.Request("GET", "/mdm/test", query="lose"))
    assert lost.status == 503
    assert dict(lost.headers)["Retry-After"]
    assert plane.plane(routes.Request("GET", "/mdm/test")).status == 200
    assert not connection.errors_occurred


@pytest.mark.django_db(transaction=True)
def test_a_connection_left_in_a_transaction_is_not_used_again(routed: Callable[[routes.Endpoint], None]) -> None:
    def endpoint(_request: routes.Request) -> routes.Response:
        connection.set_autocommit(False)
        return routes.Response(200)

    routed(endpoint)
    assert plane.plane(routes.Request("GET", "/mdm/test")).status == 200
    assert connection.connection is None


@pytest.mark.django_db
def test_a_healthy_request_asks_the_database_nothing_of_its_own(
    routed: Callable[[routes.Endpoint], None], django_assert_num_queries: Any
) -> None:
    routed(lambda _request: routes.Response(200))
    with django_assert_num_queries(0):
        assert plane.plane(routes.Request("GET", "/mdm/test")).status == 200


@pytest.mark.django_db
def test_a_migrated_database_is_ready() -> None:
    assert [(answer.status, answer.body) for answer in (plane.readyz(), plane.healthz())] == [
        (200, b"ready\n"),
        (200, b"alive\n"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["text/plain; charset*=utf-8''%00", "text/plain; name*=nonsense''%41"])
def test_a_content_type_that_cannot_be_read_is_none(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was an error of the server, for every page and everybody."""
    monkeypatch.setattr("django.test.client.WSGIRequest", plane.pages.request_class)
    assert Client().generic("POST", "/owntracks", b"{}", content_type=kind).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("charset", ["base64", "hex", "rot13", "undefined", "idna", "punycode", "utf-16", "utf-7"])
def test_no_charset_of_a_content_type_breaks_a_page(charset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django reads addresses by it, and some are no charsets of text: an error of the server, for everybody."""
    monkeypatch.setattr("django.test.client.WSGIRequest", plane.pages.request_class)
    page = Client().get("/sign-in?next=%2Fx", CONTENT_TYPE=f"text/plain; charset={charset}")
    assert page.status_code == 200
    assert b'value="/x"' in page.content


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (3, "192.0.2.1", "192.0.2.1"),
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
        (1, "192.0.2.1:4711", "192.0.2.1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "6.6.6.6, unknown", ""),
        (1, "6.6.6.6,", ""),
    ],
)
def test_the_clients_address_is_what_the_trusted_proxies_saw(proxies: int, forwarded: str, address: str) -> None:
    with override_settings(ENVIRONMENT=environment.Environment(trusted_proxies=proxies)):
        assert plane.client_address("127.0.0.1", forwarded) == address


def test_every_answer_beside_the_pages_is_for_no_browser_to_interpret() -> None:
    headers = dict(plane.completed([]))
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_an_answer_keeps_the_headers_that_it_brings() -> None:
    completed = plane.completed([("Content-Security-Policy", "default-src 'self'")])
    assert [value for name, value in completed if name.lower() == "content-security-policy"] == ["default-src 'self'"]


@pytest.mark.parametrize(("below", "header"), [(False, "max-age=60"), (True, "max-age=60; includeSubDomains")])
def test_by_https_every_answer_asks_for_https(*, below: bool, header: str) -> None:
    with override_settings(SECURE_HSTS_SECONDS=60, SECURE_HSTS_INCLUDE_SUBDOMAINS=below):
        assert dict(plane._on_every_answer())["strict-transport-security"] == header
