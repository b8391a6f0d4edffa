"""The connection to Apple's push service: one, over HTTP/2, kept open as Apple asks for.

Pushes travel side by side on it. The service ends a connection when it likes (GOAWAY), and whatever had no answer by
then goes again on a new one: a device that is woken twice polls twice, one that is not woken waits. Source: Apple,
"Sending notification requests to APNs", "Handling notification responses from APNs"; RFC 9113, 6.8.
"""

import asyncio
import contextlib
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives import serialization
from h2.exceptions import H2Error

from mydevices.errors import Invalid
from mydevices.platforms.apple.push_certificate import PushIdentity
from mydevices.protocols.apple import push
from mydevices.protocols.apple.push import PushOutcome

AT_ONCE: Final = 100
"""Pushes under way at the same time; the service may allow fewer, and then some wait."""
KEPT_IN_STORE: Final = timedelta(days=7)
"""For how long the service keeps a push for a device that is off. It keeps one, the newest."""
LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
FRUITLESS_ROUNDS: Final = 3
"""After so many connections without a single answer the pushes are left for later."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push to one channel, with what its TokenUpdate gave."""

    token: bytes
    magic: str
    topic: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a push. `message` says why, for an administrator; it is empty when the push was delivered."""

    outcome: PushOutcome
    message: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Where to push, and as whom. `authorities`: a file of certificates to trust instead of the system's."""

    url: str
    identity: PushIdentity
    authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Seconds: for connecting, for the answer to one push, for a whole batch, and after how much silence a connection
    is not trusted any more (routers forget idle ones without a word, some after six minutes)."""

    connect: float = 10
    push: float = 15
    batch: float = 45
    idle: float = 300


@dataclass(frozen=True, slots=True)
class _Lost:
    """No answer, and none will come: the connection has gone, or (`late`) the time is up."""

    message: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """There is no connection to be had."""

    message: str


@dataclass(slots=True)
class _Connection:
    """A client that is held to one connection. `proven`: it has carried an answer; `spoilt`: take another one next."""

    client: httpx2.AsyncClient
    service: Service
    proven: bool = False
    spoilt: bool = False
    last_used: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def close(self) -> None:
        # It is being thrown away: how it ends is of no interest.
        with contextlib.suppress(httpx2.HTTPError, H2Error, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self.client.aclose()


class Gateway:
    """The worker's way to the push service. Any thread may use it; batches go one after the other."""

    def __init__(
        self,
        limits: GatewayLimits | None = None,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        """The loop's clock is the one that limits go by."""
        self._limits = limits or GatewayLimits()
        self._loop_factory = loop_factory
        self._lock = threading.Lock()
        self._runner: asyncio.Runner | None = None
        self._connection: _Connection | None = None
        self._context: tuple[Service, ssl.SSLContext] | None = None

    def push(self, messages: Sequence[Push], service: Service) -> Sequence[Answer]:
        """Push all of these; an answer for each, in the same order. Whatever the network or the service do is one.

        Takes `GatewayLimits.batch` seconds at most, so a batch should be small enough for one or two rounds of
        `AT_ONCE`."""
        with self._lock:
            if self._runner is None:
                self._runner = asyncio.Runner(loop_factory=self._loop_factory)
            return self._runner.run(self._push(messages, service))

    def close(self) -> None:
        """Close the connection. The next push opens another one."""
        with self._lock:
            if self._runner is not None:
                self._runner.run(self._discard())
                self._runner.close()
                self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _push(self, messages: Sequence[Push], service: Service) -> Sequence[Answer]:
        deadline = _now() + self._limits.batch
        answers: dict[int, Answer] = {}
        waiting = list(range(len(messages)))
        fruitless = 0
        room = AT_ONCE
        while waiting:
            try:
                connection = await self._connect(service)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                failure = f"The push certificate or the file of trusted authorities cannot be used: {error}"
                return [Answer(PushOutcome.RETRY, failure)] * len(messages)
            was_proven = connection.proven
            results = await self._round(connection, [messages[index] for index in waiting], deadline, room)
            again = []
            for index, result in zip(waiting, results, strict=True):
                if isinstance(result, Answer):
                    answers[index] = result
                    continue
                answers[index] = Answer(PushOutcome.RETRY, result.message)
                # Late on a connection that stood open: it may have been dead. Late on a new one: the service is slow.
                if isinstance(result, _Lost) and (was_proven or not result.late):
                    again.append(index)
            fruitless = 0 if len(again) < len(waiting) else fruitless + 1
            if again:
                # The library gives up all that is under way when a connection ends, even what is still being answered.
                # So where connections are short, fewer at once get further.
                room = max(1, room // 2)
            waiting = again if fruitless < FRUITLESS_ROUNDS and _now() < deadline else []
            connection.last_used = _now()
            if waiting and fruitless:
                await asyncio.sleep(0.1 * 2**fruitless)
        return [answers[index] for index in range(len(messages))]

    async def _round(
        self, connection: _Connection, messages: Sequence[Push], deadline: float, at_once: int
    ) -> Sequence[Answer | _Lost | _Unreachable]:
        """Try each of these once. On a new connection one goes ahead: where that gets nowhere, a hundred would not."""
        results: list[Answer | _Lost | _Unreachable] = []
        if not connection.proven:
            first = await self._one(connection, messages[0], deadline)
            if isinstance(first, _Unreachable) or (isinstance(first, _Lost) and not first.late):
                return [first] * len(messages)
            results.append(first)
        room = asyncio.Semaphore(at_once)

        async def in_turn(message: Push) -> Answer | _Lost | _Unreachable:
            async with room:
                return await self._one(connection, message, deadline)

        results += await asyncio.gather(*(in_turn(message) for message in messages[len(results) :]))
        return results

    async def _one(self, connection: _Connection, message: Push, deadline: float) -> Answer | _Lost | _Unreachable:
        if connection.spoilt and connection.proven:
            return _Lost("The push service closed the connection before it answered.")
        try:
            expiration = int(time.time() + KEPT_IN_STORE.total_seconds())
            path, headers = push.path(message.token), push.headers(message.topic, expiration=expiration)
        except Invalid as error:
            return Answer(PushOutcome.REJECTED, error.message)
        limit = min(self._limits.push, deadline - _now())
        try:
            async with asyncio.timeout(limit):
                response = await connection.client.post(path, headers=headers, content=push.body(message.magic))
        except TimeoutError:
            connection.spoilt = True
            return _Lost("The push service did not answer in time.", late=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            connection.spoilt = True
            return _Unreachable(f"The push service cannot be reached: {_reason(error)}")
        except (httpx2.TransportError, H2Error) as error:
            connection.spoilt = True
            # With TLS 1.3 a client's certificate is refused after the handshake, and then often without a word.
            doubt = "" if connection.proven else " Perhaps it does not accept the push certificate."
            return _Lost(f"The push service closed the connection before it answered.{doubt} ({_reason(error)})")
        connection.proven = True
        return _answer(response)

    async def _connect(self, service: Service) -> _Connection:
        """The present connection, or a new one where that has gone, been idle for long, or leads elsewhere."""
        present = self._connection
        if present is not None and present.service == service and not present.spoilt:
            silence = _now() - present.last_used
            if silence < self._limits.idle:
                return present
        await self._discard()
        client = httpx2.AsyncClient(
            base_url=service.url,
            verify=self._context_for(service),
            http1=False,
            http2=True,
            # Time limits are each push's own: a limit on reading would be one for the connection, and end all for one.
            timeout=httpx2.Timeout(None, connect=self._limits.connect, write=self._limits.push),
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None),
            trust_env=not _is_here(service.url),
        )
        self._connection = _Connection(client, service)
        return self._connection

    def _context_for(self, service: Service) -> ssl.SSLContext:
        """Kept as long as it fits, so that the next connection can resume the TLS session of the last."""
        if self._context is None or self._context[0] != service:
            self._context = service, _context(service)
        return self._context[1]

    async def _discard(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _now() -> float:
    """In seconds, by the clock of the loop."""
    return asyncio.get_running_loop().time()


def _answer(response: httpx2.Response) -> Answer:
    reason = push.reason(response.content)
    outcome = push.outcome(response.status_code, reason)
    message = push.explanation(response.status_code, reason)
    if message:
        message = f"{message} ({response.status_code}{' ' + reason if reason else ''})"
    after = response.headers.get("retry-after", "")
    if outcome is not PushOutcome.RETRY or not (after.isascii() and after.isdecimal()):
        return Answer(outcome, message)
    return Answer(outcome, message, min(timedelta(seconds=int(after[:9])), LONGEST_RETRY_AFTER))


def _reason(error: BaseException) -> str:
    """The innermost cause that says something: what TLS or the system said, rather than what the library made of it."""
    told = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and str(cause):
            told = str(cause)
        cause = cause.__cause__ or cause.__context__
    return told or type(error).__name__


def _is_here(url: str) -> bool:
    """Whether this is this machine, which no proxy of the environment leads to."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(service: Service) -> ssl.SSLContext:
    """TLS with the push certificate. Raises OSError or ValueError for a certificate or file that cannot be used."""
    if service.authorities is None:
        context = httpx2.create_ssl_context()
    else:
        context = ssl.create_default_context(cafile=service.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python reads them from files only. They live for a moment, and the key is encrypted with a password that is never
    # written.
    password = secrets.token_bytes(24).hex().encode()
    key = serialization.load_pem_private_key(service.identity.key_pem, password=None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    with tempfile.NamedTemporaryFile(prefix="mydevices-push-") as file:
        file.write(service.identity.certificate_pem.rstrip() + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name, password=password)
    return context
