"""`./run manage registration_profile PERSON_EMAIL --out FILE`: a fresh one-time profile, for scripts and tests."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.accounts import selectors as accounts
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device
from mydevices.errors import MyDevicesError
from mydevices.registration import selectors, tickets


class Command(BaseCommand):
    help = (
        "Write a fresh registration profile that registers one device of a person, within 15 minutes. The person's"
        " registration policy binds this command too, but for the PIN, which only proves who a person is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person_email")
        parser.add_argument(
            "--ownership",
            choices=Device.Ownership.values,
            help="whose device it is; without it, as the person’s registration policy says, or personal",
        )
        parser.add_argument(
            "--unsigned", action="store_true", help="plain XML, for clients that read no signed profile"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="FILE")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            person = accounts.by_email(options["person_email"])
            fixed = selectors.rules_of(person).values.fixed_ownership
            ticket = tickets.open_ticket(
                person=person,
                ownership=options["ownership"] or fixed or Device.Ownership.PERSONAL,
                intended="phone",
                actor=Actor.system("command line"),
            )
            document = tickets.document_for(ticket=ticket, signed=False if options["unsigned"] else None)
            options["out"].write_bytes(document.content)
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error.strerror}.") from error
        self.stdout.write(
            f"{options['out']} registers one device of {person.name} until {ticket.expires_at:%H:%M} UTC."
        )
