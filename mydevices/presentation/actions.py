"""How each action is called, drawn and asked: a row of words for each of those in `mydevices.actions`.

Words are lazy, in the language of the page. `%(noun)s` and `%(what)s` are what people call the device (“phone”),
`{device}` is its name in bold, `{who}` who asked, `{left}` the seconds of a countdown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from mydevices.actions import ACTIONS, ActionKind, Rules


@dataclass(frozen=True, slots=True)
class Dialog:
    """The question that the portal asks first."""

    template: str = "portal/ask.html"
    about: Promise | str = ""
    """What to know before it is asked, beside what the adapter explains."""


@dataclass(frozen=True, slots=True)
class Words:
    """What people read of an action."""

    title: Promise
    """“Lock”."""
    on_device: Promise
    """“Lock %(what)s”: a heading, or a button."""
    under_way: Promise
    """“Locking, waiting for the %(noun)s”."""
    done: Promise
    """“Locked”."""
    failed: Promise
    """“Lock failed {when}”."""
    cancel: Promise
    """“Cancel lock”."""
    by_reader: Promise
    """In the history: “You asked to lock {device}.”"""
    by_other: Promise
    """“{who} asked to lock {device}.”"""
    meaning: Promise | str
    """To somebody whose device it is, when others may ask it. Empty for what goes with another action."""
    icon: str
    """A symbol of `static/mydevices.svg`."""
    address: str
    """Below the device's own, in the portal."""
    dialog: Dialog | None = None
    """None for a button that asks at once."""
    at_once: Promise | str = ""
    """On a button with room: “Check in now”. Else its title."""
    tone: str = ""
    """Of its buttons: "danger", or nothing."""
    held: Promise | str = ""
    """While it can be undone: “Wipe waiting, undo {left} s”."""
    then: Promise | str = ""
    """While it can be undone: “Then the %(noun)s is erased as soon as it answers.”"""
    undo: Promise | str = ""
    """“Undo wipe”."""
    of_many: Promise | str = ""
    """What to know before it is asked of many devices."""


