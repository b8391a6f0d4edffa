"""From devices and actions to what a page says about them. Asks the database nothing: views hand over what they loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device, Inventory, Registration
from mydevices.platforms import port
from mydevices.platforms.port import ActionKind, Appearance, Capability
from mydevices.portal import moments

SILENT: Final = timedelta(days=7)
"""After this long without a word a device needs its person."""
REMEMBERED: Final = timedelta(minutes=15)
"""How long a finished action still stands on top of its device's page."""
NEWS: Final = timedelta(days=1)
"""How long a lock or a failure is what a device's status line tells."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A silhouette: its symbol, its size, and where its screen has its middle."""

    symbol: str
    width: int
    height: int
    x: float
    y: float
    radius: int
    screen: str = ""
    """An icon on the screen, "countdown", or nothing."""
    until: datetime | None = None
    left: int = 0
    of: int = 0

    @property
    def icon_size(self) -> float:
        return round(self.radius * 4 / 3, 1)

    @property
    def icon_x(self) -> float:
        return round(self.x - self.icon_size / 2, 1)

    @property
    def icon_y(self) -> float:
        return round(self.y - self.icon_size / 2, 1)

    @property
    def text_y(self) -> float:
        return round(self.y + self.radius * 0.36, 1)

    @property
    def ring(self) -> float:
        return self.radius + 1

    @property
    def text_size(self) -> float:
        return round(self.radius * 1.04, 1)


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


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that the organisation can or cannot see."""

    icon: str
    title: str
    text: str
    chip: str


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened."""

    text: str
    when: datetime
    time: str
    outcome: str


# Names


def noun(device: Device) -> str:
    """What a person calls a device of its kind."""
    known = f"{device.model} {device.model_name} {device.os_name}".lower()
    if "iphone" in known:
        return "iPhone"
    if "ipad" in known:
        return "iPad"
    if "mac" in known:
        return "Mac"
    return _("device")


def name_of(device: Device) -> str:
    """Its own name; before it has said one, what it is."""
    return device.name or device.model_name or {"iPhone": "iPhone", "iPad": "iPad", "Mac": "Mac"}.get(
        noun(device), _("New device")
    )


def line_of(device: Device) -> str:
    """“iPhone 16 Pro, iOS 26.1”."""
    system = f"{device.os_name} {device.os_version}".strip() if device.os_version else ""
    return ", ".join(part for part in (device.model_name or device.model, system) if part)


def whose(device: Device, organisation: str) -> str:
    if device.is_personal:
        return _("Your own")
    if device.registration is not None and device.registration.is_supervised:
        return _("%(organisation)s’s, supervised") % {"organisation": organisation}
    return _("%(organisation)s’s") % {"organisation": organisation}


def _called(kind: str) -> str:
    return {
        ActionKind.LOCK.value: _("Lock"),
        ActionKind.UNLOCK.value: _("Unlock"),
        ActionKind.WIPE.value: _("Wipe"),
        ActionKind.RETIRE.value: _("Retire"),
        ActionKind.CHECK_IN.value: _("Check in"),
    }.get(kind, kind)


def _titled(kind: str, what: str) -> str:
    """The action on its device, as a heading or a button: “Lock iPhone”."""
    return {
        ActionKind.LOCK.value: _("Lock %(what)s"),
        ActionKind.UNLOCK.value: _("Unlock %(what)s"),
        ActionKind.WIPE.value: _("Wipe %(what)s"),
        ActionKind.RETIRE.value: _("Retire %(what)s"),
        ActionKind.CHECK_IN.value: _("Check in"),
    }.get(kind, kind) % {"what": what}


def _ended_as(kind: str) -> str:
    return {
        ActionKind.LOCK.value: _("Locked"),
        ActionKind.UNLOCK.value: _("Unlocked"),
        ActionKind.WIPE.value: _("Erased"),
        ActionKind.RETIRE.value: _("Retired"),
        ActionKind.CHECK_IN.value: _("Checked in"),
    }.get(kind, _("Done"))


