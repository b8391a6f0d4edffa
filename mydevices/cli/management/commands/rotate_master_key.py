"""`./run manage rotate_master_key`: wrap every sealed value anew under the newest master key, while the server runs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mydevices.vault import services


class Command(BaseCommand):
    help = (
        "Wrap every sealed value under the newest master key. Put the new key first and the old one second in "
        "MYDEVICES_MASTER_KEY, restart, run this, and then take the old one away."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        rotation = services.rotate()
        if rotation.remaining:
            raise CommandError(
                f"{rotation.rewrapped} values were wrapped anew, but {rotation.remaining} are still under another key, "
                f"{rotation.unreadable} of them under one that is not given. Keep the old keys, and run this again."
            )
        self.stdout.write(
            f"{rotation.rewrapped} values were wrapped anew; all are under the newest key. The old ones can go."
        )
