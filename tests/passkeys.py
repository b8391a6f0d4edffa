"""A passkey as a browser sends it when it has made one: real bytes (WebAuthn 3, 6.5), without an attestation."""

import json
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

HOST = "testserver"


def credential(identifier: bytes = b"0123456789abcdef") -> dict[str, Any]:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = ES256.from_cryptography_key(public)  # type: ignore[no-untyped-call]  # the library has not typed this one
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    attested = AttestedCredentialData.create(Aaguid.NONE, identifier, key)
    data = AuthenticatorData.create(sha256(HOST.encode()).digest(), flags, 0, attested)
    client = {"type": "webauthn.create", "challenge": websafe_encode(b"challenge"), "origin": f"http://{HOST}"}
    return {
        "id": websafe_encode(identifier),
        "rawId": websafe_encode(identifier),
        "type": "public-key",
        "clientExtensionResults": {"credProps": {"rk": True}},
        "response": {
            "clientDataJSON": websafe_encode(json.dumps(client).encode()),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
    }
