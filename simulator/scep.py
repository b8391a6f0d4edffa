"""A SCEP client (RFC 8894), as current devices are, and on request as old ones were.

A current device asks what the server can do and uses AES and SHA-256 when they are offered. Old and third-party clients
still send single DES and SHA-1, and the whole message in the query string even on POST: `OLD` behaves so.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import cms
from simulator.errors import SimulatorError, Unreachable
from simulator.identity import Identity, new_key, self_signed, signing_request
from simulator.transport import Reply, Transport

# Attributes of a PKI message (RFC 8894 section 3.2.1).
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION = "2.16.840.1.113733.1.9.7"

PKCS_REQUEST = "19"
RENEWAL_REQUEST = "17"
CERTIFICATE_REPLY = "3"
FAILURES = {"0": "badAlg", "1": "badMessageCheck", "2": "badRequest", "3": "badTime", "4": "badCertId"}

CA_CERTIFICATE = "application/x-x509-ca-cert"
CA_AND_RA_CERTIFICATES = "application/x-x509-ca-ra-cert"
PKI_MESSAGE = "application/x-pki-message"


class ScepError(SimulatorError):
    """The certificate was not issued. `fail_info` is the server's reason, when it gave one."""

    def __init__(self, message: str, *, fail_info: str | None = None) -> None:
        super().__init__(message)
        self.fail_info = fail_info


@dataclass(frozen=True)
class Order:
    """What a profile's SCEP payload asks for."""

    url: str
    name: str | None
    subject: x509.Name
    challenge: str | None
    key_size: int
    key_usage: int
    fingerprint: bytes | None
    alternative_names: Sequence[x509.GeneralName]


@dataclass(frozen=True)
class Manner:
    """How the client behaves; None means: as well as the server can."""

    cipher: str | None = None
    digest: str | None = None
    query_on_post: bool = False
    throwaway: bool = False  # sign the request with a key made for it alone, as RFC 8894 2.3 allows


CURRENT = Manner()
OLD = Manner(cipher="des", digest="sha1", query_on_post=True)


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    recipient: x509.Certificate
    signers: tuple[x509.Certificate, ...]


def enrol(
    order: Order,
    *,
    key: rsa.RSAPrivateKey,
    send: Transport,
    now: datetime,
    manner: Manner = CURRENT,
    renew: Identity | None = None,
) -> Identity:
    """Get a certificate for `key`. With `renew`, sign with that identity as a RenewalReq.

    Raises ScepError when the server refuses or answers wrongly, Unreachable when it does not answer.
    """
    client = _Client(order=order, send=send)
    capabilities = client.capabilities()
    authority = client.authority()
    request = signing_request(
        key,
        subject=order.subject,
        challenge=order.challenge,
        key_usage=order.key_usage,
        alternative_names=order.alternative_names,
    )
    signing_key = new_key(2048) if manner.throwaway else key
    signer = renew or Identity(signing_key, self_signed(signing_key, subject=order.subject, now=now))
    cipher = cms.CIPHERS[manner.cipher or _best_cipher(capabilities)]
    digest = manner.digest or _best_digest(capabilities)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    transaction = hashlib.sha256(public).hexdigest()
    nonce = secrets.token_bytes(16)
    message = cms.sign(
        cms.encrypt(request, recipient=authority.recipient, cipher=cipher),
        identity=signer,
        digest=digest,
        attributes={
            MESSAGE_TYPE: core.PrintableString(RENEWAL_REQUEST if renew else PKCS_REQUEST),
            TRANSACTION: core.PrintableString(transaction),
            SENDER_NONCE: core.OctetString(nonce),
        },
    )
    by_post = bool(capabilities & {"postpkioperation", "scepstandard"})
    answer = client.operate(message, by_post=by_post, in_query=manner.query_on_post or not by_post)
    issued = _read_answer(answer, authority=authority, signer=signer, transaction=transaction, nonce=nonce)
    return _choose(issued, key=key, authority=authority)


class _Client:
    """The three operations, each checked for status and exact content type."""

    def __init__(self, *, order: Order, send: Transport) -> None:
        self._order = order
        self._send = send

    def _url(self, operation: str, message: str | None = None) -> str:
        # Devices append the query without looking whether the URL has one already.
        url = f"{self._order.url}?operation={operation}"
        return url if message is None else f"{url}&message={quote(message, safe='')}"

    def capabilities(self) -> frozenset[str]:
        """What GetCACaps offers, lower case; nothing when the server does not answer it (RFC 8894 section 3.5.2)."""
        status, _headers, body = self._send("GET", self._url("GetCACaps", self._order.name), {}, b"")
        if status != 200:
            return frozenset()
        return frozenset(line.strip().lower() for line in body.decode("ascii", "replace").splitlines() if line.strip())

    def authority(self) -> _Authority:
        status, headers, body = self._send("GET", self._url("GetCACert", self._order.name), {}, b"")
        if status != 200:
            raise Unreachable(f"GetCACert was answered {status}.", status=status)
        content_type = headers.get("content-type", "")
        try:
            if content_type == CA_CERTIFICATE:
                found: tuple[x509.Certificate, ...] = (x509.load_der_x509_certificate(body),)
            elif content_type == CA_AND_RA_CERTIFICATES:
                found = cms.certificates(body)
            else:
                raise ScepError(f"GetCACert came as {content_type!r}, which a device does not accept.")
        except ValueError as error:
            raise ScepError("GetCACert did not bring a certificate.") from error
        return _authority(found, self._order.fingerprint)

    def operate(self, message: bytes, *, by_post: bool, in_query: bool) -> bytes:
        if in_query:
            url = self._url("PKIOperation", base64.b64encode(message).decode())
            reply = self._send("POST" if by_post else "GET", url, {}, b"")
        else:
            reply = self._send("POST", self._url("PKIOperation"), {"Content-Type": PKI_MESSAGE}, message)
        return _pki_body(reply)


