"""Whose request this is: the client's IP address, as pages, the device plane, counts and the audit know it."""

import ipaddress


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
