"""What happened, as people read it: one line per event, an action with what became of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from itertools import chain
from typing import Final

from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.presentation import moments, sentences
from mydevices.presentation.actions import called, words_of
from mydevices.presentation.timelines import took
from mydevices.registration.refusals import Refusal

_FROM: Final[frozenset[str]] = frozenset(
    {
        Verb.SIGNED_IN,
        Verb.SIGNED_IN_LIMITED,
        Verb.SIGN_IN_FAILED,
        Verb.SIGN_IN_SLOWED,
        Verb.PASSWORD_FORGOTTEN,
        Verb.PASSWORD_CHANGED,
    }
    | {Verb.EMAIL_CHANGE_ASKED, Verb.EMAIL_CHANGED, Verb.EMAIL_CHANGE_UNDONE, Verb.INVITATION_ACCEPTED}
    | {Verb.FACTORS_SETTLED, Verb.FACTOR_REMOVAL_ASKED}
    | {Verb.FACTOR_ADDED, Verb.FACTOR_REMOVED, Verb.RECOVERY_USED, Verb.PASSKEY_BEHIND, Verb.SESSION_ENDED}
    | {Verb.REGISTRATION_PIN_WRONG, Verb.REGISTRATION_PIN_WITHHELD, Verb.TERMS_ACCEPTED}
)
"""Of these it is told where they came from, unless somebody else with a name did them: they have told who they are."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened."""

    text: str
    when: datetime
    time: str
    outcome: str


_ENDS: Final[frozenset[Verb]] = frozenset(
    {Verb.ACTION_DONE, Verb.ACTION_FAILED, Verb.ACTION_CANCELLED, Verb.ACTION_EXPIRED, Verb.ACTION_VOID}
    | {Verb.WIPE_REFUSED}
)


BESIDE: Final[frozenset[Verb]] = frozenset({*_ENDS, Verb.ACTION_RELEASED})
"""What is told with the action that it is about, and is no line of its own."""


def history(
    entries: Iterable[Entry],
    person: Person,
    now: datetime,
    *,
    names: Mapping[str, str] | None = None,
    beside: Iterable[Entry] = (),
    about: Person | None = None,
) -> Sequence[Line]:
    """What happened, by anyone, newest first as the entries are. An action is one line: what became of it stands in a
    later entry, which comes before it here, or among those `beside`, newest first. `names` are those that the person's
    devices have now, by their id as text: an entry knows the name of its day, and of a registration none. Without
    `names` the page is about one device, which the lines then do not name. `person` reads it, of themselves, or at the
    console of somebody, or of their device: `about`."""
    return [
        Line(text, entry.at, moments.moment(entry.at, now), outcome)
        for entry, text, outcome in _told(chain(beside, entries), person, names, about)
    ]