WORDS: Final[Mapping[ActionKind, Words]] = {
    ActionKind.CHECK_IN: Words(
        title=lazy("Check in"),
        on_device=lazy("Check in"),
        under_way=lazy("Check in sent, waiting for the %(noun)s"),
        done=lazy("Checked in"),
        failed=lazy("Check in failed {when}"),
        cancel=lazy("Cancel check in"),
        by_reader=lazy("You asked {device} to check in."),
        by_other=lazy("{who} asked {device} to check in."),
        meaning=lazy("It reports the facts above at once."),
        icon="sync",
        address="check-in",
        at_once=lazy("Check in now"),
        of_many=lazy("Each of them is woken and tells about itself anew."),
    ),
    ActionKind.LOCK: Words(
        title=lazy("Lock"),
        on_device=lazy("Lock %(what)s"),
        under_way=lazy("Locking, waiting for the %(noun)s"),
        done=lazy("Locked"),
        failed=lazy("Lock failed {when}"),
        cancel=lazy("Cancel lock"),
        by_reader=lazy("You asked to lock {device}."),
        by_other=lazy("{who} asked to lock {device}."),
        meaning=lazy("The screen locks, with a message. Nothing is lost."),
        icon="lock",
        address="lock",
        dialog=Dialog("portal/lock.html"),
        of_many=lazy(
            "Each of them locks its screen as soon as it answers. A computer may restart and ask for a PIN that only "
            "its owner can see here."
        ),
    ),
    ActionKind.LOST: Words(
        title=lazy("Mark as lost"),
        on_device=lazy("Mark %(what)s as lost"),
        under_way=lazy("Marked as lost, waiting for the %(noun)s"),
        done=lazy("Locked, with the message"),
        failed=lazy("Mark as lost failed {when}"),
        cancel=lazy("Cancel"),
        by_reader=lazy("You marked {device} as lost."),
        by_other=lazy("{who} marked {device} as lost."),
        meaning=lazy("It locks with a message for whoever finds it."),
        icon="pin",
        address="lost",
        dialog=Dialog("portal/lost.html"),
    ),
    ActionKind.UNLOCK: Words(
        title=lazy("Unlock"),
        on_device=lazy("Unlock %(what)s"),
        under_way=lazy("Unlocking, waiting for the %(noun)s"),
        done=lazy("Unlocked"),
        failed=lazy("Unlock failed {when}"),
        cancel=lazy("Cancel unlock"),
        by_reader=lazy("You asked to unlock {device}."),
        by_other=lazy("{who} asked to unlock {device}."),
        meaning=lazy("Its passcode is removed, or an account lets you try again, when you have locked yourself out."),
        icon="unlock",
        address="unlock",
        dialog=Dialog("portal/unlock.html"),
    ),
    ActionKind.RESTART: Words(
        title=lazy("Restart"),
        on_device=lazy("Restart %(what)s"),
        under_way=lazy("Restarting, waiting for the %(noun)s"),
        done=lazy("Restart accepted"),
        failed=lazy("Restart failed {when}"),
        cancel=lazy("Cancel restart"),
        by_reader=lazy("You asked to restart {device}."),
        by_other=lazy("{who} asked to restart {device}."),
        meaning=lazy("It restarts. Nothing that was saved is lost."),
        icon="sync",
        address="restart",
        dialog=Dialog(about=lazy("Whatever isn’t saved on it may be lost. This waits for an hour at most.")),
    ),
    ActionKind.LOCATE: Words(
        title=lazy("Locate"),
        on_device=lazy("Locate %(what)s"),
        under_way=lazy("Asked where it is, waiting for the %(noun)s"),
        done=lazy("Located"),
        failed=lazy("Locate failed {when}"),
        cancel=lazy("Cancel"),
        by_reader=lazy("You asked {device} where it is."),
        by_other=lazy("{who} asked {device} where it is."),
        meaning=lazy("Only while it is marked lost. It tells that it was asked."),
        icon="pin",
        address="where/ask",
    ),
    ActionKind.SOUND: Words(
        title=lazy("Play a sound"),
        on_device=lazy("Play a sound on %(what)s"),
        under_way=lazy("Told to play a sound, waiting for the %(noun)s"),
        done=lazy("Plays a sound"),
        failed=lazy("Play a sound failed {when}"),
        cancel=lazy("Cancel"),
        by_reader=lazy("You asked {device} to play a sound."),
        by_other=lazy("{who} asked {device} to play a sound."),
        meaning="",
        icon="sound",
        address="sound",
    ),
    ActionKind.FOUND: Words(
        title=lazy("End Lost Mode"),
        on_device=lazy("End Lost Mode of %(what)s"),
        under_way=lazy("Found, waiting for the %(noun)s"),
        done=lazy("Lost Mode ended"),
        failed=lazy("End Lost Mode failed {when}"),
        cancel=lazy("Cancel"),
        by_reader=lazy("You said that you found {device}."),
        by_other=lazy("{who} said that {device} was found."),
        meaning="",
        icon="check",
        address="found",
    ),
    ActionKind.RETIRE: Words(
        title=lazy("Retire"),
        on_device=lazy("Retire %(what)s"),
        under_way=lazy("Retiring, waiting for the %(noun)s"),
        done=lazy("Retired"),
        failed=lazy("Retire failed {when}"),
        cancel=lazy("Cancel retire"),
        by_reader=lazy("You asked to retire {device}."),
        by_other=lazy("{who} asked to retire {device}."),
        meaning=lazy("Management ends, and what was set up is removed. What is yours stays."),
        icon="out",
        address="retire",
        dialog=Dialog("portal/retire.html"),
        held=lazy("Retire waiting, undo {left} s"),
        then=lazy("Nothing has been sent yet. Then the %(noun)s is retired as soon as it answers."),
        undo=lazy("Undo retire"),
        of_many=lazy(
            "Management ends on each of them, and what it brought is removed: mail accounts, certificates and settings "
            "of the organisation. To manage one again, its owner registers it again with the device in their hand."
        ),
    ),
    ActionKind.WIPE: Words(
        title=lazy("Wipe"),
        on_device=lazy("Wipe %(what)s"),
        under_way=lazy("Wiping, waiting for the %(noun)s"),
        done=lazy("Erased"),
        failed=lazy("Wipe failed {when}"),
        cancel=lazy("Cancel wipe"),
        by_reader=lazy("You asked to wipe {device}."),
        by_other=lazy("{who} asked to wipe {device}."),
        meaning=lazy("Everything on it is erased."),
        icon="erase",
        address="wipe",
        dialog=Dialog("portal/wipe.html"),
        tone="danger",
        held=lazy("Wipe waiting, undo {left} s"),
        then=lazy("Nothing has been sent yet. Then the %(noun)s is erased as soon as it answers."),
        undo=lazy("Undo wipe"),
    ),
}


def words_of(kind: str) -> Words:
    """Of an action as it is stored. Raises ValueError for one that there is not."""
    return WORDS[ActionKind(kind)]


def called(kind: str) -> str:
    """Of an action as it is stored or recorded; one of an earlier version, which the history keeps, says it as it was
    written."""
    try:
        return str(words_of(kind).title)
    except ValueError:
        return kind


def listed_for_a_device() -> Mapping[ActionKind, Rules]:
    """What a device's page lists: what concerns a lost device alone stands where that is looked for."""
    return {kind: rules for kind, rules in ACTIONS.items() if not rules.only_while_lost}
