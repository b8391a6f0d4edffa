"""The `Mdm-Signature` header, by which devices of several makers sign: a CMS signature over the body of a request, made
with the device's identity certificate (Apple, `mdm/profiles/com.apple.mdm.yaml`, SignMessage; MS-MDM, 2.2.1).
"""

import binascii
from collections.abc import Container

from mydevices.errors import ProtocolError
from mydevices.protocols.pki import cms

MAXIMUM_HEADER = 64 * 1024
"""Characters. Real headers have 2,000 to 9,000."""

_WHITE_SPACE = b" \t\r\n"


def verify(header: str | bytes, body: bytes, *, allow_weak: bool, known: Container[bytes] | None = None) -> bytes:
    """The DER certificate of the device that signed this body: what `read` says, and no more."""
    return read(header, body, allow_weak=allow_weak, known=known).certificate_der


def read(header: str | bytes, body: bytes, *, allow_weak: bool, known: Container[bytes] | None = None) -> cms.Signed:
    """Who signed this body, and how; ProtocolError for everything wrong.

    Takes detached and attached signatures, with signed attributes and (as Apple's devices send them) without, and
    looks at no attached copy of the body but at the one that was received. It checks, in this order: exactly one
    signer; the digest of the body; the type of the content; the signature. Whether the certificate was issued by the
    device authority and belongs to a registration is for the caller to find out next (`x509.check_issued_by`, then
    its fingerprint): anybody can sign with a certificate of their own. `allow_weak` accepts SHA-1.

    With `known`, whoever signs with a certificate that is not in there is refused before their key is looked at.
    """
    if len(header) > MAXIMUM_HEADER:
        raise ProtocolError(f"The Mdm-Signature header is longer than {MAXIMUM_HEADER // 1024} kB.")
    try:
        encoded = header.encode("ascii") if isinstance(header, str) else header
        message = binascii.a2b_base64(encoded.translate(None, _WHITE_SPACE), strict_mode=True)
    except ValueError as error:  # both UnicodeEncodeError and binascii.Error
        raise ProtocolError("The Mdm-Signature header is not base64.") from error
    return cms.verify(message, content=body, allow_weak=allow_weak, known=known)
