"""What the front serves in its tests: a few device-plane endpoints and a few pages, behind the real thing.

Started by granian in a process of its own. Times are shorter than in
production and memory is less, so that the tests are short and light.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from django.db import OperationalError

from mydevices import front, plane
from mydevices.errors import Conflict, NotAllowed, NotFound, ProtocolError, TooMany
from mydevices.port import routes

closed = 0


def echo(request: routes.Request) -> routes.Response:
    names = " ".join(sorted(request.headers))
    text = f"{request.method} {request.path} {len(request.query)} {len(request.body)} {request.address} {names}"
    return routes.Response(200, text.encode(), "text/plain")


def empty(_request: routes.Request) -> routes.Response:
    return routes.Response(200)


def slow(request: routes.Request) -> routes.Response:
    time.sleep(float(request.query))
    return routes.Response(200, b"slow", "text/plain")


RAISED: dict[str, Exception] = {
    "protocol": ProtocolError("That is no property list."),
    "missing": NotFound("No such device."),
    "forbidden": NotAllowed("This device was retired."),
    "conflict": Conflict("Too late."),
    "many": TooMany("Slow down."),
    "database": OperationalError("server closed the connection unexpectedly"),
    "bug": RuntimeError("a bug"),
}


def raising(request: routes.Request) -> routes.Response:
    raise RAISED[request.query]


def in_a_thread(request: routes.Request) -> routes.Response:
    return routes.Response(200, f"{threading.current_thread().name} {len(request.body)}".encode(), "text/plain")


def quick(request: routes.Request) -> routes.Response | None:
    if request.body == b"bug":
        raise RuntimeError("a bug in a quick answer")
    return None if request.body.startswith(b"not here") else in_a_thread(request)


for path, endpoint in {"echo": echo, "empty": empty, "slow": slow, "raise": raising}.items():
    routes.serve({f"/mdm/test/{path}": routes.Route(endpoint, 64 * 1024, ("GET", "HEAD", "POST", "PUT"))})
routes.serve({"/mdm/test/quick": routes.Route(in_a_thread, 64 * 1024, ("PUT",), quick)})


class Chunks:
    """A response that knows whether it was closed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        global closed  # noqa: PLW0603  a count that another request reads
        closed += 1


def pages(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/cookies":
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/plain")])
        return [b"two"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Chunks(b"%d\n" % number for number in range(1000))
    if path == "/closed":
        start_response("200 OK", [])
        return [b"%d" % closed]
    if path == "/bug":
        raise RuntimeError("a bug in a page")
    if path == "/broken":
        start_response("200 OK", [])
        return Chunks(b"%d" % (1 // number) for number in range(1))
    if path in {"/slow", "/waits"}:
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/unchanged":
        start_response("304 Not Modified", [("ETag", '"x"')])
        return []
    lines = [f"{name}={environ[name]}" for name in sorted(environ) if isinstance(environ[name], str)]
    lines.append(f"body={len(body)}")
    start_response("200 OK", [("Content-Type", "text/plain; charset=latin-1")])
    return ["\n".join(lines).encode("latin-1")]


LIMITS = front.FrontLimits(
    whole=2.5, grace=1.0, pace=4096.0, buffered=8 * 1024 * 1024, page_queue=4, plane_queue=64, waiting_queue=2
)
dispatch: Callable[[routes.Request], routes.Response] = plane.plane
application = front.Front(pages=pages, plane=dispatch, waits=lambda _method, path: path == "/waits", limits=LIMITS)
