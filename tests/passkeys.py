"""Passkeys as a browser sends them, with real bytes (WebAuthn 3, 6), and a key that signs in software."""

import json
import re
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

HOST = "testserver"


class Key:
    """An authenticator that holds one passkey. `count` is how often it says that it has signed; 0 for those that do not
    count."""

    def __init__(self, identifier: bytes = b"0123456789abcdef") -> None:
        self.identifier = identifier
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.count = 0

    def made(self, challenge: str = "Y2hhbGxlbmdl", *, verified: bool = True) -> dict[str, Any]:
        """A new passkey."""
        key = ES256.from_cryptography_key(self.private.public_key())  # type: ignore[no-untyped-call]  # the library has not typed this one
        attested = AttestedCredentialData.create(Aaguid.NONE, self.identifier, key)
        flags = self._flags(verified=verified) | AuthenticatorData.FLAG.AT
        data = AuthenticatorData.create(sha256(HOST.encode()).digest(), flags, self.count, attested)
        answer = {
            "clientDataJSON": websafe_encode(_client("create", challenge)),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        }
        return {**self._named(), "clientExtensionResults": {"credProps": {"rk": True}}, "response": answer}

    def given(self, challenge: str, *, handle: str = "", verified: bool = True) -> dict[str, Any]:
        """A signature with it. `handle` is whose it says it is."""
        data = AuthenticatorData.create(sha256(HOST.encode()).digest(), self._flags(verified=verified), self.count)
        client = _client("get", challenge)
        signature = self.private.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
            "userHandle": websafe_encode(handle.encode()) if handle else None,
        }
        return {**self._named(), "clientExtensionResults": {}, "response": answer}

    def _named(self) -> dict[str, str]:
        name = websafe_encode(self.identifier)
        return {"id": name, "rawId": name, "type": "public-key"}

    @staticmethod
    def _flags(*, verified: bool) -> AuthenticatorData.FLAG:
        return AuthenticatorData.FLAG.UP | (AuthenticatorData.FLAG.UV if verified else AuthenticatorData.FLAG(0))


def _client(kind: str, challenge: str) -> bytes:
    data = {"type": f"webauthn.{kind}", "challenge": challenge, "origin": f"http://{HOST}"}
    return json.dumps(data).encode()


def challenge_on(page: str) -> str:
    """The challenge that a page asks the browser to sign."""
    found = re.search(r'<script id="passkey-options" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found, page
    return str(json.loads(found[1])["publicKey"]["challenge"])


def credential(identifier: bytes = b"0123456789abcdef") -> dict[str, Any]:
    return Key(identifier).made()
