"""Apple's push service as far as HTTP/2 goes: it counts connections, and behaves badly when told to."""

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from tests.certificates import apple


@dataclass(frozen=True)
class Request:
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> bytes:
        return bytes.fromhex(self.headers[":path"].rsplit("/", 1)[1])


@dataclass(frozen=True)
class Reply:
    """`after`: seconds to wait. A reply with status 0 is none at all."""

    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0


@dataclass
class Service:
    """What happened, and how to behave. `goaway_every`: after so many requests on a connection, GOAWAY; what was taken
    by then is still answered. `drop_every`: the connection is cut instead, with nothing said. `streams`: at once."""

    url: str = ""
    behave: Callable[[Request], Reply] = lambda _request: Reply()
    goaway_every: int = 0
    drop_every: int = 0
    streams: int = 1000
    connections: int = 0
    most_at_once: int = 0
    requests: list[Request] = field(default_factory=list)
    answered: Counter[bytes] = field(default_factory=Counter)
    """By token: pushes that were answered with 200."""


class _Connection(asyncio.Protocol):
    def __init__(self, service: Service, open_ones: set["_Connection"]) -> None:
        self._service = service
        self._open_ones = open_ones
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, tuple[Mapping[str, str], bytearray]] = {}
        self._taken = 0
        self._unanswered = 0
        self._closing = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self.transport = transport
        self._open_ones.add(self)
        self._service.connections += 1
        self._http.initiate_connection()
        self._http.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._service.streams})
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is asyncio's
        self.transport = None
        self._open_ones.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            events = self._http.receive_data(data)
        except ProtocolError:
            self._close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self._begin(event)
            elif isinstance(event, DataReceived) and event.stream_id in self._streams:
                self._streams[event.stream_id][1].extend(event.data or b"")
                self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, StreamEnded) and event.stream_id in self._streams:
                self._finish(event.stream_id)
        self._flush()

    def _begin(self, event: RequestReceived) -> None:
        if self._closing:
            return  # beyond the last stream that GOAWAY named
        self._taken += 1
        self._unanswered += 1
        self._streams[event.stream_id or 0] = (
            {str(name): str(value) for name, value in event.headers or []},
            bytearray(),
        )
        self._service.most_at_once = max(self._service.most_at_once, self._unanswered)
        if self._service.drop_every and self._taken >= self._service.drop_every:
            self._closing = True
            if self.transport is not None:
                self.transport.abort()
        if self._service.goaway_every and self._taken >= self._service.goaway_every:
            self._closing = True
            self._flush()
            self._write(GoAwayFrame(0, last_stream_id=event.stream_id or 0).serialize())

    def _finish(self, stream_id: int) -> None:
        headers, body = self._streams.pop(stream_id)
        request = Request(headers, bytes(body))
        self._service.requests.append(request)
        reply = self._service.behave(request)
        if reply.status:
            asyncio.get_running_loop().call_later(reply.after, self._answer, stream_id, request, reply)

    def _answer(self, stream_id: int, request: Request, reply: Reply) -> None:
        if self.transport is None:
            return
        body = json.dumps({"reason": reply.reason}).encode() if reply.reason else b""
        try:
            self._http.send_headers(stream_id, [(":status", str(reply.status)), *reply.headers], end_stream=not body)
            if body:
                self._http.send_data(stream_id, body, end_stream=True)
        except ProtocolError:
            return  # the client has gone, or given this stream up
        if reply.status == 200:
            self._service.answered[request.token] += 1
        self._unanswered -= 1
        self._flush()
        if self._closing and not self._unanswered:
            self._close()

    def _flush(self) -> None:
        self._write(self._http.data_to_send())

    def _write(self, data: bytes) -> None:
        if self.transport is not None and data:
            self.transport.write(data)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _context(folder: Path) -> ssl.SSLContext:
    apples = apple.authority()
    key = apple.key("push service")
    (folder / "server.pem").write_bytes(apple.pem(apples.server_certificate(key.public_key())) + apple.key_pem(key))
    (folder / "authority.pem").write_bytes(apple.pem(apples.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    return context


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Serve on loopback; `authority.pem` in the folder is what to trust."""
    service = Service()
    open_ones: set[_Connection] = set()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: _Connection(service, open_ones), "127.0.0.1", 0, ssl=_context(folder))
    )
    service.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        server.close()
        for connection in list(open_ones):
            connection.abort()
        await asyncio.sleep(0.05)

    try:
        yield service
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
