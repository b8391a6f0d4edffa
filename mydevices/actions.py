"""What can be asked of a device: a row for each action, with every rule that holds for it on all platforms.

The other row, with the words that people read, is in `presentation/actions.py`; what a device is sent is the adapter's.
A test fails where a rule that differs from action to action stands anywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext_lazy as plural

from mydevices.accounts.notices import Notice
from mydevices.accounts.rights import Right
from mydevices.audit import actor


class ActionKind(StrEnum):
    """What a person can ask of a device. Commands are what the adapter makes of it. In the order in which pages list
    them; stored with each action, so a value never changes."""

    CHECK_IN = "check_in"
    LOCK = "lock"
    LOST = "lost"
    """Mark it as lost: it locks itself and shows a message to whoever finds it, until it is marked as found."""
    UNLOCK = "unlock"
    RESTART = "restart"
    LOCATE = "locate"
    SOUND = "sound"
    FOUND = "found"
    RETIRE = "retire"
    WIPE = "wipe"


class Proof(Enum):
    """When an action needs a proof of identity that is no older than five minutes."""

    ALWAYS = auto()
    OTHERS = auto()
    """For the device of somebody else."""
    NEVER = auto()
    """It protects the device, or changes nothing on it. Without a fresh proof somebody may still ask it of a few
    devices of others only."""


class Says(Enum):
    """Whether a message and a phone number for the device's screen go with an action."""

    NOTHING = auto()
    IF_GIVEN = auto()
    SOMETHING = auto()
    """One of the two at least."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How an action is asked of many devices at once. Where it `waits`, another administrator decides beyond a number
    of devices, within that time; if nobody decides, it `goes` by itself or is dropped. `title` is “Lock 37 devices”,
    with `%(number)d`."""

    title: Promise
    waits: timedelta | None = None
    goes: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for an action."""

    right: Right
    """Of whoever asks it of somebody else's device."""
    proof: Proof
    permission: str
    """What the self-service policy has to allow the owner: its own name, or that of the action it goes with. Empty for
    what no policy can forbid."""
    allows: Promise | str = ""
    """The permission in words, among others: “lock”. Of an action whose permission is its own."""
    limited: bool = False
    """Whether a password alone is enough, for somebody who lost their second factor with the device."""
    ceiling: bool = False
    """Nobody asks it of the device of somebody with more rights: it gives the device to whoever holds it, or costs its
    owner something. To lock such a device, or mark it as lost, only protects it."""
    takes: bool = False
    """It takes something that nobody can bring back: it waits out the undo window, the adapter says what goes and what
    stays, and from outside the person the device's name is typed."""
    typed: bool = False
    """Its owner types the device's name as well."""
    counted: bool = False
    """It counts towards the limits of the policy, and waits for an administrator beyond them."""
    says: Says = Says.NOTHING
    lifetime: timedelta | None = None
    """After this long it would be pointless, or a danger, that the device obeys. None: it waits without end."""
    notice: Notice | None = None
    """The mail to its owner, at once, when somebody else asks it."""
    batch: BatchRules | None = None
    """None for what is asked of one device at a time."""
    marks_lost: bool | None = None
    """True: the device counts as lost from then on; False: as found."""
    calls_off: frozenset[ActionKind] = frozenset()
    """What waits for the device and is pointless once this is asked."""
    not_while_lost: Promise | str = ""
    """Why it cannot be asked of a lost device. Empty where it can."""
    only_while_lost: Promise | str = ""
    """Why it cannot be asked of a device that is not lost."""
    others_only_if: str = ""
    """The field of the privacy policy without which nobody but the owner asks it..."""
    others_refused: Promise | str = ""
    """... and how that is said: `%(policy)s` is the policy's name."""
    is_quiet: bool = False
    """It leaves the device as it was: it says nothing of how the device is now, and asks nothing of its owner."""

    @property
    def is_about_loss(self) -> bool:
        """Whether it belongs to a device that is, or may be, lost, and is asked where that is looked for."""
        return self.marks_lost is not None or bool(self.only_while_lost)


