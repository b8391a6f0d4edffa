"""OpenID Connect as bytes: a provider's metadata and keys, ID tokens, and what its userinfo endpoint answers.

An ID token is believed by its signature alone, also where it came straight from the provider (OpenID Connect Core,
3.1.3.7 would allow to skip that): only with asymmetric algorithms, and with a key of the provider's own list. Every
reason for refusing one is a ProtocolError, whose text is for the audit and the log.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from mydevices.errors import ProtocolError
from mydevices.lines import one_line

WELL_KNOWN: Final = "/.well-known/openid-configuration"
SKEW: Final = 60
"""Seconds by which the provider's clock and ours may differ."""
LONGEST_TOKEN: Final = 64 * 1024
LONGEST_SUBJECT: Final = 255
MOST_KEYS: Final = 64
SMALLEST_RSA: Final = 2048

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that may be spoken to without TLS, by a provider that is on this machine itself."""

ELSEWHERE: Final[Mapping[str, Sequence[str]]] = {
    "accounts.google.com": ("oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"),
    "login.microsoftonline.com": ("graph.microsoft.com",),
}
"""Hosts of large providers beside the one of their issuer."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Final[Mapping[str, tuple[str, type[ec.EllipticCurve]]]] = {
    "ES256": ("P-256", ec.SECP256R1),
    "ES384": ("P-384", ec.SECP384R1),
    "ES512": ("P-521", ec.SECP521R1),
}
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ALGORITHMS: Final = frozenset({*_RSA, *_CURVES, "EdDSA", "Ed25519"})
"""What a token may be signed with (RFC 7518, RFC 8037, RFC 9864). Not "none", and nothing with a shared secret."""

Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey


class UnknownKey(ProtocolError):
    """The token is signed with a key that is not in the list: perhaps the list has become old."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider is, in its own words (OpenID Connect Discovery, 4.2)."""

    issuer: str
    """As it stands in its tokens."""
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    """Empty: it has none."""
    takes_basic: bool
    """Whether the client proves itself in the header of a request, and not in its body."""
    names_itself: bool
    """Whether it says who it is when it sends people back (RFC 9207)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of a provider. `kid` and `algorithm` are empty where it does not say."""

    kid: str
    algorithm: str
    public: Public


def _object(body: bytes, what: str) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        read = json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError(f"{what} is not JSON.") from error
    if not isinstance(read, dict):
        raise ProtocolError(f"{what} is not an object.")
    return read


def well_known(issuer: str) -> str:
    """Where the metadata of an issuer is."""
    return issuer.rstrip("/") + WELL_KNOWN


def is_reachable(address: str, *, locally: bool) -> bool:
    """Whether an address is one that may be spoken to: https, or http on this machine where the provider is there
    itself (`locally`)."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and locally and host in LOOPBACK)


def is_local(issuer: str) -> bool:
    return urlsplit(issuer).scheme == "http" and (urlsplit(issuer).hostname or "") in LOOPBACK


def is_expected(address: str, *, issuer: str, hosts: Iterable[str] = ()) -> bool:
    """Whether a provider may have this server speak to an address: one of its own host, of those that a large provider
    is known to have (`ELSEWHERE`), or of `hosts`, each with its port where that isn't the usual one. What metadata name
    is the provider's to say, and could be any machine that this server reaches and strangers don't."""
    own = _place(issuer)
    if is_local(issuer) and (urlsplit(address).hostname or "") in LOOPBACK:
        return _place(address).rpartition(":")[2] == own.rpartition(":")[2]
    wanted = {own, *(f"{host}:443" for host in ELSEWHERE.get(own.rpartition(":")[0], ()))}
    wanted |= {host if ":" in host else f"{host}:443" for host in map(str.lower, hosts)}
    return _place(address) in wanted


def _place(address: str) -> str:
    """Host and port."""
    parts = urlsplit(address)
    return f"{parts.hostname or ''}:{parts.port or (80 if parts.scheme == 'http' else 443)}"


def metadata(body: bytes, *, issuer: str) -> Metadata:
    """The metadata of the issuer that was asked. One that names another issuer is refused (Discovery, 4.3): its tokens
    would be somebody else's. A slash at the end makes no difference, for the address asked is the same."""
    read = _object(body, "The metadata")
    named = read.get("issuer")
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise ProtocolError("The metadata are of another issuer.")
    locally = is_local(issuer)
    places = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        address = read.get(name) or ""
        if not address and name == "userinfo_endpoint":
            places[name] = ""
            continue
        if not isinstance(address, str) or not is_reachable(address, locally=locally):
            raise ProtocolError(f"The metadata have no usable {name}.")
        places[name] = address
    methods = read.get("token_endpoint_auth_methods_supported")
    methods = methods if isinstance(methods, list) else []
    return Metadata(
        issuer=named,
        takes_basic="client_secret_post" not in methods and "client_secret_basic" in methods,
        names_itself=read.get("authorization_response_iss_parameter_supported") is True,
        **places,
    )


