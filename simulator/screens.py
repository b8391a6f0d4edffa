"""The screens of the simulated devices: one page and a small JSON API, on loopback only.

    GET  /                            the page              GET  /cards    its changing part (ETag)
    GET  /api/devices                 {"devices": [...]}    GET  /api/devices/UDID
    POST /api/devices                 {kind, name?, product?, supervised?, url? | profile? (Base64)}  a new device
    POST /api/devices/UDID/ACTION     open {url} · register {profile} · unlock {code} · lock · restart · online ·
                                      offline · poll · leave · passcode {passcode} · remove · behaviour {any switch}

An action is answered with the device as it is then, or with {"error": "..."} and status 400 or 404.
"""

import base64
import binascii
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from simulator import pages
from simulator.connection import Behaviour
from simulator.device import Device
from simulator.errors import SimulatorError
from simulator.fleet import Fleet, new_device
from simulator.iphone import IPhone
from simulator.transport import is_loopback

LARGEST_BODY = 4 * 1024 * 1024  # bytes
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Values = Mapping[str, Any]


class NotThere(SimulatorError):
    """There is no such device, action or page."""


def _text(values: Values, key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise SimulatorError(f"{key} is missing.")
    return value


def _profile(values: Values) -> bytes:
    try:
        return base64.b64decode(_text(values, "profile"), validate=True)
    except binascii.Error as error:
        raise SimulatorError("The profile is not Base64.") from error


def _set_passcode(device: Device, values: Values) -> None:
    if not isinstance(device, IPhone):
        raise SimulatorError("A Mac has passwords, not a passcode.")
    passcode = values.get("passcode")
    device.set_passcode(str(passcode) if passcode else None)


def _behave(device: Device, values: Values) -> None:
    """Set switches; each must be known, and of the type it has."""
    known = {entry.name for entry in fields(Behaviour)}
    for key, value in values.items():
        if key not in known:
            raise SimulatorError(f"There is no switch {key}.")
        if key == "act_as":
            right = value is None or isinstance(value, str)
        elif key == "delay":
            right = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 60
        else:
            right = isinstance(value, bool)
        if not right:
            raise SimulatorError(f"{key} cannot be {value!r}.")
    for key, value in values.items():
        setattr(device.behaviour, key, value)


def _poll(device: Device, _values: Values) -> None:
    session = device.poll()
    if session.problem:
        raise SimulatorError(session.problem)


ACTIONS: Mapping[str, Callable[[Device, Values], None]] = {
    "open": lambda device, values: device.open(_text(values, "url")),
    "register": lambda device, values: device.register(_profile(values)),
    "unlock": lambda device, values: device.unlock(str(values.get("code", ""))),
    "lock": lambda device, _values: device.lock_screen(),
    "restart": lambda device, _values: device.restart(),
    "online": lambda device, _values: device.set_online(online=True),
    "offline": lambda device, _values: device.set_online(online=False),
    "poll": _poll,
    "leave": lambda device, _values: device.leave(),
    "passcode": _set_passcode,
    "behaviour": _behave,
}


class Screens:
    """The server, in threads of its own. `with Screens(fleet=fleet) as screens: screens.url`."""

    def __init__(self, *, fleet: Fleet, port: int = 0) -> None:
        """`port` 0 takes a free one. Raises SimulatorError when it is taken."""
        self.fleet = fleet

        class Handler(_Handler):
            screens = self

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise SimulatorError(f"The screens cannot listen on port {port}: {error.strerror}.") from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.1), name="screens", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def snapshots(self) -> list[dict[str, Any]]:
        return [device.snapshot() for device in self.fleet.devices()]

    def find(self, udid: str) -> Device:
        try:
            return self.fleet.device(udid)
        except SimulatorError as error:
            raise NotThere(str(error)) from error

    def create(self, values: Values) -> Device:
        """A new device that opens an address or installs a profile. It stays only if that worked."""
        name = values.get("name")
        product = values.get("product")
        device = new_device(
            str(values.get("kind") or "iphone"),
            send=self.fleet.send,
            name=str(name) if name else None,
            product=str(product) if product else None,
            supervised=values.get("supervised") in {True, "yes"},
        )
        self.fleet.add(device)
        try:
            if values.get("profile"):
                device.register(_profile(values))
            elif values.get("url"):
                device.open(_text(values, "url"))
        except SimulatorError:
            self.fleet.remove(device.udid)
            raise
        return device

    def act(self, udid: str, action: str, values: Values) -> Device | None:
        """Do an action; None when the device was removed by it."""
        device = self.find(udid)
        if action == "remove":
            self.fleet.remove(udid)
            return None
        if action not in ACTIONS:
            raise NotThere(f"There is no action {action}.")
        ACTIONS[action](device, values)
        return device


