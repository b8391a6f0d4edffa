"""`./run manage restore_administrator EMAIL`: a way back in for an administrator."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.accounts import restoring
from mydevices.audit.actor import Actor
from mydevices.errors import MyDevicesError


class Command(BaseCommand):
    help = (
        "Print a one-time link with which an administrator sets a new password and signs in, for instance when the"
        " sign-in provider is gone. Good for an hour. Ends a suspension. It stands in the audit, and every"
        " administrator is mailed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the administrator's address")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            link = restoring.restore(actor=Actor.system("command line"), email=options["email"])
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        self.stdout.write(link)
