"""What `./run manage device` asks, refuses and says. That its verdicts are the portal's and the console's own is shown
in `tests/test_matrix.py`."""

from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands.models import Action
from mydevices.devices.models import Device
from mydevices.outbox.models import Message
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor")


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines)


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("device", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_its_owner_locks_it_with_a_message(ines: Person, phone: Device) -> None:
    said = run("lock", phone.id, "--as", ines.email.upper(), "--message", "Call me", "--phone", "112")
    action = Action.objects.get()
    assert said == f"Lock of Ines’s iPhone is queued. {action.id}\n"
    assert (action.actor_id, action.parameters) == (str(ines.id), {"message": "Call me", "phone_number": "112"})
    assert Message.objects.filter(topic="wake").exists()
    entry = Entry.objects.get(verb=Verb.ACTION_REQUESTED)
    assert (entry.actor_name, entry.address) == ("Ines Okafor", "command line")


def test_a_wipe_says_until_when_it_can_be_called_off_and_a_second_that_it_waits(ines: Person, phone: Device) -> None:
    assert "Wipe of Ines’s iPhone can be called off until " in run("wipe", phone.id, "--as", ines.email)
    second = factories.device(ines, name="Second iPhone")
    assert "Wipe of Second iPhone waits for an administrator." in run("wipe", second.id, "--as", ines.email)


def test_an_administrator_gives_a_reason_and_the_owner_a_mail(ines: Person, phone: Device) -> None:
    amara = factories.administrator()
    with pytest.raises(CommandError, match="Say why"):
        run("lock", phone.id, "--as", amara.email)
    run("lock", phone.id, "--as", amara.email, "--reason", "Stolen.")
    mail = Message.objects.get(topic="mail").payload
    assert (mail["to"], mail["facts"]["reason"]) == (ines.email, "Stolen.")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["check_in", "{device}", "--as", "nobody@aldermoor.example"], "Nobody here has the address"),
        (["check_in", "{device}", "--as", "no\udcffbody"], "not UTF-8"),
        (["lock", "{device}", "--as", "{owner}", "--message", "\udcff"], "cannot be shown"),
        (["lock", "{device}", "--as", "{owner}", "--message", "x" * 201], "at most 200"),
        (["lock", "{device}", "--as", "{owner}", "--phone", "1" * 41], "at most"),
        (["lock", "{device}", "--as", "{owner}", "--reason", "x" * 501], "at most 500"),
        (["lock", "{device}", "--as", "{owner}", "--reason", "\udcff"], "control characters"),
        (["check_in", "{device}", "--as", "{suspended}"], "Nobody here has the address"),
        (["check_in", "{device}", "--as", "{stranger}"], "There is no such device here."),
        (["check_in", str(uuid4()), "--as", "{stranger}"], "There is no such device here."),
        (["check_in", str(uuid4()), "--as", "{administrator}"], "There is no device"),
        (["check_in", "{device}"], "--as"),
        (["explode", "{device}", "--as", "{owner}"], "invalid choice"),
        (["lock", "not-an-id", "--as", "{owner}"], "invalid UUID"),
        (
            ["check_in", "{device}", "--as", "{owner}", "--message", "Hello"],
            "Only these put a message or a phone number on the screen: lock, lost.",
        ),
        (["locate", "{device}", "--as", "{owner}"], "supervised"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words_and_changes_nothing(
    ines: Person, phone: Device, arguments: list[str], refusal: str
) -> None:
    suspended = factories.person("Gone")
    suspended.is_active = False
    suspended.save()
    names = {
        "device": str(phone.id),
        "owner": ines.email,
        "suspended": suspended.email,
        "stranger": factories.person("A Stranger").email,
        "administrator": factories.administrator().email,
    }
    before = Entry.objects.count()
    with pytest.raises(CommandError, match=refusal):
        run(*(argument.format(**names) for argument in arguments))
    assert not Action.objects.exists()
    assert Entry.objects.count() == before
