"""The device plane's addresses: an endpoint is a plain function from a small request value to a small response value.
They come with the platform that answers there (`platform.Platform.routes`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the device plane. `query` is the raw query string; header names are lower case; `body` is whole."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""
    """Of the client; empty where it is not known."""
    certificate: bytes = b""
    """With which the client proved itself in TLS, in DER, as a trusted proxy passes it on; empty where none did. Nobody
    here has looked who issued it."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the device plane. An empty body is sent with Content-Length 0."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Sequence[tuple[str, str]] = ()


Endpoint = Callable[[Request], Response]
Quick = Callable[[Request], Response | None]
"""The same answer as the endpoint's, or None: "not here". It is called on the event loop, where whatever waits holds up
every connection: no lock, no write, nothing from the network, and None for all but the one case that it is for. What it
may cost a stranger to have it work is for it to bound."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with the largest body it reads, in bytes, the methods that it answers, and where it has one its quick
    answer to short requests. All other methods are refused before the endpoint. One that answers HEAD sees to it that
    nothing follows from it: HEAD is no GET."""

    endpoint: Endpoint
    body_limit: int
    methods: Sequence[str]
    quick: Quick | None = None


ROUTES: dict[str, Route] = {}
"""By exact path. What is not here is a page's."""


def serve(routes: Mapping[str, Route]) -> None:
    """Answer these paths on the device plane. Raises ValueError for one that is taken, or that is not a path."""
    for path, route in routes.items():
        if path in ROUTES or not path.startswith("/"):
            raise ValueError(f"“{path}” cannot be served on the device plane.")
        ROUTES[path] = route