ICONS: Final[Mapping[str, str]] = {
    ActionKind.LOCK: "lock",
    ActionKind.UNLOCK: "unlock",
    ActionKind.WIPE: "erase",
    ActionKind.RETIRE: "out",
    ActionKind.CHECK_IN: "sync",
}
ORDER: Final = (ActionKind.CHECK_IN, ActionKind.LOCK, ActionKind.UNLOCK, ActionKind.RETIRE, ActionKind.WIPE)


# Pictures

_PHONE: Final = (44, 88, 22.0, 44.0, 12)
_DRAWINGS: Final[Mapping[str, tuple[int, int, float, float, int]]] = {
    "iphone": _PHONE,
    "iphone-notch": _PHONE,
    "iphone-home": (44, 88, 22.0, 42.0, 12),
    "ipad": (72, 92, 36.0, 46.0, 12),
    "macbook": (112, 76, 56.0, 32.5, 17),
    "imac": (104, 88, 52.0, 30.0, 15),
    "mac-mini": (104, 88, 52.0, 27.5, 15),
    "laptop": (112, 76, 56.0, 28.5, 17),
    "android": (44, 88, 21.5, 44.0, 12),
}
_NOTCHED: Final = {"iPhone10,3", "iPhone10,6", "iPhone17,5"}
_WITH_BUTTON: Final = {"iPhone12,8", "iPhone14,6"}


def silhouette(device: Device) -> str:
    """The symbol that looks like it."""
    known = f"{device.model_name} {device.model}".lower()
    if "ipad" in known:
        return "ipad"
    if "iphone" in known:
        return _iphone(device.model)
    if "imac" in known:
        return "imac"
    if any(word in known for word in ("macmini", "mac mini", "mac studio", "mac pro")) and "macbook" not in known:
        return "mac-mini"
    if "mac" in known or device.os_name == "macOS":
        return "macbook"
    return "iphone"


def _iphone(model: str) -> str:
    """Dynamic Island from iPhone15,2 on; before that a notch; a Home button up to iPhone10 but for the X, and on each SE.
    Source: Apple's product identifiers."""
    if model in _WITH_BUTTON:
        return "iphone-home"
    if model in _NOTCHED:
        return "iphone-notch"
    generation, _comma, variant = model.removeprefix("iPhone").partition(",")
    if not generation.isdigit() or not variant.isdigit():
        return "iphone"
    order = (int(generation), int(variant))
    if order < (11, 0):
        return "iphone-home"
    return "iphone-notch" if order < (15, 2) else "iphone"


def drawing(
    device: Device, screen: str = "", until: datetime | None = None, now: datetime | None = None, of: int = 0
) -> Drawing:
    symbol = silhouette(device)
    width, height, x, y, radius = _DRAWINGS[symbol]
    seconds = moments.left(until, now) if until and now else 0
    return Drawing(symbol, width, height, x, y, radius, screen, until, seconds, max(of, seconds, 1))


# How it is


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
    )


def status(device: Device, newest: Progress | None, now: datetime) -> Status:
    """The one line that matters most now."""
    registration = device.registration
    what = noun(device)
    if registration is None or registration.state == Registration.State.PENDING:
        return Status("clock", _("Registering, waiting for the %(noun)s") % {"noun": what}, screen="clock")
    if registration.has_ended:
        return _status_of_the_gone(registration, now)
    if newest is not None and newest.is_open:
        return _status_of_the_busy(newest, what, now)
    if registration.unreachable_since is not None:
        text = format_html(_("Not reachable since {when}"), when=moments.day(registration.unreachable_since))
        return Status("alert", text, "warn", "alert")
    seen = registration.last_seen_at or registration.started_at
    if now - seen > SILENT:
        passed = moments.days(seen, now)
        text = ngettext("No answer for %d day", "No answer for %d days", passed) % passed
        return Status("clock", text, "warn", "clock")
    if newest is not None and newest.finished_at is not None and now - newest.finished_at < NEWS:
        kind, when = newest.action.kind, moments.at(newest.finished_at, now)
        if newest.state == State.DONE and kind == ActionKind.LOCK:
            return Status("lock", format_html(_("Locked {when}"), when=when), screen="lock")
        if newest.state == State.FAILED:
            text = format_html(_("{action} failed {when}"), action=_called(kind), when=when)
            return Status("alert", text, "warn", "alert")
    return Status("check", format_html(_("Checked in {when}"), when=moments.ago(seen, now)), "ok")


