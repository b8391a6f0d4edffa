"""The Mdm-Signature header: a CMS signature over the body, in Base64 (com.apple.mdm: SignMessage)."""

import base64
from datetime import datetime

from simulator import cms
from simulator.identity import Identity

HEADER = "Mdm-Signature"


def sign(body: bytes, *, identity: Identity, now: datetime, digest: str = "sha256", attached: bool = False) -> str:
    """The header's value. Detached and SHA-256 as devices do; attached or SHA-1 as some other clients do."""
    der = cms.sign(body, identity=identity, digest=digest, detached=not attached, signing_time=now)
    return base64.b64encode(der).decode("ascii")
