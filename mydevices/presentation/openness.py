"""What the organisation sees of a device, has set up on it and may do to it, as its owner reads it. Asks the database
nothing: views hand over what they have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.applications import selectors as applications
from mydevices.applications.models import Listing
from mydevices.configurations.models import Installation
from mydevices.devices.models import Device
from mydevices.location.selectors import Permission
from mydevices.policies.kinds.privacy import OFF, ON, Privacy
from mydevices.policies.selectors import Effective
from mydevices.port.actions import Capability
from mydevices.presentation import device_facts, device_looks, moments
from mydevices.presentation.actions import WORDS
from mydevices.presentation.device_cards import Button


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that the organisation can or cannot see, has set up, or may do. `chip` says it in a word, and `tone`
    colours it; `read` is when it was last looked at or read."""

    icon: str
    title: str
    chip: str
    text: str = ""
    read: str = ""
    tone: str = ""
    link: Button | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Sights under one heading. `text` introduces them, or says that there are none."""

    key: str
    title: str
    sights: Sequence[Sight]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a page has found out about a device. `position_at` is when the newest position that is kept was measured."""

    privacy: Effective[Privacy]
    allowed: Permission
    position_at: datetime | None
    apps: Listing | None
    installations: Sequence[Installation]
    others: Mapping[ActionKind, Capability]
    """What administrators may do (`commands.capabilities.of_others`)."""


def groups(device: Device, known: Known, *, organisation: str, now: datetime) -> Sequence[Group]:
    """Everything there is to be open about, in the order in which people ask."""
    if device.registration is not None and device.registration.has_ended:
        text = _("Management has ended. Facts and history here are what was read before.")
        return [Group("seen", _("What it sees"), [Sight("unseen", _("Nothing new"), _("Ended"), text)])]
    return [
        Group("seen", _("What it sees"), _seen(device, known, now)),
        _set_up(known.installations, organisation),
        _may_do(device, known, organisation),
        Group("never", _("What nobody sees"), _never(device)),
    ]


def _seen(device: Device, known: Known, now: datetime) -> Sequence[Sight]:
    inventory = device_facts.inventory_of(device)
    read = _read(inventory.collected_at if inventory else None, now)
    return [
        Sight("eye", _("Name, model, system, serial number"), _("Always"), _("Read at every check-in."), read),
        Sight(
            "eye",
            _("Passcode and encryption"),
            _("Always"),
            _("Whether a passcode is set and storage is encrypted. Not the passcode."),
            read,
        ),
        Sight("eye", _("Profiles and certificates"), _("Always"), _("The names of those that are installed."), read),
        _position(device, known, now),
        _apps(device, known, now),
    ]


def _apps(device: Device, known: Known, now: datetime) -> Sight:
    title, listing, rules = _("Your apps"), known.apps, known.privacy
    scope = applications.scope_of(rules)
    if not scope:
        text = _by(_("Nobody asks which are installed."), _("The policy “%(policy)s” says so."), rules)
        return Sight("unseen", title, _("Off"), text)
    refusal = applications.refusal(device)
    if refusal:
        return Sight("unseen", title, _("Not possible"), refusal)
    told = told_of_apps(scope)
    text = _by(told, _("The policy “%(policy)s” says so."), rules)
    read = _read(listing.read_at if listing and listing.scope == scope else None, now)
    link = Button(_("See the list"), reverse("portal:apps", args=[device.id]))
    chip = _("All apps") if scope == Listing.Scope.ALL else _("Managed apps")
    return Sight("eye", title, chip, text, read, link=link)


def told_of_apps(scope: str) -> str:
    """What is read of the apps of a device."""
    return {
        Listing.Scope.MANAGED.value: _("Those that the organisation installed, once a day: name, version and size."),
        Listing.Scope.ALL.value: _("All that are installed, once a day: name, version and size. Not what is in them."),
    }.get(scope, _("Nobody asks which are installed."))


def _read(when: datetime | None, now: datetime) -> str:
    if when is None:
        return _("Not read yet")
    return format_html(_("Last read {when}"), when=moments.ago(when, now))


