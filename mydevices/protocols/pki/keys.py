"""Public keys and signatures that we are ready to meet, with their limits.

RSA from 2,048 to 8,192 bits and the three NIST curves; SHA-256, SHA-384 and SHA-512; SHA-1 only where the caller allows
weak algorithms. MD5 is never accepted.
"""

from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import der

MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 8192
"""An RSA key of 16,384 bits would make one verification cost what a hundred do."""
_MAXIMUM_EXPONENT = 2**32
"""Every key in use has 65537, a few have 3; a long exponent is slow to verify with."""

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_ENCRYPTION = der.oid("1.2.840.113549.1.1.1")
_EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")
_CURVES = {der.oid("1.2.840.10045.3.1.7"), der.oid("1.3.132.0.34"), der.oid("1.3.132.0.35")}


class WeakKey(ProtocolError):
    """The key is too short to be accepted; the message says so to a person."""


class Digest(NamedTuple):
    """A digest algorithm: its name for `hashlib`, its object for `cryptography`, its identifier's content octets."""

    name: str
    algorithm: hashes.HashAlgorithm
    oid: bytes
    weak: bool = False

    @property
    def identifier(self) -> bytes:
        """An AlgorithmIdentifier; without parameters, as RFC 5754 2 asks for SHA-2."""
        return der.sequence(der.identifier(self.oid))


SHA1 = Digest("sha1", hashes.SHA1(), der.oid("1.3.14.3.2.26"), weak=True)  # noqa: S303  # never produced
SHA256 = Digest("sha256", hashes.SHA256(), der.oid("2.16.840.1.101.3.4.2.1"))
SHA384 = Digest("sha384", hashes.SHA384(), der.oid("2.16.840.1.101.3.4.2.2"))
SHA512 = Digest("sha512", hashes.SHA512(), der.oid("2.16.840.1.101.3.4.2.3"))

DIGESTS = {digest.oid: digest for digest in (SHA1, SHA256, SHA384, SHA512)}

# Signature algorithm -> its scheme, and the digest it implies. Without one, the digest is named elsewhere (CMS does).
_SIGNATURES: dict[bytes, tuple[str, Digest | None]] = {
    RSA_ENCRYPTION: ("rsa", None),
    der.oid("1.2.840.113549.1.1.5"): ("rsa", SHA1),
    der.oid("1.3.14.3.2.29"): ("rsa", SHA1),  # the OIW name, which old Windows clients write
    der.oid("1.2.840.113549.1.1.11"): ("rsa", SHA256),
    der.oid("1.2.840.113549.1.1.12"): ("rsa", SHA384),
    der.oid("1.2.840.113549.1.1.13"): ("rsa", SHA512),
    der.oid("1.2.840.113549.1.1.10"): ("pss", None),
    _EC_PUBLIC_KEY: ("ec", None),
    der.oid("1.2.840.10045.4.1"): ("ec", SHA1),
    der.oid("1.2.840.10045.4.3.2"): ("ec", SHA256),
    der.oid("1.2.840.10045.4.3.3"): ("ec", SHA384),
    der.oid("1.2.840.10045.4.3.4"): ("ec", SHA512),
}
_PKCS1 = padding.PKCS1v15()
# The parameters of RSASSA-PSS need no reading: RFC 4056 demands the digest of the message, MGF1 with the same, and the
# length of the salt shows. Anything else does not verify.
_PSS = {
    digest.name: padding.PSS(mgf=padding.MGF1(digest.algorithm), salt_length=padding.PSS.AUTO)
    for digest in DIGESTS.values()
}


def digest(oid: bytes, *, allow_weak: bool) -> Digest:
    """The digest algorithm with these content octets as its identifier."""
    found = DIGESTS.get(oid)
    if found is None:
        raise ProtocolError("The message uses a digest algorithm that is not accepted.")
    if found.weak and not allow_weak:
        raise ProtocolError("The message uses SHA-1, and weak algorithms are switched off.")
    return found


@lru_cache(maxsize=2048)
def load(spki: bytes, *, minimum_bits: int = MINIMUM_RSA_BITS) -> PublicKey:
    """The public key in a DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7), checked against the limits before it is loaded.

    Remembered for the keys seen last, since loading one costs more than using it.
    """
    start, stop = der.whole(spki)
    algorithm, algorithm_stop = der.expect(spki, start, stop, der.SEQUENCE)
    oid_start, oid_stop = der.expect(spki, algorithm, algorithm_stop, der.OBJECT_IDENTIFIER)
    oid = spki[oid_start:oid_stop]
    if oid == RSA_ENCRYPTION:
        _check_rsa(der.bits(spki, algorithm_stop, stop), minimum_bits)
    elif oid == _EC_PUBLIC_KEY:
        curve_start, curve_stop = der.expect(spki, oid_stop, algorithm_stop, der.OBJECT_IDENTIFIER)
        if spki[curve_start:curve_stop] not in _CURVES:
            raise ProtocolError("The key is on a curve that is not accepted.")
    else:
        raise ProtocolError("The key is neither RSA nor on an elliptic curve.")
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError("The public key is damaged.") from error
    if not isinstance(key, PublicKey):
        raise ProtocolError("The key is neither RSA nor on an elliptic curve.")
    return key


def _check_rsa(key: bytes, minimum_bits: int) -> None:
    start, stop = der.whole(key)
    modulus_start, modulus_stop = der.expect(key, start, stop, der.INTEGER)
    exponent_start, exponent_stop = der.expect(key, modulus_stop, stop, der.INTEGER)
    modulus = int.from_bytes(key[modulus_start:modulus_stop], "big", signed=True)
    exponent = int.from_bytes(key[exponent_start:exponent_stop][:8], "big", signed=True)
    if exponent_stop - exponent_start > 5 or not 3 <= exponent < _MAXIMUM_EXPONENT or not exponent & modulus & 1:
        raise ProtocolError("The RSA key is not one that any program would make.")
    if modulus.bit_length() > MAXIMUM_RSA_BITS:
        raise ProtocolError(f"The RSA key has more than {MAXIMUM_RSA_BITS} bits.")
    if modulus <= 0 or modulus.bit_length() < minimum_bits:
        raise WeakKey(f"The RSA key has {modulus.bit_length()} bits; at least {minimum_bits} are needed.")


def is_weak(oid: bytes, digest: Digest) -> bool:
    """Whether a signature made with the algorithm `oid` over this digest rests on SHA-1, in either of them."""
    implied = _SIGNATURES.get(oid, ("", None))[1]
    return digest.weak or (implied is not None and implied.weak)


def verify(
    key: PublicKey, signature: bytes, message: bytes, *, oid: bytes, digest: Digest | None, allow_weak: bool
) -> None:
    """Check a signature made with the algorithm `oid` (content octets). `digest` serves where `oid` names none."""
    scheme, implied = _SIGNATURES.get(oid, ("", None))
    used = implied or digest
    if used is None or not scheme:
        raise ProtocolError("The message uses a signature algorithm that is not accepted.")
    if used.weak and not allow_weak:
        raise ProtocolError("The message is signed with SHA-1, and weak algorithms are switched off.")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if scheme == "ec":
                raise ProtocolError("The signature algorithm does not fit the key.")
            key.verify(signature, message, _PKCS1 if scheme == "rsa" else _PSS[used.name], used.algorithm)
        else:
            if scheme != "ec":
                raise ProtocolError("The signature algorithm does not fit the key.")
            key.verify(signature, message, ec.ECDSA(used.algorithm))
    except InvalidSignature as error:
        raise ProtocolError("The signature does not match.") from error
