"""Whose request this is: the client's IP address, as pages, the device plane, counts and the audit know it, and the
certificate with which a client has proved itself to the proxy in front."""

import ipaddress
from base64 import b64decode
from typing import Final
from urllib.parse import unquote


def address(peer: str, forwarded_for: str, *, proxies: int) -> str:
    """The address of the peer, or what the outermost of so many trusted proxies saw (`X-Forwarded-For`). Empty where
    that is no IP address.

    Always the same text for the same client. So an IPv4 address in the shape of an IPv6 one, as a socket for both gives
    it (`::ffff:192.0.2.1`), is the IPv4 address: by its first 64 bits, everybody with IPv4 would be one network."""
    seen = forwarded_for.split(",")
    given = seen[max(0, len(seen) - proxies)] if proxies and forwarded_for else peer
    try:
        found = ipaddress.ip_address(_without_port(given.strip()).partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def _without_port(text: str) -> str:
    """Some proxies write the port as well: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


LONGEST_CERTIFICATE: Final = 16 * 1024
"""Characters of a header that carries one. Real ones have 1,500 to 6,000."""


def certificate(header: str) -> bytes:
    """The certificate that a proxy passes on, in DER: as RFC 9440 writes it (`:MII...=:`), or as PEM with per cent
    signs, as nginx does (`$ssl_client_escaped_cert`). Empty for anything else. Not read any further."""
    if not header or len(header) > LONGEST_CERTIFICATE:
        return b""
    text = header.strip()
    if len(text) > 1 and text[0] == text[-1] == ":":
        encoded = text[1:-1]
    else:
        before, begin, rest = unquote(text).strip().partition("-----BEGIN CERTIFICATE-----")
        encoded, end, after = rest.partition("-----END CERTIFICATE-----")
        if before or not begin or not end or after:
            return b""  # of two, one is not the proxy's
        encoded = "".join(encoded.split())
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        return b""
