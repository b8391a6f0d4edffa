"""Write a bundle as a PKCS #12 (RFC 7292) for whoever is to get it, under a fresh password."""

from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from mydevices.protocols.pki.pkcs12 import Bundle, load

Target = Literal["apple", "windows", "modern"]

_CHOSEN_ITERATIONS = 250_000
"""For a password that a person chose. .NET reads up to 300,000 each, and a million of all three together."""
_RANDOM_ITERATIONS = 2048
"""For a random password, which nobody guesses."""


def wrap(bundle: Bundle, *, password: str, friendly_name: str, target: Target) -> bytes:
    """The bundle as a new PKCS #12 under a password; the library draws salts and vectors.

    "apple": Triple DES and SHA-1, the one encoding that every version of iOS and macOS imports; newer ones are answered
    with a wrong complaint about the password. Only the one certificate, as the payload demands. Its password is random
    and its profile encrypted, so that the protection of the file itself is not what counts.
    "windows": AES-256 and SHA-256, which Windows reads since 10 version 1709, with the chain. As above.
    "modern": the same with many iterations, for a password that a person chose.
    """
    if not password:
        raise ValueError("a bundle is wrapped under a password")
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    digest: hashes.HashAlgorithm
    if target == "apple":
        algorithm, digest = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1()  # noqa: S303  as said above
    else:
        algorithm, digest = pkcs12.PBES.PBESv2SHA256AndAES256CBC, hashes.SHA256()
    return pkcs12.serialize_key_and_certificates(
        friendly_name.encode(),
        load(bundle.key),
        x509.load_der_x509_certificate(bundle.certificate),
        [x509.load_der_x509_certificate(one) for one in bundle.chain] if target != "apple" else None,
        builder.kdf_rounds(_CHOSEN_ITERATIONS if target == "modern" else _RANDOM_ITERATIONS)
        .key_cert_algorithm(algorithm)
        .hmac_hash(digest)
        .build(password.encode()),
    )
