"""`./run manage audit_verify`: does the chain over the audit entries hold?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.audit import services


class Command(BaseCommand):
    help = "Compute the hash chain over the audit entries anew and compare it with what was sealed."

    def handle(self, *_args: Any, **_options: Any) -> None:
        verdict = services.verify()
        if verdict.broken_at is not None:
            raise CommandError(f"The chain is broken at entry {verdict.broken_at}: {verdict.reason}")
        self.stdout.write(
            f"The chain holds: {verdict.sealed} entries are sealed, {verdict.unsealed} wait for the next round.\n"
            f"Its head is {verdict.head}. Note it elsewhere to be able to tell if entries are cut off at the end."
        )
