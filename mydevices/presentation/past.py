"""What happened, as people read it: one line per event, an action with what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Device, Registration
from mydevices.platforms.port import ActionKind
from mydevices.presentation import moments
from mydevices.presentation.present import called, took
from mydevices.registration.refusals import Refusal

_FROM: Final[frozenset[str]] = frozenset(
    {Verb.SIGNED_IN, Verb.SIGN_IN_FAILED, Verb.SIGN_IN_SLOWED, Verb.PASSWORD_FORGOTTEN, Verb.PASSWORD_CHANGED}
    | {Verb.EMAIL_CHANGE_ASKED, Verb.EMAIL_CHANGED, Verb.EMAIL_CHANGE_UNDONE}
)
"""Of these it is told where they came from."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened."""

    text: str
    when: datetime
    time: str
    outcome: str


_ENDS: Final[frozenset[Verb]] = frozenset(
    {Verb.ACTION_DONE, Verb.ACTION_FAILED, Verb.ACTION_CANCELLED, Verb.ACTION_EXPIRED, Verb.ACTION_VOID}
)


_PRESUMED: Final[frozenset[str]] = frozenset({Registration.Ending.UNREACHABLE, Registration.Ending.SILENT})
"""Why a life counts as ended though the device never said so."""


BESIDE: Final[frozenset[Verb]] = frozenset({*_ENDS, Verb.ACTION_RELEASED})
"""What is told with the action that it is about, and is no line of its own."""


def history(
    entries: Iterable[Entry],
    person: Person,
    now: datetime,
    *,
    names: Mapping[str, str] | None = None,
    beside: Iterable[Entry] = (),
) -> Sequence[Line]:
    """What happened, by anyone, newest first as the entries are. An action is one line: what became of it stands in a
    later entry, which comes before it here, or among those `beside`, newest first. `names` are those that the person's
    devices have now, by their id as text: an entry knows the name of its day, and of a registration none. Without
    `names` the page is about one device, which the lines then do not name."""
    ends: dict[str, Entry] = {}
    begun: dict[str, datetime] = {}
    lines = []
    for entry in chain(beside, entries):
        if entry.action_id and entry.verb in _ENDS:
            ends.setdefault(entry.action_id, entry)
        elif entry.verb == Verb.ACTION_RELEASED:
            begun[entry.action_id] = entry.at
        else:
            text = _sentence(entry, entry.actor_id == str(person.id), names)
            if text:
                end = ends.get(entry.action_id) if entry.action_id else None
                by = _outcome(entry, end, begun.get(entry.action_id, entry.at))
                lines.append(Line(text, entry.at, moments.moment(entry.at, now), by))
    return lines


def _outcome(entry: Entry, end: Entry | None, begun: datetime) -> str:
    if entry.verb in _FROM:
        return _("From %(address)s") % {"address": entry.address} if entry.address else ""
    if entry.verb != Verb.ACTION_REQUESTED:
        return ""
    if end is None:
        return _("Under way")
    reason = str(end.details.get("reason", ""))
    if end.verb == Verb.ACTION_DONE and reason in _PRESUMED:
        return _("Counts as done: not heard of since")
    return {
        Verb.ACTION_DONE.value: _("Done %(took)s") % {"took": took(begun, end.at)},
        Verb.ACTION_FAILED.value: _("Failed: %(reason)s") % {"reason": reason} if reason else _("Failed"),
        Verb.ACTION_CANCELLED.value: _("Cancelled before it was sent"),
        Verb.ACTION_EXPIRED.value: _("Expired, the device did not ask in time"),
        Verb.ACTION_VOID.value: _("Dropped: %(reason)s") % {"reason": reason}
        if reason
        else _("Dropped, the registration had ended"),
    }[end.verb]


def _sentence(entry: Entry, mine: bool, names: Mapping[str, str] | None) -> SafeString:
    """What an entry says, or nothing when it is not for people."""
    one_device = names is None
    if entry.verb == Verb.ACTION_REQUESTED:
        text = _sentence_of_action(str(entry.details.get("action", "")), mine, one_device=one_device)
    elif one_device:
        text = _sentence_of_device(entry, mine)
    elif entry.verb == Verb.TICKET_REFUSED:
        return format_html(_("{device} was refused: {reason}"), device=_device(entry, names), reason=_reason(entry))
    else:
        text = _sentence_of_person(entry, mine)
    who = "MyDevices" if entry.actor_kind == "system" else entry.actor_name
    if not text:
        return SafeString()
    said = format_html(text, who=who, device=_device(entry, names))
    why = _why(entry)
    return format_html(_("{said} Reason: “{why}”"), said=said, why=why) if why else said


def _device(entry: Entry, names: Mapping[str, str] | None) -> SafeString:
    name = (names or {}).get(entry.device_id) or entry.device_name or _("A new device")
    return format_html("<b>{}</b>", name)


def _reason(entry: Entry) -> str:
    """Why a policy let a device in no further, and which."""
    details = {name: value for name, value in entry.details.items() if name != "ticket"}
    refusal = Refusal.read(details)
    decided = _("The policy “%(policy)s” decides this.") % {"policy": refusal.policy} if refusal.policy else ""
    return f"{refusal.reason()} {decided}".strip()


def _why(entry: Entry) -> str:
    """What somebody said who acted on a device that is not theirs; empty for its owner."""
    return str(entry.details.get("reason", "")) if entry.verb == Verb.ACTION_REQUESTED else ""


