"""From devices and actions to what a page says of them. Asks the database nothing: views hand over what they have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts.models import Person
from mydevices.actions import ACTIONS, ActionKind, rules_of
from mydevices.commands.models import Action
from mydevices.commands.pins import Pin
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device, Inventory, Registration
from mydevices.port.actions import Capability
from mydevices.port.pictures import Appearance, Shape
from mydevices.port.platform import PLATFORMS, platform_of
from mydevices.presentation import moments
from mydevices.presentation.actions import WORDS, called, listed_for_a_device, words_of

SILENT: Final = timedelta(days=7)
"""After this long without a word a device needs its person."""
REMEMBERED: Final = timedelta(minutes=15)
"""How long a finished action still stands on top of its device's page."""
UNANSWERED: Final = timedelta(minutes=10)
"""After this long a device that was told to erase itself is not just taking its time."""
NEWS: Final = timedelta(days=1)
"""How long a lock or a failure is what a device's status line tells."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A silhouette, and what its screen shows."""

    shape: Shape
    screen: str = ""
    """An icon on the screen, "countdown", or nothing."""
    until: datetime | None = None
    left: int = 0
    of: int = 0

    @property
    def icon_size(self) -> float:
        return round(self.shape.radius * 4 / 3, 1)

    @property
    def icon_x(self) -> float:
        return round(self.shape.x - self.icon_size / 2, 1)

    @property
    def icon_y(self) -> float:
        return round(self.shape.y - self.icon_size / 2, 1)

    @property
    def text_y(self) -> float:
        return round(self.shape.y + self.shape.radius * 0.36, 1)

    @property
    def ring(self) -> float:
        return self.shape.radius + 1

    @property
    def text_size(self) -> float:
        return round(self.shape.radius * 1.04, 1)


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
class Button:
    """What can be clicked: a form that posts, or a link to a question that may open as a dialog."""

    label: str
    url: str
    post: bool = False
    dialog: bool = False
    tone: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An action that is not possible, with its reason."""

    label: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class Card:
    """A device in the list."""

    face: Face
    buttons: Sequence[Button]
    menu: Sequence[Button]
    refused: Sequence[Refusal]
    pending: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class Step:
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
    steps: Sequence[Step]
    foot: str
    button: Button | None
    pending: bool


@dataclass(frozen=True, slots=True)
class ActionRow:
    """An action with its explanation and a way to ask for it, or the reason why not."""

    icon: str
    title: str
    text: str
    button: Button | None = None
    under_way: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    code: bool = False


# Names


def appearance(device: Device) -> Appearance:
    return platform_of(device).appearance(device)


def noun(device: Device) -> str:
    """What a person calls a device of its kind."""
    return appearance(device).noun


def name_of(device: Device) -> str:
    """Its own name; before it has said one, what it is."""
    return device.name or device.model_name or _("New %(noun)s") % {"noun": noun(device)}


def names(owned: Iterable[Device]) -> Mapping[str, str]:
    """What somebody's devices are called now, by their id as text."""
    return {str(device.id): name_of(device) for device in owned}


def line_of(device: Device) -> str:
    """Model and system, as its maker calls them."""
    system = f"{device.os_name} {device.os_version}".strip() if device.os_version else ""
    return ", ".join(part for part in (device.model_name or device.model, system) if part)


def whose(device: Device, organisation: str) -> str:
    if device.is_personal:
        return _("Your own")
    theirs = _("%(organisation)s’s") % {"organisation": organisation}
    return _(", ").join(filter(None, (theirs, appearance(device).management)))


# Pictures


def drawing(
    device: Device, screen: str = "", until: datetime | None = None, now: datetime | None = None, of: int = 0
) -> Drawing:
    seconds = moments.left(until, now) if until and now else 0
    return Drawing(appearance(device).shape, screen, until, seconds, max(of, seconds, 1))


# How it is


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
    if _is_unanswered_wipe(newest, now):
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


def _is_unanswered_wipe(progress: Progress, now: datetime) -> bool:
    """It was given the order, and has not said that it obeys."""
    if progress.action.kind != ActionKind.WIPE or progress.state != State.SENT or progress.sent_at is None:
        return False
    return now - progress.sent_at > UNANSWERED


# What can be done


def _button(device: Device, kind: ActionKind, *, short: bool = False) -> Button:
    words = WORDS[kind]
    if words.dialog is None:
        label = words.title if short else words.at_once or words.title
        return Button(str(label), action_address(device, kind), post=True, tone=words.tone)
    if ACTIONS[kind].marks_lost and device.is_lost:
        return where_button(device)
    title = words.on_device % {"what": noun(device)}
    return Button(_("%(action)s…") % {"action": title}, action_address(device, kind), dialog=True, tone=words.tone)


def action_address(device: Device, kind: ActionKind) -> str:
    """Where the portal asks it of this device."""
    return reverse(f"portal:{kind.value}", args=[device.id])


def pins_button(device: Device) -> Button:
    return Button(_("Show PIN…"), reverse("portal:pins", args=[device.id]), dialog=True)


