"""The part of a person and their browser: open a registration address and come back with the profile.

A page may lead to the profile by a link or by a form with a button. Cookies are kept, hidden fields sent back,
redirects followed. Nothing is assumed about the page but HTML.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from simulator.errors import SimulatorError, Unreachable
from simulator.hardware import Kind
from simulator.transport import Reply, Transport, check_url, media_type

PROFILE = "application/x-apple-aspen-config"
DEPTH = 3  # pages between the address and the profile
REDIRECTS = 5
TRIES = 12  # requests in all

USER_AGENTS: Mapping[Kind, str] = {
    Kind.IPHONE: (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.1 Mobile/15E148 Safari/604.1"
    ),
    # An iPad asks for desktop pages, and says that it is a Mac.
    Kind.IPAD: (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.1 Safari/605.1.15"
    ),
    Kind.MAC: (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.1 Safari/605.1.15"
    ),
}


def fetch_profile(url: str, *, send: Transport, kind: Kind) -> bytes:
    """The profile behind a registration address. Raises Unreachable, or SimulatorError when there is none."""
    visit = _Visit(send=send, user_agent=USER_AGENTS[kind], host=_origin(check_url(url)))
    found = visit.look(url, depth=DEPTH)
    if found is None:
        raise SimulatorError("There is no profile behind this address.")
    return found


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


@dataclass
class _Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    words: str = ""
    button: bool = False
    asks_password: bool = False

    @property
    def speaks_of_profile(self) -> bool:
        return any(word in self.words for word in ("profile", "download", "install"))


@dataclass
class _Visit:
    send: Transport
    user_agent: str
    host: tuple[str, str]
    cookies: dict[str, str] = field(default_factory=dict)
    tries: int = 0

    def look(self, url: str, *, depth: int) -> bytes | None:
        """The profile at a page or behind its links and forms, the likeliest first."""
        final, reply = self._request("GET", url, b"")
        return self._judge(final, reply, depth=depth)

    def _judge(self, url: str, reply: Reply, *, depth: int) -> bytes | None:
        status, headers, body = reply
        if status == 200 and media_type(headers) == PROFILE:
            return body
        if status != 200 and depth == DEPTH:
            raise Unreachable(f"The address was answered {status}.", status=status)
        if status != 200 or media_type(headers) != "text/html" or depth == 0:
            return None
        page = _Page()
        page.feed(body.decode("utf-8", "replace"))
        for method, target, sent in page.ways(url):
            if _origin(target) != self.host or self.tries >= TRIES:
                continue
            final, answer = self._request(method, target, sent)
            if (found := self._judge(final, answer, depth=depth - 1)) is not None:
                return found
        return None

    def _request(self, method: str, url: str, body: bytes) -> tuple[str, Reply]:
        for _redirect in range(REDIRECTS):
            self.tries += 1
            reply = self.send(method, url, self._headers(url, body), body)
            self._keep_cookies(reply[1])
            target = urljoin(url, reply[1].get("location", ""))
            if reply[0] not in {301, 302, 303, 307, 308} or _origin(target) != self.host:
                return url, reply
            if reply[0] in {301, 302, 303}:
                method, body = "GET", b""
            url = target
        raise Unreachable("The address leads in a circle.")

    def _headers(self, url: str, body: bytes) -> dict[str, str]:
        headers = {"User-Agent": self.user_agent, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = "://".join(_origin(url))
            headers["Referer"] = url
        return headers

    def _keep_cookies(self, headers: Mapping[str, str]) -> None:
        for line in headers.get("set-cookie", "").split("\n"):
            cookie: SimpleCookie = SimpleCookie()
            try:
                cookie.load(line)
            except CookieError:
                continue
            for name, morsel in cookie.items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


class _Page(HTMLParser):
    """Collects the links and forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[int, str]] = []
        self.forms: list[_Form] = []
        self._form: _Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and values.get("href"):
            self.links.append((_likelihood(values), values["href"]))
        elif tag == "form":
            self._form = _Form(values.get("action", ""), values.get("method", "get").upper())
            self.forms.append(self._form)
        elif tag in {"input", "button"} and values.get("name"):
            self._add_field(tag, values)

    def _add_field(self, tag: str, values: Mapping[str, str]) -> None:
        form = self._form
        kind = values.get("type", "submit" if tag == "button" else "text").lower()
        if form is None or (kind in {"checkbox", "radio"} and "checked" not in values):
            return
        form.asks_password = form.asks_password or kind == "password"
        if kind == "submit":
            if form.button:
                return  # one button can be pressed: the first
            form.button = True
        form.fields.append((values["name"], values.get("value", "on" if kind == "checkbox" else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._form is not None:
            self._form.words += f" {data.lower()}"

    def ways(self, base: str) -> Iterator[tuple[str, str, bytes]]:
        """(method, address, body) for what a person might press, the likeliest first; nothing that signs in or out."""
        for likelihood, href in sorted(self.links, reverse=True):
            if likelihood >= 2:
                yield "GET", urljoin(base, href), b""
        for form in sorted(self.forms, key=lambda form: not form.speaks_of_profile):
            target = urljoin(base, form.action or base)
            if form.asks_password:
                continue
            if form.method == "POST":
                yield "POST", target, urlencode(form.fields).encode()
            elif form.speaks_of_profile:
                yield "GET", f"{target}?{urlencode(form.fields)}", b""
        for likelihood, href in sorted(self.links, reverse=True):
            if likelihood == 1:
                yield "GET", urljoin(base, href), b""


def _likelihood(values: Mapping[str, str]) -> int:
    """3: says it is a profile; 2: downloads something; 1: speaks of a profile or download; 0: anything else."""
    href = values["href"].lower()
    if values.get("type") == PROFILE or urlsplit(href).path.endswith(".mobileconfig"):
        return 3
    if "download" in values:
        return 2
    return 1 if any(word in href for word in ("profile", "download", "install")) else 0
