"""The kinds of configurations, one module each: frozen dataclasses of fields, as the kinds of policies."""

from collections.abc import Mapping
from typing import Final

from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.policies.kinds.kind import Kind

KINDS: Final[Mapping[str, type[Kind]]] = {kind.name(): kind for kind in (IdentityCertificate, Exchange, Email, WebClip)}
"""By the name that rows carry; in the order in which pages list them."""
