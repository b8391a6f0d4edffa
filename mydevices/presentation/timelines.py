"""How far an action is, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.html import format_html
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.presentation import moments
from mydevices.presentation.actions import words_of
from mydevices.presentation.device_cards import Button, cancel_button, pins_button
from mydevices.presentation.device_looks import appearance, noun
from mydevices.presentation.device_status import beyond, is_unanswered_wipe, is_undecided

REMEMBERED: Final = timedelta(minutes=15)
"""How long a finished action still stands on top of its device's page."""


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """A point of a timeline. `state`: "done", "now", "failed" or nothing yet."""

    state: str
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """How far an action is."""

    key: str
    title: str
    by: str
    steps: Sequence[TimelineStep]
    foot: str
    button: Button | None
    pending: bool


def timeline(device: Device, progress: Progress, person: Person, now: datetime) -> Timeline:
    foot, button = _foot(device, progress, now)
    return Timeline(
        key=f"action-{progress.action.id}",
        title=str(words_of(progress.action.kind).on_device % {"what": noun(device)}),
        by=format_html("{}{}{}", _who(progress, person), _(", "), moments.ago(progress.action.requested_at, now)),
        steps=_steps(device, progress, now),
        foot=foot,
        button=button,
        pending=progress.is_open,
    )


def _who(progress: Progress, person: Person) -> str:
    if progress.action.actor_id == str(person.id):
        return _("You")
    try:
        UUID(progress.action.actor_id)
    except ValueError:
        return "MyDevices"
    return progress.action.actor_name


def _steps(device: Device, progress: Progress, now: datetime) -> Sequence[TimelineStep]:
    what = {"noun": noun(device)}
    state, final = progress.state, str(words_of(progress.action.kind).done)
    if is_undecided(progress):
        waiting = TimelineStep("now", _("Waiting"), _("For an administrator to allow it"))
        return [waiting, TimelineStep("", _("Pushed")), TimelineStep("", _("Delivered")), TimelineStep("", final)]
    if state == State.HELD and progress.action.held_until is not None:
        left = moments.countdown(progress.action.held_until, now)
        waiting = TimelineStep("now", _("Waiting"), format_html(_("Can be undone for {left} s"), left=left))
        return [waiting, TimelineStep("", _("Pushed")), TimelineStep("", _("Delivered")), TimelineStep("", final)]
    queued = TimelineStep("done", _("Queued"), moments.clock(progress.queued_at))
    pushed_at = progress.pushed_at or progress.sent_at
    pushed = TimelineStep("done", _("Pushed"), moments.clock(pushed_at)) if pushed_at else TimelineStep("", _("Pushed"))
    sent_at = progress.sent_at
    sent = TimelineStep("done", _("Delivered"), moments.clock(sent_at)) if sent_at else TimelineStep("", _("Delivered"))
    if state == State.QUEUED and not pushed_at:
        return [
            queued,
            TimelineStep("now", _("Pushed"), _("Waking the %(noun)s") % what),
            sent,
            TimelineStep("", final),
        ]
    if state == State.QUEUED:
        text = _("Waiting for the %(noun)s to ask") % what
        return [queued, pushed, TimelineStep("now", _("Delivered"), text), TimelineStep("", final)]
    if state == State.SENT:
        silent = _("The %(noun)s has the order and has not answered. If it asks again, it is told again.")
        text = silent if is_unanswered_wipe(progress, now) else _("Waiting for the %(noun)s to answer")
        return [queued, pushed, sent, TimelineStep("now", final, text % what)]
    if state == State.DEFERRED:
        text = _("The %(noun)s cannot do it now, mostly because it waits for its passcode. It will ask again.") % what
        return [queued, pushed, TimelineStep("now", _("Not now"), text), TimelineStep("", final)]
    if state == State.DONE and progress.finished_at is not None:
        return [queued, pushed, sent, _done(progress, progress.finished_at)]
    if state == State.FAILED:
        return [
            queued,
            pushed,
            sent,
            TimelineStep("failed", _("Failed"), progress.error or _("The device gave no reason.")),
        ]
    return [queued, pushed, sent, TimelineStep("failed", _("Expired"), _("The %(noun)s did not ask in time") % what)]


def _done(progress: Progress, finished_at: datetime) -> TimelineStep:
    if progress.result.get("concluded") in {Registration.Ending.UNREACHABLE, Registration.Ending.SILENT}:
        # A wipe or retire that counts as done: nobody has said that it is.
        return TimelineStep("done", _("Not heard of since"), moments.clock(finished_at))
    text = format_html("{}{}{}", moments.clock(finished_at), _(", "), took(progress.queued_at, finished_at))
    unshown, done = _unshown(progress), str(words_of(progress.action.kind).done)
    return TimelineStep("done", done, format_html("{}. {}", text, unshown) if unshown else text)


def _unshown(progress: Progress) -> str:
    """Why a lock's message did not appear, where the device says so (device.lock.yaml, MessageResult)."""
    return {
        "NoPasscodeSet": _("It has no passcode: its message was not shown, and anybody can open it."),
        "DeviceInLostMode": _("Its message was not shown, because it is in Lost Mode."),
        "Unknown": _("Its message was not shown; it did not say why."),
    }.get(str(progress.result.get("message_result", "")), "")


def took(begun: datetime, ended: datetime) -> str:
    """“in 4 s”."""
    seconds = max(1, round((ended - begun).total_seconds()))
    if seconds < 120:
        return _("in %(seconds)d s") % {"seconds": seconds}
    if seconds < 7200:
        return _("in %(minutes)d min") % {"minutes": seconds // 60}
    return _("in %(hours)d h") % {"hours": seconds // 3600}


def _foot(device: Device, progress: Progress, now: datetime) -> tuple[str, Button | None]:
    kind, state = progress.action.kind, progress.state
    what = noun(device)
    if is_undecided(progress):
        text = _("Nothing is sent until an administrator has allowed it.")
        return f"{beyond(progress.action.limit)} {text}", cancel_button(progress)
    if state == State.HELD:
        return str(words_of(kind).then % {"noun": what}), cancel_button(progress)
    if progress.can_be_cancelled:
        text = _("If the %(noun)s is off or offline, this waits for it.") % {"noun": what}
        if progress.expires_at is not None:
            text = format_html(
                _("If the {noun} is off or offline, this waits for it and expires {when}."),
                noun=what,
                when=moments.at(progress.expires_at, now),
            )
        return text, cancel_button(progress)
    if state == State.DONE and kind == ActionKind.LOCK and appearance(device).has_pins:
        return _("The PIN that unlocks it is kept for you."), pins_button(device)
    return "", None


def on_top(actions: Sequence[Progress], now: datetime) -> Sequence[Progress]:
    """What the device's page shows as timelines: all that is under way, else what has just come to an end. The check in
    that a registration ends with shows itself in the facts instead."""
    running = [progress for progress in actions if progress.is_open]
    if running:
        return running
    shown = {State.DONE, State.FAILED, State.EXPIRED}
    return [
        progress
        for progress in actions[:1]
        if progress.state in shown and progress.finished_at and now - progress.finished_at < REMEMBERED
    ]
