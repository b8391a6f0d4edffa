"""What a device says to its server: check-in messages and command reports, signed, over a transport."""

import json
import plistlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from simulator import signature
from simulator.errors import SimulatorError, Unreachable
from simulator.identity import Identity
from simulator.profiles import Management, load_plist
from simulator.transport import Transport, media_type

CHECK_IN = "application/x-apple-aspen-mdm-checkin"
COMMAND = "application/x-apple-aspen-mdm"
UNRECOGNISED = "com.apple.unrecognized.device"


class Dismissed(SimulatorError):
    """The server told the device to leave management (401, or 403 with com.apple.unrecognized.device)."""


class Outgoing(NamedTuple):
    """A request ready to be sent, by whatever client."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Behaviour:
    """Switches for tests: how this device misbehaves. All are off at first; `lose_*` and `fail_next` act once."""

    lose_next_report: bool = False  # the next report is never sent, though the command was obeyed
    lose_next_answer: bool = False  # the next report arrives, but the device does not see the answer
    fail_next: bool = False  # the next command fails on the device
    busy: bool = False  # profile work is answered NotNow
    delay: float = 0.0  # seconds before each report
    act_as: str | None = None  # the UDID that messages name instead of the device's own
    acknowledge_removal: bool = False  # also acknowledge the removal of the enrolment profile
    ignore_erase: bool = False  # EraseDevice is acknowledged, and nothing is erased
    quiet_renewal: bool = False  # no Authenticate when the certificate is renewed
    use_post: bool = False  # POST instead of PUT, as some clients do
    old_digest: bool = False  # SHA-1 in Mdm-Signature, as old clients do
    attach_body: bool = False  # attached CMS in Mdm-Signature, as some clients do


@dataclass(frozen=True)
class Connection:
    """One enrolment's way to its server."""

    management: Management
    identity: Identity
    send: Transport
    clock: Callable[[], datetime]
    behaviour: Behaviour

    def request(self, url: str, content_type: str, body: bytes) -> Outgoing:
        headers = {"Content-Type": content_type, "User-Agent": "MDM/1.0", "Accept": "*/*"}
        if self.management.sign_message:
            headers[signature.HEADER] = signature.sign(
                body,
                identity=self.identity,
                now=self.clock(),
                digest="sha1" if self.behaviour.old_digest else "sha256",
                attached=self.behaviour.attach_body,
            )
        return Outgoing("POST" if self.behaviour.use_post else "PUT", url, headers, body)

    def check_in(self, message: Mapping[str, Any]) -> bytes:
        """Send a check-in message; the answer's body. Raises Unreachable or Dismissed."""
        return self._exchange(self.request(self.management.check_in_url, CHECK_IN, self._encode(message)))

    def report(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send a command report; the next command, or None. Raises Unreachable or Dismissed."""
        body = self._exchange(self.request(self.management.server_url, COMMAND, self._encode(message)))
        if not body:
            return None
        try:
            return load_plist(body)
        except ValueError as error:
            raise Unreachable("The server's command is not a property list.") from error

    def _encode(self, message: Mapping[str, Any]) -> bytes:
        if self.behaviour.act_as is not None:
            message = {**message, "UDID": self.behaviour.act_as}
        return plistlib.dumps(dict(message))

    def _exchange(self, outgoing: Outgoing) -> bytes:
        status, headers, body = self.send(*outgoing)
        if status == 401 or (status == 403 and _error_code(headers, body) == UNRECOGNISED):
            raise Dismissed(f"The server no longer knows this device ({status}).")
        if status != 200:
            raise Unreachable(f"The server answered {status}.", status=status)
        return body


def _error_code(headers: Mapping[str, str], body: bytes) -> str | None:
    """The code of an error body: JSON or a property list, as its Content-Type says."""
    try:
        value = json.loads(body) if media_type(headers) == "application/json" else load_plist(body)
    except ValueError:
        return None
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) else None
