"""`./run sbom`: the bill of materials."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mydevices.cli import bill


class Command(BaseCommand):
    help = "Write what this product is made of: a software bill of materials (CycloneDX 1.6, JSON)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; otherwise to standard output")

    def handle(self, *_args: Any, **options: Any) -> None:
        text = json.dumps(bill.bill(now=timezone.now(), serial=uuid4()), indent=2) + "\n"
        out = options["out"]
        if out is None:
            self.stdout.write(text, ending="")
            return
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
