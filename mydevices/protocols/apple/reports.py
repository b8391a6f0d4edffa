"""What a device says when it polls: that it is idle, or how a command ended.

A report belongs to its command by CommandUUID alone: an acknowledged InstallProfile may carry an empty RequestType.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import plist
from mydevices.protocols.apple.fields import Fields, dictionaries, flag, identifier, integer, required, text
from mydevices.protocols.apple.identity import Identity, identity

MAX_ERRORS = 16
"""An error chain says why within why; the first few are what anyone reads."""


class Status(StrEnum):
    """How a command ended; IDLE when the device only asks for the next one."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


@dataclass(frozen=True, slots=True)
class DeviceError:
    """One link of an error chain, the outermost first. `code` has a meaning only within its `domain`."""

    code: int | None
    domain: str
    localized: str
    """In the language of the device."""
    us_english: str


@dataclass(frozen=True, slots=True)
class Report:
    """One poll. `result` is what the command asked for: the message without its envelope, and empty when idle."""

    identity: Identity
    status: Status
    command_uuid: str | None
    """None when idle, and where a device could not even read the command."""
    errors: tuple[DeviceError, ...]
    not_on_console: bool
    """The user of this channel is logged in on the Mac, but not at its screen."""
    result: Mapping[str, object]


_STATUSES = {str(status): status for status in Status}
_ENVELOPE = frozenset(
    {
        "UDID",
        "EnrollmentID",
        "EnrollmentUserID",
        "UserID",
        "UserShortName",
        "UserLongName",
        "Status",
        "CommandUUID",
        "RequestType",
        "ErrorChain",
        "NotOnConsole",
    }
)
_NO_RESULT: Mapping[str, object] = MappingProxyType({})


def _errors(message: Fields) -> tuple[DeviceError, ...]:
    return tuple(
        DeviceError(
            code=integer(link, "ErrorCode"),
            domain=text(link, "ErrorDomain", 200) or "",
            localized=text(link, "LocalizedDescription", 1000) or "",
            us_english=text(link, "USEnglishDescription", 1000) or "",
        )
        for link in dictionaries(message, "ErrorChain")[:MAX_ERRORS]
    )


def parse(body: bytes) -> Report:
    """The report in the body of a poll. Raises ProtocolError for anything else."""
    message = plist.loads(body)
    status = _STATUSES.get(required(message, "Status"))
    if status is None:
        raise ProtocolError("This status is not known.")
    not_on_console = flag(message, "NotOnConsole") or False
    if status is Status.IDLE:
        return Report(identity(message), status, None, (), not_on_console, _NO_RESULT)
    command_uuid = identifier(message, "CommandUUID")
    if command_uuid is None and status in {Status.ACKNOWLEDGED, Status.NOT_NOW}:
        raise ProtocolError("CommandUUID is missing.")
    result = {key: value for key, value in message.items() if key not in _ENVELOPE}
    return Report(identity(message), status, command_uuid, _errors(message), not_on_console, MappingProxyType(result))
