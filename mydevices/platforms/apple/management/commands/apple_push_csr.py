"""`./run manage apple_push_csr --out FILE`: the request for the certificate with which Apple devices are woken."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from mydevices.audit.actor import Actor
from mydevices.errors import MyDevicesError
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import key_files, push_certificate

ACTOR: Final = Actor.system("command line")

SIGN: Final = """\
Have {file} signed: Apple gives push certificates only for requests that an MDM vendor has signed. A vendor is whoever
has the “MDM CSR” certificate of the Apple Developer Program, and some sign for others as a service. If it is you, run
this again with --vendor-certificate and --vendor-key: that writes the signed request."""
UPLOAD: Final = """\
Give the signed request to https://identity.apple.com/pushcert, with an Apple account that belongs to the organisation
and not to one person: every year the certificate is renewed with this very account."""
RENEW: Final = """\
There, choose “Renew” beside the present certificate ({topic}), not “Create”: with another topic, every device would
have to be registered again. The present one works until the new one is installed."""
INSTALL: Final = "Install what Apple gives: ./run manage apple_push_certificate FILE"


class Command(BaseCommand):
    help = "Make a key and write the request for its Apple push certificate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; otherwise to standard output")
        parser.add_argument(
            "--vendor-certificate",
            type=Path,
            metavar="FILE",
            help="your MDM vendor certificate with Apple's intermediate and root (PEM): writes the signed request",
        )
        parser.add_argument("--vendor-key", type=Path, metavar="FILE", help="the key of the vendor certificate")

    def handle(self, *_args: Any, **options: Any) -> None:
        vendor_certificate, vendor_key, out = options["vendor_certificate"], options["vendor_key"], options["out"]
        if (vendor_certificate is None) != (vendor_key is None):
            raise CommandError("--vendor-certificate and --vendor-key go together.")
        try:
            # Together: without the file there is no use for the key.
            with transaction.atomic():
                request = push_certificate.request(actor=ACTOR, organisation_name=organisation.current().name)
                if vendor_certificate is not None:
                    request = push_certificate.sign_as_vendor(
                        request,
                        chain_pem=key_files.certificates(vendor_certificate)[0],
                        key_pem=key_files.private_key(vendor_key),
                    )
                if out is not None:
                    out.write_bytes(request)
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        if out is None:
            self.stdout.write(request.decode(), ending="")
        # On standard error, because the request itself may be going into a file.
        self.stderr.write(_what_next(str(out or "the request"), vendor_certificate is not None), style_func=str)


def _what_next(file: str, is_signed: bool) -> str:
    present = push_certificate.current()
    steps = [
        "" if is_signed else SIGN.format(file=file),
        UPLOAD,
        RENEW.format(topic=present.topic) if present else "",
        INSTALL,
    ]
    return "\n" + "\n".join(f"{number}. {step}" for number, step in enumerate(filter(None, steps), 1))
