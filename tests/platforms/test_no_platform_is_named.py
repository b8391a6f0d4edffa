"""Above the port no platform has a name: what `git grep` finds of Apple's words in the house is listed here, each line
with its reason."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
WORDS: Final = r"apple|iphone|ipad|macos|apns|\bmac\b"
ELSEWHERE: Final = (
    "mydevices/platforms",  # the adapters
    "mydevices/protocols",  # what devices say
    "mydevices/locale",  # catalogues hold the strings of the adapters, too
    "mydevices/static/vendor",  # as its makers wrote it
    "mydevices/accounts/breached",  # passwords that people have chosen
)
NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "mydevices/accounts/attempts.py": (r"\bipaddress\b", "the module"),
    "mydevices/clients.py": (r"\bipaddress\b", "the module"),
    "mydevices/environment.py": (
        r"\bipaddress\b|\bapple_push_(url|ca)\b|https://api\.push\.apple\.com",
        "the module; names of settings, and the default of one",
    ),
    "mydevices/cli/demonstration.py": (
        r"\bMYDEVICES_APPLE_PUSH_(URL|CA)\b",
        "names of settings, which are set before any platform can be asked",
    ),
    "mydevices/accounts/browsers.py": (
        r"iPhone|iPad|Macintosh|\bMac\b",
        "the system of a browser, which is nobody's device here",
    ),
    "mydevices/static/mydevices.css": (r"-apple-system", "the name of a font"),
    "mydevices/templates/mail/base.html": (r"-apple-system", "the name of a font"),
}
"""By file, what stands there and why."""


def found() -> Mapping[str, list[str]]:
    excluded = [f":!{folder}" for folder in ELSEWHERE]
    command = ["git", "grep", "--untracked", "-niPI", WORDS, "--", "mydevices", *excluded]
    lines: dict[str, list[str]] = {}
    for line in subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.splitlines():
        path, _number, text = line.split(":", 2)
        lines.setdefault(path, []).append(text)
    return lines


def test_no_platform_is_named_above_the_port() -> None:
    left = {}
    for path, lines in found().items():
        allowed = NAMED.get(path, ("$^", ""))[0]
        unnamed = [line for line in lines if re.search(WORDS, re.sub(allowed, "", line), re.IGNORECASE)]
        if unnamed:
            left[path] = unnamed
    assert left == {}, "what is one platform's own belongs to its adapter (mydevices/platforms)"


def test_what_is_listed_is_there() -> None:
    lines = found()
    assert set(NAMED) <= set(lines)
    for path, (pattern, why) in NAMED.items():
        assert why
        assert any(re.search(pattern, line) for line in lines[path]), path
