"""Certificates and private keys as people have them: PEM, DER or PKCS#12, with a password that is asked for."""

import getpass
import re
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from django.core.management.base import CommandError

_KEY: Final = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
LARGEST: Final = 1_000_000


def read(path: Path) -> bytes:
    """The file's content. Raises CommandError for one that cannot be read, or is far too large to be a certificate."""
    try:
        if path.stat().st_size > LARGEST:
            raise CommandError(f"{path} is too large to be a certificate or a key.")
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def certificates(path: Path) -> tuple[bytes, bytes | None]:
    """The certificates in a file (PEM or DER) and the key beside them (PEM, without a password), where there is one."""
    content = read(path)
    if b"-----BEGIN" in content:
        found = _KEY.search(content)
        return _KEY.sub(b"", content), _opened(found[0], path) if found else None
    try:
        x509.load_der_x509_certificate(content)
    except ValueError:
        return _from_pkcs12(content, path)
    return content, None


def private_key(path: Path) -> bytes:
    """The key in a file, as PEM without a password."""
    content = read(path)
    if b"-----BEGIN" not in content:
        key = _from_pkcs12(content, path)[1]
    else:
        found = _KEY.search(content)
        key = _opened(found[0], path) if found else None
    if key is None:
        raise CommandError(f"There is no private key in {path}.")
    return key


def _opened(pem: bytes, path: Path) -> bytes:
    try:
        return _unprotected(serialization.load_pem_private_key(pem, password=None))
    except TypeError:  # it has a password
        password = getpass.getpass(f"Password of the key in {path}: ").encode()
    except ValueError as error:
        raise CommandError(f"The private key in {path} cannot be read.") from error
    try:
        return _unprotected(serialization.load_pem_private_key(pem, password=password))
    except (TypeError, ValueError) as error:
        raise CommandError(f"The password does not open the key in {path}.") from error


def _from_pkcs12(content: bytes, path: Path) -> tuple[bytes, bytes | None]:
    try:
        bundle = pkcs12.load_pkcs12(content, None)
    except ValueError:
        password = getpass.getpass(f"Password of {path}: ").encode()
        try:
            bundle = pkcs12.load_pkcs12(content, password)
        except ValueError as error:
            # One error for both: so the library gives it.
            raise CommandError(
                f"{path} is neither a certificate nor a PKCS#12 file that this password opens."
            ) from error
    found = [one for one in (bundle.cert, *bundle.additional_certs) if one is not None]
    if not found:
        raise CommandError(f"There is no certificate in {path}.")
    pem = b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in found)
    return pem, _unprotected(bundle.key) if bundle.key else None


def _unprotected(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
