"""`./run manage apple_push_certificate FILE`: use the certificate that Apple gave for a request."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mydevices.audit.actor import Actor
from mydevices.errors import Conflict, MyDevicesError
from mydevices.platforms.apple import key_files, push_certificate


class Command(BaseCommand):
    help = "Install an Apple push certificate: from Apple's portal, or one in use elsewhere together with its key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="PEM, DER or PKCS#12 (.p12)")
        parser.add_argument("--key", type=Path, metavar="FILE", help="its key, when the request was not made here")
        parser.add_argument("--force", action="store_true", help="even if every device must be registered again")

    def handle(self, *_args: Any, **options: Any) -> None:
        certificate, key = key_files.certificates(options["file"])
        if options["key"] is not None:
            key = key_files.private_key(options["key"])
        now = timezone.now()
        try:
            installed = push_certificate.install(
                actor=Actor.system("command line"), pem=certificate, key_pem=key, force=options["force"], now=now
            )
        except Conflict as error:
            raise CommandError(f"{error.message} (--force)") from error
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Installed. Topic {installed.topic}, valid until {installed.not_after:%d %B %Y}.")
        warning = push_certificate.warning(now)
        if warning:
            self.stderr.write(warning, style_func=str)
