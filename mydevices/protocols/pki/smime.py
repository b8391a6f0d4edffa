"""Whether a certificate is good for signing or encrypting e-mail (S/MIME), and what to say of it on a page.

By RFC 8550 (certificates of S/MIME 4.0) and the profile it builds on, RFC 5280. What stands in the way is a refusal:
the device would install it and mail would fail. What may be meant that way is a caution.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der, keys
from mydevices.protocols.pki.pkcs12 import Bundle, readable
from mydevices.protocols.pki.refusals import Reason, Refused, gettext_noop
from mydevices.protocols.pki.x509 import fingerprint

Purpose = Literal["signing", "encryption", "both"]

EXPIRES_SOON = timedelta(days=30)

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_FOR_MAIL = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
Extension = TypeVar("Extension", bound=x509.ExtensionType)


class Refusal(Enum):
    """Why a certificate cannot be used: a code that never changes, and what to say in plain English."""

    EXPIRED = (
        "expired",
        gettext_noop("The certificate has expired. Ask whoever issues your certificates for a new one."),
    )
    NOT_YET_VALID = (
        "not-yet-valid",
        gettext_noop("The certificate is not valid yet. Upload it again on its first day."),
    )
    WEAK_KEY = (
        "weak-key",
        gettext_noop(
            "The key is too weak. Ask whoever issues your certificates for a new one, with an RSA key of at "
            "least 2,048 bits or a key on the curve P-256."
        ),
    )
    KEY_KIND = (
        "key-kind",
        gettext_noop(
            "E-mail programs cannot use such a key. Ask whoever issues your certificates for a new one, with an "
            "RSA key or one on the curve P-256, P-384 or P-521."
        ),
    )
    AUTHORITY = (
        "authority",
        gettext_noop(
            "This is the certificate of an authority, which issues certificates. Choose the one that was issued to you."
        ),
    )
    FOR_SERVER = (
        "for-server",
        gettext_noop(
            "The certificate is made for a web server. Ask whoever issues your certificates for a new one that "
            "is made for e-mail."
        ),
    )
    FOR_SIGN_IN = (
        "for-sign-in",
        gettext_noop(
            "The certificate is made for signing in, not for e-mail. Ask whoever issues your certificates for a "
            "new one that is made for e-mail."
        ),
    )
    FOR_CODE = (
        "for-code",
        gettext_noop(
            "The certificate is made for signing programs. Ask whoever issues your certificates for a new one "
            "that is made for e-mail."
        ),
    )
    NOT_FOR_MAIL = (
        "not-for-mail",
        gettext_noop(
            "The certificate is made for another purpose than e-mail. Ask whoever issues your certificates for a"
            " new one that is made for it."
        ),
    )
    NOT_FOR_SIGNING = (
        "not-for-signing",
        gettext_noop(
            "The certificate does not allow signing. Choose another one for signing, or upload this one for encryption."
        ),
    )
    NOT_FOR_ENCRYPTION = (
        "not-for-encryption",
        gettext_noop(
            "The certificate does not allow encryption. Choose another one for encryption, or upload this one "
            "for signing."
        ),
    )

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text


class Caution(Enum):
    """What should be looked at before a certificate is used: code and text as for `Refusal`."""

    NO_ADDRESS = (
        "no-address",
        gettext_noop("The certificate names no e-mail address. E-mail programs may not find it for your address."),
    )
    OTHER_ADDRESS = (
        "other-address",
        gettext_noop("The certificate is for another e-mail address than yours. Check that it is your own."),
    )
    EXPIRES_SOON = (
        "expires-soon",
        gettext_noop(
            "The certificate expires within 30 days. Ask whoever issues your certificates for a new one soon."
        ),
    )
    OLD_SIGNATURE = (
        "old-signature",
        gettext_noop(
            "The certificate is signed in an old way (SHA-1 or MD5). E-mail programs of others may not trust it."
        ),
    )
    SELF_SIGNED = (
        "self-signed",
        gettext_noop(
            "You made this certificate yourself. E-mail programs of others will not trust it before they are told to."
        ),
    )

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page says of a certificate. Names are fit for a page, and may be empty."""

    issued_by: str
    subject: str
    serial: int
    fingerprint: str
    """SHA-256 of the DER, 64 hexadecimal digits in lower case."""
    not_before: datetime
    not_after: datetime
    """Both aware, UTC."""
    addresses: tuple[str, ...]
    """E-mail addresses, as the certificate spells them."""
    key: str
    """Such as "RSA 2048" or "P-256"; empty for a kind that is not known."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found: usable if there is no refusal. Each list in the order of its enumeration."""

    facts: Facts
    refusals: tuple[Refusal, ...]
    cautions: tuple[Caution, ...]


def describe(certificate: bytes) -> Facts:
    """The facts of a DER certificate; Refused if it cannot be read."""
    return _facts(_load(certificate), certificate)


def assess(bundle: Bundle, *, now: datetime, purpose: Purpose, addresses: Collection[str]) -> Assessment:
    """Judge a bundle for a purpose `now` (aware), for a person with these e-mail addresses.

    Refused if the certificate cannot be read, which a bundle from `pkcs12.open_bundle` can.
    """
    certificate = _load(bundle.certificate)
    facts = _facts(certificate, bundle.certificate)
    refusals = set(_refusals(certificate, facts, now, purpose))
    cautions = set(_cautions(certificate, facts, now, addresses))
    return Assessment(
        facts=facts,
        refusals=tuple(one for one in Refusal if one in refusals),
        cautions=tuple(one for one in Caution if one in cautions),
    )