def keys(body: bytes) -> Sequence[Key]:
    """The provider's signature keys that can be used here (RFC 7517). Others are passed over; symmetric ones, too:
    nothing that is published can be a secret."""
    read = _object(body, "The list of keys").get("keys")
    if not isinstance(read, list):
        raise ProtocolError("The list of keys has none.")
    found = []
    for one in read[:MOST_KEYS]:
        key = _key(one) if isinstance(one, dict) and one.get("use", "sig") == "sig" else None
        if key is not None:
            found.append(key)
    return found


def _key(one: Mapping[str, Any]) -> Key | None:
    kid, algorithm = one.get("kid", ""), one.get("alg", "")
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        return None
    try:
        public = _public(one)
    except (ProtocolError, ValueError, TypeError):
        return None
    return None if public is None else Key(kid, algorithm, public)


def _public(one: Mapping[str, Any]) -> Public | None:
    match one.get("kty"), one.get("crv"):
        case "RSA", _:
            modulus, exponent = _number(one.get("n")), _number(one.get("e"))
            if modulus.bit_length() < SMALLEST_RSA or modulus.bit_length() > 8192 or exponent.bit_length() > 32:
                return None
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        case "EC", curve:
            kind = next((kind for name, kind in _CURVES.values() if name == curve), None)
            if kind is None:
                return None
            return ec.EllipticCurvePublicNumbers(_number(one.get("x")), _number(one.get("y")), kind()).public_key()
        case "OKP", "Ed25519":
            return Ed25519PublicKey.from_public_bytes(_decoded(one.get("x")))
    return None


def _number(text: object) -> int:
    return int.from_bytes(_decoded(text), "big")


def _decoded(text: object) -> bytes:
    """Base64url without padding (RFC 7515, 2), and nothing else: not what Python's decoder would pass over."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise ProtocolError("This is not base64url.")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ProtocolError("This is not base64url.") from error


def identity(
    token: object, *, known: Sequence[Key], issuer: str, client_id: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """The claims of an ID token, once all of it holds: the signature, whose it is, for whom, and when (OpenID Connect
    Core, 3.1.3.7). Raises UnknownKey where the key is not among those `known`, ProtocolError with the reason for all
    else."""
    header, signed, signature, payload = _parts(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise ProtocolError("The ID token is not signed with an asymmetric algorithm.")
    if "crit" in header:
        raise ProtocolError("The ID token demands what is not understood here.")
    if not _holds(signed, signature, algorithm, _named(known, header.get("kid", ""), algorithm)):
        raise ProtocolError("The signature of the ID token is wrong.")
    claims = _object(payload, "The ID token")
    if claims.get("iss") != issuer:
        raise ProtocolError("The ID token is of another issuer.")
    _check_audience(claims, client_id)
    _check_times(claims, now.timestamp())
    if not nonce or claims.get("nonce") != nonce:
        raise ProtocolError("The ID token does not belong to this sign-in: its nonce is another one.")
    _check_subject(claims.get("sub"))
    return claims


def _parts(token: object) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    if not isinstance(token, str) or not token.isascii() or len(token) > LONGEST_TOKEN:
        raise ProtocolError("There is no ID token.")
    parts = token.split(".")
    if len(parts) != 3:
        raise ProtocolError("The ID token is not a signed token.")
    header = _object(_decoded(parts[0]), "The header of the ID token")
    return header, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]), _decoded(parts[1])


def _named(known: Sequence[Key], kid: object, algorithm: str) -> Public:
    """The key that a token names. One that names none can only be of a provider with a single key for its algorithm."""
    if not isinstance(kid, str):
        raise ProtocolError("The ID token names no key.")
    fitting = [key for key in known if key.algorithm in {"", algorithm} and _fits(key.public, algorithm)]
    chosen = [key for key in fitting if key.kid == kid] if kid else fitting
    if not chosen:
        raise UnknownKey("The ID token is signed with a key that the provider does not list.")
    if len(chosen) > 1:
        raise ProtocolError("The ID token does not say which key it is signed with.")
    return chosen[0].public


def _fits(public: Public, algorithm: str) -> bool:
    if algorithm in _RSA:
        return isinstance(public, rsa.RSAPublicKey)
    if algorithm in _CURVES:
        return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, _CURVES[algorithm][1])
    return isinstance(public, Ed25519PublicKey)


def _holds(signed: bytes, signature: bytes, algorithm: str, public: Public) -> bool:
    try:
        match public:
            case rsa.RSAPublicKey():
                kind = _HASHES[algorithm[2:]]()
                filling = (
                    padding.PSS(padding.MGF1(kind), kind.digest_size)
                    if algorithm.startswith("PS")
                    else padding.PKCS1v15()
                )
                public.verify(signature, signed, filling, kind)
            case ec.EllipticCurvePublicKey():
                size = (public.curve.key_size + 7) // 8
                if len(signature) != 2 * size:
                    return False
                r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
                public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[algorithm[2:]]()))
            case Ed25519PublicKey():
                public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if client_id not in audiences:
        raise ProtocolError("The ID token is for somebody else.")
    by = claims.get("azp", client_id if len(audiences) == 1 else None)
    if by != client_id:
        raise ProtocolError("The ID token was made for somebody else.")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    until, made = moment(claims.get("exp")), moment(claims.get("iat"))
    if until is None or made is None:
        raise ProtocolError("The ID token does not say when it was made, or until when it is good.")
    if until <= now - SKEW:
        raise ProtocolError("The ID token is no longer good.")
    begins = moment(claims["nbf"]) if "nbf" in claims else made
    if made > now + SKEW or begins is None or begins > now + SKEW:
        raise ProtocolError("The ID token is not good yet: compare the provider's clock with this server's.")


def moment(value: object) -> float | None:
    """Seconds since 1970, where a claim says that: neither yes or no, nor infinite, nor before all time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < 2**40 else None


