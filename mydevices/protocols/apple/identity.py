"""Who speaks: a device, or one user of it.

A claim, not a proof: the certificate that signed the message decides (schema: mdm/checkin/tokenupdate.yaml).
"""

from dataclasses import dataclass

from mydevices.errors import ProtocolError
from mydevices.protocols.apple.fields import Fields, identifier

SHARED_IPAD_USER_ID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
"""The UserID of everyone on a Shared iPad, where the short name (a Managed Apple Account) tells them apart."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers that came with a message: `udid` of a device, or `enrollment_id` of a User Enrolment, or both."""

    udid: str | None
    enrollment_id: str | None
    user_id: str | None = None
    user_short_name: str | None = None

    def __post_init__(self) -> None:
        if not self.udid and not self.enrollment_id:
            raise ProtocolError("The message says neither UDID nor EnrollmentID.")

    @property
    def device_id(self) -> str:
        """The UDID, else the EnrollmentID: some clients send both, and the UDID wins."""
        return self.udid or self.enrollment_id or ""

    @property
    def is_user_channel(self) -> bool:
        return self.user_id is not None or self.user_short_name is not None

    @property
    def user_key(self) -> str:
        """What tells the users of one device apart; empty on the device channel."""
        if self.user_id in {None, SHARED_IPAD_USER_ID}:
            return self.user_short_name or self.user_id or ""
        return self.user_id or ""


def identity(message: Fields) -> Identity:
    """The identity in a check-in or a report. Raises ProtocolError when it names no device."""
    return Identity(
        udid=identifier(message, "UDID"),
        enrollment_id=identifier(message, "EnrollmentID"),
        # In a User Enrolment a Mac names its user per enrolment.
        user_id=identifier(message, "UserID") or identifier(message, "EnrollmentUserID"),
        user_short_name=identifier(message, "UserShortName"),
    )
