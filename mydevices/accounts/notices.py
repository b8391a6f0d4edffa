"""What people are told by mail. `services.notify` posts one to the outbox; the worker writes the mail in its reader's
language, from `templates/mail/<notice>.html` and `.txt`.

Each notice has facts, the names that its templates may use. Times are ISO 8601 with offset (`at`: when it happened;
`until`: how long the mail is of use: after that it is not sent any more). `browser` is in words ("Safari on an
phone"), `address` an IP address, `by` the name of who did it, where that was not the reader. What begins with
`secret_` is sealed in the outbox. Facts may be missing: the templates do without them.

| Notice | Facts |
|---|---|
| INVITATION, INVITATION_REMINDER | secret_link, until, by, secret_pin (where a PIN registers a device) |
| PASSWORD_FORGOTTEN | secret_link, until, browser, address |
| PASSWORD_FORGOTTEN_UNKNOWN | browser, address, at, until |
| PASSWORD_ELSEWHERE | provider, until, browser, address |
| PASSWORD_CHANGED | at, browser, address, by |
| PASSWORD_EXPIRES | until |
| EMAIL_CONFIRM | secret_link, until |
| EMAIL_CHANGES | email (the new address), secret_link (undoes it), until, at, browser, address |
| EMAIL_CHANGE_UNDONE | at, address |
| EMAIL_TAKEN | until |
| NEW_SIGN_IN | at, browser, address |
| LIMITED_SIGN_IN | at, browser, address, minutes (how long it lasts) |
| FACTOR_ADDED, FACTOR_REMOVED | factor (its kind, in words), at, browser, address, by |
| FACTOR_REMOVAL | until (when they are removed), at, browser, address |
| FACTOR_NEEDED | until |
| CODES_GUESSED | signed_in (1: in a session of theirs, 0: after their password), at, browser, address |
| ADMINISTRATOR_RESTORED | name (whose way back it is), at |
| RECOVERY_CODE_USED | left (how many remain), at, browser, address |
| NOTICES_OFF | at, browser, address |
| DEVICE_REGISTERED | device (its name), model, at, address, by |
| DEVICE_WAITS | device (its name), model, at, address, secret_link (to confirm or disown it), until |
| DEVICE_IS_PERSONAL, DEVICE_IS_COMPANY | device (its name), by, reason, at |
| DEVICE_LOCKED, DEVICE_UNLOCKED, DEVICE_LOST | device, by, reason, at, page (its address here, from the slash on) |
| DEVICE_LOCATED, DEVICE_WIPED, DEVICE_RETIRED | the same |
| POSITION_SEEN | device (its name), by, reason, at |
| WIPE_WAITS | device, owner, by (who asked), at |
| WIPE_APPROVED, WIPE_REFUSED | device, by (none where nobody decided in time), reason, at |
| CHANGE_MADE | change (what was loosened, in words), details, by (none for the command line), at |
| CHANGE_WAITS | the same, goes (when it is carried out; none where it is dropped), page (from the slash on) |
| CHANGE_APPROVED, CHANGE_STOPPED, CHANGE_FAILED | change, by (none where nobody decided in time), reason, at |
| REGISTRATION_PIN | secret_pin, until, by |
| REGISTRATION_PIN_UNKNOWN | at, browser, address |
| CERTIFICATE_EXPIRES | certificate (its type's label), issuer, until |
| CERTIFICATE_KEY_ENDS | certificate, issuer, until (when the private key is deleted) |
| CERTIFICATE_KEY_DELETED | certificate, issuer, at |
| CERTIFICATE_DOWNLOADED | certificate, issuer, at, browser, address |
| TRIAL | at |
| AUDIT_HEAD | head, entries (how many), at |

Every template also has: `person` (name and first_name, empty for a stranger), `organisation`, `site` (the server's
address, without a slash at the end) and `accent`.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final


class Notice(StrEnum):
    """A kind of mail. The name is that of its template, and what `Person.unwanted_notices` holds."""

    INVITATION = "invitation"
    INVITATION_REMINDER = "invitation_reminder"
    PASSWORD_FORGOTTEN = "password_forgotten"  # noqa: S105  a kind of mail
    PASSWORD_FORGOTTEN_UNKNOWN = "password_forgotten_unknown"  # noqa: S105  the same
    """To an address that somebody typed and nobody here has."""
    PASSWORD_ELSEWHERE = "password_elsewhere"  # noqa: S105  the same
    """To somebody whose password is kept by a provider, and who asked for a new one here."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the same
    PASSWORD_EXPIRES = "password_expires"  # noqa: S105  the same
    EMAIL_CONFIRM = "email_confirm"
    """To the new address."""
    EMAIL_CHANGES = "email_changes"
    """To the old address, with the way back."""
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    """To both addresses."""
    EMAIL_TAKEN = "email_taken"
    """To whoever has an address that somebody else wants to have."""
    NEW_SIGN_IN = "new_sign_in"
    LIMITED_SIGN_IN = "limited_sign_in"
    """With the password alone, because the second factor is what was lost."""
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_REMOVAL = "factor_removal"
    """To every address known, daily: somebody who set a new password by mail asked for second factors to be removed."""
    FACTOR_NEEDED = "factor_needed"
    """Their role asks for a second factor from now on, and they have none."""
    CODES_GUESSED = "codes_guessed"
    """Somebody typed wrong codes of a second factor again and again, and has to wait."""
    ADMINISTRATOR_RESTORED = "administrator_restored"
    """To administrators: the server's command line made a link with which one of them signs in again."""
    RECOVERY_CODE_USED = "recovery_code_used"
    NOTICES_OFF = "notices_off"
    """They, or somebody in their name, did without a kind of mail from now on."""
    DEVICE_REGISTERED = "device_registered"
    DEVICE_WAITS = "device_waits"
    """It was registered, and gets no private key before its owner confirms it."""
    DEVICE_IS_PERSONAL = "device_is_personal"
    DEVICE_IS_COMPANY = "device_is_company"
    """Whose a device is was changed by an administrator."""
    DEVICE_LOCKED = "device_locked"
    DEVICE_UNLOCKED = "device_unlocked"
    DEVICE_LOST = "device_lost"
    DEVICE_LOCATED = "device_located"
    DEVICE_WIPED = "device_wiped"
    DEVICE_RETIRED = "device_retired"
    """Somebody else has asked this of a device of theirs."""
    POSITION_SEEN = "position_seen"
    """Somebody else has seen where a device is."""
    WIPE_WAITS = "wipe_waits"
    """To administrators: one device more than may be wiped without their word."""
    WIPE_APPROVED = "wipe_approved"
    WIPE_REFUSED = "wipe_refused"
    """To whoever asked for it."""
    CHANGE_MADE = "change_made"
    """To administrators: somebody has loosened a rule."""
    CHANGE_WAITS = "change_waits"
    """To administrators: a change that one of them should look at first."""
    CHANGE_APPROVED = "change_approved"
    CHANGE_STOPPED = "change_stopped"
    CHANGE_FAILED = "change_failed"
    """To whoever asked for it."""
    REGISTRATION_PIN = "registration_pin"
    REGISTRATION_PIN_UNKNOWN = "registration_pin_unknown"
    """To an address that somebody asked a PIN for, and that gets none: nobody here has it, or registers by PIN."""
    CERTIFICATE_EXPIRES = "certificate_expires"
    CERTIFICATE_KEY_ENDS = "certificate_key_ends"
    CERTIFICATE_KEY_DELETED = "certificate_key_deleted"
    CERTIFICATE_DOWNLOADED = "certificate_downloaded"
    """With its private key."""
    AUDIT_HEAD = "audit_head"
    """To an address outside of this server: what the audit's chain ends with, once a day."""
    TRIAL = "trial"
    """To an administrator who tries out the mail server: never waits in the outbox."""


