"""`./run manage check_address`: what the TLS of the public address is like."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mydevices.cli import address


class Command(BaseCommand):
    help = "Look at the public address as people and devices meet it: certificate, TLS versions, cipher suites."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        url = settings.PUBLIC_URL
        if not url.startswith("https://"):
            raise CommandError("There is no public https address: set MYDEVICES_PUBLIC_URL.")
        wrong = 0
        try:
            for finding in address.look(url, now=timezone.now()):
                wrong += not finding.is_good
                self.stdout.write(f"  {'good ' if finding.is_good else 'WRONG'}  {finding.text}")
        except OSError as error:
            raise CommandError(
                f"{url} cannot be reached from here: {error.strerror or error}. Some networks let nobody inside use "
                "the outer address; then run this on another machine."
            ) from error
        if wrong:
            raise CommandError(f"{url} has something wrong. The README has lines for nginx that are good.")