class _Handler(BaseHTTPRequestHandler):
    """One request. Bound to its Screens by a subclass."""

    screens: Screens
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds for a silent client

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the page shows what happens."""

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        path = urlsplit(self.path).path
        if path in pages.ASSETS:
            content_type, body = pages.ASSETS[path]
            self._send(HTTPStatus.OK, content_type, body)
        elif path == "/":
            self._page()
        elif path == "/cards":
            self._cards()
        elif path == "/api/devices":
            self._json(HTTPStatus.OK, {"devices": self.screens.snapshots()})
        elif path.startswith("/api/devices/"):
            self._answer(lambda: self.screens.find(path.removeprefix("/api/devices/")), api=True)
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "There is nothing here."})

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        try:
            values = self._values()
        except SimulatorError as error:
            self.close_connection = True
            self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        path = urlsplit(self.path).path
        api = path.startswith("/api/") or "application/json" in self.headers.get("Accept", "")
        parts = path.removeprefix("/api").strip("/").split("/")
        if parts == ["devices"]:
            self._answer(lambda: self.screens.create(values), api=api)
        elif len(parts) == 3 and parts[0] == "devices":
            self._answer(lambda: self.screens.act(parts[1], parts[2], values), api=api)
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "There is nothing here."})

    def _is_ours(self) -> bool:
        """Refuse other hosts' names (DNS rebinding) and other sites' forms."""
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        if is_loopback(urlsplit(f"//{host}").hostname or "") and origin in {None, f"http://{host}"}:
            return True
        self.close_connection = True
        self._json(HTTPStatus.FORBIDDEN, {"error": "This page is for the same machine only."})
        return False

    def _values(self) -> Values:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            raise SimulatorError("The request is too large.")
        body = self.rfile.read(int(length))
        if self.headers.get("Content-Type", "").startswith("application/json"):
            try:
                found = json.loads(body) if body else {}
            except ValueError as error:
                raise SimulatorError("The request is not JSON.") from error
            if not isinstance(found, dict):
                raise SimulatorError("The request is not a JSON object.")
            return found
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    def _answer(self, act: Callable[[], Device | None], *, api: bool) -> None:
        """Do it, and answer with the device, or for a form with the page."""
        status, problem, result = HTTPStatus.OK, "", {}
        try:
            device = act()
            result = device.snapshot() if device is not None else {}
        except NotThere as error:
            status, problem = HTTPStatus.NOT_FOUND, str(error)
        except SimulatorError as error:
            status, problem = HTTPStatus.BAD_REQUEST, str(error)
        if api:
            self._json(status, {"error": problem} if problem else result)
        elif problem:
            self._page(status, problem)
        else:
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _page(self, status: HTTPStatus = HTTPStatus.OK, problem: str = "") -> None:
        html = pages.page(self.screens.snapshots(), now=datetime.now().astimezone(), problem=problem)
        self._send(status, "text/html; charset=utf-8", html.encode())

    def _cards(self) -> None:
        now = datetime.now().astimezone()
        tag = f'"{self.screens.fleet.changes}-{now:%H%M}"'  # the minute, because the screens show the time
        if self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        html = pages.cards(self.screens.snapshots(), now=now)
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", html.encode(), {"ETag": tag})

    def _json(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(value, ensure_ascii=False).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, extra: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {**HEADERS, **(extra or {}), "Content-Type": content_type, "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
