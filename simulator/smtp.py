"""A mail server that takes what it is given (RFC 5321), on loopback: the other side of the wire for mails.

`Manners` make it behave badly, so that a client can be tried against refusals and lines that break.
"""

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from simulator.errors import SimulatorError

LARGEST_MAIL = 4 * 1024 * 1024  # bytes
LONGEST_LINE = 4096  # bytes; commands are shorter, and lines of a mail are counted in whole mails


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as it came: who it is from and for by the envelope, and its bytes (CRLF, without the final dot)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    was_encrypted: bool
    user: str


@dataclass(slots=True)
class Manners:
    """How the server behaves; may be changed while it runs."""

    answers: Mapping[str, str] = field(default_factory=dict)
    """Replies instead of the usual ones, by command; GREETING is the first word, CONTENT the reply to a mail."""
    hang_up: str = ""
    """Breaks the connection instead of answering this command; CONTENT: after the mail has been taken."""
    silent: str = ""
    """Never answers this command."""


class SmtpServer:
    """The server, in threads of its own: `with SmtpServer(take=mails.append) as server: server.port`."""

    def __init__(
        self,
        *,
        take: Callable[[Received], None],
        port: int = 0,
        manners: Manners | None = None,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """With `tls` it offers STARTTLS, or speaks TLS `tls_at_once`; with `credentials` it insists on them, and on
        encryption before. Raises SimulatorError when the port is taken."""
        self.take = take
        self.manners = manners or Manners()
        self.tls = tls
        self.tls_at_once = tls_at_once
        self.credentials = credentials
        self.commands: list[str] = []
        """Every line that came, but for mails and credentials."""
        self.closing = threading.Event()

        class Handler(_Dialogue):
            server_side = self

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Clients come and go as they like."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise SimulatorError(f"The mail server cannot listen on port {port}: {error.strerror}.") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.05), name="smtp", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _End(Exception):
    """The connection is over."""


class _Dialogue(socketserver.BaseRequestHandler):
    """One connection."""

    server_side: SmtpServer

    def setup(self) -> None:
        self.connection: socket.socket = self.request
        self.connection.settimeout(30)
        self.encrypted = False
        self.user = ""
        self._forget()

    def _forget(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def handle(self) -> None:
        side = self.server_side
        try:
            if side.tls is not None and side.tls_at_once:
                self._encrypt(side.tls)
            self._open()
            self._answer("GREETING", "220 simulator ESMTP")
            while True:
                self._command(self._line())
        except (_End, OSError):
            pass
        finally:
            self.connection.close()

    def _open(self) -> None:
        self.file = self.connection.makefile("rb")

    def _encrypt(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.encrypted = True

    def _line(self) -> bytes:
        line = self.file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise _End
        return line.rstrip(b"\r\n")

    def _say(self, text: str) -> None:
        self.connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")

    def _answer(self, name: str, usual: str) -> bool:
        """Give the usual reply, or what the manners want; whether it was a yes."""
        manners = self.server_side.manners
        if manners.hang_up == name:
            raise _End
        if manners.silent == name:
            self.server_side.closing.wait(30)
            raise _End
        reply = manners.answers.get(name, usual)
        self._say(reply)
        if reply.startswith("421"):
            raise _End
        return reply[0] in "23"

    def _command(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        verb, _space, rest = text.partition(" ")
        verb = verb.upper()
        self.server_side.commands.append(verb if verb == "AUTH" else text)
        side = self.server_side
        if verb in {"EHLO", "HELO"}:
            self._forget()
            self._answer("EHLO", "\n".join(self._abilities()) if verb == "EHLO" else "250 simulator")
        elif verb == "STARTTLS" and side.tls is not None and not self.encrypted:
            self._say("220 go ahead")
            self._encrypt(side.tls)
            self._open()
            self._forget()
        elif verb == "AUTH":
            self._authenticate(rest)
        elif verb == "MAIL":
            self._mail(rest)
        elif verb == "RCPT":
            self._recipient(rest)
        elif verb == "DATA":
            self._data()
        elif verb in {"RSET", "NOOP"}:
            self._forget()
            self._say("250 ok")
        elif verb == "QUIT":
            self._say("221 bye")
            raise _End
        else:
            self._say("500 what?")

    def _abilities(self) -> list[str]:
        side = self.server_side
        able = ["simulator", "8BITMIME", f"SIZE {LARGEST_MAIL}"]
        if side.tls is not None and not self.encrypted:
            able.append("STARTTLS")
        if side.credentials is not None and self.encrypted:
            able.append("AUTH PLAIN")
        return [f"250-{one}" for one in able[:-1]] + [f"250 {able[-1]}"]

    def _authenticate(self, rest: str) -> None:
        method, _space, initial = rest.partition(" ")
        if method.upper() != "PLAIN" or not self.encrypted:
            self._say("504 not like this")
            return
        given = base64.b64decode(initial or "").split(b"\0")[1:]
        wanted = [part.encode() for part in self.server_side.credentials or ()]
        if self._answer("AUTH", "235 welcome" if given == wanted else "535 no"):
            self.user = given[0].decode()

    def _mail(self, rest: str) -> None:
        if self.server_side.credentials is not None and not self.user:
            self._say("530 who are you?")
        elif self._answer("MAIL", "250 ok"):
            self._forget()
            self.sender = _path(rest)

    def _recipient(self, rest: str) -> None:
        if self.sender is None:
            self._say("503 MAIL first")
        elif self._answer("RCPT", "250 ok"):
            self.recipients.append(_path(rest))

    def _data(self) -> None:
        if not self.recipients or self.sender is None:
            self._say("503 RCPT first")
            return
        if not self._answer("DATA", "354 go on"):
            return
        lines: list[bytes] = []
        size = 0
        while (line := self.file.readline(LARGEST_MAIL)) != b".\r\n":
            size += len(line)
            if not line.endswith(b"\n") or size > LARGEST_MAIL:
                raise _End
            lines.append(line[1:] if line.startswith(b".") else line)
        reply = self.server_side.manners.answers.get("CONTENT", "250 taken")
        if reply.startswith("2"):
            self.server_side.take(
                Received(self.sender, tuple(self.recipients), b"".join(lines), self.encrypted, self.user)
            )
        self._answer("CONTENT", "250 taken")
        self._forget()


def _path(rest: str) -> str:
    """The address in `FROM:<address> SIZE=…`."""
    return rest.partition("<")[2].partition(">")[0]
