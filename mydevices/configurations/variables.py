"""Variables in the text of a configuration, filled for the person whose device it goes to."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from mydevices.accounts.models import Person

VARIABLES: Final[Mapping[str, Callable[[Person], str]]] = {
    "EMAIL": lambda person: person.email,
    "USERNAME": lambda person: person.email.partition("@")[0],
    "DOMAIN": lambda person: person.email.partition("@")[2],
    "FULLNAME": lambda person: person.name,
}
"""By name, written with a dollar sign before it."""

_NAMED: Final = re.compile(r"\$(" + "|".join(VARIABLES) + r")(?![A-Z_])")


def fill(text: str, person: Person) -> str:
    """What is no variable stays as it is written."""
    return _NAMED.sub(lambda match: VARIABLES[match[1]](person), text)


def fill_address(text: str, person: Person) -> str:
    """The same inside an address of the web, where a value must not add parts of its own."""
    return _NAMED.sub(lambda match: quote(VARIABLES[match[1]](person), safe="@"), text)


def put_aside(text: str) -> str:
    """The same with a letter in place of each variable: what is around them."""
    return _NAMED.sub("x", text)