def records(entries: Iterable[Entry], person: Person, *, names: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The same as a file has it: a record for each line, of all entries, newest first. `names` as in `history`; each
    record names its device."""
    labels = {str(value): str(label) for value, label in Person.Role.choices}
    for entry, text, outcome in _told(entries, person, names, None):
        yield {
            "time": entry.at.astimezone(UTC).isoformat(timespec="seconds"),
            "who": _("You") if entry.actor_id == str(person.id) else _who(entry),
            "role": labels.get(entry.actor_role, ""),
            "what": unescape(strip_tags(text)),
            "device": names.get(entry.device_id) or entry.device_name,
            "outcome": unescape(strip_tags(outcome)),
            "reason": _why(entry),
            "event": entry.verb,
        }


def _told(
    entries: Iterable[Entry], person: Person, names: Mapping[str, str] | None, about: Person | None
) -> Iterator[tuple[Entry, SafeString, str]]:
    """Each entry that is a line, with what it says and what became of it."""
    ends: dict[str, Entry] = {}
    begun: dict[str, datetime] = {}
    for entry in entries:
        if entry.action_id and entry.verb in _ENDS:
            ends.setdefault(entry.action_id, entry)
        elif entry.verb == Verb.ACTION_RELEASED:
            begun[entry.action_id] = entry.at
        else:
            text = _sentence(entry, person, names, about)
            if text:
                end = ends.get(entry.action_id) if entry.action_id else None
                yield entry, text, _outcome(entry, end, begun.get(entry.action_id, entry.at))


def _outcome(entry: Entry, end: Entry | None, begun: datetime) -> str:
    if entry.verb in _FROM:
        is_known = entry.actor_kind != "person" or entry.actor_id == entry.person_id
        return _("From %(address)s") % {"address": entry.address} if entry.address and is_known else ""
    if entry.verb != Verb.ACTION_REQUESTED:
        return ""
    if end is None:
        return _("Under way")
    reason = str(end.details.get("reason", ""))
    if end.verb == Verb.ACTION_DONE and sentences.is_presumed(end):
        return _("Counts as done: not heard of since")
    return {
        Verb.ACTION_DONE.value: _("Done %(took)s") % {"took": took(begun, end.at)},
        Verb.ACTION_FAILED.value: _("Failed: %(reason)s") % {"reason": reason} if reason else _("Failed"),
        Verb.ACTION_CANCELLED.value: _("Cancelled before it was sent"),
        Verb.WIPE_REFUSED.value: _refused(end),
        Verb.ACTION_EXPIRED.value: _("Expired, the device did not ask in time"),
        Verb.ACTION_VOID.value: _("Dropped: %(reason)s") % {"reason": reason}
        if reason
        else _("Dropped, the registration had ended"),
    }[end.verb]


def _refused(end: Entry) -> str:
    """What became of a wipe beyond the limits, which an administrator did not let go."""
    if end.actor_kind == "system":
        return _("Not sent: no administrator decided in time")
    return _("Refused by %(who)s: %(reason)s") % {"who": _who(end), "reason": end.details.get("reason", "")}


def _sentence(entry: Entry, reader: Person, names: Mapping[str, str] | None, about: Person | None) -> SafeString:
    """What an entry says, or nothing when it is not for people."""
    one_device, mine = names is None, entry.actor_id == str(reader.id)
    if entry.verb == Verb.ACTION_REQUESTED:
        text = _sentence_of_action(str(entry.details.get("action", "")), mine, one_device=one_device)
    else:
        said = sentences.of_device(entry) if one_device else sentences.of_person(entry)
        others = about is not None and about != reader
        text = _in_words_for(said, mine=mine, others=others, one_device=one_device) if said else ""
    if not text:
        return SafeString()
    what = ""
    if entry.verb == Verb.TICKET_REFUSED:
        what = _reason(entry)
    elif entry.verb in sentences.WHAT:
        what = sentences.WHAT[entry.verb](entry)
    said_so = format_html(text, who=_who(entry), device=_device(entry, names), what=what)
    why = _why(entry)
    return format_html(_("{said} Reason: “{why}”"), said=said_so, why=why) if why else said_so


def _in_words_for(said: sentences.Say, *, mine: bool, others: bool, one_device: bool) -> str:
    if others:
        # What somebody did themselves to their own account speaks of it as theirs; what they did to a device does not.
        return str(said.theirs or (said.own if mine and one_device else "") or said.yours)
    return str((said.own if mine else "") or said.yours)


def _who(entry: Entry) -> str:
    if entry.actor_kind == "system":
        return "MyDevices"
    return entry.actor_name or _("Somebody")


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
    given = {Verb.ACTION_REQUESTED, Verb.WIPE_APPROVED, Verb.OWNERSHIP_CHANGED, Verb.POSITION_SEEN}
    return str(entry.details.get("reason", "")) if entry.verb in given else ""


def _sentence_of_action(kind: str, mine: bool, *, one_device: bool) -> str:
    if one_device:
        return (_("%(action)s, by you") if mine else _("%(action)s, by {who}")) % {"action": called(kind)}
    try:
        words = words_of(kind)
    except ValueError:  # of an earlier version
        return ""
    return str(words.by_reader if mine else words.by_other)
