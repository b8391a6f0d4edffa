"""What entries of the audit say to people: a sentence for each verb that can stand in a history, and for every other
verb the reason why it cannot. A verb that stands in neither table fails a test. The file is long because the table is:
it has a row for each verb, and is read by looking one up.

`{who}` is who acted, `{device}` the device, `{what}` what `WHAT` says of the entry's details.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from mydevices.accounts.factors import KINDS
from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Device, Registration

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Say:
    """One event in the words for whoever reads of it. Where two are empty, `yours` serves for all."""

    yours: Text
    """To whose account or device it happened, when somebody else did it, or nobody."""
    own: Text = ""
    """To who did it, to their own account."""
    theirs: Text = ""
    """To somebody at the console, on the page of one person."""


PRESUMED: Final[frozenset[str]] = frozenset({Registration.Ending.UNREACHABLE, Registration.Ending.SILENT})
"""Why a life counts as ended though the device never said so."""


def is_presumed(entry: Entry) -> bool:
    return entry.details.get("reason") in PRESUMED


# Of people: the histories of an account

_BY_NOBODY: Final = frozenset({"system", "anonymous"})
"""The kinds of actors that are no person whom one could name."""


def _made(entry: Entry) -> Say:
    if entry.actor_kind in _BY_NOBODY:
        return Say(lazy("Your account was made."), theirs=lazy("The account was made."))
    return Say(lazy("{who} made your account."), theirs=lazy("{who} made the account."))


def _changed(entry: Entry) -> Say:
    if entry.details.get("changed"):
        return Say(
            lazy("Your name and address were taken over from where you sign in."),
            lazy("Your name and address were taken over from where you sign in."),
            lazy("Name and address were taken over from the sign-in provider."),
        )
    return Say(lazy("{who} changed your name."), lazy("You changed your name."), lazy("{who} changed the name."))


def _failed(entry: Entry) -> Say:
    if entry.details.get("step") == "provider":
        return Say(
            lazy("A sign-in with your organisation failed."),
            lazy("A confirmation with your organisation failed."),
            lazy("A sign-in with a provider failed."),
        )
    if entry.details.get("step") == "passkey":
        return Say(
            lazy("A passkey was refused at sign-in."),
            lazy("A passkey was refused at sign-in."),
            lazy("A passkey was refused at sign-in."),
        )
    if entry.details.get("step"):
        once_more = lazy("Somebody knew the password, and failed at the second step of the sign-in.")
        told = lazy("Somebody knew your password, and failed at the second step of the sign-in.")
        return Say(told, told, once_more)
    return Say(
        lazy("Somebody tried to sign in as you."),
        lazy("A confirmation that it is you failed."),
        lazy("Somebody tried to sign in.") if entry.actor_kind != "person" else lazy("{who} failed to confirm it."),
    )


def _pin_issued(entry: Entry) -> Say:
    if entry.actor_kind == "anonymous":
        return Say(
            lazy("Somebody asked for a new registration PIN for you."),
            theirs=lazy("Somebody asked for a new registration PIN."),
        )
    return Say(
        lazy("{who} sent you a registration PIN."),
        lazy("You asked for a new registration PIN."),
        lazy("{who} sent a registration PIN."),
    )


def _key_cleared(entry: Entry) -> Say:
    if entry.actor_kind == "system":
        return Say(
            lazy("The private key of a certificate of yours was deleted after its time: {what}."),
            theirs=lazy("The private key of a certificate was deleted after its time: {what}."),
        )
    return Say(
        lazy("{who} cleared the private key of a certificate of yours: {what}."),
        lazy("You cleared the private key of a certificate: {what}."),
        lazy("{who} cleared the private key of a certificate: {what}."),
    )


def _wiped(entry: Entry) -> Say:
    if is_presumed(entry):
        return Say(lazy("{device} was told to erase itself and has not been heard of since."))
    return Say(lazy("{device} was erased."))


def _ownership(entry: Entry) -> Say:
    if entry.details.get("ownership") == Device.Ownership.PERSONAL:
        return Say(
            lazy("{who} noted {device} as your own."),
            lazy("You noted {device} as your own."),
            lazy("{who} noted {device} as its owner’s own."),
        )
    return Say(lazy("{who} noted {device} as the organisation’s."), lazy("You noted {device} as the organisation’s."))


OF_PEOPLE: Final[Mapping[Verb, Say | Callable[[Entry], Say]]] = {
    Verb.SIGNED_IN: Say(lazy("Somebody signed in as you."), lazy("You signed in."), lazy("{who} signed in.")),
    Verb.SIGNED_IN_LIMITED: Say(
        lazy("Somebody signed in as you with your password alone, to lock or locate a lost device."),
        lazy("You signed in with your password alone, to lock or locate a lost device."),
        lazy("{who} signed in with a password alone, to lock or locate a lost device."),
    ),
    Verb.SIGN_IN_FAILED: _failed,
    Verb.SIGN_IN_SLOWED: Say(
        lazy("Somebody tried to sign in as you so often that they have to wait."),
        theirs=lazy("Somebody tried to sign in so often that they have to wait."),
    ),
    Verb.ACCESS_REFUSED: Say(
        lazy("{who} asked for something that is somebody else’s, or that their role does not allow."),
        lazy("You asked for something that is somebody else’s, or that your role does not allow."),
    ),
    Verb.ADMINISTRATOR_RESTORED: Say(
        lazy("The server’s command line made a link with which you can sign in again."),
        theirs=lazy("The server’s command line made a link with which they can sign in again."),
    ),
    Verb.PROVIDER_LINKED: Say(
        lazy("Your account was linked to {who}."),
        lazy("You linked your account to your organisation’s sign-in."),
        lazy("The account was linked to a sign-in provider."),
    ),
    Verb.PROVIDER_UNLINKED: Say(
        lazy("The link of your account to your organisation’s sign-in ended."),
        lazy("You ended the link of your account to your organisation’s sign-in."),
        lazy("The link of the account to a sign-in provider ended."),
    ),
    Verb.SIGNED_OUT: Say(lazy("{who} signed out."), lazy("You signed out.")),
    Verb.SIGNED_OUT_IDLE: Say(
        lazy("You were signed out, because nothing was opened for some time."),
        theirs=lazy("A session ended, because nothing was opened for some time."),
    ),
    Verb.PERSON_CREATED: _made,
    Verb.ADMINISTRATOR_CREATED: _made,
    Verb.PERSON_CHANGED: _changed,
    Verb.PASSWORD_CHANGED: Say(
        lazy("{who} changed your password."), lazy("You changed your password."), lazy("{who} changed the password.")
    ),
    Verb.PASSWORD_FORGOTTEN: Say(
        lazy("Somebody asked for a new password for you."), theirs=lazy("Somebody asked for a new password.")
    ),
    Verb.PREFERENCES_CHANGED: Say(
        lazy("{who} changed your preferences."),
        lazy("You changed your preferences."),
        lazy("{who} changed the preferences."),
    ),
    Verb.NOTICES_CHANGED: Say(
        lazy("{who} changed which mails you get."),
        lazy("You changed which mails you get."),
        lazy("{who} changed which mails they get."),
    ),
    Verb.EMAIL_CHANGE_ASKED: Say(
        lazy("{who} asked for another e-mail address for you."),
        lazy("You asked for another e-mail address."),
        lazy("{who} asked for another e-mail address."),
    ),
    Verb.EMAIL_CHANGE_DROPPED: Say(
        lazy("{who} kept your e-mail address."),
        lazy("You kept your e-mail address."),
        lazy("{who} kept the e-mail address."),
    ),
    Verb.EMAIL_CHANGED: Say(
        lazy("Your new e-mail address was confirmed."),
        lazy("You confirmed your new e-mail address."),
        lazy("{who} confirmed the new e-mail address."),
    ),
    Verb.EMAIL_CHANGE_UNDONE: Say(
        lazy("Your old e-mail address is back, and every session ended."),
        lazy("You went back to your old e-mail address, and every session ended."),
        lazy("{who} went back to the old e-mail address, and every session ended."),
    ),
    Verb.FACTORS_SETTLED: Say(
        lazy("You sorted out the second factors that had been set aside."),
        theirs=lazy("{who} sorted out the second factors that had been set aside."),
    ),
    Verb.FACTOR_REMOVAL_ASKED: Say(
        lazy("Somebody set a new password for you by mail and asked to remove second factors. They go after 7 days."),
        theirs=lazy("Somebody set a new password by mail and asked to remove second factors. They go after 7 days."),
    ),
    Verb.FACTOR_REMOVAL_STOPPED: Say(
        lazy("One of your second factors was used, so none is removed."),
        theirs=lazy("A second factor was used, so none is removed."),
    ),
    Verb.PERSON_SUSPENDED: Say(
        lazy("{who} suspended your account, and every session ended."),
        theirs=lazy("{who} suspended the account, and every session ended."),
    ),
    Verb.PERSON_RESUMED: Say(lazy("{who} let you sign in again."), theirs=lazy("{who} ended the suspension.")),
    Verb.ROLE_CHANGED: Say(
        lazy("{who} changed your role: {what}."),
        lazy("You changed your role: {what}."),
        lazy("{who} changed the role: {what}."),
    ),
    Verb.GROUPS_CHANGED: Say(
        lazy("{who} changed your groups: {what}."),
        lazy("You changed your groups: {what}."),
        lazy("{who} changed the groups: {what}."),
    ),
    Verb.FACTOR_ADDED: Say(
        lazy("{who} added to what you confirm your sign-in with: {what}."),
        lazy("You added to what you confirm your sign-in with: {what}."),
        lazy("{who} added to what confirms the sign-in: {what}."),
    ),
    Verb.FACTOR_REMOVED: Say(
        lazy("{who} removed from what you confirm your sign-in with: {what}."),
        lazy("You removed from what you confirm your sign-in with: {what}."),
        lazy("{who} removed from what confirms the sign-in: {what}."),
    ),
    Verb.RECOVERY_USED: Say(
        lazy("Somebody signed in with a recovery code of yours. {what}"),
        lazy("You signed in with a recovery code. {what}"),
        lazy("{who} signed in with a recovery code. {what}"),
    ),
    Verb.PASSKEY_BEHIND: Say(
        lazy("A passkey of yours counted backwards, so somebody may have copied it: {what}."),
        theirs=lazy("A passkey counted backwards, so somebody may have copied it: {what}."),
    ),
    Verb.SESSION_ENDED: Say(
        lazy("{who} signed you out: {what}."), lazy("You signed out {what}."), lazy("{who} ended sessions: {what}.")
    ),
    Verb.INVITED: Say(lazy("{who} invited you."), theirs=lazy("{who} sent an invitation.")),
    Verb.INVITED_AGAIN: Say(lazy("{who} sent your invitation again."), theirs=lazy("{who} sent the invitation again.")),
    Verb.INVITATION_REMINDED: Say(
        lazy("You were reminded of your invitation."), theirs=lazy("A reminder of the invitation went out.")
    ),
    Verb.INVITATION_SEEN: Say(lazy("Your invitation was opened."), theirs=lazy("The invitation was opened.")),
    Verb.INVITATION_LINK_SHOWN: Say(
        lazy("{who} looked at the link of your invitation."),
        theirs=lazy("{who} looked at the link of the invitation."),
    ),
    Verb.INVITATION_ACCEPTED: Say(
        lazy("Your invitation was accepted."),
        lazy("You accepted your invitation."),
        lazy("The invitation was accepted."),
    ),
    Verb.INVITATION_EXPIRED: Say(lazy("Your invitation expired."), theirs=lazy("The invitation expired.")),
    Verb.INVITATION_REVOKED: Say(
        lazy("{who} took your invitation back."), theirs=lazy("{who} took the invitation back.")
    ),
    Verb.TICKET_OPENED: Say(
        lazy("{who} opened a registration for you."),
        lazy("You opened a registration."),
        lazy("{who} opened a registration."),
    ),
    Verb.TICKET_SEEN: Say(
        lazy("The address of a registration of yours was opened."),
        theirs=lazy("The address of a registration was opened."),
    ),
    Verb.TICKET_REVOKED: Say(
        lazy("{who} closed a registration of yours."),
        lazy("You closed a registration."),
        lazy("{who} closed a registration."),
    ),
    Verb.TICKET_REFUSED: Say(
        lazy("{device} was refused: {what}"), theirs=lazy("{device} was refused, and its owner was told: “{what}”")
    ),
    Verb.TERMS_ACCEPTED: Say(
        lazy("The terms of service were accepted for you."),
        lazy("You accepted the terms of service."),
        lazy("{who} accepted the terms of service."),
    ),
    Verb.REGISTRATION_PIN_ISSUED: _pin_issued,
    Verb.REGISTRATION_PIN_WITHHELD: Say(
        lazy("Somebody asked for a registration PIN for you, and got none."),
        theirs=lazy("Somebody asked for a registration PIN, and got none."),
    ),
    Verb.REGISTRATION_PIN_WRONG: Say(
        lazy("Somebody typed a wrong registration PIN for you."),
        theirs=lazy("Somebody typed a wrong registration PIN."),
    ),
    Verb.REGISTRATION_PIN_LOCKED: Say(
        lazy("Your registration PIN was locked: too many wrong tries."),
        theirs=lazy("The registration PIN was locked: too many wrong tries."),
    ),
    Verb.DEVICE_REGISTERED: Say(lazy("{device} was registered.")),
    Verb.DEVICE_REGISTERED_AGAIN: Say(lazy("{device} was registered again.")),
    Verb.DEVICE_CONFIRMED: Say(
        lazy("{who} confirmed that {device} is theirs."),
        lazy("You confirmed that {device} is yours."),
    ),
    Verb.DEVICE_CONFIRMATION_SENT: Say(
        lazy("{who} had the mail sent again in which you confirm {device}."),
        lazy("You had the mail sent again that asks for the confirmation of {device}."),
        lazy("{who} had the mail sent again that asks for the confirmation of {device}."),
    ),
    Verb.DEVICE_DISOWNED: Say(
        lazy("{who} said that {device} isn’t theirs."),
        lazy("You said that {device} isn’t yours."),
    ),
    Verb.OWNERSHIP_CHANGED: _ownership,
    Verb.DEVICE_RETIRED: Say(lazy("{device} left management.")),
    Verb.DEVICE_WIPED: _wiped,
    Verb.DEVICE_HEARD_AFTER_WIPE: Say(lazy("{device} was told to erase itself, but is still talking.")),
    Verb.CERTIFICATE_RENEWED: Say(lazy("The certificate of {device} was renewed.")),
    Verb.CHANNEL_CLOSED: Say(lazy("A user of {device} is no longer managed.")),
    Verb.PUSH_TOKEN_DEAD: Say(lazy("{device} can no longer be woken.")),
    Verb.PIN_REVEALED: Say(
        lazy("{who} looked at the PIN of {device}."),
        lazy("You looked at the PIN of {device}."),
    ),
    Verb.CERTIFICATE_UPLOADED: Say(
        lazy("{who} uploaded a certificate for you: {what}."),
        lazy("You uploaded a certificate: {what}."),
        lazy("{who} uploaded a certificate: {what}."),
    ),
    Verb.CERTIFICATE_REPLACED: Say(
        lazy("{who} replaced a certificate of yours: {what}."),
        lazy("You replaced a certificate: {what}."),
        lazy("{who} replaced a certificate: {what}."),
    ),
    Verb.CERTIFICATE_NOTE_CHANGED: Say(
        lazy("{who} changed your note on a certificate: {what}."),
        lazy("You changed your note on a certificate: {what}."),
        lazy("{who} changed the note on a certificate: {what}."),
    ),
    Verb.CERTIFICATE_KEY_CLEARED: _key_cleared,
    Verb.CERTIFICATE_DELETED: Say(
        lazy("{who} deleted a certificate of yours: {what}."),
        lazy("You deleted a certificate: {what}."),
        lazy("{who} deleted a certificate: {what}."),
    ),
    Verb.CERTIFICATE_WITHDRAWN: Say(
        lazy("{who} took a certificate off your devices: {what}."),
        lazy("You took a certificate off your devices: {what}."),
        lazy("{who} took a certificate off their devices: {what}."),
    ),
    Verb.CERTIFICATE_DOWNLOADED: Say(
        lazy("A certificate of yours was downloaded with its private key: {what}."),
        lazy("You downloaded a certificate with its private key: {what}."),
        lazy("{who} downloaded a certificate with its private key: {what}."),
    ),
    Verb.CERTIFICATE_EXPIRES: Say(
        lazy("You were told that a certificate of yours expires: {what}."),
        theirs=lazy("A reminder went out that a certificate expires: {what}."),
    ),
    Verb.APPS_SEEN: Say(lazy("{who} looked at the list of apps of {device}.")),
    Verb.POSITION_SHARED: Say(lazy("{who} shared where {device} is."), lazy("You shared where {device} is.")),
    Verb.POSITION_SEEN: Say(lazy("{who} saw where {device} is."), lazy("You saw where {device} is.")),
    Verb.LOCATION_SWITCHED_ON: Say(
        lazy("{who} let your devices say where they are."),
        lazy("You let your devices say where they are."),
        lazy("{who} let their devices say where they are."),
    ),
    Verb.LOCATION_SWITCHED_OFF: Say(
        lazy("{who} no longer lets your devices say where they are."),
        lazy("You no longer let your devices say where they are. Their positions were deleted."),
        lazy("{who} no longer lets their devices say where they are."),
    ),
    Verb.REPORTER_MADE: Say(
        lazy("{who} let an app report where {device} is."), lazy("You let an app report where {device} is.")
    ),
    Verb.REPORTER_REMOVED: Say(
        lazy("{who} no longer lets an app report where {device} is."),
        lazy("You no longer let an app report where {device} is."),
    ),
    Verb.WIPE_APPROVED: Say(lazy("{who} allowed {device} to be wiped."), lazy("You allowed {device} to be wiped.")),
    Verb.INSTALLATION_RETRIED: Say(
        lazy("{who} sent a configuration to {device} again."),
        lazy("You sent a configuration to {device} again."),
    ),
}
"""What an account's history says, for each verb that can stand in one beside the actions on devices."""

