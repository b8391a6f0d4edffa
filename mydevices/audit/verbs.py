from enum import StrEnum


class Verb(StrEnum):
    """Everything that is recorded: subject, then what happened to it."""

    SIGNED_IN = "sign_in.done"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_SLOWED = "sign_in.slowed"
    SIGNED_OUT = "sign_out.done"
    SIGNED_OUT_IDLE = "sign_out.idle"

    PERSON_CREATED = "person.created"
    PERSON_CHANGED = "person.changed"
    ADMINISTRATOR_CREATED = "person.administrator_created"
    PASSWORD_CHANGED = "person.password_changed"  # noqa: S105  a verb, not a password
    SECRET_KEY_CHANGED = "secret_key.changed"  # noqa: S105  a verb, not a key
    PASSWORD_FORGOTTEN = "person.password_forgotten"  # noqa: S105  the same
    PREFERENCES_CHANGED = "person.preferences_changed"
    EMAIL_CHANGE_ASKED = "person.email_change_asked"
    EMAIL_CHANGE_DROPPED = "person.email_change_dropped"
    EMAIL_CHANGED = "person.email_changed"
    EMAIL_CHANGE_UNDONE = "person.email_change_undone"
    SETTINGS_CHANGED = "settings.changed"
    SIGN_IN_RULES_CHANGED = "settings.sign_in_rules_changed"

    POLICY_CREATED = "policy.created"
    POLICY_CHANGED = "policy.changed"
    POLICY_MOVED = "policy.moved"
    POLICY_DELETED = "policy.deleted"
    PERSON_SUSPENDED = "person.suspended"
    PERSON_RESUMED = "person.resumed"
    ROLE_CHANGED = "person.role_changed"
    GROUPS_CHANGED = "person.groups_changed"
    GROUP_CHANGED = "group.changed"
    GROUP_DELETED = "group.deleted"
    LIST_EXPORTED = "list.exported"
    FACTOR_ADDED = "person.factor_added"
    FACTOR_REMOVED = "person.factor_removed"
    RECOVERY_USED = "person.recovery_used"
    SESSION_ENDED = "person.session_ended"

    INVITED = "invitation.made"
    INVITED_AGAIN = "invitation.sent_again"
    INVITATION_REMINDED = "invitation.reminded"
    INVITATION_SEEN = "invitation.seen"
    INVITATION_LINK_SHOWN = "invitation.link_shown"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_EXPIRED = "invitation.expired"
    INVITATION_REVOKED = "invitation.revoked"

    TICKET_OPENED = "ticket.opened"
    TICKET_SEEN = "ticket.seen"
    TICKET_REVOKED = "ticket.revoked"
    TICKET_REFUSED = "ticket.refused"
    TERMS_ACCEPTED = "terms.accepted"
    REGISTRATION_PIN_ISSUED = "registration_pin.issued"
    REGISTRATION_PIN_WITHHELD = "registration_pin.withheld"
    """Somebody asked for one whom no policy gives any, or whom nobody knows."""
    REGISTRATION_PIN_WRONG = "registration_pin.wrong"
    REGISTRATION_PIN_LOCKED = "registration_pin.locked"

    DEVICE_REGISTERED = "device.registered"
    DEVICE_REGISTERED_AGAIN = "device.registered_again"
    DEVICE_RETIRED = "device.retired"
    DEVICE_WIPED = "device.wiped"
    DEVICE_HEARD_AFTER_WIPE = "device.heard_after_wipe"
    CERTIFICATE_RENEWED = "device.certificate_renewed"
    CHANNEL_CLOSED = "device.channel_closed"
    PUSH_TOKEN_DEAD = "device.push_token_dead"  # noqa: S105  a verb, not a token

    ACTION_REQUESTED = "action.requested"
    ACTION_RELEASED = "action.released"
    ACTION_CANCELLED = "action.cancelled"
    ACTION_DONE = "action.done"
    ACTION_FAILED = "action.failed"
    ACTION_EXPIRED = "action.expired"
    ACTION_VOID = "action.void"
    PIN_REVEALED = "pin.revealed"

    PUSH_CERTIFICATE_REQUESTED = "push_certificate.requested"
    PUSH_CERTIFICATE_INSTALLED = "push_certificate.installed"
    PUSH_CERTIFICATE_EXPIRES = "push_certificate.expires"
