"""`./run manage end_provider_links ISSUER`: let go of the people of an issuer that is no longer set here."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.accounts import providers
from mydevices.audit.actor import Actor
from mydevices.errors import MyDevicesError


class Command(BaseCommand):
    help = (
        "End the links of people to an issuer that no provider has any more, for instance after another one was put"
        " into the environment. They keep their accounts, set a password by “Forgotten password”, and link their"
        " account anew. Links of providers that are set in the console end there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("issuer", metavar="ISSUER", help="the address of the issuer that was")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            ended = providers.end_links_of_issuer(actor=Actor.system("command line"), issuer=options["issuer"])
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{ended} links have ended.")
