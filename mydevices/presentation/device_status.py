"""How a device is now: the one line that matters most, and the face that its card and page begin with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.actions import ActionKind, rules_of
from mydevices.commands.models import Action
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.presentation import moments
from mydevices.presentation.actions import words_of
from mydevices.presentation.device_looks import Drawing, appearance, drawing, line_of, name_of, noun, whose

SILENT: Final = timedelta(days=7)
"""After this long without a word a device needs its person."""


UNANSWERED: Final = timedelta(minutes=10)
"""After this long a device that was told to erase itself is not just taking its time."""


NEWS: Final = timedelta(days=1)
"""How long a lock or a failure is what a device's status line tells."""


@dataclass(frozen=True, slots=True)
class Status:
    """One line on how a device is. `tone`: "ok", "warn", "danger" or nothing; `screen` is what its silhouette shows."""

    icon: str
    text: str
    tone: str = ""
    screen: str = ""

    @property
    def needs_you(self) -> bool:
        return self.tone in {"warn", "danger"}


@dataclass(frozen=True, slots=True)
class Face:
    """A device as its card and the head of its page show it."""

    id: UUID
    name: str
    noun: str
    line: str
    whose: str
    drawing: Drawing
    status: Status
    has_pins: bool


def telling(recent: Sequence[Progress]) -> Progress | None:
    """The action that says most about how a device is now: what is under way, else the newest that was not called off.
    A check in says nothing of a lock before it, nor does a sound."""
    running = [progress for progress in recent if progress.is_open]
    asked = [progress for progress in running if not rules_of(progress.action.kind).is_quiet] or running
    ended = [progress for progress in recent if progress.state in {State.DONE, State.FAILED, State.EXPIRED}]
    lasting = [progress for progress in ended if not rules_of(progress.action.kind).is_quiet]
    return next(iter([*asked, *lasting, *ended]), None)


def face(device: Device, newest: Progress | None, *, organisation: str, now: datetime) -> Face:
    shown = status(device, newest, now)
    held = newest.action.held_until if newest and newest.state == State.HELD else None
    of = int((held - newest.action.requested_at).total_seconds()) if newest and held else 0
    return Face(
        id=device.id,
        name=name_of(device),
        noun=noun(device),
        line=line_of(device),
        whose=whose(device, organisation),
        drawing=drawing(device, shown.screen, held, now, of),
        status=shown,
        has_pins=appearance(device).has_pins,
    )


def status(device: Device, newest: Progress | None, now: datetime) -> Status:
    """The one line that matters most now."""
    registration = device.registration
    what = noun(device)
    text: str
    if registration is None or registration.state == Registration.State.PENDING:
        return Status("clock", _("Registering, waiting for the %(noun)s") % {"noun": what}, screen="clock")
    if registration.has_ended:
        return _status_of_the_gone(registration, now)
    # The check-in that follows a registration doesn't hide whose word it waits for.
    says_little = registration.keys_held and newest is not None and newest.action.kind == ActionKind.CHECK_IN
    if newest is not None and newest.is_open and not says_little:
        return _status_of_the_busy(newest, what, now)
    if device.lost_since is not None:
        return Status(
            "pin", format_html(_("Marked as lost {when}"), when=moments.at(device.lost_since, now)), "warn", "pin"
        )
    if registration.keys_held:
        return Status("alert", _("Waiting for its owner to confirm it"), "warn", "alert")
    if registration.unreachable_since is not None:
        text = format_html(_("Not reachable since {when}"), when=moments.day(registration.unreachable_since))
        return Status("alert", text, "warn", "alert")
    seen = registration.last_seen_at or registration.started_at
    if newest is not None and _is_locked(device, newest, now):
        when = moments.at(device.pin_locked_at or newest.finished_at or now, now)
        return Status("lock", format_html(_("Locked {when}"), when=when), screen="lock")
    if now - seen > SILENT:
        passed = moments.days(seen, now)
        text = ngettext("No answer for %(number)d day", "No answer for %(number)d days", passed) % {"number": passed}
        return Status("clock", text, "warn", "clock")
    if newest is not None and newest.state == State.FAILED and newest.finished_at and now - newest.finished_at < NEWS:
        when = moments.at(newest.finished_at, now)
        text = format_html(str(words_of(newest.action.kind).failed), when=when)
        return Status("alert", text, "warn", "alert")
    return Status("check", format_html(_("Checked in {when}"), when=moments.ago(seen, now)), "ok")


def _is_locked(device: Device, newest: Progress, now: datetime) -> bool:
    """Whether its lock is what to tell of it. A computer that waits for its PIN is offline, so one that has spoken
    since is open again; nobody hears of a phone's being unlocked, so that its lock is told of for a day."""
    if appearance(device).has_pins:
        return device.waits_for_pin
    if newest.state != State.DONE or newest.action.kind != ActionKind.LOCK or newest.finished_at is None:
        return False
    return now - newest.finished_at < NEWS


def _status_of_the_gone(registration: Registration, now: datetime) -> Status:
    when = moments.at(registration.ended_at or registration.started_at, now)
    if registration.state == Registration.State.WIPED and registration.heard_after_wipe_at is not None:
        when = moments.at(registration.heard_after_wipe_at, now)
        text = format_html(_("Told to erase itself, but still talking {when}"), when=when)
        return Status("alert", text, "warn", "alert")
    if registration.state == Registration.State.WIPED and registration.is_presumed_ended:
        return Status("erase", _("Told to erase itself, not heard of since"), screen="erase")
    if registration.state == Registration.State.WIPED:
        return Status("erase", format_html(_("Erased {when}"), when=when), screen="erase")
    return Status("out", format_html(_("Retired {when}"), when=when), screen="out")


def _status_of_the_busy(newest: Progress, what: str, now: datetime) -> Status:
    words = words_of(newest.action.kind)
    if is_undecided(newest):
        return Status("clock", _("Wipe waiting for an administrator"), "warn", "clock")
    if newest.state == State.HELD and newest.action.held_until is not None:
        left = moments.countdown(newest.action.held_until, now)
        return Status(words.icon, format_html(str(words.held), left=left), words.tone or "warn", "countdown")
    if is_unanswered_wipe(newest, now):
        when = moments.at(newest.sent_at or now, now)
        text = format_html(_("Told to erase itself {when}, no answer yet"), when=when)
        return Status("clock", text, "warn", "clock")
    return Status(words.icon, str(words.under_way % {"noun": what}), words.tone, "sync")


def is_undecided(progress: Progress) -> bool:
    """A wipe beyond the limits, which an administrator has to let go."""
    return progress.state == State.HELD and progress.action.approval == Action.Approval.WAITING


def beyond(limit: str) -> str:
    """Why a wipe waits for an administrator."""
    return {
        Action.Limit.PERSON.value: _("That is more devices than one person may wipe by themselves in 24 hours."),
        Action.Limit.ORGANISATION.value: _("That is more devices than may be wiped in an hour, all people together."),
    }.get(limit, "")


def is_unanswered_wipe(progress: Progress, now: datetime) -> bool:
    """It was given the order, and has not said that it obeys."""
    if progress.action.kind != ActionKind.WIPE or progress.state != State.SENT or progress.sent_at is None:
        return False
    return now - progress.sent_at > UNANSWERED


def is_registering(device: Device) -> bool:
    """Its registration is not complete: the page waits for it."""
    return device.registration is not None and device.registration.state == Registration.State.PENDING
