"""The Simple Certificate Enrolment Protocol (RFC 8894), the server's side of its messages.

A request is signed data around an envelope around a certificate request; a reply is signed data around an envelope
around the certificate. The device authority signs and decrypts by itself, without a separate registration authority.
"""

from dataclasses import dataclass
from enum import IntEnum

from cryptography import x509 as library
from cryptography.hazmat.primitives.asymmetric import rsa

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import cms, csr, der, keys, x509

CAPABILITIES = b"AES\nPOSTPKIOperation\nRenewal\nSHA-256\nSHA-512\nSCEPStandard\n"
"""The answer to GetCACaps (RFC 8894 3.5.2). DES3 and SHA-1 are understood, but nobody is invited to use them."""

# Clients compare these to the letter: a charset after them makes the answer unreadable to some.
CAPABILITIES_TYPE = "text/plain; charset=utf-8"
CA_CERTIFICATE_TYPE = "application/x-x509-ca-cert"
"""For GetCACert when the answer is one certificate, which it is here."""
CA_AND_RA_CERTIFICATES_TYPE = "application/x-x509-ca-ra-cert"
"""For GetCACert when the answer is a list of certificates."""
MESSAGE_TYPE = "application/x-pki-message"

_MESSAGE_TYPE = der.oid("2.16.840.1.113733.1.9.2")
_PKI_STATUS = der.oid("2.16.840.1.113733.1.9.3")
_FAIL_INFO = der.oid("2.16.840.1.113733.1.9.4")
_SENDER_NONCE = der.oid("2.16.840.1.113733.1.9.5")
_RECIPIENT_NONCE = der.oid("2.16.840.1.113733.1.9.6")
_TRANSACTION_ID = der.oid("2.16.840.1.113733.1.9.7")

_CERTIFICATE_REPLY = "3"
_SUCCESS = "0"
_FAILURE = "2"
_MAXIMUM_NONCE = 64
"""Bytes; 16 are right."""
_MAXIMUM_TRANSACTION_ID = 255
"""Bytes of the encoded string."""


class MessageType(IntEnum):
    """What a client may send (RFC 8894 3.2.1.2)."""

    RENEWAL_REQUEST = 17
    CERTIFICATE_REQUEST = 19
    CERTIFICATE_POLL = 20
    GET_CERTIFICATE = 21
    GET_REVOCATION_LIST = 22


class FailInfo(IntEnum):
    """Why there is no certificate (RFC 8894 3.2.1.4)."""

    BAD_ALGORITHM = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERTIFICATE_ID = 4


@dataclass(frozen=True, slots=True)
class PkiMessage:
    """A request whose signature, envelope and certificate request have been checked."""

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes
    signer_certificate_der: bytes
    """What the reply is encrypted to. The key is often another than the one that a certificate is asked for."""
    is_signed_by_a_device: bool
    """The authority issued the signer's certificate, at whatever time. Always so for a RENEWAL_REQUEST; a
    CERTIFICATE_REQUEST may be signed like this too, or else with a self-signed certificate. Whether the certificate is
    still in use, and by whom, is the caller's question."""
    request: csr.CertificateRequest | None
    """There for CERTIFICATE_REQUEST and RENEWAL_REQUEST, None for the others: answer those with `failure`."""
    digest: keys.Digest
    """Of the request's signature; the reply uses it, unless it is weak."""
    cipher: cms.ContentCipher
    """Of the request's envelope; likewise."""
    transaction_id_der: bytes
    """The encoded string, which the reply repeats as it was."""
    is_weak: bool
    """It rests on DES, 3DES or SHA-1 somewhere, and on being allowed to: in its signature, in its envelope, in the
    certificate request or in a certificate that its sender has signed."""


def parse(message: bytes, *, authority: x509.Authority, allow_weak: bool) -> PkiMessage:
    """Read a DER pkiMessage that a client sent as PKIOperation; ProtocolError for everything wrong.

    `allow_weak` accepts DES, 3DES and SHA-1. What comes out of the envelope is a certificate request with a valid
    self-signature, or it fails with the same message as an envelope that cannot be decrypted: whoever caught somebody
    else's request cannot find out, by altering it bit by bit, what is in it.
    """
    signed = cms.verify(message, content=None, allow_weak=allow_weak)
    transaction_id_der = _attribute(signed, _TRANSACTION_ID)
    transaction_id = _string(transaction_id_der)
    if not transaction_id or len(transaction_id_der) > _MAXIMUM_TRANSACTION_ID:
        raise ProtocolError("The SCEP message has no usable transactionID.")
    sender_nonce = _nonce(_attribute(signed, _SENDER_NONCE))
    message_type = _message_type(_string(_attribute(signed, _MESSAGE_TYPE)))
    request = None
    is_signed_by_a_device = False
    cipher = cms.ContentCipher.AES_256
    if message_type in {MessageType.CERTIFICATE_REQUEST, MessageType.RENEWAL_REQUEST}:
        is_signed_by_a_device = _check_signer(signed.certificate_der, message_type, authority, allow_weak=allow_weak)
        opened = cms.open_envelope(signed.content, certificate=authority.der, key=authority.key, allow_weak=allow_weak)
        cipher = opened.cipher
        request = _request(opened.content, allow_weak=allow_weak)
    signer = x509.outline(signed.certificate_der)
    is_weak = (
        signed.is_weak
        or cipher.weak
        or (request is not None and request.is_weak)
        or (not is_signed_by_a_device and keys.is_weak(signer.algorithm_oid, keys.SHA256))
    )
    return PkiMessage(
        message_type=message_type,
        transaction_id=transaction_id,
        sender_nonce=sender_nonce,
        signer_certificate_der=signed.certificate_der,
        is_signed_by_a_device=is_signed_by_a_device,
        request=request,
        digest=signed.digest,
        cipher=cipher,
        transaction_id_der=transaction_id_der,
        is_weak=is_weak,
    )