def _status_of_the_gone(registration: Registration, now: datetime) -> Status:
    when = moments.at(registration.ended_at or registration.started_at, now)
    if registration.state == Registration.State.WIPED:
        return Status("erase", format_html(_("Erased {when}"), when=when), screen="erase")
    return Status("out", format_html(_("Retired {when}"), when=when), screen="out")


def _status_of_the_busy(newest: Progress, what: str, now: datetime) -> Status:
    kind = newest.action.kind
    if newest.state == State.HELD and newest.action.held_until is not None:
        left = moments.countdown(newest.action.held_until, now)
        text = _("Wipe waiting, undo {left} s") if kind == ActionKind.WIPE else _("Retire waiting, undo {left} s")
        tone = "danger" if kind == ActionKind.WIPE else "warn"
        return Status(ICONS[kind], format_html(text, left=left), tone, "countdown")
    doing = {
        ActionKind.LOCK.value: _("Locking, waiting for the %(noun)s"),
        ActionKind.UNLOCK.value: _("Unlocking, waiting for the %(noun)s"),
        ActionKind.WIPE.value: _("Wiping, waiting for the %(noun)s"),
        ActionKind.RETIRE.value: _("Retiring, waiting for the %(noun)s"),
        ActionKind.CHECK_IN.value: _("Check in sent, waiting for the %(noun)s"),
    }.get(kind, _("Waiting for the %(noun)s"))
    tone = "danger" if kind == ActionKind.WIPE else ""
    return Status(ICONS.get(kind, "sync"), doing % {"noun": what}, tone, "sync")


# What can be done


def _button(device: Device, kind: ActionKind, *, short: bool = False) -> Button:
    what = noun(device)
    if kind == ActionKind.CHECK_IN:
        label = _("Check in") if short else _("Check in now")
        return Button(label, reverse("portal:check_in", args=[device.id]), post=True)
    tone = "danger" if kind == ActionKind.WIPE else ""
    return Button(
        _("%(action)s…") % {"action": _titled(kind, what)},
        reverse(f"portal:{kind.value}", args=[device.id]),
        dialog=True,
        tone=tone,
    )


def pins_button(device: Device) -> Button:
    return Button(_("Show PIN…"), reverse("portal:pins", args=[device.id]), dialog=True)


def cancel_button(progress: Progress) -> Button:
    kind = progress.action.kind
    url = reverse("portal:cancel", args=[progress.action.device_id, progress.action.id])
    if progress.state == State.HELD:
        return Button(_("Undo %(action)s") % {"action": _called(kind).lower()}, url, post=True, tone="main", icon="undo")
    return Button(_("Cancel %(action)s") % {"action": _called(kind).lower()}, url, post=True)


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
    possible = [kind for kind in ORDER if kind in capabilities and capabilities[kind].possible]
    is_open = newest is not None and newest.is_open
    running = newest.action.kind if newest is not None and is_open else ""
    likeliest: list[Button] = []
    if newest is not None and newest.state == State.HELD:
        likeliest = [cancel_button(newest)]
        first: list[ActionKind] = []
    elif shown.status.screen == "clock":
        first = [ActionKind.CHECK_IN, ActionKind.RETIRE]
    elif shown.noun == "Mac" and shown.status.screen == "lock":
        likeliest = [pins_button(device)]
        first = [ActionKind.CHECK_IN]
    else:
        first = [ActionKind.LOCK, ActionKind.CHECK_IN]
    chosen = [kind for kind in first if kind in possible]
    likeliest += [_button(device, kind, short=True) for kind in chosen]
    menu = [_button(device, kind, short=True) for kind in possible if kind not in chosen and kind != running]
    if shown.noun == "Mac" and shown.status.screen != "lock":
        menu.append(pins_button(device))
    menu.append(Button(_("All actions"), page))
    refused = [
        Refusal(_("%(action)s: not possible") % {"action": _called(kind)}, capabilities[kind].reason)
        for kind in ORDER
        if kind in capabilities and not capabilities[kind].possible
    ]
    return Card(shown, likeliest or [Button(_("Show details"), page)], menu, refused, pending=is_open, ended=False)