OF_NO_PERSON: Final[Mapping[Verb, str]] = {
    Verb.SECRET_KEY_CHANGED: "about the installation",
    Verb.AUDIT_BEGUN_ANEW: "about the installation",
    Verb.SETTINGS_CHANGED: "about the organisation",
    Verb.SIGN_IN_RULES_CHANGED: "about the organisation",
    Verb.INVITATION_RULES_CHANGED: "about the organisation",
    Verb.APPROVAL_RULES_CHANGED: "about the organisation",
    **dict.fromkeys(
        (
            Verb.CHANGE_WAITS,
            Verb.CHANGE_APPROVED,
            Verb.CHANGE_DUE,
            Verb.CHANGE_STOPPED,
            Verb.CHANGE_REPLACED,
            Verb.CHANGE_DROPPED,
            Verb.CHANGE_FAILED,
        ),
        "about a change that waits: what comes of it has an entry of its own",
    ),
    Verb.POLICY_CREATED: "about a policy, whoever it reaches",
    Verb.POLICY_CHANGED: "about a policy, whoever it reaches",
    Verb.POLICY_MOVED: "about a policy, whoever it reaches",
    Verb.POLICY_DELETED: "about a policy, whoever it reaches",
    Verb.CONFIGURATION_CREATED: "about a configuration, whoever it reaches",
    Verb.CONFIGURATION_CHANGED: "about a configuration, whoever it reaches",
    Verb.CONFIGURATION_DELETED: "about a configuration, whoever it reaches",
    Verb.GROUP_CHANGED: "about a group: who joins or leaves has an entry of their own",
    Verb.GROUP_DELETED: "about a group: who joins or leaves has an entry of their own",
    Verb.LIST_EXPORTED: "about a whole list",
    Verb.BATCH_STARTED: "about many devices: each has an action of its own",
    Verb.BATCH_STOPPED: "about many devices: each has an action of its own",
    Verb.BATCH_ENDED: "about many devices: each has an action of its own",
    Verb.PUSH_CERTIFICATE_REQUESTED: "about the installation",
    Verb.PUSH_CERTIFICATE_INSTALLED: "about the installation",
    Verb.PUSH_CERTIFICATE_EXPIRES: "about the installation",
    Verb.CERTIFICATE_TYPE_CREATED: "about a type, whoever has a certificate of it",
    Verb.CERTIFICATE_TYPE_CHANGED: "about a type, whoever has a certificate of it",
    Verb.CERTIFICATE_TYPE_DELETED: "about a type: who loses a certificate has an entry of their own",
}
"""Verbs that never stand in a person's history, and why."""