def _pki_body(reply: Reply) -> bytes:
    status, headers, body = reply
    if status != 200:
        raise Unreachable(f"PKIOperation was answered {status}.", status=status)
    if headers.get("content-type", "") != PKI_MESSAGE:
        raise ScepError(f"PKIOperation came as {headers.get('content-type', '')!r}, which a device does not accept.")
    return body


def _authority(found: Sequence[x509.Certificate], fingerprint: bytes | None) -> _Authority:
    """Sort out CA and RA certificates, and hold the CA against the fingerprint of the profile."""
    if not found:
        raise ScepError("GetCACert did not bring a certificate.")
    issuers = [certificate for certificate in found if _is_authority(certificate)] or list(found[:1])
    root = issuers[0]
    if fingerprint is not None and fingerprint not in _fingerprints(root):
        raise ScepError("The certificate authority is not the one the profile names.")
    registration = [certificate for certificate in found if certificate not in issuers]
    return _Authority(root, registration[0] if registration else root, (*registration, *issuers))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _fingerprints(certificate: x509.Certificate) -> frozenset[bytes]:
    der = certificate.public_bytes(serialization.Encoding.DER)
    makers: tuple[Callable[[bytes], bytes], ...] = (
        lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
        lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
        lambda data: hashlib.sha256(data).digest(),
    )
    return frozenset(make(der) for make in makers)


def _best_cipher(capabilities: frozenset[str]) -> str:
    if capabilities & {"aes", "scepstandard"}:
        return "aes128_cbc"
    return "tripledes_3key" if "des3" in capabilities else "des"


def _best_digest(capabilities: frozenset[str]) -> str:
    return "sha256" if capabilities & {"sha-256", "scepstandard"} else "sha1"


def _read_answer(
    answer: bytes, *, authority: _Authority, signer: Identity, transaction: str, nonce: bytes
) -> tuple[x509.Certificate, ...]:
    """Check a CertRep and open it. Raises ScepError."""
    try:
        signed = cms.verify(answer, known=authority.signers)
    except cms.CmsError as error:
        raise ScepError(f"The SCEP answer is not a valid message: {error}") from error
    _check_answer(signed, authority=authority, transaction=transaction, nonce=nonce)
    try:
        return cms.certificates(cms.decrypt(signed.content, identities=[signer]))
    except (cms.CmsError, ValueError) as error:
        raise ScepError(f"The SCEP answer cannot be opened: {error}") from error


def _check_answer(signed: cms.Signed, *, authority: _Authority, transaction: str, nonce: bytes) -> None:
    attributes: Mapping[str, object] = signed.attributes
    if signed.signer not in authority.signers:
        raise ScepError("The SCEP answer was not signed by the certificate authority.")
    if attributes.get(MESSAGE_TYPE) != CERTIFICATE_REPLY:
        raise ScepError("The SCEP answer is not a CertRep.")
    if attributes.get(TRANSACTION) != transaction or attributes.get(RECIPIENT_NONCE) != nonce:
        raise ScepError("The SCEP answer belongs to another request.")
    status = attributes.get(STATUS)
    if status == "2":
        reason = FAILURES.get(str(attributes.get(FAIL_INFO)), "unknown")
        raise ScepError(f"The SCEP server refused the request: {reason}.", fail_info=reason)
    if status != "0":
        raise ScepError("The SCEP server did not decide at once, and this device does not wait.")


def _choose(issued: Sequence[x509.Certificate], *, key: rsa.RSAPrivateKey, authority: _Authority) -> Identity:
    """The certificate for our key, issued by the authority that was asked."""
    for certificate in issued:
        if certificate.public_key() != key.public_key():
            continue
        try:
            certificate.verify_directly_issued_by(authority.certificate)
        except (ValueError, TypeError) as error:
            raise ScepError("The new certificate was not issued by the certificate authority.") from error
        except InvalidSignature as error:
            raise ScepError("The signature of the new certificate does not hold.") from error
        return Identity(key, certificate)
    raise ScepError("The SCEP answer has no certificate for the device's key.")


def order_fingerprint(value: bytes | str | None) -> bytes | None:
    """CAFingerprint is data; some profiles write it as a hexadecimal string."""
    if not isinstance(value, str):
        return value
    try:
        return binascii.unhexlify(value.replace(":", "").replace(" ", ""))
    except binascii.Error as error:
        raise ScepError("The CA fingerprint in the profile cannot be read.") from error
