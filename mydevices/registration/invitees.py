"""Reading a list of people to invite: a CSV file as spreadsheets write it, whatever its language and separators.

Reading changes nothing: it gives rows, each with what is wrong with it, to be looked at before anybody is invited.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, list_updates, rights
from mydevices.accounts.list_updates import Difference
from mydevices.accounts.models import Group, Person
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.errors import Invalid, NotAllowed
from mydevices.lines import is_one_line
from mydevices.registration import invitations

LARGEST: Final = 512 * 1024
"""Bytes of a file."""
MOST: Final = 500
"""People in a file: each gets a mail, and each row is looked at."""
LONGEST_NAME: Final = 120

_HEADINGS: Final[Mapping[str, frozenset[str]]] = {
    "email": frozenset(
        {"email", "mail", "emailaddress", "mailaddress", "address", "emailadresse", "userprincipalname"}
    ),
    "name": frozenset({"name", "fullname", "displayname", "person", "vollername", "anzeigename"}),
    "first": frozenset({"firstname", "givenname", "forename", "vorname"}),
    "last": frozenset({"lastname", "surname", "familyname", "nachname", "familienname"}),
    "groups": frozenset({"groups", "group", "gruppen", "gruppe", "team", "teams", "department", "abteilung"}),
    "language": frozenset({"language", "lang", "locale", "preferredlanguage", "sprache"}),
}
_LETTERS: Final = re.compile(r"[^a-z]")
_BETWEEN_GROUPS: Final = re.compile(r"[;,|]")


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody to invite or to change, as the file has them, and what is wrong with it (nothing: it can be done)."""

    number: int
    """The line, as a spreadsheet counts."""
    name: str
    email: str
    groups: tuple[str, ...] = ()
    language: str = ""
    problems: tuple[str, ...] = ()
    person: Person | None = None
    """Who is here already, and is not invited."""
    difference: Difference | None = None
    """What would change for them."""

    @property
    def can_invite(self) -> bool:
        return not self.problems and self.person is None

    @property
    def can_change(self) -> bool:
        return not self.problems and self.difference is not None and not self.difference.is_nothing

    @property
    def language_name(self) -> str:
        """In words where it is a known one, else as it was written."""
        return str(dict(settings.LANGUAGES).get(self.language, self.language))


def read(content: bytes, *, actor: Actor) -> Sequence[Row]:
    """The rows of a file, checked against each other, against who is here already, and against what the actor may do:
    who is here may be changed by those who manage people, and is wrong in the list otherwise.

    Raises Invalid for a file that is no list of people."""
    if len(content) > LARGEST:
        raise Invalid(_("This file is too large. Split it: %(most)d people are the most at once.") % {"most": MOST})
    return check(_rows(_text(content)), actor=actor)


