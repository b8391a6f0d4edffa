"""`./run manage take_factors EMAIL`: let somebody in who has lost every second factor, and whom nobody can help."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.accounts import factors
from mydevices.accounts import selectors as accounts
from mydevices.audit.actor import Actor
from mydevices.errors import MyDevicesError


class Command(BaseCommand):
    help = (
        "Remove every second factor of somebody who has lost theirs, recovery codes included. Their password then signs"
        " them in, and whoever has a role in the console adds another factor before anything else. It is recorded, and"
        " they are told by mail. For an administrator whom no other one can help: the console does the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="whose")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            options["email"].encode()
            person = accounts.by_email(options["email"])
            number = factors.take_away(actor=Actor.system("command line"), person=person)
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except UnicodeEncodeError as error:
            raise CommandError("That is no e-mail address.") from error
        self.stdout.write(f"Removed {number}. {person.name} signs in with their password, and adds another.")
