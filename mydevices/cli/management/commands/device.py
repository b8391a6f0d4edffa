"""`./run manage device ACTION ID --as EMAIL`: ask something of a device, by the rules that hold for that person."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mydevices.accounts import rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.actions import ACTIONS, ActionKind, Says
from mydevices.audit.actor import Actor
from mydevices.commands import asking
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import MyDevicesError
from mydevices.port.actions import Parameters
from mydevices.presentation import device_looks, device_status
from mydevices.presentation.actions import called

ADDRESS = "command line"
"""Stands in the audit where requests have their IP address."""


class Command(BaseCommand):
    help = (
        "Ask an action of a device in somebody's name. What they may not do in the portal or the console is refused"
        " here with the same words. No password is asked: whoever runs this holds the server's keys. The audit says"
        " that it came from the command line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = [kind.value for kind in ActionKind]
        parser.add_argument("action", choices=kinds, metavar="ACTION", help=", ".join(kinds))
        parser.add_argument("id", type=UUID, metavar="ID", help="the device's, as in its page's address")
        parser.add_argument("--as", dest="email", required=True, metavar="EMAIL", help="who asks")
        parser.add_argument("--reason", default="", help="why; needed where the device is somebody else's")
        parser.add_argument("--message", default="", help="for its screen, when it is locked or lost")
        parser.add_argument("--phone", default="", help="a phone number for its screen")

    def handle(self, *_args: Any, **options: Any) -> None:
        kind = ActionKind(options["action"])
        says = ACTIONS[kind].says is not Says.NOTHING
        if (options["message"] or options["phone"]) and not says:
            saying = ", ".join(kind for kind, rules in ACTIONS.items() if rules.says is not Says.NOTHING)
            raise CommandError(f"Only these put a message or a phone number on the screen: {saying}.")
        try:
            options["email"].encode()
            person = accounts.by_email(options["email"])
            actor = Actor("person", str(person.id), person.name, person.role, ADDRESS, timezone.now())
            action = asking.enqueue(
                device=_device(person, actor, options["id"]),
                kind=kind,
                actor=actor,
                parameters=Parameters(message=options["message"], phone_number=options["phone"]) if says else None,
                reason=options["reason"],
            )
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except UnicodeEncodeError as error:
            raise CommandError("The address is not UTF-8.") from error
        name = device_looks.name_of(action.device)
        if action.limit:
            self.stdout.write(
                f"Wipe of {name} waits for an administrator. {device_status.beyond(action.limit)} {action.id}"
            )
        elif action.held_until:
            when = timezone.localtime(action.held_until)
            self.stdout.write(f"{called(kind)} of {name} can be called off until {when:%H:%M:%S}. {action.id}")
        else:
            self.stdout.write(f"{called(kind)} of {name} is queued. {action.id}")


def _device(person: Person, actor: Actor, device_id: UUID) -> Device:
    """Raises NotFound for a device of somebody else, unless this person may see everybody's, as in the console."""
    if Right.SEE_DEVICES in rights.of(actor):
        return devices.by_id(device_id)
    return devices.owned(person, device_id)