def rows(
    device: Device, capabilities: Mapping[ActionKind, Capability], under_way: Iterable[Progress]
) -> Sequence[ActionRow]:
    """The actions of a device's page: first what is possible, then what is not, each in its order."""
    running = {progress.action.kind for progress in under_way}
    ended = device.registration is None or device.registration.has_ended
    found = [
        ActionRow(
            icon=ICONS[kind],
            title=_called(kind),
            text=capabilities[kind].explanation if capabilities[kind].possible else capabilities[kind].reason,
            button=_button(device, kind) if capabilities[kind].possible and kind not in running else None,
            under_way=kind in running,
            refused=not capabilities[kind].possible and kind not in running,
        )
        for kind in ORDER
        if kind in capabilities
    ]
    if noun(device) == "Mac" and not ended:
        text = _("Shows the PINs that this Mac was locked or erased with. You confirm who you are first.")
        found.insert(2, ActionRow("key", _("PIN"), text, pins_button(device)))
    return sorted(found, key=lambda row: row.refused)


# How far it is


def timeline(device: Device, progress: Progress, person: Person, now: datetime) -> Timeline:
    kind = progress.action.kind
    foot, button = _foot(device, progress, now)
    return Timeline(
        key=f"action-{progress.action.id}",
        title=_titled(kind, noun(device)),
        by=format_html("{}, {}", _who(progress, person), moments.ago(progress.action.requested_at, now)),
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
    kind, state = progress.action.kind, progress.state
    final = _ended_as(kind)
    if state == State.HELD and progress.action.held_until is not None:
        left = moments.countdown(progress.action.held_until, now)
        waiting = Step("now", _("Waiting"), format_html(_("Can be undone for {left} s"), left=left))
        return [waiting, Step("", _("Pushed")), Step("", _("Delivered")), Step("", final)]
    queued = Step("done", _("Queued"), moments.clock(progress.queued_at))
    pushed_at = progress.pushed_at or progress.sent_at
    pushed = Step("done", _("Pushed"), moments.clock(pushed_at)) if pushed_at else Step("", _("Pushed"))
    sent = Step("done", _("Delivered"), moments.clock(progress.sent_at)) if progress.sent_at else Step("", _("Delivered"))
    if state == State.QUEUED and not pushed_at:
        return [queued, Step("now", _("Pushed"), _("Waking the %(noun)s") % what), sent, Step("", final)]
    if state == State.QUEUED:
        return [queued, pushed, Step("now", _("Delivered"), _("Waiting for the %(noun)s to ask") % what), Step("", final)]
    if state == State.SENT:
        text = _("Waiting for the %(noun)s to answer") % what
        return [queued, pushed, sent, Step("now", final, text)]
    if state == State.DEFERRED:
        text = _("The %(noun)s cannot do it now, mostly because it waits for its passcode. It will ask again.") % what
        return [queued, pushed, Step("now", _("Not now"), text), Step("", final)]
    if state == State.DONE and progress.finished_at is not None:
        text = format_html("{}, {}", moments.clock(progress.finished_at), _took(progress.queued_at, progress.finished_at))
        return [queued, pushed, sent, Step("done", final, text)]
    if state == State.FAILED:
        return [queued, pushed, sent, Step("failed", _("Failed"), progress.error or _("The device gave no reason."))]
    return [queued, pushed, sent, Step("failed", _("Expired"), _("The %(noun)s did not ask in time") % what)]


def _took(begun: datetime, ended: datetime) -> str:
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
    action = _called(kind).lower()
    if state == State.HELD:
        text = (
            _("Nothing has been sent yet. Then the %(noun)s is erased as soon as it answers.")
            if kind == ActionKind.WIPE
            else _("Nothing has been sent yet. Then the %(noun)s is retired as soon as it answers.")
        )
        return text % {"noun": what}, cancel_button(progress)
    if progress.can_be_cancelled:
        text = _("If the %(noun)s is off or offline, the %(action)s waits for it.") % {"noun": what, "action": action}
        if progress.expires_at is not None:
            text = format_html(
                _("If the {noun} is off or offline, this waits for it and expires {when}."),
                noun=what,
                when=moments.at(progress.expires_at, now),
            )
        return text, cancel_button(progress)
    if state == State.DONE and kind == ActionKind.LOCK and what == "Mac":
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


def facts(device: Device, organisation: str, now: datetime) -> Sequence[Fact]:
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
        if registration.is_supervised is not None:
            found.append(Fact(_("Supervised"), _("Yes") if registration.is_supervised else _("No")))
        text = _("{day}, as your own") if device.is_personal else _("{day}, as {organisation}’s")
        day = moments.day(registration.started_at)
        found.append(Fact(_("Registered"), format_html(text, day=day, organisation=organisation)))
    return found


def inventory_of(device: Device) -> Inventory | None:
    return getattr(device, "inventory", None)


def _facts_of_inventory(inventory: Inventory) -> Iterable[Fact]:
    if inventory.has_passcode is not None:
        yield Fact(_("Passcode"), _("Set") if inventory.has_passcode else _("Not set"))
    if inventory.is_encrypted is not None:
        yield Fact(_("Encryption"), _("On") if inventory.is_encrypted else _("Off"))
    if inventory.capacity_bytes and inventory.available_bytes is not None:
        sizes = {"free": filesizeformat(inventory.available_bytes), "all": filesizeformat(inventory.capacity_bytes)}
        yield Fact(_("Storage"), _("%(free)s free of %(all)s") % sizes)
    if inventory.battery is not None:
        yield Fact(_("Battery"), f"{round(inventory.battery * 100)} %")
    if inventory.profiles:
        yield Fact(_("Profiles"), _("%(number)d installed") % {"number": len(inventory.profiles)})


def sights(device: Device) -> Sequence[Sight]:
    """What the organisation can see of it and what it cannot. True of every device that this server manages today."""
    what = {"noun": noun(device)}
    return [
        Sight("eye", _("Name, model, system, serial number"), _("Read at every check-in."), _("Always")),
        Sight(
            "eye",
            _("Passcode and encryption"),
            _("Whether a passcode is set and storage is encrypted. Not the passcode."),
            _("Always"),
        ),
        Sight("eye", _("Profiles and certificates"), _("The names of those that are installed."), _("Always")),
        Sight("unseen", _("Position"), _("This server does not ask the %(noun)s where it is.") % what, _("Off")),
        Sight("unseen", _("Your apps"), _("This server does not ask which are installed."), _("Off")),
        Sight(
            "unseen",
            _("Messages, photos, browsing"),
            _("Management of a device gives no way to read these."),
            _("Never"),
        ),
        Sight("unseen", _("Your passcode"), _("It never leaves the %(noun)s.") % what, _("Never")),
    ]


# What happened

_ENDS: Final[frozenset[str]] = frozenset(
    {Verb.ACTION_DONE, Verb.ACTION_FAILED, Verb.ACTION_CANCELLED, Verb.ACTION_EXPIRED, Verb.ACTION_VOID}
)


def history(entries: Iterable[Entry], person: Person, now: datetime, *, one_device: bool = False) -> Sequence[Line]:
    """What happened, by anyone, newest first as the entries are. An action is one line: what became of it stands in a
    later entry, which comes before it here. `one_device` leaves out the name of the device that the page is about."""
    ends: dict[str, Entry] = {}
    begun: dict[str, datetime] = {}
    lines = []
    for entry in entries:
        if entry.action_id and entry.verb in _ENDS:
            ends.setdefault(entry.action_id, entry)
        elif entry.verb == Verb.ACTION_RELEASED:
            begun[entry.action_id] = entry.at
        else:
            text = _sentence(entry, entry.actor_id == str(person.id), one_device=one_device)
            if text:
                end = ends.get(entry.action_id) if entry.action_id else None
                by = _outcome(entry, end, begun.get(entry.action_id, entry.at))
                lines.append(Line(text, entry.at, moments.moment(entry.at, now), by))
    return lines


def _outcome(entry: Entry, end: Entry | None, begun: datetime) -> str:
    if entry.verb in {Verb.SIGNED_IN, Verb.SIGN_IN_FAILED}:
        return _("From %(address)s") % {"address": entry.address} if entry.address else ""
    if entry.verb != Verb.ACTION_REQUESTED:
        return ""
    if end is None:
        return _("Under way")
    reason = str(end.details.get("reason", ""))
    return {
        Verb.ACTION_DONE.value: _("Done %(took)s") % {"took": _took(begun, end.at)},
        Verb.ACTION_FAILED.value: _("Failed: %(reason)s") % {"reason": reason} if reason else _("Failed"),
        Verb.ACTION_CANCELLED.value: _("Cancelled before it was sent"),
        Verb.ACTION_EXPIRED.value: _("Expired, the device did not ask in time"),
        Verb.ACTION_VOID.value: _("Dropped, the registration had ended"),
    }[end.verb]


def _sentence(entry: Entry, mine: bool, *, one_device: bool) -> SafeString:
    """What an entry says, or nothing when it is not for people."""
    if entry.verb == Verb.ACTION_REQUESTED:
        text = _sentence_of_action(str(entry.details.get("action", "")), mine, one_device=one_device)
    elif one_device:
        text = _sentence_of_device(entry, mine)
    else:
        text = _sentence_of_person(entry, mine)
    who = "MyDevices" if entry.actor_kind == "system" else entry.actor_name
    device = format_html("<b>{}</b>", entry.device_name or _("a new device"))
    return format_html(text, who=who, device=device) if text else SafeString()


def _sentence_of_action(kind: str, mine: bool, *, one_device: bool) -> str:
    if one_device:
        called = _called(kind)
        return (_("%(action)s, by you") if mine else _("%(action)s, by {who}")) % {"action": called}
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
    return {
        Verb.DEVICE_REGISTERED.value: registered,
        Verb.DEVICE_REGISTERED_AGAIN.value: _("Registered again"),
        Verb.DEVICE_RETIRED.value: _("Left management"),
        Verb.DEVICE_WIPED.value: _("Erased, which ended its management"),
        Verb.CERTIFICATE_RENEWED.value: _("Its certificate was renewed"),
        Verb.PUSH_TOKEN_DEAD.value: _("Can no longer be woken"),
        Verb.PIN_REVEALED.value: _("PIN shown to you") if mine else _("PIN shown to {who}"),
    }.get(entry.verb, "")


def _sentence_of_person(entry: Entry, mine: bool) -> str:
    return {
        Verb.DEVICE_REGISTERED.value: _("{device} was registered."),
        Verb.DEVICE_REGISTERED_AGAIN.value: _("{device} was registered again."),
        Verb.DEVICE_RETIRED.value: _("{device} left management."),
        Verb.DEVICE_WIPED.value: _("{device} was erased."),
        Verb.PUSH_TOKEN_DEAD.value: _("{device} can no longer be woken."),
        Verb.PIN_REVEALED.value: _("You looked at the PIN of {device}.") if mine else _("{who} looked at the PIN of {device}."),
        Verb.TICKET_OPENED.value: _("You opened a registration.") if mine else _("{who} opened a registration for you."),
        Verb.TICKET_REVOKED.value: _("You closed a registration.") if mine else _("{who} closed a registration of yours."),
        Verb.SIGNED_IN.value: _("You signed in."),
        Verb.SIGN_IN_FAILED.value: _("Somebody tried to sign in as you."),
        Verb.PASSWORD_CHANGED.value: _("You changed your password.") if mine else _("Your password was changed."),
    }.get(entry.verb, "")
