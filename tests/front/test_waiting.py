"""Pages that wait for something else hold up no other page, and one person holds up no other who waits."""

import ast
import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from types import FunctionType
from typing import Any, Final
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLPattern, URLResolver, get_resolver, reverse

import mydevices
from mydevices import front, plane
from mydevices.accounts.models import Person
from mydevices.certificates import uploads
from mydevices.certificates.opening import OpeningLimits
from mydevices.errors import TooMany
from mydevices.presentation import slow_pages
from mydevices.protocols.pki.pkcs12 import Bundle
from tests import factories
from tests.certificates import identities
from tests.cli.conftest import until
from tests.front.conftest import Server
from tests.front.test_front import ask, many

PATIENCE: Final = 30.0

# --- The real pages behind the real front, with the opening of files held --------------------------------------------


class Headers:
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, key: str, default: str | None = None) -> str | None:
        return self._values.get(key, default)

    def items(self) -> list[tuple[str, str]]:
        return list(self._values.items())


class Scope:
    """A request as the server gives it."""

    proto, http_version, scheme, authority = "http", "1.1", "http", None
    server, client = "127.0.0.1:8000", "127.0.0.1:5000"

    def __init__(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        self.method, self.path, self.query_string = method, path, ""
        self.headers = Headers({"host": "localhost", **headers})


class Exchange:
    """The way back, and the body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def __aiter__(self) -> Any:
        yield self._body
        yield b""

    async def __call__(self) -> bytes:
        return self._body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.response_bytes(status, headers, b"")

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, dict(headers), body


def pages(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The product's pages. No connection is left in a thread that nobody waits for."""
    answer: Any = plane.pages(environ, start_response)
    try:
        return [b"".join(answer)]
    finally:
        answer.close()
        connections.close_all()


class Running:
    """The product's front on an event loop of its own."""

    def __init__(self, limits: front.FrontLimits) -> None:
        self._loop = asyncio.new_event_loop()
        self._front = front.Front(pages=pages, plane=plane.plane, waits=slow_pages.addresses(), limits=limits)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for pool in self._front._pools:
            pool.start(self._loop)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> "Sent":
        length = {"content-length": str(len(body))} if body else {}
        exchange = Exchange(body)
        scope: Any = Scope(method, path, {**headers, **length})
        return Sent(asyncio.run_coroutine_threadsafe(self._front.__rsgi__(scope, exchange), self._loop), exchange)

    def stop(self) -> None:
        for pool in self._front._pools:
            pool.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class Sent:
    def __init__(self, future: Any, exchange: Exchange) -> None:
        self._future = future
        self._exchange = exchange

    @property
    def is_answered(self) -> bool:
        return bool(self._future.done())

    def answer(self) -> Exchange:
        self._future.result(PATIENCE)
        return self._exchange


class Held:
    """Files that are being opened, until they are let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._go = threading.Event()
        self.number = 0

    def open(self, _data: bytes, _password: str) -> Bundle:
        with self._lock:
            self.number += 1
        assert self._go.wait(PATIENCE)
        raise TooMany("Several files are being opened right now.")

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    opener = Held()
    monkeypatch.setattr(uploads, "open_guarded", opener.open)
    yield opener
    opener.let_go()


@pytest.fixture
def running(transactional_db: None, held: Held) -> Iterator[Running]:
    server = Running(front.FrontLimits(waiting_queue=3))
    yield server
    held.let_go()
    server.stop()


class Browser:
    def __init__(self, running: Running, person: Person, type_id: object) -> None:
        self._running = running
        client = Client()
        # Signed in a moment ago: adding a certificate takes a fresh proof.
        form = {"login": person.email, "password": factories.PASSWORD}
        assert client.post(reverse("account_login"), form).status_code == 302
        cookies: SimpleCookie = client.cookies
        cookies["csrf"] = "c" * 32
        self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        self._type_id = type_id

    def see(self, name: str) -> Sent:
        return self._running.send("GET", reverse(name), {"cookie": self._cookie})

    def upload(self) -> Sent:
        form: dict[str, Any] = {"type": str(self._type_id), "password": "secret", "csrfmiddlewaretoken": "c" * 32}
        body = encode_multipart(BOUNDARY, {**form, "file": SimpleUploadedFile("mine.p12", b"PKCS")})
        headers = {"cookie": self._cookie, "content-type": MULTIPART_CONTENT, "origin": "http://localhost"}
        return self._running.send("POST", reverse("portal:certificate_add"), headers, body)


def test_my_devices_is_answered_while_every_file_that_can_be_opened_is_held(running: Running, held: Held) -> None:
    type_id = identities.type_for().id
    people = [factories.person(f"Person {number}", password=factories.PASSWORD) for number in range(4)]
    browsers = [Browser(running, person, type_id) for person in people]
    waiting_uploads = [browser.upload() for browser in (*browsers, *browsers)]
    until(lambda: held.number == 4, PATIENCE, "every thread holds a file")
    # Three more wait for a thread, and the eighth is sent away.
    until(lambda: sum(sent.is_answered for sent in waiting_uploads) == 1, PATIENCE, "one is sent away")
    (refused,) = [sent.answer() for sent in waiting_uploads if sent.is_answered]
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    for _ in range(3):
        for browser in browsers:
            assert browser.see("portal:devices").answer().status == 200
    assert held.number == 4
    assert sum(sent.is_answered for sent in waiting_uploads) == 1
    held.let_go()
    assert {sent.answer().status for sent in waiting_uploads} == {400, 503}


def test_the_third_upload_of_one_person_is_told_to_wait_in_whichever_session(running: Running, held: Held) -> None:
    type_id = identities.type_for().id
    ines, ben = (factories.person(name, password=factories.PASSWORD) for name in ("Ines", "Ben"))
    hers = [Browser(running, ines, type_id) for _ in range(2)]
    first = [browser.upload() for browser in hers]
    until(lambda: held.number == 2, PATIENCE, "two are held")
    for browser in (*hers, *hers):
        third = browser.upload().answer()
        assert (third.status, third.headers["retry-after"]) == (429, slow_pages.AGAIN)
        assert "Still busy with your last requests" in third.body.decode()
        assert "no-store" in third.headers["cache-control"]
    assert hers[0].see("portal:certificate_add").answer().status == 200  # the form itself waits for nothing
    his = Browser(running, ben, type_id).upload()
    until(lambda: held.number == 3, PATIENCE, "somebody else's is opened")
    held.let_go()
    assert {sent.answer().status for sent in (*first, his)} == {400}
    assert hers[0].upload().answer().status == 400  # the turns were given back


def test_files_are_opened_by_as_many_at_once_as_wait_for_them() -> None:
    assert OpeningLimits().at_once >= front.FrontLimits().waiting_threads


# --- Which pages these are -------------------------------------------------------------------------------------------

ROOT: Final = Path(mydevices.__file__).parent
WAITS_FOR: Final = ("requests", "httpx2", "smtplib", "socket", "urllib.request", "subprocess", "allauth.socialaccount")
"""Modules of which nobody knows how long they take."""
FILES: Final = "request.FILES"


class Sources:
    """Which names each function and class of the product refers to, by `module.name`."""

    def __init__(self) -> None:
        self.refers: dict[str, set[str]] = {}
        for path in ROOT.rglob("*.py"):
            if "migrations" not in path.parts:
                module = ".".join(("mydevices", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
                    ".__init__"
                )
                self._read(module, ast.parse(path.read_text(encoding="utf-8")))

    def _read(self, module: str, tree: ast.Module) -> None:
        names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    names[one.asname or top] = one.name if one.asname else top
            elif isinstance(node, ast.ImportFrom):
                names |= {(one.asname or one.name): f"{node.module}.{one.name}" for one in node.names}
        own = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        names |= {node.name: f"{module}.{node.name}" for node in own}
        assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        for statement in assigned:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    names.setdefault(target.id, f"{module}.{target.id}")
                    self.refers[f"{module}.{target.id}"] = self._named(statement, names)
        for node in own:
            self.refers[f"{module}.{node.name}"] = self._named(node, names)

    @staticmethod
    def _named(node: ast.AST, names: Mapping[str, str]) -> set[str]:
        found = set()
        for one in ast.walk(node):
            if isinstance(one, ast.Attribute | ast.Name):
                text = ast.unparse(one)
                head, _dot, rest = text.partition(".")
                if head in names:
                    found.add(f"{names[head]}.{rest}".rstrip("."))
                elif text == FILES:
                    found.add(FILES)
        return found

    def reached(self, start: str) -> set[str]:
        todo, seen = [start], set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            # `module.Class.method` refers to what the class does.
            while name and name not in self.refers:
                name = name.rpartition(".")[0]
            todo += self.refers.get(name, set())
        return seen


def views(resolver: URLResolver | None = None, namespace: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from views(entry, f"{entry.namespace}:" if entry.namespace else namespace)
        elif isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name}", entry.callback


def inner(view: Callable[..., Any]) -> Callable[..., Any]:
    while wrapped := getattr(view, "__wrapped__", None):
        view = wrapped
    return view


def slow() -> set[str]:
    sources, found = Sources(), set()
    for name, view in views():
        function = inner(view)
        if not isinstance(function, FunctionType):
            continue
        reached = sources.reached(f"{function.__module__}.{function.__name__}")
        if FILES in reached or any(f"{one}.".startswith(f"{module}.") for one in reached for module in WAITS_FOR):
            found.add(name)
    return found


def declared() -> set[str]:
    return {name for name, view in views() if getattr(view, "waits", None)}


def test_every_page_that_opens_a_file_or_asks_somebody_else_is_declared() -> None:
    found = slow()
    assert {"portal:certificate_add", "openid_connect_login", "console:settings_mail_trial"} <= found
    assert found - declared() == set()


@pytest.mark.parametrize(
    ("method", "name", "arguments", "expected"),
    [
        ("POST", "portal:certificate_add", [], True),
        ("post", "portal:certificate_add", [], True),
        ("GET", "portal:certificate_add", [], False),
        ("POST", "portal:certificate_edit", [uuid4()], True),
        ("POST", "portal:certificate_clear", [uuid4()], False),
        ("POST", "console:configurations_new", ["identity_certificate"], True),
        ("GET", "openid_connect_login", ["okta"], True),
        ("HEAD", "openid_connect_callback", ["okta"], True),
        ("GET", "portal:devices", [], False),
    ],
)
def test_the_front_knows_them_by_method_and_path(method: str, name: str, arguments: list[Any], expected: bool) -> None:
    assert slow_pages.addresses()(method, reverse(name, args=arguments)) is expected


# --- Over sockets ----------------------------------------------------------------------------------------------------


def test_pages_that_wait_hold_up_no_others_and_are_bounded(server: Server) -> None:
    with many(server, 4 + 2, b"GET /waits?1.5 HTTP/1.1\r\nHost: x\r\n\r\n"):
        until(lambda: ask(server, "GET", "/waits?0")[0].status == 503, 10, "no room for one more")
        assert ask(server, "GET", "/page")[0].status == 200
        assert ask(server, "GET", "/mdm/test/echo")[0].status == 200
    until(lambda: ask(server, "GET", "/waits?0")[0].status == 200, 10, "room again")
