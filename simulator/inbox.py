"""Everybody's inbox: a mail server that takes every mail, and a page that shows them, on loopback only.

    GET /                 the list, the newest first       GET /mails/N        one mail
    GET /mails/N/html     its HTML alone, for a frame      GET /api/mails      {"mails": [{number, to, subject, ...}]}

Mails are kept as files in the state directory.
"""

import base64
import email
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import default
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from simulator.errors import SimulatorError
from simulator.smtp import Received, SmtpServer
from simulator.transport import is_loopback

STYLE = (Path(__file__).parent / "static" / "inbox.css").read_bytes()
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'"
)
# A mail's styles stand in its lines. Nothing of it runs; its links open beside it, not in the frame.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its reader sees it."""

    number: int
    to: str
    sender: str
    subject: str
    arrived: datetime
    text: str
    html: str

    def as_json(self) -> Mapping[str, Any]:
        links = [link.rstrip(".,)") for link in _LINK.findall(self.text)]
        return {
            "number": self.number,
            "to": self.to,
            "from": self.sender,
            "subject": self.subject,
            "arrived": self.arrived.isoformat(),
            "text": self.text,
            "links": links,
        }


class Inbox:
    """Mail server and page, in threads of their own: `with Inbox(state=folder) as inbox: inbox.url`."""

    def __init__(self, *, state: Path, port: int = 0, smtp_port: int = 0) -> None:
        """Ports of 0 take free ones. Raises SimulatorError when one is taken."""
        self._folder = state / "inbox"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._smtp = SmtpServer(take=self.take, port=smtp_port)
        self.smtp_port = self._smtp.port

        class Handler(_Handler):
            inbox = self

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            self._smtp.close()
            raise SimulatorError(f"The inbox cannot listen on port {port}: {error.strerror}.") from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.1), name="inbox", daemon=True
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
        self._smtp.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def take(self, received: Received) -> None:
        """Keep a mail. It is taken once it is written whole."""
        with self._lock:
            number = max(self._numbers(), default=0) + 1
            unfinished = self._folder / f"{number}.part"
            unfinished.write_bytes(
                b"X-Envelope-To: " + ", ".join(received.recipients).encode() + b"\r\n" + received.content
            )
            unfinished.rename(self._folder / f"{number}.eml")

    def _numbers(self) -> Sequence[int]:
        return [int(file.stem) for file in self._folder.glob("*.eml") if file.stem.isdecimal()]

    def mails(self) -> Sequence[Mail]:
        """All of them, the newest first."""
        return [self.mail(number) for number in sorted(self._numbers(), reverse=True)]

    def mail(self, number: int) -> Mail:
        """Raises SimulatorError for one that there is not."""
        file = self._folder / f"{number}.eml"
        try:
            message = email.message_from_bytes(file.read_bytes(), policy=default)
            arrived = datetime.fromtimestamp(file.stat().st_mtime).astimezone()
        except FileNotFoundError as error:
            raise SimulatorError("There is no such mail.") from error
        return Mail(
            number=number,
            to=str(message["X-Envelope-To"]),
            sender=str(message["From"] or ""),
            subject=str(message["Subject"] or "No subject"),
            arrived=arrived,
            text=_part(message, "plain"),
            html=_with_pictures(message, _part(message, "html")),
        )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _with_pictures(message: EmailMessage, html: str) -> str:
    """The HTML with the pictures that travel in the mail (RFC 2392) in their places."""
    for part in message.walk():
        name = str(part["Content-ID"] or "").strip().strip("<>")
        if name and part.get_content_maintype() == "image" and isinstance(part, EmailMessage):
            picture = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{picture}")
    return html


class _Handler(BaseHTTPRequestHandler):
    """One request. Bound to its Inbox by a subclass."""

    inbox: Inbox
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds for a silent client

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the page shows what happens."""

    def do_GET(self) -> None:
        if not is_loopback(urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"This page is for the same machine only.")
            return
        path = urlsplit(self.path).path
        found = re.fullmatch(r"/mails/(\d{1,9})(/html)?", path)
        try:
            if path == "/":
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", _list(self.inbox.mails()).encode())
            elif path == "/inbox.css":
                self._send(HTTPStatus.OK, "text/css; charset=utf-8", STYLE)
            elif path == "/api/mails":
                body = json.dumps({"mails": [mail.as_json() for mail in self.inbox.mails()]}, ensure_ascii=False)
                self._send(HTTPStatus.OK, "application/json", body.encode())
            elif found and found[2]:
                html = self.inbox.mail(int(found[1])).html.replace("<head>", '<head><base target="_blank">', 1)
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", html.encode(), policy=_MAIL_POLICY)
            elif found:
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", _one(self.inbox.mail(int(found[1]))).encode())
            else:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.")
        except SimulatorError as error:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", str(error).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, *, policy: str = _PAGE_POLICY) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _page(title: str, body: str, more: str = "") -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{more}
<title>{escape(title)}</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/inbox.css">
</head>
<body>
{body}
</body>
</html>
"""


def _list(mails: Sequence[Mail]) -> str:
    rows = "".join(
        f'<li><a href="/mails/{mail.number}"><b>{escape(mail.subject)}</b>'
        f"<span>To {escape(mail.to)}</span>{_time(mail)}</a></li>"
        for mail in mails
    )
    shown = f"<ol>{rows}</ol>" if rows else '<p class="empty">No mail yet. Invite somebody in the console.</p>'
    body = (
        "<header><h1>Everybody’s inbox</h1><p>Every mail of the demo ends here, whomever it is for.</p></header>"
        f"<main>{shown}</main>"
    )
    return _page("Inbox", body, '<meta http-equiv="refresh" content="5">')


def _one(mail: Mail) -> str:
    letter = (
        f'<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" src="/mails/{mail.number}/html" '
        'title="The mail"></iframe>'
        if mail.html
        else ""
    )
    body = (
        f'<header><p><a href="/">All mails</a></p><h1>{escape(mail.subject)}</h1>'
        f"<p>From {escape(mail.sender)} · to {escape(mail.to)} · {_time(mail)}</p></header>"
        f"<main>{letter}<details{'' if mail.html else ' open'}><summary>As plain text</summary>"
        f'<pre tabindex="0">{_linked(mail.text)}</pre></details></main>'
    )
    return _page(mail.subject, body)


def _time(mail: Mail) -> str:
    return f'<time datetime="{mail.arrived.isoformat()}">{mail.arrived:%H:%M:%S}</time>'


def _linked(text: str) -> str:
    """Text as HTML, with its addresses as links."""
    pieces = []
    end = 0
    for found in _LINK.finditer(text):
        address = found[0].rstrip(".,)")
        start, end_of = found.start(), found.start() + len(address)
        pieces.append(escape(text[end:start]))
        pieces.append(f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(address)}</a>')
        end = end_of
    return "".join(pieces) + escape(text[end:])
