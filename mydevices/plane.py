"""What the server answers with: Django's pages, the device plane beside them, and health. `front` serves them.

The device plane does not pass through Django: an endpoint is a plain function (`port.routes`). `plane` is the one
place that finds it, translates what it raises and leaves the thread's database connection fit for the next request.
"""

import logging
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from django.db import Error as DatabaseGone
from django.db.migrations.executor import MigrationExecutor
from django.utils.http import parse_header_parameters

from mydevices import clients
from mydevices.errors import MyDevicesError, NotFound, TooMany

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mydevices.settings")
pages = get_wsgi_application()
"""Django's own WSGI handler."""


class _Request(WSGIRequest):
    """Django reads the content type where nobody has begun to answer, and an encoding that is none was an error of the
    server (`text/plain; charset*=x''%00`). Such a request has no content type. And by its charset Django reads the
    address, also by one that is none of text (`base64`); here everything is UTF-8."""

    def _set_content_type_params(self, meta: dict[str, str]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}


pages.request_class = _Request

from mydevices.port import routes  # noqa: E402  models can be imported once the line above has set Django up

PLANE: Final = "/mdm/"
"""Paths that begin like this are the device plane's."""

log = logging.getLogger(__name__)

# Never 401 or 403 by translation: a device takes these as an order to leave (protocols.md). An endpoint that means 403
# says so.
_STATUS: Final[tuple[tuple[type[MyDevicesError], int], ...]] = (
    (NotFound, 404),
    (TooMany, 429),
    (MyDevicesError, 400),
)
_BUSY: Final = (("Retry-After", "5"),)
NEVER: Final = frozenset({"TRACE", "CONNECT"})
"""Methods that nothing here has a use for."""
READING: Final = frozenset({"GET", "HEAD"})
"""All that is answered about health."""
NO_METHOD: Final = "There is no such method here."


def _on_every_answer() -> tuple[tuple[str, str], ...]:
    headers = [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"),
    ]
    if settings.SECURE_HSTS_SECONDS:
        below = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        headers.append(("strict-transport-security", f"max-age={settings.SECURE_HSTS_SECONDS}{below}"))
    return tuple(headers)


EVERY_ANSWER: Final = _on_every_answer()
"""Headers of every answer that has none of that name: those of the device plane, of health, and those that say no
before a page is asked. Pages bring their own (`settings`)."""


def completed(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers with those that every answer has."""
    given = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in EVERY_ANSWER if pair[0] not in given)]


_PLAIN: Final = "text/plain; charset=utf-8"


def plain(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> routes.Response:
    """A short answer in words."""
    return routes.Response(status, f"{text}\n".encode(), _PLAIN, headers)


def plane(request: routes.Request) -> routes.Response:
    """Answer a request to the device plane. What an endpoint raises unexpectedly is passed on, for the server's 500.

    OPTIONS is answered here, and a method that the route does not name is refused here. A database that went away is
    503 and Retry-After: the device asks again, on a new connection.
    """
    route = routes.ROUTES.get(request.path)
    if route is None:
        return plain(404, "There is nothing here.")
    if request.method not in route.methods:
        is_asked = request.method == "OPTIONS"
        return routes.Response(204 if is_asked else 405, headers=(("Allow", ", ".join([*route.methods, "OPTIONS"])),))
    # Inside somebody's transaction (a test's) the connection is theirs to look after.
    borrowed = connection.in_atomic_block
    try:
        return route.endpoint(request)
    except MyDevicesError as error:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        log.info("%s answered %d: %s", request.path, status, error.message)
        return plain(status, error.message or HTTPStatus(status).phrase)
    except (OperationalError, InterfaceError):
        log.warning("%s answered 503: the database is away or busy", request.path, exc_info=True)
        return plain(503, "The server is busy. Try again in a moment.", _BUSY)
    finally:
        if not borrowed:
            _tidy()


def _tidy() -> None:
    """Django's `close_if_unusable_or_obsolete` after a request, but only where something went wrong: called each time,
    it makes every next request ask the database first whether it is there."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: each question to `connection` looks it up anew
    if database.connection is not None and (database.errors_occurred or not database.autocommit):
        database.close_if_unusable_or_obsolete()


def client_certificate(headers: Mapping[str, str]) -> bytes:
    """The certificate that the client proved itself with in TLS, where a trusted proxy says so
    (`MYDEVICES_CLIENT_CERTIFICATE_HEADER`). Header names are lower case."""
    name = settings.ENVIRONMENT.client_certificate_header.lower()
    return clients.certificate(headers.get(name, "")) if name else b""


def is_on_plane(path: str) -> bool:
    """Whether a path is the device plane's: one of its addresses, or below PLANE, where nothing else is."""
    return path in routes.ROUTES or path.startswith(PLANE)


def client_address(peer: str, forwarded_for: str) -> str:
    """The client's address, by the number of proxies that are trusted (`MYDEVICES_TRUSTED_PROXIES`)."""
    return clients.address(peer, forwarded_for, proxies=settings.ENVIRONMENT.trusted_proxies)


def healthz() -> routes.Response:
    """The process is alive."""
    return plain(200, "alive")


class _Migrated:
    """Whether all migrations are applied. Asked until it is so: nothing unapplies them under a running server."""

    def __init__(self) -> None:
        self._done = False

    def __call__(self) -> bool:
        if not self._done:
            executor = MigrationExecutor(connection)
            self._done = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self._done


_migrated: Final = _Migrated()


def readyz() -> routes.Response:
    """The database answers and its tables are those of this version. 503 otherwise, with the reason."""
    borrowed = connection.in_atomic_block
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        return plain(200, "ready") if _migrated() else plain(503, "The database is not migrated.", _BUSY)
    except DatabaseGone:
        log.warning("not ready: the database does not answer", exc_info=True)
        return plain(503, "The database does not answer.", _BUSY)
    finally:
        if not borrowed:
            _tidy()


HEALTH: Final[dict[str, Callable[[], routes.Response]]] = {"/healthz": healthz, "/readyz": readyz}
