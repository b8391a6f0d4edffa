"""Apple's push service (APNs provider API) on loopback: HTTP/2 over TLS, client certificate required.

It answers as the real one: 200 with an apns-id, 400 with a reason, 410 for tokens that died; it can be slow and can say
GOAWAY, so that a server's client learns to live with both.
"""

import asyncio
import json
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from cryptography import x509
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from simulator.apple import Apple, topic_of
from simulator.errors import SimulatorError
from simulator.fleet import Delivery, Fleet

LARGEST_PAYLOAD = 4096  # bytes
STREAMS = 1000  # at once on a connection


@dataclass
class Manners:
    """Switches for tests. `goaway_every`: requests of a connection after which it is closed; `delay` in seconds."""

    goaway_every: int | None = None
    delay: float = 0.0
    fail_next: int = 0  # so many pushes are answered 503


class PushRequest(NamedTuple):
    """One request, whole: header names in lower case, pseudo-headers included."""

    headers: Mapping[str, str]
    body: bytes


class PushReply(NamedTuple):
    """`reason` is Apple's word; empty when the push was taken. `timestamp` (ms) goes with Unregistered."""

    status: int
    reason: str = ""
    timestamp: int = 0


def judge(request: PushRequest, *, topic: str, fleet: Fleet, now: float) -> PushReply:
    """Check a push as the real service does, in its order, and hand it to its device. `now` in seconds since 1970."""
    headers = request.headers
    if headers.get(":method") != "POST":
        return PushReply(405, "MethodNotAllowed")
    parts = headers.get(":path", "").split("/")
    if len(parts) != 4 or parts[:3] != ["", "3", "device"]:
        return PushReply(404, "BadPath")
    try:
        token = bytes.fromhex(parts[3])
    except ValueError:
        return PushReply(400, "BadDeviceToken")
    if (refusal := _check_headers(headers, topic)) is not None:
        return refusal
    if len(request.body) > LARGEST_PAYLOAD:
        return PushReply(413, "PayloadTooLarge")
    magic = _magic(request.body)
    if magic is None:
        return PushReply(400, "PayloadEmpty")
    expiration = int(headers.get("apns-expiration", "0"))
    delivery = fleet.deliver(topic=topic, token=token, magic=magic, keep=expiration > now)
    return {
        Delivery.ACCEPTED: PushReply(200),
        Delivery.BAD_TOKEN: PushReply(400, "BadDeviceToken"),
        Delivery.WRONG_TOPIC: PushReply(400, "DeviceTokenNotForTopic"),
        Delivery.UNREGISTERED: PushReply(410, "Unregistered", fleet.died_at(token)),
    }[delivery]


def _check_headers(headers: Mapping[str, str], topic: str) -> PushReply | None:
    if "apns-topic" not in headers:
        return PushReply(400, "MissingTopic")
    if headers["apns-topic"] != topic:
        return PushReply(400, "TopicDisallowed")
    if headers.get("apns-push-type") != "mdm":
        return PushReply(400, "InvalidPushType")
    if headers.get("apns-priority", "10") not in {"1", "5", "10"}:
        return PushReply(400, "BadPriority")
    if not headers.get("apns-expiration", "0").isdecimal():
        return PushReply(400, "BadExpirationDate")
    if "apns-id" in headers:
        try:
            uuid.UUID(headers["apns-id"])
        except ValueError:
            return PushReply(400, "BadMessageId")
    return None