def _by(text: str, decided: str, rules: Effective[Privacy]) -> str:
    """With the policy's word, where one decides."""
    return f"{text} {decided % {'policy': rules.policy_name}}" if rules.policy_id else text


def _position(device: Device, known: Known, now: datetime) -> Sight:
    what = {"noun": device_looks.noun(device)}
    title, rules = _("Position"), known.privacy
    link = Button(_("Where it is"), reverse("portal:where", args=[device.id]))
    if rules.values.location == OFF:
        text = _("Nobody asks the %(noun)s where it is, and no position is kept.") % what
        return Sight("unseen", title, _("Never"), _by(text, _("The policy “%(policy)s” forbids it."), rules))
    kept = (
        format_html(_("The newest that is kept is from {when}"), when=moments.ago(known.position_at, now))
        if known.position_at
        else _("None is kept now")
    )
    if rules.values.location == ON:
        text = _("Asked when the %(noun)s is marked lost. You see who has looked.") % what
        told = _by(text, _("The policy “%(policy)s” says so."), rules)
        return Sight("eye", title, _("When lost"), told, kept, link=link)
    decided = _("The policy “%(policy)s” leaves it to you.")
    if known.allowed.may_collect:
        text = _by(_("You have switched it on, and can switch it off. You see who has looked."), decided, rules)
        return Sight("eye", title, _("On, your choice"), text, kept, link=link)
    text = _by(_("Kept only while you have switched it on. You see who has looked."), decided, rules)
    return Sight("unseen", title, _("Off, your choice"), text, link=link)


_STATES: Final[Mapping[str, tuple[str, str]]] = {
    Installation.State.PENDING: ("clock", ""),
    Installation.State.INSTALLED: ("check", ""),
    Installation.State.FAILED: ("alert", "warn"),
    Installation.State.REMOVING: ("undo", ""),
}
"""Icon and tone of what has been set up. What has been removed is not there."""


def _set_up(installations: Sequence[Installation], organisation: str) -> Group:
    words = {
        Installation.State.PENDING.value: _("On its way"),
        Installation.State.INSTALLED.value: _("Installed"),
        Installation.State.FAILED.value: _("Failed"),
        Installation.State.REMOVING.value: _("Being removed"),
    }
    sights = [
        Sight(
            *(_STATES[row.state][:1]),
            title=row.name,
            chip=words[row.state],
            text=row.reason,
            tone=_STATES[row.state][1],
        )
        for row in installations
        if row.state in _STATES
    ]
    text = "" if sights else _("Nothing: %(organisation)s has sent it no configuration.")
    return Group("set-up", _("What it has set up"), sights, text % {"organisation": organisation} if text else "")


def _may_do(device: Device, known: Known, organisation: str) -> Group:
    sights = [_power(kind, known) for kind, words in WORDS.items() if words.meaning and kind in known.others]
    sights.sort(key=lambda sight: sight.icon == "minus")
    if device_looks.appearance(device).has_pins:
        text = _("The PINs of a locked %(noun)s are shown to you only.") % {"noun": device_looks.noun(device)}
        sights.append(Sight("minus", _("See its PIN"), _("Never"), text))
    text = _(
        "Administrators of %(organisation)s, and its helpdesk for all but Retire and Wipe. They give a reason, and you "
        "read it in the history."
    )
    return Group("powers", _("What its administrators may do"), sights, text % {"organisation": organisation})


def _power(kind: ActionKind, known: Known) -> Sight:
    capability = known.others[kind]
    reason, policy = capability.reason, capability.policy
    words = WORDS[kind]
    if kind == ActionKind.LOCATE and not reason and not known.allowed.may_collect:
        reason, policy = known.allowed.reason, known.allowed.policy
    if reason:
        return Sight("minus", str(words.title), _("Not allowed") if policy else _("Not possible"), reason)
    return Sight(words.icon, str(words.title), _("Allowed"), str(words.meaning))


def _never(device: Device) -> Sequence[Sight]:
    what = {"noun": device_looks.noun(device)}
    return [
        Sight(
            "unseen",
            _("Messages, photos, browsing"),
            _("Never"),
            _("Management of a device gives no way to read these."),
        ),
        Sight("unseen", _("Your passcode"), _("Never"), _("It never leaves the %(noun)s.") % what),
    ]