ACTIONS: Final[Mapping[ActionKind, Rules]] = {
    ActionKind.CHECK_IN: Rules(
        right=Right.ASSIST,
        proof=Proof.NEVER,
        permission="check_in",
        allows=lazy("check in"),
        lifetime=timedelta(days=1),
        # Nothing is asked of the devices' owners, so this never waits.
        batch=BatchRules(
            title=plural("Ask %(number)d device to check in", "Ask %(number)d devices to check in", "number")
        ),
        is_quiet=True,
    ),
    ActionKind.LOCK: Rules(
        right=Right.ASSIST,
        proof=Proof.NEVER,
        permission="lock",
        allows=lazy("lock"),
        limited=True,
        says=Says.IF_GIVEN,
        notice=Notice.DEVICE_LOCKED,
        # A lock protects, so it has to come soon.
        batch=BatchRules(
            title=plural("Lock %(number)d device", "Lock %(number)d devices", "number"),
            waits=timedelta(minutes=15),
            goes=True,
        ),
        not_while_lost=lazy("It is marked lost, and locked until it is marked as found."),
    ),
    ActionKind.LOST: Rules(
        right=Right.ASSIST,
        proof=Proof.NEVER,
        permission="lock",
        limited=True,
        says=Says.SOMETHING,
        notice=Notice.DEVICE_LOST,
        marks_lost=True,
        calls_off=frozenset({ActionKind.UNLOCK}),
    ),
    ActionKind.UNLOCK: Rules(
        right=Right.ASSIST,
        proof=Proof.ALWAYS,
        permission="unlock",
        allows=lazy("unlock"),
        ceiling=True,
        lifetime=timedelta(hours=1),
        notice=Notice.DEVICE_UNLOCKED,
        not_while_lost=lazy("It is marked lost. Whoever holds it could use it; mark it as found first."),
    ),
    ActionKind.RESTART: Rules(
        right=Right.ASSIST,
        proof=Proof.ALWAYS,
        permission="restart",
        allows=lazy("restart"),
        ceiling=True,
        lifetime=timedelta(hours=1),  # later it would come out of the blue
        not_while_lost=lazy(
            "It is marked as lost. Once restarted, it may have no network until somebody types its passcode, and could "
            "no longer be found."
        ),
    ),
    ActionKind.LOCATE: Rules(
        right=Right.ASSIST,
        proof=Proof.OTHERS,  # where somebody is, is theirs to know
        permission="locate",
        allows=lazy("locate"),
        limited=True,
        notice=Notice.DEVICE_LOCATED,
        only_while_lost=lazy("Only a lost device says where it is. Mark it as lost first."),
        others_only_if="administrators_may_locate",
        others_refused=lazy("The policy “%(policy)s” lets nobody but its owner ask where it is."),
        is_quiet=True,
    ),
    ActionKind.SOUND: Rules(
        right=Right.ASSIST,
        proof=Proof.NEVER,
        permission="locate",  # to hear it is to look for it
        lifetime=timedelta(hours=1),
        only_while_lost=lazy("Only a lost device plays a sound. Mark it as lost first."),
        is_quiet=True,
    ),
    ActionKind.FOUND: Rules(
        right=Right.ASSIST,
        proof=Proof.NEVER,
        permission="",  # it is locked until somebody says so, and its owner always can
        ceiling=True,
        marks_lost=False,
        calls_off=frozenset({ActionKind.LOST, ActionKind.LOCATE, ActionKind.SOUND}),
        only_while_lost=lazy("It is not marked lost."),
    ),
    ActionKind.RETIRE: Rules(
        right=Right.MANAGE_DEVICES,
        proof=Proof.ALWAYS,
        permission="retire",
        allows=lazy("retire"),
        takes=True,
        notice=Notice.DEVICE_RETIRED,
        batch=BatchRules(
            title=plural("Retire %(number)d device", "Retire %(number)d devices", "number"), waits=timedelta(days=7)
        ),
        not_while_lost=lazy("It is marked lost, and would stay locked for ever. Mark it as found first."),
    ),
    ActionKind.WIPE: Rules(
        right=Right.MANAGE_DEVICES,
        proof=Proof.ALWAYS,
        permission="wipe",
        allows=lazy("wipe"),
        takes=True,
        typed=True,
        counted=True,
        notice=Notice.DEVICE_WIPED,
        others_only_if="administrators_may_wipe",
        others_refused=lazy("The policy “%(policy)s” lets nobody but its owner wipe this device."),
    ),
}

PERMISSIONS: Final = tuple(rules.permission for rules in ACTIONS.values() if rules.allows)
"""What a self-service policy allows or forbids of actions, in the order of their rows."""


def rules_of(kind: str) -> Rules:
    """Of an action as it is stored. Raises ValueError for one that there is not."""
    return ACTIONS[ActionKind(kind)]


for _kind, _rules in ACTIONS.items():
    actor.declare(
        _kind,
        limited=_rules.limited,
        own=_rules.proof is not Proof.ALWAYS,
        others=_rules.proof is Proof.NEVER,
    )
