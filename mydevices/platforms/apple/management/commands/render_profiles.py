"""`./run manage render_profiles (--device ID | --all) --out DIR`: what devices are sent, to be looked at."""

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.platforms.apple import configurations
from mydevices.platforms.apple.systems import NAME, is_mac

LONGEST: Final = 150
"""Bytes of a name that is made of another: file systems take 255 at most."""
_KEPT: Final = frozenset(" ._-()’'")


def safe(name: str) -> str:
    """A name as a part of a path: no separators, nothing invisible, nothing hidden, and not too long."""
    readable = "".join(sign if sign.isalnum() or sign in _KEPT else "_" for sign in name)
    short = readable.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")
    return short.strip(" .") or "_"


def unused(name: str, taken: set[str]) -> str:
    """The name, or the first of `name (2)`, `name (3)` ... that is free, also where capitals do not tell names apart.
    It is taken from now on."""
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{name} ({number})"
    taken.add(found.casefold())
    return found


class Command(BaseCommand):
    help = (
        "Write the profiles of configurations as they would be installed on devices, one file for each: before"
        " encryption and signature, and with a marker in place of private keys and their passwords. Nothing is sent,"
        " and no key is opened."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--device", metavar="ID", help="the device with this id, as in the address of its page")
        which.add_argument("--all", action="store_true", help="every managed Apple device")
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="a folder that is empty, or is not there yet"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        out: Path = options["out"]
        chosen = devices.managed(NAME).iterator(chunk_size=100) if options["all"] else [_device(options["device"])]
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise CommandError(f"{out} is not empty. Give a folder that is, or one that is not there yet.")
            self._write(chosen, out)
        except OSError as error:
            raise CommandError(f"{error.filename or out} cannot be written: {error.strerror}.") from error

    def _write(self, chosen: Iterable[Device], out: Path) -> None:
        folders: set[str] = set()
        written = 0
        for device in chosen:
            system = "macos" if is_mac(device) else "ios"
            folder = out / unused(f"{system}-{safe(device.name)}", folders)
            files: set[str] = set()
            for profile in configurations.shown(device):
                if profile.why_not:
                    self.stderr.write(f"{device.name}: “{profile.name}” is not sent. {profile.why_not}")
                    continue
                folder.mkdir(exist_ok=True)
                (folder / f"{unused(safe(profile.name), files)}.mobileconfig").write_bytes(profile.content)
                written += 1
        self.stdout.write(f"Devices: {len(folders)}. Profiles: {written}, in {out}.")


def _device(text: str) -> Device:
    try:
        found = devices.managed(NAME).filter(id=UUID(text)).first()
    except ValueError as error:
        raise CommandError(f"“{text}” is not the id of a device.") from error
    if found is None:
        raise CommandError("There is no managed Apple device with this id.")
    return found
