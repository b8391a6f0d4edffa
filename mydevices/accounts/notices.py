"""What people are told by mail. `services.notify` posts one to the outbox; the worker writes the mail in its reader's
language, from `templates/mail/<notice>.html` and `.txt`."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final


class Notice(StrEnum):
    """A kind of mail. The name is that of its template, and what `Person.unwanted_notices` holds."""

    INVITATION = "invitation"
    INVITATION_REMINDER = "invitation_reminder"
    PASSWORD_FORGOTTEN = "password_forgotten"  # noqa: S105  a kind of mail
    PASSWORD_FORGOTTEN_UNKNOWN = "password_forgotten_unknown"  # noqa: S105  the same
    """To an address that somebody typed and nobody here has."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the same
    PASSWORD_EXPIRES = "password_expires"  # noqa: S105  the same
    EMAIL_CONFIRM = "email_confirm"
    """To the new address."""
    EMAIL_CHANGES = "email_changes"
    """To the old address, with the way back."""
    NEW_SIGN_IN = "new_sign_in"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    DEVICE_REGISTERED = "device_registered"
    REGISTRATION_PIN = "registration_pin"


OPTIONAL: Final[Collection[Notice]] = frozenset({Notice.NEW_SIGN_IN, Notice.DEVICE_REGISTERED})
"""What a person may do without. Everything else is about the safety of their account, or was asked for."""
