"""`./run manage`: which commands there are, and what they need before they begin.

Django brings many commands of its own. Some destroy (`flush`), some go past the audit (`changepassword`) or write down
what is secret (`dumpdata`). Only what is named here runs.
"""

import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import django
from django.core.management import execute_from_command_line, load_command_class
from django.db.utils import OperationalError

LISTED: Final = ("check",)
"""Django's that an operator needs."""
DEVELOPERS: Final = (
    "collectstatic",
    "compilemessages",
    "createcachetable",
    "makemessages",
    "makemigrations",
    "showmigrations",
    "sqlmigrate",
)
"""Django's that run and are not listed: for those who work on it, and so not in a release."""
_TESTS: Final = Path(__file__).resolve().parents[2] / "tests"
WITHOUT_DATABASE: Final = frozenset({"check_address", "database_roles", "demo", "migrate", "sbom", "serve"})
"""Ours that need no database, or see to it themselves."""
_HELP: Final = ("-h", "--help")


def ours() -> Mapping[str, str]:
    """The house's commands and those of its platforms, each with the package that it is in."""
    house = Path(__file__).parents[1]
    found: dict[str, str] = {}
    for folder in (house / "cli", *sorted((house / "platforms").iterdir())):
        package = ".".join(folder.relative_to(house.parent).parts)
        found |= {module.name: package for module in pkgutil.iter_modules([str(folder / "management" / "commands")])}
    return dict(sorted(found.items()))


def main(arguments: Sequence[str]) -> None:
    """Run a command. Whatever it makes, only the owner of this process may read."""
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mydevices.settings")
    name, *rest = [one for one in arguments if one] or ["help"]
    if name in {"help", *_HELP}:
        name, rest = (rest[0], ["--help"]) if rest else ("", [])
    if not name:
        sys.stdout.write(_listing())
        return
    if name not in {*ours(), *LISTED, *(DEVELOPERS if _TESTS.is_dir() else ())}:
        raise SystemExit(f"There is no command '{name}'. ./run manage lists those that there are.")
    asks_for_help = bool(set(_HELP) & set(rest))
    if name == "demo" and not asks_for_help:
        from mydevices.cli import demonstration  # noqa: PLC0415  a release has none

        demonstration.prepare(rest)
    if name in ours() and name not in WITHOUT_DATABASE and not asks_for_help:
        _require_prepared(name)
    try:
        execute_from_command_line(["./run manage", name, *rest])
    except OperationalError as error:
        if "--traceback" in rest:
            raise
        raise SystemExit(f"The database does not answer: {str(error).strip()}") from error


def _require_prepared(name: str) -> None:
    django.setup()
    from mydevices.cli import start  # noqa: PLC0415  models must be loaded first

    reason = start.unprepared(without_secret_key=name == "accept_secret_key")
    if reason:
        raise SystemExit(reason)


def _listing() -> str:
    django.setup()
    lines = ["What an operator can do: ./run manage COMMAND. With --help, each says what it takes.", ""]
    names = [*ours().items(), *((name, "django.core") for name in LISTED)]
    width = max(len(name) for name, _package in names)
    for name, package in names:
        first = load_command_class(package, name).help.partition(". ")[0].rstrip(".")
        lines.append(f"  {name:<{width}}  {first}.")
    return "\n".join(lines) + "\n"
