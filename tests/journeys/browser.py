"""The browser of the journeys: which program it is, how it starts, and the screens that a page is looked at on."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MAC_PROGRAM = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


class NoBrowser(Exception):
    """There is no Chromium; the message says how to get one."""


def find_chromium() -> str:
    """The path of Chromium. Raises NoBrowser. `./run` follows the same rule before it starts the journeys."""
    if named := os.environ.get("CHROMIUM"):
        if path := shutil.which(named):
            return path
        raise NoBrowser(f"CHROMIUM names {named}, which is not a program here.")
    for program in PROGRAMS:
        if path := shutil.which(program):
            return path
    if MAC_PROGRAM.exists():
        return str(MAC_PROGRAM)
    raise NoBrowser("The journeys need Chromium. On Debian: apt install chromium. Elsewhere set CHROMIUM=/path.")


def arguments() -> list[str]:
    """Switches that keep the browser quiet and on this machine."""
    switches = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # Chromium's sandbox refuses to run as root
    return switches


@dataclass(frozen=True)
class Screen:
    """Where a page is looked at: width in CSS pixels, colour scheme, whether scripts run, and what language it asks
    for."""

    width: int
    scheme: Literal["light", "dark"]
    javascript: bool = True
    locale: str = "en-GB"

    @property
    def height(self) -> int:
        return 844 if self.width < 700 else 900

    def __str__(self) -> str:
        language = "" if self.locale == "en-GB" else f"-{self.locale}"
        return f"{self.width}-{self.scheme}" + ("" if self.javascript else "-noscript") + language


PHONE, PHONE_DARK = Screen(390, "light"), Screen(390, "dark")
DESK, DESK_DARK = Screen(1280, "light"), Screen(1280, "dark")
PHONE_PLAIN, DESK_PLAIN = Screen(390, "light", javascript=False), Screen(1280, "light", javascript=False)

PHONE_ARABIC, DESK_ARABIC = Screen(390, "light", locale="ar"), Screen(1280, "light", locale="ar")

DESK_GERMAN = Screen(1280, "light", locale="de")


def on(*screens: Screen) -> pytest.MarkDecorator:
    """Run a journey once per screen: `@on(PHONE, DESK_DARK)`. Without it, `page` is DESK."""
    return pytest.mark.parametrize("screen", screens, indirect=True, ids=str)


on_every_screen = on(PHONE, PHONE_DARK, DESK, DESK_DARK)