def _check_subject(subject: object) -> None:
    """Who it is: the one claim that never changes (Core, 2: at most 255 ASCII characters)."""
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise ProtocolError("The ID token does not say who it is about.")
    if not subject.isascii() or not subject.isprintable() or subject != subject.strip():
        raise ProtocolError("The ID token does not say who it is about.")


def userinfo(body: bytes, *, subject: str) -> dict[str, Any]:
    """What the userinfo endpoint says of the person of the ID token. Raises ProtocolError where it speaks of another
    one, or does not say of whom (Core, 5.3.2)."""
    read = _object(body, "The answer about the person")
    if read.get("sub") != subject:
        raise ProtocolError("The answer about the person speaks of somebody else.")
    return read


def granted(body: bytes) -> tuple[object, str]:
    """The ID token and the access token of a token endpoint's answer."""
    read = _object(body, "The answer with the tokens")
    access = read.get("access_token")
    return read.get("id_token"), access if isinstance(access, str) and access.isascii() else ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of the person who has just signed in there."""

    subject: str
    email: str
    email_verified: bool
    name: str
    groups: Sequence[str] = ()
    signed_in_at: float | None = None
    """When they proved there who they are, in seconds since 1970; None where it does not say."""


def claims(token: Mapping[str, Any], answer: Mapping[str, Any], *, groups_claim: str, now: datetime) -> Claims:
    """What token and answer say together. The address and whether it is theirs come from one of the two, never one
    from each: from the first that says both, else from the first that has an address. All else is the token's where it
    has it."""
    sources = (token, answer)
    whole = [one for one in sources if one.get("email") and "email_verified" in one]
    of_address = next(iter(whole or [one for one in sources if one.get("email")]), {})
    values = _first(sources, groups_claim) if groups_claim else None
    listed = [values] if isinstance(values, str) else values if isinstance(values, list) else []
    return Claims(
        subject=str(token["sub"]),
        email=_as_is(of_address.get("email")),
        # Some write it as text. Whatever else it is, it is not yes.
        email_verified=of_address.get("email_verified") is True or of_address.get("email_verified") == "true",
        name=_text(_first(sources, "name")) or _full_name(sources),
        groups=[value for value in listed if isinstance(value, str)],
        signed_in_at=_signed_in_at(token, now),
    )


def _first(sources: Sequence[Mapping[str, Any]], name: str) -> Any:
    return next((one[name] for one in sources if one.get(name)), None)


def _full_name(sources: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(filter(None, (_text(_first(sources, part)) for part in ("given_name", "family_name"))))


def _as_is(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(value: object) -> str:
    """One line of what can be shown: names go into mails."""
    return " ".join(one_line(value).split()) if isinstance(value, str) else ""


def _signed_in_at(token: Mapping[str, Any], now: datetime) -> float | None:
    """From the token alone, which is signed. What lies in the future is no proof of anything."""
    at = moment(token.get("auth_time"))
    if at is None or at > now.timestamp() + SKEW:
        return None
    return min(at, now.timestamp())
