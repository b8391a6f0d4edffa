"""The catalogues say everything the product says, in every language, with the same things to fill in."""

import re

import pytest
from babel.messages.catalog import Message as Entry

from tests import messages

PLACES = re.compile(r"%\((\w+)\)[sd]|(%[sd])|\{(\w*)\}")
TAGS = re.compile(r"</?(\w+)")


def texts(entry: Entry) -> list[tuple[str, str]]:
    """Each translation beside what it translates: a plural has several, and the last of the sources is for many."""
    if isinstance(entry.id, str):
        return [(entry.id, str(entry.string))]
    return [(entry.id[-1], string) for string in entry.string or ()]


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_of_the_sources_is_translated_and_no_other_is_kept(language: str) -> None:
    kept = {(entry.id, entry.context): entry for entry in messages.read(language) if entry.id}
    wanted = {(entry.id, entry.context) for entry in messages.template() if entry.id}
    assert sorted(map(str, wanted - set(kept))) == [], "Bring them in: .venv/bin/python -m tests.messages"
    assert sorted(map(str, set(kept) - wanted)) == [], "Let them go: .venv/bin/python -m tests.messages"
    assert [entry.id for entry in kept.values() if not all(string for _source, string in texts(entry))] == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_translation_fills_in_what_its_source_fills_in(language: str) -> None:
    for entry in messages.read(language):
        for source, string in texts(entry) if entry.id else ():
            # A form for one or two may say the number in words.
            assert set(PLACES.findall(string)) <= set(PLACES.findall(source)), string
            assert sorted(TAGS.findall(string)) == sorted(TAGS.findall(source)), string
        if entry.id:
            source, string = texts(entry)[-1]
            assert sorted(PLACES.findall(string)) == sorted(PLACES.findall(source)), string


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    assert messages.path_of(language, "mo").read_bytes() == messages.compiled(messages.read(language))


def test_the_languages_are_those_that_are_offered(settings: object) -> None:
    offered = [code for code, _name in settings.LANGUAGES]  # type: ignore[attr-defined]  # a pytest-django fixture
    assert sorted(offered) == sorted(["en-gb", *messages.LANGUAGES])