def of_person(entry: Entry) -> Say | None:
    """What an account's history says, if it says anything."""
    said = OF_PEOPLE.get(Verb(entry.verb)) if entry.verb in _KNOWN else None
    return said(entry) if callable(said) else said


_KNOWN: Final = frozenset(str(verb) for verb in Verb)
"""An entry outlives its verb: one of an earlier version is left out."""


# Of devices: the histories of one device, which they do not name


def _registered(entry: Entry) -> Say:
    if entry.details.get("ownership") == Device.Ownership.PERSONAL:
        return Say(lazy("Registered as your own"), theirs=lazy("Registered as its owner’s"))
    return Say(lazy("Registered as the organisation’s"))


def _belongs(entry: Entry) -> Say:
    if entry.details.get("ownership") == Device.Ownership.PERSONAL:
        return Say(lazy("Noted as personal, by {who}"), lazy("Noted as personal, by you"))
    return Say(lazy("Noted as the organisation’s, by {who}"), lazy("Noted as the organisation’s, by you"))


def _erased(entry: Entry) -> Say:
    if is_presumed(entry):
        return Say(lazy("Counts as erased: it was told to erase itself and has not been heard of since"))
    return Say(lazy("Erased, which ended its management"))


OF_DEVICES: Final[Mapping[Verb, Say | Callable[[Entry], Say]]] = {
    Verb.DEVICE_REGISTERED: _registered,
    Verb.DEVICE_REGISTERED_AGAIN: Say(lazy("Registered again")),
    Verb.DEVICE_CONFIRMED: Say(lazy("Confirmed by {who}"), lazy("Confirmed by you")),
    Verb.DEVICE_CONFIRMATION_SENT: Say(
        lazy("{who} had the mail sent again that asks for its confirmation"),
        lazy("You had the mail sent again that asks for its confirmation"),
    ),
    Verb.DEVICE_DISOWNED: Say(lazy("{who} said that it isn’t theirs"), lazy("You said that it isn’t yours")),
    Verb.OWNERSHIP_CHANGED: _belongs,
    Verb.DEVICE_RETIRED: Say(lazy("Left management")),
    Verb.DEVICE_WIPED: _erased,
    Verb.DEVICE_HEARD_AFTER_WIPE: Say(lazy("Was told to erase itself, but is still talking: told again")),
    Verb.CERTIFICATE_RENEWED: Say(lazy("Its certificate was renewed")),
    Verb.CHANNEL_CLOSED: Say(lazy("One of its users is no longer managed")),
    Verb.PUSH_TOKEN_DEAD: Say(lazy("Can no longer be woken")),
    Verb.PIN_REVEALED: Say(lazy("PIN shown to {who}"), lazy("PIN shown to you")),
    Verb.INSTALLATION_RETRIED: Say(lazy("{who} sent a configuration again"), lazy("You sent a configuration again")),
    Verb.WIPE_APPROVED: Say(lazy("{who} allowed it to be wiped"), lazy("You allowed it to be wiped")),
    Verb.APPS_SEEN: Say(lazy("{who} looked at its list of apps")),
    Verb.POSITION_SHARED: Say(lazy("{who} shared where it is"), lazy("You shared where it is")),
    Verb.POSITION_SEEN: Say(lazy("{who} saw where it is"), lazy("You saw where it is")),
    Verb.REPORTER_MADE: Say(lazy("{who} let an app report where it is"), lazy("You let an app report where it is")),
    Verb.REPORTER_REMOVED: Say(
        lazy("{who} no longer lets an app report where it is"), lazy("You no longer let an app report where it is")
    ),
}
"""What a device's history says, for each verb that can stand in one beside the actions on it."""

