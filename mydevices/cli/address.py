"""Looks at the public address from outside, as people and devices meet it: what its TLS is like is the reverse proxy's
to decide, and nothing that comes here by way of it shows it."""

import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 5.0
"""For each connection."""
SOON: Final = 14
"""Days before its end at which a certificate is spoken of."""

# What has forward secrecy and encrypts with authentication: all that TLS 1.3 has, and this of TLS 1.2.
GOOD: Final = ("ECDHE+AESGCM", "ECDHE+CHACHA20", "DHE+AESGCM", "DHE+CHACHA20")
OTHERS: Final = ":".join(["ALL", "COMPLEMENTOFALL", *(f"!{suite}" for suite in GOOD), "@SECLEVEL=0"])
OLD: Final = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}


@dataclass(frozen=True, slots=True)
class Finding:
    is_good: bool
    text: str


def look(url: str, *, now: datetime, authorities: str | None = None) -> Iterator[Finding]:
    """What there is to say of an https address. `authorities`: a file to trust instead of the system's.

    Raises OSError where nothing answers there at all."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    socket.create_connection((host, port), SECONDS).close()
    yield from _as_a_browser(host, port, authorities, now)
    for name, version in OLD.items():
        met = _agrees(host, port, lowest=version, highest=version)
        if met is None:
            yield Finding(True, f"{name} could not be tried: the library here does not have it.")
        else:
            yield Finding(not met, f"{name} is {'accepted. Switch it off' if met else 'refused'}.")
    met = _agrees(host, port, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.TLSv1_2, ciphers=OTHERS)
    yield Finding(
        not met,
        "Cipher suites without forward secrecy or authenticated encryption are "
        + ("accepted. Leave only those of the README." if met else "refused."),
    )


def _as_a_browser(host: str, port: int, authorities: str | None, now: datetime) -> Iterator[Finding]:
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with _connected(context, host, port) as connection:
            version, certificate = connection.version(), connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield Finding(False, f"The certificate is not trusted here: {error.verify_message}.")
        return
    except OSError as error:
        yield Finding(False, f"A browser of today cannot connect: {error.strerror or error}.")
        return
    yield Finding(True, "The certificate is trusted, and the address's own.")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    left = (ends - now).days
    yield Finding(left > SOON, f"It ends in {left} days.")
    yield Finding(True, f"{(version or '').replace('v', ' ')} is what a browser of today gets.")


def _agrees(
    host: str,
    port: int,
    *,
    lowest: ssl.TLSVersion,
    highest: ssl.TLSVersion,
    ciphers: str = "ALL:@SECLEVEL=0",
) -> bool | None:
    """Whether the server takes an offer of these alone. None where it cannot be made from here. Nothing is said over
    such a connection, so whose certificate it is does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that these are old is why they are tried
            context.set_ciphers(ciphers)
            context.minimum_version, context.maximum_version = lowest, highest
    except (ssl.SSLError, ValueError):
        return None
    try:
        with _connected(context, host, port):
            return True
    except ssl.SSLError as error:
        return None if error.reason == "NO_PROTOCOLS_AVAILABLE" else False
    except OSError:
        return False


def _connected(context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSocket:
    with contextlib.ExitStack() as opened:
        plain = opened.enter_context(socket.create_connection((host, port), SECONDS))
        secured = context.wrap_socket(plain, server_hostname=host)
        opened.pop_all()  # whoever is given it closes it
        return secured
