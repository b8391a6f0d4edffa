"""The demo's folder and environment. Prepared before Django reads its settings, so nothing here knows Django.

The demo knows one setting, MYDEVICES_PORT. Whatever else an operator has set is put aside: nobody's database is played
with.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = Path(os.environ.get("MYDEVICES_DEMO_DATA", ROOT / "demo-data"))
SIMULATOR: Final = FOLDER / "simulator"
LOGS: Final = FOLDER / "logs"
CERTIFICATES: Final = FOLDER / "certificates"
"""Files for the demo's person to upload."""
NOTES: Final = FOLDER / "demo.json"
"""What a later start must know: the port that the devices were registered with, and which devices were."""

GATEWAY_PORT: Final = "DEMO_GATEWAY_PORT"
SCREENS_PORT: Final = "DEMO_SCREENS_PORT"
INBOX_PORT: Final = "DEMO_INBOX_PORT"
SMTP_PORT: Final = "DEMO_SMTP_PORT"
"""Variables with the simulator's ports."""

_LOCK: Final = "running"
_held: list[TextIO] = []


def prepare(arguments: Sequence[str]) -> None:
    """Make this process's environment that of the demo. Ends the program when another demo runs or the port changed."""
    port = os.environ.get("MYDEVICES_PORT") or "8000"
    for name in list(os.environ):
        if name.startswith(("MYDEVICES_", "DATABASE_URL")) and name != "MYDEVICES_DEMO_DATA":
            del os.environ[name]
    _hold()
    if "--fresh" in arguments:
        _clear()
    known = notes().get("port", port)
    if known != port:
        raise SystemExit(
            f"The demo's devices are registered with port {known}, and devices keep their server's address. "
            f"Start it with MYDEVICES_PORT={known}, or begin anew: ./run demo --fresh"
        )
    LOGS.mkdir(exist_ok=True)
    gateway, screens, inbox, smtp = _ports(port)
    os.environ |= {
        "MYDEVICES_DATA": str(FOLDER),
        "MYDEVICES_PORT": port,
        "MYDEVICES_PUBLIC_URL": f"http://localhost:{port}",
        "MYDEVICES_APPLE_PUSH_URL": f"https://localhost:{gateway}",
        "MYDEVICES_APPLE_PUSH_CA": str(SIMULATOR / "gateway-authority.pem"),
        "MYDEVICES_SMTP_URL": f"smtp://127.0.0.1:{smtp}?tls=none",
        "MYDEVICES_MAIL_FROM": "devices@aldermoor.example",
        GATEWAY_PORT: str(gateway),
        SCREENS_PORT: str(screens),
        INBOX_PORT: str(inbox),
        SMTP_PORT: str(smtp),
    }


def notes() -> dict[str, str]:
    try:
        found = json.loads(NOTES.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def note(**values: str) -> None:
    """Remember for later starts."""
    temporary = NOTES.with_suffix(".new")
    temporary.write_text(json.dumps(notes() | values, indent=2), encoding="utf-8")
    temporary.replace(NOTES)


def _hold() -> None:
    """One demo at a time in this folder; the kernel lets go when this process ends."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (FOLDER / _LOCK).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("The demo is running already, in another terminal. Stop it there first.") from None
    _held.append(file)


def _clear() -> None:
    for entry in FOLDER.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _ports(port: str) -> Sequence[int]:
    """Ports for the push gateway, the screens, the inbox and its mails: the four after the portal's, or whichever are
    free."""
    first = int(port) if port.isascii() and port.isdigit() and int(port) < 65000 else 8000
    with contextlib.ExitStack() as held:
        chosen: list[int] = []
        for wish in range(first + 1, first + 5):
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wish))
            except OSError:
                probe.bind(("127.0.0.1", 0))
            chosen.append(int(probe.getsockname()[1]))
        return chosen
