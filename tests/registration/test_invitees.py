"""Lists of people as spreadsheets write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.accounts.models import Group, Person
from mydevices.audit.actor import Actor
from mydevices.errors import Invalid
from mydevices.registration import invitees
from mydevices.registration.models import Invitation
from tests import factories

pytestmark = pytest.mark.django_db

HELPDESK = Actor(kind="person", id="1", role="helpdesk")
PLAIN = "Name,E-mail,Groups,Language\nInes Okafor,ines@a.example,Sales;Berlin,en\nZoë Müller,zoe@a.example,,\n"


@pytest.fixture
def groups() -> None:
    for name in ("Sales", "Berlin"):
        Group.objects.create(name=name, open_to_helpdesk=True)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("cp1252"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace(";", "|").replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        ("\n\n" + PLAIN.replace("E-mail", " EMAIL address ").replace("Groups", "GROUP")).encode(),
    ],
)
def test_a_list_is_read_whatever_wrote_it(groups: None, content: bytes) -> None:
    rows = invitees.read(content, actor=HELPDESK)
    assert [(row.name, row.email, row.groups, row.language, row.problems) for row in rows] == [
        ("Ines Okafor", "ines@a.example", ("Sales", "Berlin"), "en-gb", ()),
        ("Zoë Müller", "zoe@a.example", (), "", ()),
    ]


def test_first_and_last_name_may_have_columns_of_their_own() -> None:
    rows = invitees.read(b"Nachname;Vorname;E-Mail\nBerg;Nils;nils@a.example\n", actor=HELPDESK)
    assert [(row.number, row.name, row.email) for row in rows] == [(2, "Nils Berg", "nils@a.example")]


def test_each_row_says_what_is_wrong_with_it(groups: None) -> None:
    here = factories.person("Already Here", password=factories.PASSWORD)
    lines = [
        "name,email,groups,language",
        ",nobody@a.example,,",
        "No Address,,,",
        "Bad Address,not an address,,",
        "Twice,twice@a.example,,",
        "Twice,TWICE@a.example,,",
        f"Here,{here.email.upper()},,",
        "Lost,lost@a.example,Sales;Nowhere,",
        "Klingon,k@a.example,,tlh",
        f"{'N' * 121},long@a.example,,",
        "Fine,fine@a.example,sales,English",
    ]
    rows = invitees.read("\n".join(lines).encode(), actor=HELPDESK)
    said = [" ".join(row.problems) for row in rows]
    assert said[0] == "The name is missing."
    assert said[1] == "The e-mail address is missing."
    assert said[2] == "That is no e-mail address."
    assert "more than once" in said[3]
    assert "more than once" in said[4]
    assert said[5] == "Already Here has an account with this address already."
    assert said[6] == "There is no group “Nowhere”."
    assert said[7] == "MyDevices does not speak “tlh”."
    assert said[8] == "The name is too long."
    assert said[9] == ""


def test_reading_changes_nothing() -> None:
    before = Person.objects.count()
    invitees.read(PLAIN.encode(), actor=HELPDESK)
    assert Person.objects.count() == before
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nobody"),
        (b"\n \n", "nobody"),
        (b"Ines,ines@a.example\n", "first line"),
        (b"name\nInes\n", "first line"),
        (b"name,email\n\x00,\x00\n", "no text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no text"),
        (b"\xff\xfe\x00", "no text"),
        (b'name,email\n"Ines,ines@a.example\n', "not a CSV"),
        (b"x" * (invitees.LARGEST + 1), "too large"),
        (b"name,email\n" + b"N,n@a.example\n" * (invitees.MOST + 1), "too many"),
    ],
)
def test_what_is_no_list_of_people_is_refused_in_words(content: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        invitees.read(content, actor=HELPDESK)


words = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=20)


@given(
    names=st.lists(words, min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_spreadsheet_wrote_is_what_is_read(names: list[str], separator: str, encoding: str, ends: str) -> None:
    written = io.StringIO()
    table = csv.writer(written, delimiter=separator, lineterminator=ends)
    table.writerow(["name", "e-mail"])
    table.writerows([name, f"person{number}@a.example"] for number, name in enumerate(names))
    rows = invitees.read(written.getvalue().encode(encoding), actor=HELPDESK)
    assert [row.name for row in rows] == names
    assert [row.email for row in rows] == [f"person{number}@a.example" for number in range(len(names))]


@given(st.binary(max_size=400), st.booleans())
def test_whatever_the_bytes_there_are_rows_or_a_refusal_in_words(content: bytes, has_heading: bool) -> None:
    try:
        rows = invitees.read(b"name,email,groups,language\n" + content if has_heading else content, actor=HELPDESK)
    except Invalid as refusal:
        said = refusal.message
        rows = []
    else:
        said = "rows"
    assert said
    assert all(row.problems or "@" in row.email for row in rows)


@given(st.text(max_size=200))
def test_a_list_that_is_written_again_has_the_same_rows_in_the_same_places(text: str) -> None:
    """The page sends it back with the places of those chosen."""
    try:
        rows = invitees.read(b"name,email,groups,language\n" + text.encode(), actor=HELPDESK)
    except Invalid:
        return
    again = invitees.read(invitees.written(rows).encode(), actor=HELPDESK) if rows else rows
    assert [(row.name, row.email, row.groups, row.language) for row in again] == [
        (row.name, row.email, row.groups, row.language) for row in rows
    ]
