"""Histories say something of everything that can stand in them, in words for whoever reads them."""

import pytest
from django.utils import timezone

from mydevices.accounts import memberships, people
from mydevices.accounts.factors import KINDS
from mydevices.accounts.models import Group, Person
from mydevices.audit import selectors as audit
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.presentation import past, sentences
from tests import factories

Details = dict[str, str | int | bool]

DETAILS: dict[Verb, Details] = {
    Verb.ACTION_REQUESTED: {"action": "lock"},
    Verb.ROLE_CHANGED: {"before": "person", "after": "helpdesk"},
    Verb.GROUPS_CHANGED: {"joined": "Design, Sales", "left": "Field"},
    Verb.FACTOR_ADDED: {"factor": "webauthn"},
    Verb.FACTOR_REMOVED: {"factor": "all"},
    Verb.SESSION_ENDED: {"number": 2},
    Verb.RECOVERY_USED: {"left": 3},
    Verb.PASSKEY_BEHIND: {"name": "Old laptop", "count": 3, "before": 8},
    Verb.TICKET_REFUSED: {"why": "system", "system": "macOS", "policy": "Everybody"},
    Verb.DEVICE_REGISTERED: {"ownership": "personal"},
    **{
        verb: {"certificate": "Signing certificate", "issuer": "Aldermoor Mail"}
        for verb in Verb
        if verb.startswith("certificate.")
    },
    Verb.OWNERSHIP_CHANGED: {"ownership": "company", "reason": "Bought back."},
}
VOICES = ("own", "another's", "at the console")


def told(verb: Verb, voice: str, *, of_device: bool = False, details: Details | None = None) -> list[str]:
    """The lines that a reader gets of one entry with this verb."""
    ines, amara = Person(name="Ines Okafor"), Person(name="Amara Diallo")
    actor = ines if voice == "own" else amara
    entry = Entry(
        at=timezone.now(),
        verb=verb,
        actor_kind="person",
        actor_id=str(actor.id),
        actor_name=actor.name,
        person_id=str(ines.id),
        device_name="Studio MacBook",
        action_id="an action" if verb.startswith("action.") else "",
        details={**DETAILS.get(verb, {}), **(details or {})},
    )
    reader = amara if voice == "at the console" else ines
    names = None if of_device else {"": "Studio MacBook"}
    return [line.text for line in past.history([entry], reader, entry.at, names=names, about=ines)]


def test_every_verb_stands_in_the_history_of_people_or_among_those_that_cannot() -> None:
    said, unsaid = set(sentences.OF_PEOPLE), set(sentences.OF_NO_PERSON)
    beside = {Verb.ACTION_REQUESTED, *past.BESIDE}
    assert said | unsaid | beside == set(Verb)
    assert len(said) + len(unsaid) + len(beside) == len(Verb)
    assert all(sentences.OF_NO_PERSON.values())


def test_every_verb_stands_in_the_history_of_devices_or_its_subject_among_those_that_cannot() -> None:
    beside = {Verb.ACTION_REQUESTED, *past.BESIDE}
    for verb in set(Verb) - beside:
        assert (verb in sentences.OF_DEVICES) != (verb.partition(".")[0] in sentences.OF_NO_DEVICE), verb


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("verb", [*sentences.OF_PEOPLE, Verb.ACTION_REQUESTED])
def test_a_person_reads_a_whole_sentence(verb: Verb, voice: str) -> None:
    (text,) = told(verb, voice)
    assert text.rstrip("”")[-1] == "."
    assert not set("{}_") & set(text)
    assert "None" not in text.split()
    assert ":." not in text.replace(" ", "")
    words = set(text.lower().replace(",", " ").replace(".", " ").split())
    quoting = {Verb.ACTION_REQUESTED, Verb.TICKET_REFUSED}
    if voice == "at the console" and verb not in quoting:
        assert not {"you", "your", "yours"} & words, "That is not the reader's account."


@pytest.mark.parametrize("voice", VOICES[:2])
@pytest.mark.parametrize("verb", [*sentences.OF_DEVICES, Verb.ACTION_REQUESTED])
def test_the_history_of_a_device_has_a_line(verb: Verb, voice: str) -> None:
    (text,) = told(verb, voice, of_device=True)
    assert text
    assert not set("{}_") & set(text)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("verb", [*sentences.OF_NO_PERSON, *sorted(past.BESIDE)])
def test_what_cannot_stand_in_a_history_or_stands_beside_has_no_line(verb: Verb, voice: str) -> None:
    assert told(verb, voice) == []


def test_an_entry_of_a_verb_that_there_is_no_longer_has_no_line() -> None:
    entry = Entry(at=timezone.now(), verb="person.forgotten_verb")
    assert past.history([entry], Person(name="Ines Okafor"), entry.at, names={}) == []
    assert past.history([entry], Person(name="Ines Okafor"), entry.at) == []


@pytest.mark.parametrize("kind", [*KINDS, "all"])
def test_the_kind_of_a_second_factor_is_told(kind: str) -> None:
    (text,) = told(Verb.FACTOR_REMOVED, "own", details={"factor": str(kind)})
    assert text.endswith(f"{KINDS.get(kind, 'everything that there was')}.")


@pytest.mark.parametrize(
    ("details", "end"),
    [
        ({"joined": "Design", "left": ""}, "joined Design."),
        ({"joined": "", "left": "Design"}, "left Design."),
        ({"joined": 1, "left": 2}, "joined 1 group; left 2 groups."),
    ],
)
def test_groups_are_told_by_name_and_of_old_entries_by_number(details: Details, end: str) -> None:
    (text,) = told(Verb.GROUPS_CHANGED, "another's", details=details)
    assert text == f"Amara Diallo changed your groups: {end}"


@pytest.mark.django_db
def test_what_an_administrator_did_to_an_account_is_told_to_its_owner_and_to_administrators() -> None:
    now = timezone.now()
    ines, amara = factories.person(), factories.administrator("Amara Diallo")
    actor = factories.actor(amara, proved=now)
    design = Group.objects.create(name="<Design>")
    memberships.put_in_groups(actor=actor, person=ines, groups=[design.id])
    people.change_role(actor=actor, person=ines, role=Person.Role.HELPDESK)
    people.suspend(actor=actor, person=ines)
    people.resume(actor=actor, person=ines)
    entries = list(audit.of_person(ines.id))
    assert [line.text for line in past.history(entries, ines, now, names={})] == [
        "Amara Diallo let you sign in again.",
        "Amara Diallo suspended your account, and every session ended.",
        "Amara Diallo changed your role: Helpdesk, before Person with devices.",
        "Amara Diallo changed your groups: joined &lt;Design&gt;.",
    ]
    assert [line.text for line in past.history(entries, amara, now, names={}, about=ines)][:2] == [
        "Amara Diallo ended the suspension.",
        "Amara Diallo suspended the account, and every session ended.",
    ]
    assert {line.outcome for line in past.history(entries, ines, now, names={})} == {""}