def written(rows: Iterable[Row]) -> str:
    """The rows as a list again, one line each, that `read` takes."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["name", "email", "groups", "language"])
    table.writerows([row.name, row.email, "|".join(row.groups), row.language] for row in rows)
    return text.getvalue()


def _text(content: bytes) -> str:
    """Unicode with or without its mark, or else Windows-1252: what spreadsheets write."""
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = content.decode("utf-16")
        else:
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise Invalid(_("This is no text. Save the list as CSV.")) from error
    if "\0" in text:
        raise Invalid(_("This is no text. Save the list as CSV."))
    return text


def _rows(text: str) -> Iterable[Row]:
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(";,\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise Invalid(_("This is not a CSV file: %(why)s.") % {"why": error}) from error
    filled = [(number, cells) for number, cells in enumerate(table, 1) if any(cell.strip() for cell in cells)]
    if not filled:
        raise Invalid(_("There is nobody in this file."))
    columns = _columns(filled[0][1])
    if len(filled) - 1 > MOST:
        raise Invalid(_("These are too many. Split the file: %(most)d people are the most at once.") % {"most": MOST})
    rows = [_row(number, cells, columns) for number, cells in filled[1:]]
    return [row for row in rows if row.name or row.email or row.groups or row.language]


def _columns(heading: Sequence[str]) -> Mapping[str, int]:
    """Which column is what, by its heading: capital letters, hyphens and spaces do not matter."""
    found: dict[str, int] = {}
    for position, cell in enumerate(heading):
        plain = _LETTERS.sub("", cell.casefold())
        for name, known in _HEADINGS.items():
            if plain in known:
                found.setdefault(name, position)
    if "email" not in found or not {"name", "first", "last"} & found.keys():
        raise Invalid(
            _("The first line must name the columns: name, e-mail, and perhaps groups and language. It says: %(it)s")
            % {"it": ", ".join(heading)[:200]}
        )
    return found


def _row(number: int, cells: Sequence[str], columns: Mapping[str, int]) -> Row:
    def cell(name: str) -> str:
        position = columns.get(name, len(cells))
        text = cells[position].strip() if position < len(cells) else ""
        return " ".join(text.split()) if is_one_line(text) else text

    name = cell("name") or f"{cell('first')} {cell('last')}".strip()
    groups = tuple(dict.fromkeys(one.strip() for one in _BETWEEN_GROUPS.split(cell("groups")) if one.strip()))
    return Row(number, name, cell("email"), groups, cell("language"))


def check(rows: Iterable[Row], *, actor: Actor) -> Sequence[Row]:
    """The same rows with what is wrong with each now, or what it would change."""
    rows = list(rows)
    seen = Counter(addresses.key_of(row.email) for row in rows)
    groups = known_groups(name for row in rows for name in row.groups)
    here = invitations.known(row.email for row in rows)
    prefetch_related_objects(list(here.values()), "groups")
    return [_checked(row, seen, groups, here, actor) for row in rows]


def _checked(
    row: Row, seen: Counter[str], groups: Mapping[str, Group], here: Mapping[str, Person], actor: Actor
) -> Row:
    problems = []
    person = None
    if _of_name(row.name):
        problems.append(_of_name(row.name))
    try:
        key = addresses.key_of(addresses.checked(row.email))
    except Invalid as refusal:
        problems.append(refusal.message if row.email else _("The e-mail address is missing."))
    else:
        if seen[key] > 1:
            problems.append(_("This address is in the file more than once."))
        somebody = here.get(key)
        obstacle = invitations.obstacle(somebody) if somebody else ""
        if obstacle and Right.MANAGE_PEOPLE in rights.of(actor):
            person = somebody
        elif obstacle:
            problems.append(obstacle)
    problems += _of_groups(row, groups, here.get(addresses.key_of(row.email)), actor)
    language = known_language(row.language)
    if language is None:
        problems.append(_("MyDevices does not speak “%(language)s”.") % {"language": row.language})
    spoken = row.language if language is None else language
    checked = replace(row, language=spoken, problems=tuple(problems), person=person, difference=None)
    if problems or person is None:
        return checked
    wanted = [groups[name.casefold()] for name in row.groups]
    return replace(checked, difference=list_updates.difference(person, name=row.name, language=spoken, groups=wanted))


def _of_name(name: str) -> str:
    if not name:
        return _("The name is missing.")
    if len(name) > LONGEST_NAME:
        return _("The name is too long.")
    return "" if is_one_line(name) else _("The name has to be a single line without control characters.")


def _of_groups(row: Row, groups: Mapping[str, Group], person: Person | None, actor: Actor) -> Sequence[str]:
    """Groups that there are not, and what this actor may not give, or not to this person."""
    problems = [
        _("There is no group “%(name)s”.") % {"name": name} for name in row.groups if name.casefold() not in groups
    ]
    known = [groups[name.casefold()] for name in row.groups if name.casefold() in groups]
    try:
        rights.ceiling(actor, person=person, groups=known)
    except NotAllowed as refusal:
        problems.append(refusal.message)
    return problems


def known_groups(names: Iterable[str]) -> Mapping[str, Group]:
    """The groups of these names, by their name in small letters."""
    wanted = {name.casefold() for name in names}
    if not wanted:
        return {}
    return {group.name.casefold(): group for group in Group.objects.all() if group.name.casefold() in wanted}


def known_language(text: str) -> str | None:
    """The code of a language that is named by code or by name; empty for none given, None for an unknown one."""
    if not text:
        return ""
    plain = text.replace("_", "-").casefold()
    for code, name in settings.LANGUAGES:
        if plain in {code.casefold(), str(name).casefold()}:
            return code
    for code, _name in settings.LANGUAGES:
        if plain.split("-")[0] == code.casefold().split("-")[0]:
            return code
    return None