def where_button(device: Device) -> Button:
    return Button(_("Where it is"), reverse("portal:where", args=[device.id]))


def cancel_button(progress: Progress) -> Button:
    words = words_of(progress.action.kind)
    url = reverse("portal:cancel", args=[progress.action.device_id, progress.action.id])
    if progress.state == State.HELD and not is_undecided(progress):
        return Button(str(words.undo), url, post=True, tone="main", icon="undo")
    return Button(str(words.cancel), url, post=True)


def card(
    device: Device,
    newest: Progress | None,
    capabilities: Mapping[ActionKind, Capability],
    *,
    organisation: str,
    now: datetime,
) -> Card:
    shown = face(device, newest, organisation=organisation, now=now)
    page = reverse("portal:device", args=[device.id])
    ended = device.registration is not None and device.registration.has_ended
    if ended:
        again = Button(_("Register again"), reverse("portal:register"))
        return Card(shown, [again], [], [], pending=False, ended=True)
    possible = [kind for kind in listed_for_a_device() if kind in capabilities and capabilities[kind].possible]
    is_open = newest is not None and newest.is_open
    running = newest.action.kind if newest is not None and is_open else ""
    likeliest: list[Button] = []
    if newest is not None and newest.state == State.HELD:
        likeliest = [cancel_button(newest)]
        first: list[ActionKind] = []
    elif device.is_lost:
        likeliest = [where_button(device)]
        first = [ActionKind.CHECK_IN]
    elif shown.status.screen == "clock":
        first = [ActionKind.CHECK_IN, ActionKind.RETIRE]
    elif appearance(device).has_pins and shown.status.screen == "lock":
        likeliest = [pins_button(device)]
        first = [ActionKind.CHECK_IN]
    else:
        first = [ActionKind.LOCK, ActionKind.CHECK_IN]
    if newest is not None and newest.state != State.HELD and newest.can_be_cancelled:
        likeliest = [cancel_button(newest)]
        first = [kind for kind in (ActionKind.CHECK_IN, ActionKind.LOCK) if kind != running][:1]
    chosen = [kind for kind in first if kind in possible and kind != running]
    likeliest += [_button(device, kind, short=True) for kind in chosen]
    beside = [kind for kind in possible if kind not in chosen and kind != running]
    menu = [_button(device, kind, short=True) for kind in beside if not (device.is_lost and ACTIONS[kind].marks_lost)]
    if appearance(device).has_pins and shown.status.screen != "lock":
        menu.append(pins_button(device))
    menu.append(Button(_("All actions"), page))
    refused = [
        Refusal(_("%(action)s: not possible") % {"action": called(kind)}, capabilities[kind].reason)
        for kind in listed_for_a_device()
        if kind in capabilities and not capabilities[kind].possible
    ]
    return Card(shown, likeliest or [Button(_("Show details"), page)], menu, refused, pending=is_open, ended=False)


def rows(
    device: Device, capabilities: Mapping[ActionKind, Capability], under_way: Iterable[Progress]
) -> Sequence[ActionRow]:
    """The actions of a device's page: first what is possible, then what is not, each in its order."""
    running = {progress.action.kind for progress in under_way}
    if device.registration is not None and device.registration.has_ended:
        reason = next((capability.reason for capability in capabilities.values() if capability.reason), "")
        return [ActionRow("info", _("Nothing more from here"), reason, refused=False)]
    found = [
        ActionRow(
            icon=WORDS[kind].icon,
            title=str(WORDS[kind].title),
            text=capabilities[kind].explanation if capabilities[kind].possible else capabilities[kind].reason,
            button=_button(device, kind) if capabilities[kind].possible and kind not in running else None,
            under_way=kind in running,
            refused=not capabilities[kind].possible and kind not in running,
        )
        for kind in listed_for_a_device()
        if kind in capabilities
    ]
    if appearance(device).has_pins:
        text = _("Shows the PINs that it was locked or erased with. You confirm who you are first.")
        found.insert(2, ActionRow("key", _("PIN"), text, pins_button(device)))
    return sorted(found, key=lambda row: row.refused)


# How far it is


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


