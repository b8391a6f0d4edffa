"""What a configuration is for one person, in no platform's words. Adapters render it when a device polls."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256

from mydevices.accounts.models import Person
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration
from mydevices.configurations.variables import fill, fill_address
from mydevices.errors import Unsupported


@dataclass(frozen=True, slots=True)
class ClipContent:
    """A web clip with its variables filled."""

    clip: WebClip
    icon: bytes | None
    name: str

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal: differs whenever a device would have to be sent something else."""
        icon = sha256(self.icon).hexdigest() if self.icon else ""
        parts = ["web_clip", self.name, icon, self.clip.stored()]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def content(configuration: Configuration, person: Person) -> ClipContent:
    """Asks nothing of the database."""
    values = KINDS[configuration.kind].read(configuration.values)
    if not isinstance(values, WebClip):
        raise Unsupported(f"A configuration of the kind {configuration.kind} cannot be sent.")
    filled = replace(values, label=fill(values.label, person), url=fill_address(values.url, person))
    return ClipContent(filled, bytes(configuration.icon) if configuration.icon else None, configuration.name)