def _magic(body: bytes) -> str | None:
    """The PushMagic of {"mdm": "..."}; None for anything else."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    magic = value.get("mdm") if isinstance(value, dict) else None
    return magic if isinstance(magic, str) else None


@dataclass
class _Stream:
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)


class _Provider(asyncio.Protocol):
    """One connection of a server."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._topic = ""
        self._accepted = 0
        self._answering = 0
        self._draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise SimulatorError("The gateway listens on TCP only.")
        self._transport = transport
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
        topic = topic_of(x509.load_der_x509_certificate(der)) if der else None
        if topic is None or tls.selected_alpn_protocol() != "h2":
            transport.close()
            return
        self._topic = topic
        self._gateway.connections.add(self)
        self._http.initiate_connection()
        self._http.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (the name is asyncio's)
        self._transport = None
        self._gateway.connections.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._http.receive_data(data)
        except ProtocolError:
            self._flush()
            self.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self._begin(event)
            elif isinstance(event, DataReceived):
                self._take(event)
            elif isinstance(event, StreamEnded):
                self._finish(event.stream_id)
            elif isinstance(event, StreamReset):
                self._streams.pop(event.stream_id or 0, None)
            elif isinstance(event, ConnectionTerminated):
                self.close()
        self._flush()

    def _begin(self, event: RequestReceived) -> None:
        if self._draining:
            return  # beyond the stream named in GOAWAY: the client knows that it was not processed
        self._accepted += 1
        self._streams[event.stream_id] = _Stream({_text(name).lower(): _text(value) for name, value in event.headers})
        every = self._gateway.manners.goaway_every
        if every is not None and self._accepted >= every:
            self._draining = True
            self._flush()
            # h2 would close the connection with its own GOAWAY; the real service first answers what it has taken.
            frame = GoAwayFrame(0, last_stream_id=event.stream_id, error_code=0)
            if self._transport is not None:
                self._transport.write(frame.serialize())
            self._gateway.counts["goaway"] += 1

    def _take(self, event: DataReceived) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is not None and len(stream.body) <= LARGEST_PAYLOAD:
            stream.body += event.data or b""
        self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)

    def _finish(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        request = PushRequest(stream.headers, bytes(stream.body))
        self._answering += 1
        self._gateway.later(lambda: self._answer(stream_id, request))

    def _answer(self, stream_id: int, request: PushRequest) -> None:
        self._answering -= 1
        if self._transport is None:
            return
        reply = self._gateway.reply(request, self._topic)
        headers = [(":status", str(reply.status)), ("apns-id", request.headers.get("apns-id", str(uuid.uuid4())))]
        body = b""
        if reply.reason:
            content: dict[str, Any] = {"reason": reply.reason}
            if reply.timestamp:
                content["timestamp"] = reply.timestamp
            body = json.dumps(content).encode()
            headers.append(("content-type", "application/json"))
        try:
            self._http.send_headers(stream_id, headers, end_stream=not body)
            if body:
                self._http.send_data(stream_id, body, end_stream=True)
        except ProtocolError:
            return  # the client gave this push up
        self._flush()
        if self._draining and not self._streams and not self._answering:
            self.close()

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Gateway:
    """The service, in a thread of its own. `with Gateway(...) as gateway: gateway.url`."""

    def __init__(self, *, apple: Apple, fleet: Fleet, port: int = 0, manners: Manners | None = None) -> None:
        """`port` 0 takes a free one."""
        self.manners = manners or Manners()
        self.connections: set[_Provider] = set()
        self.counts: Counter[str] = Counter()  # answers by reason ("accepted" for 200), and "goaway"
        self._fleet = fleet
        self._loop = asyncio.new_event_loop()
        try:
            self._server = self._loop.run_until_complete(self._listen(apple.tls_context(), port))
        except OSError as error:
            self._loop.close()
            raise SimulatorError(f"The push gateway cannot listen on port {port}: {error.strerror}.") from error
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="push-gateway", daemon=True)
        self._thread.start()

    async def _listen(self, context: ssl.SSLContext, port: int) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Provider(self), "127.0.0.1", port, ssl=context)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0.05)  # let the closing handshakes leave
        for connection in list(self.connections):
            connection.abort()  # a client that does not answer them
        await asyncio.sleep(0)

    def later(self, answer: Any) -> None:
        """Answer now, or after the delay; in order of arrival either way."""
        if self.manners.delay:
            self._loop.call_later(self.manners.delay, answer)
        else:
            answer()

    def reply(self, request: PushRequest, topic: str) -> PushReply:
        if self.manners.fail_next > 0:
            self.manners.fail_next -= 1
            reply = PushReply(503, "ServiceUnavailable")
        else:
            reply = judge(request, topic=topic, fleet=self._fleet, now=time.time())
        self.counts[reply.reason or "accepted"] += 1
        return reply