def _steps(device: Device, progress: Progress, now: datetime) -> Sequence[Step]:
    what = {"noun": noun(device)}
    state, final = progress.state, str(words_of(progress.action.kind).done)
    if is_undecided(progress):
        waiting = Step("now", _("Waiting"), _("For an administrator to allow it"))
        return [waiting, Step("", _("Pushed")), Step("", _("Delivered")), Step("", final)]
    if state == State.HELD and progress.action.held_until is not None:
        left = moments.countdown(progress.action.held_until, now)
        waiting = Step("now", _("Waiting"), format_html(_("Can be undone for {left} s"), left=left))
        return [waiting, Step("", _("Pushed")), Step("", _("Delivered")), Step("", final)]
    queued = Step("done", _("Queued"), moments.clock(progress.queued_at))
    pushed_at = progress.pushed_at or progress.sent_at
    pushed = Step("done", _("Pushed"), moments.clock(pushed_at)) if pushed_at else Step("", _("Pushed"))
    sent_at = progress.sent_at
    sent = Step("done", _("Delivered"), moments.clock(sent_at)) if sent_at else Step("", _("Delivered"))
    if state == State.QUEUED and not pushed_at:
        return [queued, Step("now", _("Pushed"), _("Waking the %(noun)s") % what), sent, Step("", final)]
    if state == State.QUEUED:
        text = _("Waiting for the %(noun)s to ask") % what
        return [queued, pushed, Step("now", _("Delivered"), text), Step("", final)]
    if state == State.SENT:
        silent = _("The %(noun)s has the order and has not answered. If it asks again, it is told again.")
        text = silent if _is_unanswered_wipe(progress, now) else _("Waiting for the %(noun)s to answer")
        return [queued, pushed, sent, Step("now", final, text % what)]
    if state == State.DEFERRED:
        text = _("The %(noun)s cannot do it now, mostly because it waits for its passcode. It will ask again.") % what
        return [queued, pushed, Step("now", _("Not now"), text), Step("", final)]
    if state == State.DONE and progress.finished_at is not None:
        return [queued, pushed, sent, _done(progress, progress.finished_at)]
    if state == State.FAILED:
        return [queued, pushed, sent, Step("failed", _("Failed"), progress.error or _("The device gave no reason."))]
    return [queued, pushed, sent, Step("failed", _("Expired"), _("The %(noun)s did not ask in time") % what)]


def _done(progress: Progress, finished_at: datetime) -> Step:
    if progress.result.get("concluded") in {Registration.Ending.UNREACHABLE, Registration.Ending.SILENT}:
        # A wipe or retire that counts as done: nobody has said that it is.
        return Step("done", _("Not heard of since"), moments.clock(finished_at))
    text = format_html("{}{}{}", moments.clock(finished_at), _(", "), took(progress.queued_at, finished_at))
    unshown, done = _unshown(progress), str(words_of(progress.action.kind).done)
    return Step("done", done, format_html("{}. {}", text, unshown) if unshown else text)


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


# What is known


def facts(device: Device, now: datetime) -> Sequence[Fact]:
    registration = device.registration
    inventory = inventory_of(device)
    found = []
    if registration is not None and registration.last_seen_at is not None:
        found.append(Fact(_("Last contact"), moments.ago(registration.last_seen_at, now)))
    if device.model_name or device.model:
        found.append(Fact(_("Model"), device.model_name or device.model))
    if device.os_version:
        found.append(Fact(_("System"), f"{device.os_name} {device.os_version}".strip()))
    if inventory is not None:
        found += _facts_of_inventory(inventory)
    if device.serial_number:
        found.append(Fact(_("Serial number"), device.serial_number, code=True))
    if registration is not None:
        found += [Fact(label, value) for label, value in platform_of(device).facts(device)]
        found.append(Fact(_("Registered"), moments.day(registration.started_at)))
    return found


def inventory_of(device: Device) -> Inventory | None:
    return getattr(device, "inventory", None)


def _facts_of_inventory(inventory: Inventory) -> Iterable[Fact]:
    if inventory.has_passcode is not None:
        yield Fact(_("Passcode"), _("Set") if inventory.has_passcode else _("Not set"))
    if inventory.is_encrypted is not None:
        yield Fact(_("Encryption"), _("On") if inventory.is_encrypted else _("Off"))
    if inventory.capacity_bytes and inventory.available_bytes is not None:
        sizes = {"free": _size(inventory.available_bytes), "all": _size(inventory.capacity_bytes)}
        yield Fact(_("Storage"), _("%(free)s free of %(all)s") % sizes)
    if inventory.battery is not None:
        yield Fact(_("Battery"), _("%(number)d %%") % {"number": round(inventory.battery * 100)})
    if inventory.profiles:
        yield Fact(_("Profiles"), _("%(number)d installed") % {"number": len(inventory.profiles)})


def _size(amount: int) -> str:
    """In the gigabytes that stand on the box."""
    return _("%(number)s GB") % {"number": number_format(round(amount / 10**9))}


@dataclass(frozen=True, slots=True)
class ShownPin:
    """A PIN in two groups, and what it was made for."""

    value: str
    shown: str
    text: str


def pin(secret: Pin, now: datetime) -> ShownPin:
    half = len(secret.value) // 2
    text = _("Wiped {when}") if secret.kind == ActionKind.WIPE else _("Locked {when}")
    when = moments.at(secret.requested_at, now)
    return ShownPin(secret.value, f"{secret.value[:half]} {secret.value[half:]}", format_html(text, when=when))


def is_registering(device: Device) -> bool:
    """Its registration is not complete: the page waits for it."""
    return device.registration is not None and device.registration.state == Registration.State.PENDING


def example() -> Drawing:
    """A device for a page that has none to show."""
    return Drawing(next(iter(PLATFORMS.values())).example)
