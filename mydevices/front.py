"""The web server's side of the house: a granian RSGI application before Django and the device plane.

Request bodies are read on the event loop, with a cap and a time limit, so that a client that sends slowly or not at all
holds a connection and nothing else. Only whole requests reach a thread: a few threads run Django's pages and a few
others the device plane, each behind a bounded queue, so that a slow page does not hold up a poll. A full queue is
answered 503 at once. Pages that wait for something else (`presentation.slow_pages`) have threads of their own, so that
they hold up no other page.

A thread hands its answer to the server itself; the event loop only hears that it is done.

The file is long because one request is followed in it from its head to its answer, with every limit that it meets.
"""

import asyncio
import contextlib
import gc
import io
import logging
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from wsgiref.types import WSGIApplication, WSGIEnvironment

from django.conf import settings

from mydevices import logs, plane
from mydevices.cli import processes
from mydevices.port import routes
from mydevices.presentation import slow_pages

Pairs = list[tuple[str, str]]

log = logging.getLogger(__name__)
access = logging.getLogger("mydevices.access")


class Headers(Protocol):
    """The request's headers as granian gives them: names in lower case, without values that are not visible ASCII."""

    def __contains__(self, key: str, /) -> bool: ...
    def get(self, key: str, default: str | None = None) -> str | None: ...
    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """An RSGI request, less its body (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md)."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: Headers


class Exchange(Protocol):
    """RSGI's protocol object: the body comes from it and the answer goes to it, from any thread."""

    def __aiter__(self) -> Any: ...
    def __call__(self) -> Awaitable[bytes]: ...
    def response_empty(self, status: int, headers: Pairs) -> None: ...
    def response_bytes(self, status: int, headers: Pairs, body: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Sizes in bytes, times in seconds, counts per worker process."""

    body: int = 1024 * 1024
    """The largest body of a page; the device plane's routes have their own."""
    excess: int = 4 * 1024 * 1024
    """What is read beyond a cap and thrown away: a client that is still sending does not read its 413."""
    whole: float = 20.0
    """The time for a whole body."""
    grace: float = 8.0
    """The time before a body must keep the pace."""
    pace: float = 1024.0
    """Bytes a second that a body must keep on average after its grace."""
    at_once: int = 4096
    """A body of at most this many bytes has no time but its grace, and is read in one go: polls, which are many. It
    takes less memory than its connection, and counts for nothing in the next limit."""
    buffered: int = 256 * 1024 * 1024
    """Bytes of unfinished and waiting bodies together: of what has arrived of them."""
    page_threads: int = 2
    page_queue: int = 128
    waiting_threads: int = 4
    """For pages that wait for something else."""
    waiting_queue: int = 32
    plane_threads: int = 2
    plane_queue: int = 512


class Refused(Exception):
    """A request that goes no further than here; `response` is its answer."""

    def __init__(self, response: routes.Response) -> None:
        super().__init__(response.status)
        self.response = response


BUSY: Final = plane.plain(503, "The server is busy. Try again in a moment.", (("Retry-After", "5"),))
_CLOSE: Final = (("Connection", "close"),)
TOO_LARGE: Final = plane.plain(413, "The body is too large.", _CLOSE)
TOO_SLOW: Final = plane.plain(408, "The body did not arrive in time.", _CLOSE)
INCOMPLETE: Final = plane.plain(400, "The body is not complete.", _CLOSE)
BAD_LENGTH: Final = plane.plain(400, "The length of the body is not a number.", _CLOSE)
NOBODY: Final = plane.plain(400, "X-Forwarded-For has characters that no address has.", _CLOSE)
NOTHING: Final = plane.plain(404, "There is nothing here.", _CLOSE)
NO_METHOD: Final = plane.plain(405, plane.NO_METHOD, _CLOSE)
FAILED: Final = plane.plain(500, "Something went wrong here. It has been written down.")


class Memory:
    """The bytes of all longer bodies that are here at once. Touched on the event loop only.

    They count as they arrive: what is announced and not sent keeps nobody else out."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    @contextlib.contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes bytes, or gives them back when they are negative; it raises Refused when there
        are too many already. All are given back at the end."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if size > self._left:
                raise Refused(BUSY)
            self._left -= size
            mine += size

        try:
            yield take
        finally:
            self._left += mine


class Pool:
    """Threads for whole requests, behind a queue that says no when it is full."""

    def __init__(self, name: str, threads: int, limit: int) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._threads = threads
        self._limit = threads + limit
        self._pending = 0  # touched on the event loop only
        self._done: deque[asyncio.Future[None]] = deque()
        self._woken = False
        self._name = name

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in range(self._threads):
            # Daemons: a request that hangs must not keep the process from stopping.
            threading.Thread(target=self._work, args=(loop,), name=f"{self._name}-{number}", daemon=True).start()

    def stop(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def check(self) -> None:
        """Raises Refused when there is no room for one request more."""
        if self._pending >= self._limit:
            raise Refused(BUSY)

    async def run(self, job: Callable[[], None]) -> None:
        """Do the job in a thread. It gives its own answer and raises nothing."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending += 1
        try:
            self._jobs.put((job, done))
            await done
        finally:
            self._pending -= 1

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (work := self._jobs.get()) is not None:
            job, done = work
            job()
            if loop.is_closed():
                return
            # Waking the loop is a system call. Where it was woken and has not come yet, it finds this one as well: in
            # this order, for `_finish` does it the other way round.
            self._done.append(done)
            if not self._woken:
                self._woken = True
                loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self._woken = False
        while self._done:
            done = self._done.popleft()
            if not done.done():
                done.set_result(None)


def _write(line: str) -> None:
    """One line of access log, as the logger's own handler would write it, at a fifth of its price: that was more than
    the checking of a signature, for every request."""
    now = time.time()
    moment = logs.moment(now)
    with contextlib.suppress(OSError):  # nobody reads any more
        os.write(sys.stderr.fileno(), f"{moment} INFO {access.name} {line}\n".encode())


class Arrival:
    """A request and the way to answer it. What granian makes anew at each look is taken once."""

    __slots__ = ("client", "exchange", "headers", "method", "path", "scope", "started")

    def __init__(self, scope: Scope, exchange: Exchange) -> None:
        self.started = time.perf_counter()
        self.scope = scope
        self.exchange = exchange
        self.method = scope.method
        self.path = scope.path
        self.client = scope.client
        self.headers = _joined(scope.headers.items())

    def answer(self, response: routes.Response) -> None:
        headers = [*response.headers]
        if response.content_type:
            headers.append(("content-type", response.content_type))
        self.respond(response.status, headers, response.body)

    def respond(self, status: int, headers: Pairs, body: bytes) -> None:
        """Send an answer, from whatever thread, and write one line of access log."""
        sent = plane.completed([(name.lower(), value) for name, value in headers])
        bodiless = status in {204, 304}
        if not bodiless and all(name != "content-length" for name, _ in sent):
            sent.append(("content-length", str(len(body))))
        if bodiless or not body or self.method == "HEAD":
            self.exchange.response_empty(status, sent)
        else:
            self.exchange.response_bytes(status, sent, body)
        asked_after_health = status == HTTPStatus.OK and self.path in plane.HEALTH
        if access.isEnabledFor(logging.INFO) and not asked_after_health:
            # Never a query string or a body: they hold challenges.
            path = self.path if self.path in routes.ROUTES else logs.masked(self.path)
            took = (time.perf_counter() - self.started) * 1000
            _write(
                f'method={self.method} path="{path}" status={status} bytes={len(body)} ms={took:.1f} '
                f"client={_host(self.client)}"
            )


class Front:
    """The RSGI application. One per worker process."""

    def __init__(
        self,
        *,
        pages: WSGIApplication,
        plane: Callable[[routes.Request], routes.Response],
        waits: Callable[[str, str], bool],
        limits: FrontLimits | None = None,
    ) -> None:
        """`waits` says of a method and a path whether its page waits for something else."""
        self._pages = pages
        self._waits = waits
        self._plane = plane
        self._limits = limits or FrontLimits()
        self._page_pool = Pool("pages", self._limits.page_threads, self._limits.page_queue)
        self._plane_pool = Pool("plane", self._limits.plane_threads, self._limits.plane_queue)
        self._waiting_pool = Pool("waiting", self._limits.waiting_threads, self._limits.waiting_queue)
        self._memory = Memory(self._limits.buffered)
        self._short = _Short(min(self._limits.grace, self._limits.whole))

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        processes.die_with_parent()
        # What has been loaded stays: without this, collecting garbage looks through all of it now and then, and every
        # connection waits meanwhile.
        gc.collect()
        gc.freeze()
        for pool in self._pools:
            pool.start(loop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        for pool in self._pools:
            pool.stop()

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return self._page_pool, self._plane_pool, self._waiting_pool

    def _pool(self, arrival: Arrival, *, on_plane: bool) -> Pool:
        if on_plane or arrival.path in plane.HEALTH:
            return self._plane_pool
        return self._waiting_pool if self._waits(arrival.method, arrival.path) else self._page_pool

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        arrival = Arrival(scope, exchange)
        try:
            await self._take(arrival)
        except Refused as refused:
            arrival.answer(refused.response)

    async def _take(self, arrival: Arrival) -> None:
        """Read a request whole and have it answered. Raises Refused where this is not to be."""
        path = arrival.path
        if arrival.method in plane.NEVER or (path in plane.HEALTH and arrival.method not in plane.READING):
            raise Refused(NO_METHOD)
        if path == "/healthz":
            raise Refused(plane.healthz())
        if settings.ENVIRONMENT.trusted_proxies and _hides(arrival):
            raise Refused(NOBODY)
        on_plane = plane.is_on_plane(path)
        pool = self._pool(arrival, on_plane=on_plane)
        pool.check()
        limit = self._body_limit(path, on_plane=on_plane)
        length = _length(arrival.headers)
        if length == 0:
            await pool.run(lambda: self._serve(arrival, b""))
            return
        if length is not None and length <= min(limit, self._limits.at_once):
            body = await self._short.read(arrival.exchange, length)
            quick = routes.ROUTES[path].quick if on_plane else None
            if quick is not None and (answer := _quickly(quick, arrival, body)) is not None:
                arrival.answer(answer)
                return
            pool.check()
            await pool.run(lambda: self._serve(arrival, body))
            return
        with self._memory.share() as take:
            body = await self._read(arrival.exchange, length, limit, take)
            pool.check()
            await pool.run(lambda: self._serve(arrival, body))

    def _body_limit(self, path: str, *, on_plane: bool) -> int:
        if not on_plane:
            return self._limits.body
        route = routes.ROUTES.get(path)
        if route is None:
            raise Refused(NOTHING)
        return route.body_limit

    async def _read(self, exchange: Exchange, length: int | None, limit: int, take: Callable[[int], None]) -> bytes:
        """The whole body; `take` is told of its bytes. Raises Refused when it is too large, too slow or cut off.

        The server gives an empty chunk at the end of a body, and one more before that for an error in its middle."""
        allowed = self._limits
        if length is not None and length > limit + allowed.excess:
            raise Refused(TOO_LARGE)
        chunks: list[bytes] = []
        received = kept = empty = 0
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(start + min(allowed.grace, allowed.whole)) as timer:
                async for chunk in exchange:
                    if not chunk:
                        empty += 1
                        continue
                    received += len(chunk)
                    if received <= limit:
                        take(len(chunk))
                        kept = received
                        chunks.append(bytes(chunk))
                    else:
                        chunks.clear()
                        take(-kept)
                        kept = 0
                        if received > limit + allowed.excess:
                            raise Refused(TOO_LARGE)
                    timer.reschedule(start + min(allowed.whole, allowed.grace + received / allowed.pace))
        except TimeoutError:
            raise Refused(TOO_LARGE if received > limit else TOO_SLOW) from None
        if received > limit:
            raise Refused(TOO_LARGE)
        if (length is not None and received != length) or empty > 1:
            raise Refused(INCOMPLETE)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _serve(self, arrival: Arrival, body: bytes) -> None:
        """Answer a whole request. In a thread of a pool; raises nothing."""
        path = arrival.path
        response, status, headers, content = FAILED, 0, Pairs(), b""
        try:
            if plane.is_on_plane(path):
                response = self._plane(_request(arrival, body))
            elif path in plane.HEALTH:
                response = plane.HEALTH[path]()
            else:
                status, headers, content = self._page(arrival, body)
        except Exception:
            # The edge: whatever was raised, the client gets an answer, and the next request gets this thread.
            log.exception("%s failed", logs.masked(path))
        if status:
            arrival.respond(status, headers, content)
        else:
            arrival.answer(response)

    def _page(self, arrival: Arrival, body: bytes) -> tuple[int, Pairs, bytes]:
        """What Django says. No page streams for long: what it gives is sent as a whole, with its length."""
        answer = _Answer()
        chunks = self._pages(_environ(arrival, body), answer)
        try:
            content = b"".join(chunks)
        finally:
            # PEP 3333: the application's end of the request, where Django gives its database connection back.
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return answer.status, answer.headers, answer.written + content


class _Short:
    """Reads short bodies of known length. One turn of the event loop instead of three, and one timer for all that are
    being read instead of one for each: either costs as much as the parsing of what was read."""

    def __init__(self, limit: float) -> None:
        self._limit = limit  # seconds
        self._reading: dict[asyncio.Task[Any], float] = {}  # until when; the first to end stands first
        self._looking = False

    async def read(self, exchange: Exchange, length: int) -> bytes:
        """The body. Raises Refused when it is too slow or cut off."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("The server calls from outside a task.")
        self._reading[task] = loop.time() + self._limit
        if not self._looking:
            self._looking = True
            loop.call_later(self._limit, self._look, loop)
        try:
            body = await exchange()
        except asyncio.CancelledError:
            if task in self._reading:  # somebody else's wish
                raise
            task.uncancel()
            raise Refused(TOO_SLOW) from None
        except RuntimeError:  # the server's `ProtocolClosed`, a name that its types do not give out
            raise Refused(INCOMPLETE) from None
        finally:
            self._reading.pop(task, None)
        if len(body) != length:
            raise Refused(INCOMPLETE)
        return body

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call off what has had its time, and come again for the next."""
        now = loop.time()
        while self._reading:
            task, until = next(iter(self._reading.items()))
            if until > now:
                loop.call_at(until, self._look, loop)
                return
            del self._reading[task]
            task.cancel()
        self._looking = False


def _quickly(quick: routes.Quick, arrival: Arrival, body: bytes) -> routes.Response | None:
    """What a route has to say on the event loop. Raises nothing: whatever it is, the endpoint in its thread is next."""
    try:
        return quick(_request(arrival, body))
    except Exception:
        log.exception("%s failed at its quick answer", logs.masked(arrival.path))
        return None


class _Answer:
    """WSGI's start_response, and its old-fashioned write."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Pairs = []
        self.written = b""

    def __call__(self, status: str, headers: Pairs, _exc_info: object = None, /) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = headers
        return self._write

    def _write(self, data: bytes) -> None:
        self.written += data


def _request(arrival: Arrival, body: bytes) -> routes.Request:
    headers = arrival.headers
    return routes.Request(
        method=arrival.method,
        path=arrival.path,
        query=arrival.scope.query_string,
        headers=headers,
        body=body,
        address=plane.client_address(_host(arrival.client), headers.get("x-forwarded-for", "")),
        certificate=plane.client_certificate(headers),
    )


def _environ(arrival: Arrival, body: bytes) -> WSGIEnvironment:
    """The request in PEP 3333's terms. Header names with an underscore are dropped: they would pose as others."""
    scope = arrival.scope
    server, _, server_port = scope.server.rpartition(":")
    client, _, client_port = arrival.client.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": arrival.method,
        "SCRIPT_NAME": "",
        # PEP 3333: the bytes of the path, as if they were Latin-1.
        "PATH_INFO": arrival.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{'1.0' if scope.http_version == '1' else scope.http_version}",
        "REMOTE_ADDR": client.strip("[]"),
        "REMOTE_PORT": client_port,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in arrival.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif "_" not in name and name not in {"content-length", "transfer-encoding"}:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    if scope.authority and "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority
    return environ


def _joined(items: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; repeated ones in one value (RFC 9110, 5.2; cookies: RFC 6265, 5.4)."""
    headers = dict(items)
    if len(headers) != len(items):
        headers = {}
        for name, value in items:
            separator = "; " if name == "cookie" else ", "
            headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    return headers


def _hides(arrival: Arrival) -> bool:
    """Whether the client spoilt `X-Forwarded-For` for us: a value with other than visible ASCII is not given to us at
    all, with what the proxy added at its end, and the client would pass for the proxy."""
    return "x-forwarded-for" not in arrival.headers and "x-forwarded-for" in arrival.scope.headers


def _length(headers: dict[str, str]) -> int | None:
    """How many bytes of body a request announces; None when only its end will tell."""
    announced = headers.get("content-length")
    if announced is None:
        return None if "transfer-encoding" in headers else 0
    if not announced.isascii() or not announced.isdigit():
        raise Refused(BAD_LENGTH)
    return int(announced)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


application = Front(pages=plane.pages, plane=plane.plane, waits=slow_pages.addresses())
