"""Who signed a request, and what it says: the `Mdm-Signature` and the certificate in it, believed or refused.

Two things are found out once and remembered. That our authority issued a certificate never changes. And an idle device
sends the very same bytes at every poll: Apple's devices sign without attributes (no time is in the signature), with RSA
PKCS #1 v1.5, which is deterministic. A signature over the same bytes holds again; so the answer to "who is this?" is
kept under the digest of header and body. Nothing is won by sending them again: a captured request was always good for
the empty answer that it got the first time, and whether its certificate is in use is asked at each poll.
"""

import threading
from collections.abc import Container, Hashable
from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, NamedTuple, TypeVar

from cryptography import x509 as cryptography_x509
from django.conf import settings

from mydevices.certificates import services as certificates
from mydevices.errors import ProtocolError
from mydevices.port.routes import Request
from mydevices.protocols.apple import reports
from mydevices.protocols.apple.reports import Report, Status
from mydevices.protocols.pki import body_signature, x509

SAYS_IDLE: Final = b">Idle<"
MOST: Final = 20_000
"""Certificates, and idle polls, that a process remembers: about 60 and 20 MB."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """What has been found out about the latest keys, at most `most` of them. Read without the lock."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._found: dict[Key, Value] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        return self._found.get(key)

    def keep(self, key: Key, value: Value) -> None:
        with self._lock:
            if len(self._found) >= self.most:
                del self._found[next(iter(self._found))]
            self._found[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __len__(self) -> int:
        return len(self._found)


class Signer(NamedTuple):
    """A certificate that our authority issued: SHA-256 in hex, and when it is valid."""

    fingerprint: str
    begins: datetime
    ends: datetime


class Proof(NamedTuple):
    """Who signed a request: the fingerprint of their certificate, and whether they signed with SHA-1."""

    fingerprint: str
    is_weak: bool


TRUSTED: Final[Memory[bytes, Signer]] = Memory()
"""By the certificate's DER."""
_HEARD: Final[Memory[bytes, tuple[Signer, bool, Report]]] = Memory()
"""Idle polls by the digest of their header and body."""


def signer(request: Request, now: datetime, known: Container[bytes] | None = None) -> Proof:
    """Who signed exactly this body, with a certificate that our authority issued.

    Raises ProtocolError for a missing, wrong or foreign signature, and for a certificate that is not among the `known`
    where these are given. Whose certificate it is, is the caller's next question."""
    return _valid(*_verified(request, known), now)


def report(request: Request, now: datetime, known: Container[bytes] | None = None) -> tuple[Proof, Report]:
    """What `signer` says, and the report in the body. Raises ProtocolError."""
    if SAYS_IDLE not in request.body:
        return signer(request, now, known), reports.parse(request.body)
    digest = _digest(request)
    heard = _HEARD.get(digest)
    if heard is None:
        heard = *_verified(request, known), reports.parse(request.body)
        if heard[2].status == Status.IDLE:
            _HEARD.keep(digest, heard)
    who, is_weak, said = heard
    return _valid(who, is_weak, now), said


def _digest(request: Request) -> bytes:
    """Of header and body together; the length keeps one from passing for the end of the other. What was believed while
    old digests were allowed is not believed when they no longer are."""
    header = request.headers.get("mdm-signature", "").encode("utf-8", "surrogatepass")
    weak = settings.ENVIRONMENT.allow_sha1_signatures
    return sha256(b"%d %d\n%b%b" % (weak, len(header), header, request.body)).digest()


def _verified(request: Request, known: Container[bytes] | None) -> tuple[Signer, bool]:
    """Who signed it, and whether with SHA-1."""
    header = request.headers.get("mdm-signature", "")
    if not header:
        raise ProtocolError("The request carries no Mdm-Signature.")
    weak = settings.ENVIRONMENT.allow_sha1_signatures
    read = body_signature.read(header, request.body, allow_weak=weak, known=known)
    return _issued(read.certificate_der), read.is_weak


def _issued(der: bytes) -> Signer:
    found = TRUSTED.get(der)
    if found is None:
        x509.check_signed_by(der, certificates.authority())  # first: a strict parser raises anything for a stranger's
        certificate = cryptography_x509.load_der_x509_certificate(der)
        found = Signer(x509.fingerprint(der), certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        TRUSTED.keep(der, found)
    return found


def _valid(signer: Signer, is_weak: bool, now: datetime) -> Proof:
    if not signer.begins <= now <= signer.ends:
        raise ProtocolError("The certificate that signed this has expired or is not valid yet.")
    return Proof(signer.fingerprint, is_weak)
