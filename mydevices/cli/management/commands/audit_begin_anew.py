"""`./run manage audit_begin_anew`: a new key for the audit's chain, where the present one is lost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.utils import ProgrammingError

from mydevices.audit import chain
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.cli import roles
from mydevices.errors import Conflict


class Command(BaseCommand):
    help = (
        "Go on with a new key where that of the audit's chain is lost. Entries stay, and are sealed as they stand; "
        "that nobody changed them before can't be checked any more."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            with roles.as_owner(), transaction.atomic():
                key = chain.begin_anew()
                audit.record(
                    Verb.AUDIT_BEGUN_ANEW, actor=Actor.system("command line"), details={"entries": key.entries}
                )
        except Conflict as error:
            raise CommandError(error.message) from error
        except ProgrammingError as error:
            if not roles.is_refusal(error):
                raise
            raise CommandError("Only the owner of the tables can: set MYDEVICES_DATABASE_OWNER_URL.") from error
        self.stdout.write(f"The chain goes on with a new key. {key.entries} entries were sealed as they stand.")
