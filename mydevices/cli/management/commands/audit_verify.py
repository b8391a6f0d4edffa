"""`./run manage audit_verify`: does the chain over the audit's entries hold?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.audit import chain
from mydevices.audit.chain import Verdict
from mydevices.errors import Conflict


class Command(BaseCommand):
    help = "Compute the keyed hash chain over the audit's entries anew and compare it with what was sealed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--head", action="store_true", help="print the chain's head and nothing else")
        one.add_argument("--contains", metavar="HEAD", help="also look for a head that was noted down earlier")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["head"]:
            try:
                self.stdout.write(chain.head()[0])
            except Conflict as error:
                raise CommandError(error.message) from error
            return
        noted = (options["contains"] or "").strip().lower()
        verdict = chain.verify(noted=noted)
        if not verdict.holds:
            where = "" if verdict.broken_at is None else f" at entry {verdict.broken_at}"
            raise CommandError(f"The chain is broken{where}, after {verdict.sealed} that hold: {verdict.reason}")
        self.stdout.write(_told(verdict))
        if verdict.contains:
            self.stdout.write(f"{noted} is in the chain: everything up to there is as it was.")
        elif noted:
            raise CommandError(
                f"{noted} is not in the chain. If it was copied right, entries were cut off at the end since then, or "
                "the chain was made anew."
            )


def _told(verdict: Verdict) -> str:
    lines = [f"The chain holds: {verdict.sealed} entries are sealed, {verdict.unsealed} wait for the next round."]
    if verdict.key_made_at is not None:
        made = f"{verdict.key_made_at:%Y-%m-%d %H:%M} UTC"
        lines.append(f"Its key was made on {made}.")
        if verdict.before_key:
            lines.append(
                f"{verdict.before_key} entries are older than the key, and were sealed under it then, as they stood. "
                "If you know of no upgrade or new beginning at that time, somebody else made the key."
            )
    lines.append(f"Its head is {verdict.head}. Note it elsewhere to be able to tell if entries are cut off at the end.")
    return "\n".join(lines)
