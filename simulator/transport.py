"""How a simulated device reaches a server.

A transport is a plain function, so that tests can put any server behind it:

    send(method, url, headers, body) -> (status, headers, body)

Answered header names are lower case; a header that came several times is one value with newlines between.
"""

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx2

from simulator.errors import Unreachable

Reply: TypeAlias = tuple[int, Mapping[str, str], bytes]
Transport: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Reply]

LARGEST_REPLY = 32 * 1024 * 1024  # bytes; a device would give up long before


def is_loopback(host: str) -> bool:
    """True for localhost and its subdomains, and for the loopback addresses."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str) -> str:
    """The URL, if a device would talk to it: https anywhere, http on this machine only. Raises Unreachable."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return url
    raise Unreachable(f"A device opens https addresses only: {url[:200]}")


class HttpTransport:
    """The transport that really goes over the network. Verifies TLS; follows no redirect; safe to share by threads."""

    def __init__(self, *, timeout: float = 15.0, authorities: Path | None = None) -> None:
        """`timeout` in seconds for each step of a request; `authorities` is a PEM file trusted besides the system's."""
        context = ssl.create_default_context()
        if authorities is not None:
            context.load_verify_locations(cafile=authorities)
        self._client = httpx2.Client(verify=context, timeout=timeout, trust_env=False, follow_redirects=False)

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        check_url(url)
        try:
            with self._client.stream(method, url, headers=dict(headers), content=body) as response:
                received = bytearray()
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > LARGEST_REPLY:
                        raise Unreachable("The server's answer is larger than a device would take.")
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise Unreachable(f"The server cannot be reached: {error}") from error
        folded: dict[str, str] = {}
        for name, value in response.headers.multi_items():
            folded[name.lower()] = f"{folded[name.lower()]}\n{value}" if name.lower() in folded else value
        return response.status_code, folded, bytes(received)

    def close(self) -> None:
        self._client.close()


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without parameters, lower case."""
    return headers.get("content-type", "").split(";", 1)[0].strip().lower()
