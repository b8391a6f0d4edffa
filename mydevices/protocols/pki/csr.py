"""Certificate requests (PKCS #10, RFC 2986), read as leniently as real ones are written.

`cryptography` refuses requests whose attributes are not in DER order, and those of Windows whose common name is a
PrintableString with a "!" in it. Here neither the order nor the string type matters; the self-signature does.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der, keys, x509

_COMMON_NAME = der.oid("2.5.4.3")
_CHALLENGE_PASSWORD = der.oid("1.2.840.113549.1.9.7")
_LOADABLE_BITS = 512
"""A key that is too short is loaded all the same, to check the signature before its length is judged."""


@dataclass(frozen=True)
class CertificateRequest:
    """A request whose self-signature holds: the sender has the private key."""

    public_key: rsa.RSAPublicKey
    public_key_der: bytes
    """DER SubjectPublicKeyInfo, encoded anew: the same key is always the same bytes."""
    common_name: str | None
    """The first one in the subject."""
    challenge: str | None
    """The challengePassword attribute (RFC 2985 5.4.1), of whatever string type."""
    is_weak: bool
    """It is signed with SHA-1."""


def parse(request: bytes, *, allow_weak: bool = False) -> CertificateRequest:
    """Read a DER request and check its self-signature.

    Raises ProtocolError; `keys.WeakKey` for an RSA key of less than 2,048 bits, and that only once everything else has
    been checked: whoever sees this message must have made the request themselves. `allow_weak` accepts SHA-1.
    """
    start, stop = der.whole(request)
    position, info_stop = der.expect(request, start, stop, der.SEQUENCE)
    _, version_stop = der.expect(request, position, info_stop, der.INTEGER)
    subject, subject_stop = der.expect(request, version_stop, info_stop, der.SEQUENCE)
    _, spki_stop = der.expect(request, subject_stop, info_stop, der.SEQUENCE)
    algorithm, algorithm_stop = der.expect(request, info_stop, stop, der.SEQUENCE)
    oid_start, oid_stop = der.expect(request, algorithm, algorithm_stop, der.OBJECT_IDENTIFIER)
    spki = request[subject_stop:spki_stop]
    key = keys.load(spki, minimum_bits=_LOADABLE_BITS)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ProtocolError("A certificate can only be requested for an RSA key.")
    keys.verify(
        key,
        der.bits(request, algorithm_stop, stop),
        request[start:info_stop],
        oid=request[oid_start:oid_stop],
        digest=None,
        allow_weak=allow_weak,
    )
    common_name = _common_name(request, subject, subject_stop)
    challenge = _challenge(request, spki_stop, info_stop)
    keys.load(spki)
    is_weak = keys.is_weak(request[oid_start:oid_stop], keys.SHA256)
    return CertificateRequest(key, x509.public_key_der(key), common_name, challenge, is_weak)


def _common_name(request: bytes, start: int, stop: int) -> str | None:
    for _, _, name_start, name_stop in der.elements(request, start, stop):
        for _, _, attribute, attribute_stop in der.elements(request, name_start, name_stop):
            oid_start, oid_stop = der.expect(request, attribute, attribute_stop, der.OBJECT_IDENTIFIER)
            if request[oid_start:oid_stop] == _COMMON_NAME:
                return der.text(request, *der.element(request, oid_stop, attribute_stop))
    return None


def _challenge(request: bytes, position: int, stop: int) -> str | None:
    if position == stop:  # the attributes are not optional, but are left out by some when there are none
        return None
    challenge = None
    start, stop = der.expect(request, position, stop, 0xA0)
    for _, _, attribute, attribute_stop in der.elements(request, start, stop):
        oid_start, oid_stop = der.expect(request, attribute, attribute_stop, der.OBJECT_IDENTIFIER)
        if request[oid_start:oid_stop] != _CHALLENGE_PASSWORD:
            continue
        values, values_stop = der.expect(request, oid_stop, attribute_stop, der.SET)
        if challenge is not None:
            raise ProtocolError("The certificate request holds two challenge passwords.")
        tag, value, value_stop = der.element(request, values, values_stop)
        if value_stop != values_stop:
            raise ProtocolError("The certificate request holds two challenge passwords.")
        challenge = der.text(request, tag, value, value_stop)
    return challenge