def _sentence_of_action(kind: str, mine: bool, *, one_device: bool) -> str:
    if one_device:
        return (_("%(action)s, by you") if mine else _("%(action)s, by {who}")) % {"action": called(kind)}
    if mine:
        return {
            ActionKind.LOCK.value: _("You asked to lock {device}."),
            ActionKind.UNLOCK.value: _("You asked to unlock {device}."),
            ActionKind.WIPE.value: _("You asked to wipe {device}."),
            ActionKind.RETIRE.value: _("You asked to retire {device}."),
            ActionKind.CHECK_IN.value: _("You asked {device} to check in."),
        }.get(kind, "")
    return {
        ActionKind.LOCK.value: _("{who} asked to lock {device}."),
        ActionKind.UNLOCK.value: _("{who} asked to unlock {device}."),
        ActionKind.WIPE.value: _("{who} asked to wipe {device}."),
        ActionKind.RETIRE.value: _("{who} asked to retire {device}."),
        ActionKind.CHECK_IN.value: _("{who} asked {device} to check in."),
    }.get(kind, "")


def _sentence_of_device(entry: Entry, mine: bool) -> str:
    personal = entry.details.get("ownership") == Device.Ownership.PERSONAL
    registered = _("Registered as your own") if personal else _("Registered as the organisation’s")
    presumed = entry.details.get("reason") in _PRESUMED
    return {
        Verb.DEVICE_REGISTERED.value: registered,
        Verb.DEVICE_REGISTERED_AGAIN.value: _("Registered again"),
        Verb.DEVICE_RETIRED.value: _("Left management"),
        Verb.DEVICE_WIPED.value: _("Counts as erased: it was told to erase itself and has not been heard of since")
        if presumed
        else _("Erased, which ended its management"),
        Verb.DEVICE_HEARD_AFTER_WIPE.value: _("Was told to erase itself, but is still talking: told again"),
        Verb.CERTIFICATE_RENEWED.value: _("Its certificate was renewed"),
        Verb.PUSH_TOKEN_DEAD.value: _("Can no longer be woken"),
        Verb.PIN_REVEALED.value: _("PIN shown to you") if mine else _("PIN shown to {who}"),
    }.get(entry.verb, "")


def _sentence_of_person(entry: Entry, mine: bool) -> str:
    if mine:
        own = {
            Verb.PIN_REVEALED.value: _("You looked at the PIN of {device}."),
            Verb.TICKET_OPENED.value: _("You opened a registration."),
            Verb.TICKET_REVOKED.value: _("You closed a registration."),
            Verb.TERMS_ACCEPTED.value: _("You accepted the terms of service."),
            Verb.REGISTRATION_PIN_ISSUED.value: _("You asked for a new registration PIN."),
            Verb.SIGNED_IN.value: _("You signed in."),
            Verb.PASSWORD_CHANGED.value: _("You changed your password."),
            Verb.PERSON_CHANGED.value: _("You changed your name."),
            Verb.PREFERENCES_CHANGED.value: _("You changed your preferences."),
            Verb.EMAIL_CHANGE_ASKED.value: _("You asked for another e-mail address."),
            Verb.EMAIL_CHANGE_DROPPED.value: _("You kept your e-mail address."),
            Verb.EMAIL_CHANGED.value: _("You confirmed your new e-mail address."),
            Verb.EMAIL_CHANGE_UNDONE.value: _("You went back to your old e-mail address, and every session ended."),
        }.get(entry.verb, "")
        if own:
            return own
    return {
        Verb.DEVICE_REGISTERED.value: _("{device} was registered."),
        Verb.DEVICE_REGISTERED_AGAIN.value: _("{device} was registered again."),
        Verb.DEVICE_RETIRED.value: _("{device} left management."),
        Verb.DEVICE_WIPED.value: _("{device} was told to erase itself and has not been heard of since.")
        if entry.details.get("reason") in _PRESUMED
        else _("{device} was erased."),
        Verb.DEVICE_HEARD_AFTER_WIPE.value: _("{device} was told to erase itself, but is still talking."),
        Verb.PUSH_TOKEN_DEAD.value: _("{device} can no longer be woken."),
        Verb.PIN_REVEALED.value: _("{who} looked at the PIN of {device}."),
        Verb.TICKET_OPENED.value: _("{who} opened a registration for you."),
        Verb.TICKET_REVOKED.value: _("{who} closed a registration of yours."),
        Verb.REGISTRATION_PIN_ISSUED.value: _("{who} sent you a registration PIN.")
        if entry.actor_kind != "anonymous"
        else _("Somebody asked for a new registration PIN for you."),
        Verb.REGISTRATION_PIN_WITHHELD.value: _("Somebody asked for a registration PIN for you, and got none."),
        Verb.REGISTRATION_PIN_WRONG.value: _("Somebody typed a wrong registration PIN for you."),
        Verb.REGISTRATION_PIN_LOCKED.value: _("Your registration PIN was locked: too many wrong tries."),
        Verb.SIGN_IN_FAILED.value: _("Somebody tried to sign in as you."),
        Verb.SIGN_IN_SLOWED.value: _("Somebody tried to sign in as you so often that they have to wait."),
        Verb.SIGNED_OUT_IDLE.value: _("You were signed out, because nothing was opened for some time."),
        Verb.PASSWORD_FORGOTTEN.value: _("Somebody asked for a new password for you."),
        Verb.PASSWORD_CHANGED.value: _("{who} changed your password."),
        Verb.PERSON_CHANGED.value: _("{who} changed your name."),
        Verb.EMAIL_CHANGE_ASKED.value: _("{who} asked for another e-mail address for you."),
        Verb.EMAIL_CHANGE_DROPPED.value: _("{who} kept your e-mail address."),
    }.get(entry.verb, "")