OF_NO_DEVICE: Final[Mapping[str, str]] = {
    "sign_in": "about an account",
    "sign_out": "about an account",
    "access": "about an account",
    "person": "about an account",
    "secret_key": "about the installation",
    "audit": "about the installation",
    "settings": "about the organisation",
    "change": "about a change that waits: what comes of it has an entry of its own",
    "policy": "about a policy, whatever it reaches",
    "configuration": "about a configuration, whatever it reaches",
    "group": "about people",
    "list": "about a whole list",
    "batch": "about many devices: each has an action of its own",
    "invitation": "before there is a device",
    "ticket": "before there is a device",
    "terms": "before there is a device",
    "registration_pin": "before there is a device",
    "push_certificate": "about the installation",
    "certificate_type": "about what people may upload",
    "certificate": "about a person's own, whatever devices have it",
    "location": "about all devices of a person",
}
"""Subjects of verbs (what stands before their dot) that never stand in a device's history, and why."""


def of_device(entry: Entry) -> Say | None:
    """What a device's history says, if it says anything."""
    said = OF_DEVICES.get(Verb(entry.verb)) if entry.verb in _KNOWN else None
    return said(entry) if callable(said) else said


# What the details of an entry say


def _role(entry: Entry) -> str:
    labels = {str(value): str(label) for value, label in Person.Role.choices}
    before, after = (str(entry.details.get(name, "")) for name in ("before", "after"))
    return _("%(after)s, before %(before)s") % {
        "after": labels.get(after, after), "before": labels.get(before, before)
    }  # fmt: skip


