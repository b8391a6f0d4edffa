"""`./run manage accept_secret_key`: go on with another secret key, when the one of this database is lost."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.cli import start
from mydevices.vault import services as vault


class Command(BaseCommand):
    help = (
        "Go on with the secret key that this server has, when the one of the database is lost. Everybody signs in "
        "anew, and links and registrations that are open now are no longer good."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not start.has_secret_key():
            start.make_secret_key()
        with transaction.atomic():
            if not vault.accept_secret_key(settings.SECRET_KEY):
                self.stdout.write("This is the secret key of this database already.")
                return
            audit.record(Verb.SECRET_KEY_CHANGED, actor=Actor.system("command line"), details={"accepted": True})
        self.stdout.write(
            "The database now goes with this server’s secret key. Start every other machine with it, too."
        )