def _load(certificate: bytes) -> x509.Certificate:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        list(parsed.extensions)
        list(parsed.subject)
        list(parsed.issuer)
    except (ValueError, x509.DuplicateExtension) as error:
        raise Refused(Reason.UNUSABLE_CERTIFICATE) from error
    return parsed


# --- facts


def _facts(certificate: x509.Certificate, encoded: bytes) -> Facts:
    return Facts(
        issued_by=_readable_name(certificate.issuer),
        subject=_readable_name(certificate.subject),
        serial=certificate.serial_number,
        fingerprint=fingerprint(encoded),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        addresses=tuple(dict.fromkeys(_addresses(certificate))),
        key=_readable_key(certificate),
    )


def _readable_name(name: x509.Name) -> str:
    """The most telling part of a name: what people call it by."""
    for kind in (
        NameOID.COMMON_NAME,
        NameOID.EMAIL_ADDRESS,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.ORGANIZATION_NAME,
    ):
        for attribute in name.get_attributes_for_oid(kind):
            value = attribute.value
            text = readable(value if isinstance(value, str) else value.decode("utf-8", errors="replace"))
            if text:
                return text
    return readable(name.rfc4514_string())


def _addresses(certificate: x509.Certificate) -> Iterator[str]:
    """E-mail addresses: rfc822Name, SmtpUTF8Mailbox (RFC 8398), and the old way in the subject (RFC 8550 3)."""
    alternatives = _extension(certificate, x509.SubjectAlternativeName)
    for name in alternatives or ():
        if isinstance(name, x509.RFC822Name):
            yield from _address(name.value)
        elif isinstance(name, x509.OtherName) and name.type_id == _SMTP_UTF8_MAILBOX:
            try:
                yield from _address(der.text(name.value, *der.element(name.value, 0, len(name.value))))
            except ProtocolError:
                continue
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        if isinstance(attribute.value, str):
            yield from _address(attribute.value)


def _address(value: str) -> Iterator[str]:
    text = readable(value)
    if "@" in text:
        yield text


def _readable_key(certificate: x509.Certificate) -> str:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"P-{key.key_size}" if isinstance(key.curve, _CURVES) else key.curve.name
    return ""


# --- judgement


def _refusals(certificate: x509.Certificate, facts: Facts, now: datetime, purpose: Purpose) -> Iterator[Refusal]:
    if now > facts.not_after:
        yield Refusal.EXPIRED
    if now < facts.not_before:
        yield Refusal.NOT_YET_VALID
    yield from _of_key(certificate)
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints and constraints.ca:
        yield Refusal.AUTHORITY
    yield from _of_extended_usage(certificate, facts)
    yield from _of_usage(certificate, purpose)


def _of_key(certificate: x509.Certificate) -> Iterator[Refusal]:
    """What devices sign and decrypt with; RFC 8550 4.3 for the length of RSA."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        yield Refusal.KEY_KIND
        return
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < keys.MINIMUM_RSA_BITS:
            yield Refusal.WEAK_KEY
        elif key.key_size > keys.MAXIMUM_RSA_BITS:
            yield Refusal.KEY_KIND
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 256:
        yield Refusal.WEAK_KEY
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        yield Refusal.KEY_KIND


def _of_extended_usage(certificate: x509.Certificate, facts: Facts) -> Iterator[Refusal]:
    """RFC 8550 4.4.4: e-mail must be among the purposes if there are any."""
    purposes = set(_extension(certificate, x509.ExtendedKeyUsage) or ())
    if purposes & _FOR_MAIL:
        return
    names = _extension(certificate, x509.SubjectAlternativeName)
    hosts = names.get_values_for_type(x509.DNSName) if names else []
    if ExtendedKeyUsageOID.SERVER_AUTH in purposes or (hosts and not purposes and not facts.addresses):
        yield Refusal.FOR_SERVER
    elif ExtendedKeyUsageOID.CODE_SIGNING in purposes:
        yield Refusal.FOR_CODE
    elif purposes & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON}:
        yield Refusal.FOR_SIGN_IN
    elif purposes:
        yield Refusal.NOT_FOR_MAIL


def _of_usage(certificate: x509.Certificate, purpose: Purpose) -> Iterator[Refusal]:
    """RFC 8550 4.4.2: what signs must be allowed to; RFC 5280 4.2.1.3: what encrypts, by the kind of key."""
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        return
    if purpose != "encryption" and not (usage.digital_signature or usage.content_commitment):
        yield Refusal.NOT_FOR_SIGNING
    try:
        elliptic = isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return
    encrypts = usage.key_agreement if elliptic else usage.key_encipherment
    if purpose != "signing" and not encrypts:
        yield Refusal.NOT_FOR_ENCRYPTION


def _cautions(
    certificate: x509.Certificate, facts: Facts, now: datetime, addresses: Collection[str]
) -> Iterator[Caution]:
    if not facts.addresses:
        yield Caution.NO_ADDRESS
    elif not {_comparable(one) for one in facts.addresses} & {_comparable(one) for one in addresses}:
        yield Caution.OTHER_ADDRESS
    if now <= facts.not_after < now + EXPIRES_SOON:
        yield Caution.EXPIRES_SOON
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    if isinstance(digest, hashes.SHA1 | hashes.MD5):
        yield Caution.OLD_SIGNATURE
    if certificate.issuer == certificate.subject:
        yield Caution.SELF_SIGNED


def _comparable(address: str) -> str:
    """An address as it is compared: the host in its one spelling, and letters in one case, as mail servers do."""
    local, _, host = address.strip().rpartition("@")
    with suppress(UnicodeError):
        host = host.encode("ascii").decode("idna")
    return f"{local}@{host}".casefold()


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