OPTIONAL: Final[Collection[Notice]] = frozenset({Notice.CERTIFICATE_EXPIRES, Notice.CERTIFICATE_KEY_ENDS})
"""What a person may do without: reminders of what My Certificates says as well. Everything else is about the safety of
their account, or was asked for."""

_WHERE: Final = frozenset({"at", "browser", "address"})
_CERTIFICATE: Final = frozenset({"certificate", "issuer"})
_BY_ANOTHER: Final = frozenset({"device", "by", "reason", "at", "page"})
_WIPE: Final = frozenset({"device", "by", "at"})
_CHANGE: Final = frozenset({"change", "by", "at"})

FACTS: Final[Mapping[Notice, frozenset[str]]] = {
    Notice.INVITATION: frozenset({"secret_link", "until", "by", "secret_pin"}),
    Notice.INVITATION_REMINDER: frozenset({"secret_link", "until", "by", "secret_pin"}),
    Notice.PASSWORD_FORGOTTEN: frozenset({"secret_link", "until", "browser", "address"}),
    Notice.PASSWORD_FORGOTTEN_UNKNOWN: _WHERE | {"until"},
    Notice.PASSWORD_ELSEWHERE: frozenset({"provider", "until", "browser", "address"}),
    Notice.PASSWORD_CHANGED: _WHERE | {"by"},
    Notice.PASSWORD_EXPIRES: frozenset({"until"}),
    Notice.EMAIL_CONFIRM: frozenset({"secret_link", "until"}),
    Notice.EMAIL_CHANGES: _WHERE | {"email", "secret_link", "until"},
    Notice.EMAIL_CHANGE_UNDONE: frozenset({"at", "address"}),
    Notice.EMAIL_TAKEN: frozenset({"until"}),
    Notice.NEW_SIGN_IN: _WHERE,
    Notice.LIMITED_SIGN_IN: _WHERE | {"minutes"},
    Notice.FACTOR_ADDED: _WHERE | {"factor", "by"},
    Notice.FACTOR_REMOVED: _WHERE | {"factor", "by"},
    Notice.FACTOR_REMOVAL: _WHERE | {"until"},
    Notice.FACTOR_NEEDED: frozenset({"until"}),
    Notice.CODES_GUESSED: _WHERE | {"signed_in"},
    Notice.ADMINISTRATOR_RESTORED: frozenset({"name", "at"}),
    Notice.RECOVERY_CODE_USED: _WHERE | {"left"},
    Notice.NOTICES_OFF: _WHERE,
    Notice.DEVICE_REGISTERED: _WHERE | {"device", "model", "by"},
    Notice.DEVICE_WAITS: frozenset({"device", "model", "at", "address", "secret_link", "until"}),
    Notice.DEVICE_IS_PERSONAL: frozenset({"device", "by", "reason", "at"}),
    Notice.DEVICE_IS_COMPANY: frozenset({"device", "by", "reason", "at"}),
    Notice.DEVICE_LOCKED: _BY_ANOTHER,
    Notice.DEVICE_UNLOCKED: _BY_ANOTHER,
    Notice.DEVICE_LOST: _BY_ANOTHER,
    Notice.DEVICE_LOCATED: _BY_ANOTHER,
    Notice.DEVICE_WIPED: _BY_ANOTHER,
    Notice.DEVICE_RETIRED: _BY_ANOTHER,
    Notice.POSITION_SEEN: frozenset({"device", "by", "reason", "at"}),
    Notice.WIPE_WAITS: _WIPE | {"owner"},
    Notice.WIPE_APPROVED: _WIPE | {"reason"},
    Notice.WIPE_REFUSED: _WIPE | {"reason"},
    Notice.CHANGE_MADE: _CHANGE | {"details"},
    Notice.CHANGE_WAITS: _CHANGE | {"details", "goes", "page"},
    Notice.CHANGE_APPROVED: _CHANGE | {"reason"},
    Notice.CHANGE_STOPPED: _CHANGE | {"reason"},
    Notice.CHANGE_FAILED: _CHANGE | {"reason"},
    Notice.REGISTRATION_PIN: frozenset({"secret_pin", "until", "by"}),
    Notice.REGISTRATION_PIN_UNKNOWN: _WHERE,
    Notice.CERTIFICATE_EXPIRES: _CERTIFICATE | {"until"},
    Notice.CERTIFICATE_KEY_ENDS: _CERTIFICATE | {"until"},
    Notice.CERTIFICATE_KEY_DELETED: _CERTIFICATE | {"at"},
    Notice.CERTIFICATE_DOWNLOADED: _CERTIFICATE | _WHERE,
    Notice.TRIAL: frozenset({"at"}),
    Notice.AUDIT_HEAD: frozenset({"head", "entries", "at"}),
}
"""The names in the table above. `services.post_mail` refuses others."""