def _groups(entry: Entry) -> str:
    joined, left = entry.details.get("joined"), entry.details.get("left")
    told = []
    if joined:
        told.append(_("joined %(groups)s") % {"groups": _names(joined)})
    if left:
        told.append(_("left %(groups)s") % {"groups": _names(left)})
    return _("; ").join(told)


def _names(groups: object) -> str:
    """Names; entries of earlier versions have their number only."""
    if not isinstance(groups, int):
        return str(groups)
    return ngettext("%(number)d group", "%(number)d groups", groups) % {"number": groups}


def _factor(entry: Entry) -> str:
    kind = str(entry.details.get("factor", ""))
    return _("everything that there was") if kind == "all" else {str(key): str(of) for key, of in KINDS.items()}[kind]


def _sessions(entry: Entry) -> str:
    number = int(entry.details.get("number", 1))
    return ngettext("%(number)d browser", "%(number)d browsers", number) % {"number": number}


def _codes(entry: Entry) -> str:
    left = int(entry.details.get("left", 0))
    if not left:
        return _("None is left.")
    return ngettext("%(number)d code is left.", "%(number)d codes are left.", left) % {"number": left}


def _certificate(entry: Entry) -> str:
    """Its type, and who issued it."""
    label, issuer = (str(entry.details.get(name, "")) for name in ("certificate", "issuer"))
    return _("%(certificate)s, issued by %(issuer)s") % {"certificate": label, "issuer": issuer} if issuer else label


WHAT: Final[Mapping[str, Callable[[Entry], str]]] = {
    Verb.CERTIFICATE_UPLOADED: _certificate,
    Verb.CERTIFICATE_REPLACED: _certificate,
    Verb.CERTIFICATE_NOTE_CHANGED: _certificate,
    Verb.CERTIFICATE_KEY_CLEARED: _certificate,
    Verb.CERTIFICATE_DELETED: _certificate,
    Verb.CERTIFICATE_WITHDRAWN: _certificate,
    Verb.CERTIFICATE_DOWNLOADED: _certificate,
    Verb.CERTIFICATE_EXPIRES: _certificate,
    Verb.ROLE_CHANGED: _role,
    Verb.GROUPS_CHANGED: _groups,
    Verb.FACTOR_ADDED: _factor,
    Verb.FACTOR_REMOVED: _factor,
    Verb.SESSION_ENDED: _sessions,
    Verb.RECOVERY_USED: _codes,
    Verb.PASSKEY_BEHIND: lambda entry: str(entry.details.get("name", "")),
}
"""What `{what}` is."""
