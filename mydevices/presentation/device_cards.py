"""What can be done with a device: the buttons of its card, and the actions of its page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from mydevices.actions import ACTIONS, ActionKind
from mydevices.commands.selectors import Progress
from mydevices.commands.states import State
from mydevices.devices.models import Device
from mydevices.port.actions import Capability
from mydevices.presentation.actions import WORDS, called, listed_for_a_device, words_of
from mydevices.presentation.device_looks import appearance, noun
from mydevices.presentation.device_status import Face, face, is_undecided


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
class RefusedAction:
    """An action that is not possible, with its reason."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """A device in the list."""

    face: Face
    buttons: Sequence[Button]
    menu: Sequence[Button]
    refused: Sequence[RefusedAction]
    pending: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class ActionRow:
    """An action with its explanation and a way to ask for it, or the reason why not."""

    icon: str
    title: str
    text: str
    button: Button | None = None
    under_way: bool = False
    refused: bool = False


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
        RefusedAction(_("%(action)s: not possible") % {"action": called(kind)}, capabilities[kind].reason)
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
