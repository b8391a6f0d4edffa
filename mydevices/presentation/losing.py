"""What to do about a lost device, step by step, and how far that is: as the device says, not as somebody clicked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.actions import ActionKind
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.location.selectors import Permission
from mydevices.port.actions import Capability
from mydevices.presentation import moments
from mydevices.presentation.device_cards import Button, action_address, cancel_button
from mydevices.presentation.device_looks import appearance, noun
from mydevices.presentation.device_status import NEWS, status

GUIDE: Final = "guide"
"""In the address of a question: it was asked from these steps, and leads back to them."""


@dataclass(frozen=True, slots=True)
class LossStep:
    """One thing to do. `state` is "done", "now" (the next to do, or waited for) or nothing; `told` says how it stands,
    `text` what it is for."""

    key: str
    title: str
    state: str
    text: str = ""
    told: str = ""
    buttons: Sequence[Button] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Known:
    """What the steps are told from: the device's actions, newest first, what can be done to it now, whether positions
    may be kept, and when the newest was measured."""

    device: Device
    recent: Sequence[Progress]
    possible: Mapping[ActionKind, Capability]
    permission: Permission
    position_at: datetime | None
    now: datetime

    def newest(self, kind: ActionKind) -> Progress | None:
        """The newest action of this kind that was not called off."""
        gone = {State.CANCELLED, State.VOID}
        return next((one for one in self.recent if one.action.kind == kind and one.state not in gone), None)

    def can(self, kind: ActionKind) -> bool:
        return kind in self.possible and self.possible[kind].possible

    def reason(self, kind: ActionKind) -> str:
        return self.possible[kind].reason if kind in self.possible else ""


def steps(known: Known) -> Sequence[LossStep]:
    """Lock it, see where it is, and, if it stays lost, wipe it. Calling the helpdesk stands between, on the page."""
    secure, where, wipe = _secure(known), _where(known), _wipe(known)
    return [secure, where, wipe]


def guide(device: Device) -> str:
    return reverse("portal:lost_device", args=[device.id])


def _asked(device: Device, kind: ActionKind) -> str:
    return f"{action_address(device, kind)}?{GUIDE}"


def _secure(known: Known) -> LossStep:
    device, what = known.device, noun(known.device)
    told: str
    lost, lock = known.newest(ActionKind.LOST), known.newest(ActionKind.LOCK)
    marks = known.can(ActionKind.LOST) or device.is_lost
    title = _("Mark it as lost") if marks else _("Lock it")
    if _has_gone(device):
        return LossStep("secure", title, "", told=status(device, None, known.now).text)
    if device.is_lost:
        if lost is None or lost.state == State.DONE:
            when = moments.at(device.lost_since or known.now, known.now)
            told = format_html(_("Marked as lost {when}. It is locked and shows your message."), when=when)
            return LossStep("secure", title, "done", told=told)
        return LossStep("secure", title, "now", told=_waits(lost, what))
    buttons = []
    if known.can(ActionKind.LOST):
        label = _("Mark %(noun)s as lost…") % {"noun": what}
        buttons.append(Button(label, _asked(device, ActionKind.LOST), dialog=True, tone="main"))
    if known.can(ActionKind.LOCK) and (lock is None or not lock.is_open):
        label = _("Lock %(noun)s…") % {"noun": what}
        tone = "" if buttons else "main"
        buttons.append(Button(label, _asked(device, ActionKind.LOCK), dialog=True, tone=tone))
    text = (
        _("It locks itself, shows a message with your phone number, and stays locked until you say that you found it.")
        if known.can(ActionKind.LOST)
        else _("Nobody can use it without its passcode. A message with your phone number can stand on its screen.")
    )
    if lock is not None and lock.is_open:
        return LossStep("secure", title, "now", told=_waits(lock, what), buttons=buttons)
    locked_at = _locked_at(known, lock)
    if locked_at is not None:
        told = format_html(_("Locked {when}."), when=moments.at(locked_at, known.now))
        # Whoever found it may know its passcode, so it can be locked once more; a computer has one lock at a time.
        more = buttons if known.can(ActionKind.LOST) else [replace(button, tone="") for button in buttons]
        return LossStep("secure", title, "done", told=told, buttons=more)
    told = ""
    if lock is not None and lock.state == State.FAILED and lock.finished_at and known.now - lock.finished_at < NEWS:
        told = _("The last try failed: %(reason)s") % {"reason": lock.error or _("The device gave no reason.")}
    if not buttons:
        return LossStep("secure", title, "", text=known.reason(ActionKind.LOCK) or known.reason(ActionKind.LOST))
    return LossStep("secure", title, "now", text=text, told=told, buttons=buttons)


def _locked_at(known: Known, lock: Progress | None) -> datetime | None:
    """When it was locked, if it still is as far as anybody can tell: a computer until its PIN was typed, a phone for a
    day, unless it was unlocked from here since."""
    if appearance(known.device).has_pins:
        return known.device.pin_locked_at if known.device.waits_for_pin else None
    if lock is None or lock.state != State.DONE or lock.finished_at is None or known.now - lock.finished_at >= NEWS:
        return None
    opened = known.newest(ActionKind.UNLOCK)
    is_open = opened is not None and opened.action.requested_at > lock.action.requested_at
    return None if is_open else lock.finished_at


def _waits(progress: Progress, what: str) -> str:
    if progress.state in {State.FAILED, State.EXPIRED}:
        return _("The %(noun)s did not do it: %(reason)s") % {
            "noun": what,
            "reason": progress.error or _("The device gave no reason."),
        }
    return _("Asked for. The %(noun)s does it as soon as it is on and has a network.") % {"noun": what}


def _where(known: Known) -> LossStep:
    device, what = known.device, noun(known.device)
    told: str
    title = _("See where it is")
    if _has_gone(device):
        return LossStep("where", title, "", text=_("Nothing more is heard of it."))
    look = Button(_("Where it is"), reverse("portal:where", args=[device.id]), tone="main" if device.is_lost else "")
    since = device.lost_since or known.now - NEWS
    if known.position_at is not None and known.position_at >= since:
        told = format_html(_("It said where it is {when}."), when=moments.ago(known.position_at, known.now))
        return LossStep("where", title, "done", told=told, buttons=[look])
    if not known.permission.may_collect and (device.is_lost or known.can(ActionKind.LOST)):
        quiet = replace(look, tone="")
        return LossStep("where", title, "", text=known.permission.reason, buttons=[quiet])
    if device.is_lost:
        told = _("The %(noun)s has not said yet where it is. It does so as soon as it is on and has a network.")
        return LossStep("where", title, "now", told=told % {"noun": what}, buttons=[look])
    if known.can(ActionKind.LOST):
        return LossStep("where", title, "", text=_("Once it is marked as lost, it is asked where it is."))
    told = ""
    if known.position_at is not None:
        when = moments.ago(known.position_at, known.now)
        told = format_html(_("It said where it is {when}."), when=when)
    return LossStep("where", title, "", text=known.reason(ActionKind.LOST), told=told, buttons=[look])


def _wipe(known: Known) -> LossStep:
    device, what = known.device, noun(known.device)
    title = _("If it stays lost, wipe it")
    wipe = known.newest(ActionKind.WIPE)
    registration = device.registration
    if registration is not None and registration.state == Registration.State.WIPED:
        return LossStep("wipe", title, "done", told=status(device, None, known.now).text)
    if _has_gone(device):
        return LossStep("wipe", title, "", text=known.reason(ActionKind.WIPE))
    if wipe is not None and wipe.is_open:
        undo = cancel_button(wipe)
        buttons = [replace(undo, url=f"{undo.url}?{GUIDE}")] if wipe.can_be_cancelled else []
        return LossStep("wipe", title, "now", told=status(device, wipe, known.now).text, buttons=buttons)
    if not known.can(ActionKind.WIPE):
        buttons = []
        if known.can(ActionKind.RETIRE):
            label = _("Retire %(noun)s…") % {"noun": what}
            buttons.append(Button(label, _asked(device, ActionKind.RETIRE), dialog=True))
        return LossStep("wipe", title, "", text=known.reason(ActionKind.WIPE), buttons=buttons)
    text = _("Everything on it is erased, and it can no longer be found. You confirm who you are first.")
    label = _("Wipe %(noun)s…") % {"noun": what}
    button = Button(label, _asked(device, ActionKind.WIPE), dialog=True, tone="danger")
    return LossStep("wipe", title, "", text=text, buttons=[button])


def _has_gone(device: Device) -> bool:
    return device.registration is None or device.registration.has_ended