def _request(content: bytes, *, allow_weak: bool) -> csr.CertificateRequest:
    try:
        return csr.parse(content, allow_weak=allow_weak)
    except keys.WeakKey:  # said only after the self-signature was found right
        raise
    except ProtocolError as error:
        raise ProtocolError(cms.CANNOT_DECRYPT) from error


def _check_signer(
    certificate: bytes, message_type: MessageType, authority: x509.Authority, *, allow_weak: bool
) -> bool:
    """Whether the authority issued the signer's certificate. ProtocolError for one that neither it issued nor is
    self-signed.

    A client without a certificate makes one for itself (RFC 8894 2.3). Its key SHOULD be the one of the request; many
    clients make a key for this message alone, and that takes nothing away: the request proves its own key, and its
    challenge the right to a certificate. Whoever caught the envelope and signs it anew gets a certificate for a key
    that they do not have.
    """
    outline = x509.outline(certificate)
    if not isinstance(keys.load(outline.spki), rsa.RSAPublicKey):
        raise ProtocolError("The certificate that signs a SCEP request needs an RSA key, or no answer can reach it.")
    is_first = message_type is MessageType.CERTIFICATE_REQUEST
    if is_first and outline.issuer != x509.outline(authority.der).subject:
        x509.check_self_signed(outline, allow_weak=allow_weak)
        return False
    x509.check_signed_by(certificate, authority)
    return True


def _attribute(signed: cms.Signed, oid: bytes) -> bytes:
    values = signed.attributes.get(oid, b"")
    if not values or der.element(values, 0, len(values))[2] != len(values):
        raise ProtocolError("The SCEP message lacks an attribute that it must have, or has it twice.")
    return values


def _string(value: bytes) -> str:
    return der.text(value, *der.element(value, 0, len(value)))


def _nonce(value: bytes) -> bytes:
    start, stop = der.expect(value, 0, len(value), der.OCTET_STRING)
    if not 0 < stop - start <= _MAXIMUM_NONCE:
        raise ProtocolError("The SCEP message has no usable senderNonce.")
    return value[start:stop]


def _message_type(text: str) -> MessageType:
    for message_type in MessageType:
        if text == str(message_type.value):
            return message_type
    raise ProtocolError("The SCEP message is of a type that a client does not send.")


def success(
    message: PkiMessage, *, authority: x509.Authority, certificate: library.Certificate | bytes, nonce: bytes
) -> bytes:
    """The DER CertRep that brings the certificate, encrypted for the request's signer. `nonce`: 16 random bytes."""
    cipher = cms.ContentCipher.AES_256 if message.cipher.weak else message.cipher
    envelope = cms.encrypt(
        cms.certificates_only(x509.encoded(certificate)), certificate=message.signer_certificate_der, cipher=cipher
    )
    return _reply(message, envelope, authority, nonce, cms.attribute(_PKI_STATUS, _printable(_SUCCESS)))


def failure(message: PkiMessage, *, authority: x509.Authority, fail_info: FailInfo, nonce: bytes) -> bytes:
    """The DER CertRep that says why there is no certificate. `nonce`: 16 random bytes."""
    return _reply(
        message,
        None,
        authority,
        nonce,
        cms.attribute(_PKI_STATUS, _printable(_FAILURE)),
        cms.attribute(_FAIL_INFO, _printable(str(fail_info.value))),
    )


def _reply(
    message: PkiMessage, envelope: bytes | None, authority: x509.Authority, nonce: bytes, *attributes: bytes
) -> bytes:
    return cms.signed_data(
        envelope,
        certificate=authority.der,
        key=authority.key,
        digest=keys.SHA256 if message.digest.weak else message.digest,
        attributes=(
            *attributes,
            cms.attribute(_MESSAGE_TYPE, _printable(_CERTIFICATE_REPLY)),
            cms.attribute(_TRANSACTION_ID, message.transaction_id_der),
            cms.attribute(_SENDER_NONCE, der.tlv(der.OCTET_STRING, nonce)),
            cms.attribute(_RECIPIENT_NONCE, der.tlv(der.OCTET_STRING, message.sender_nonce)),
        ),
    )


def _printable(value: str) -> bytes:
    return der.tlv(der.PRINTABLE_STRING, value.encode("ascii"))
