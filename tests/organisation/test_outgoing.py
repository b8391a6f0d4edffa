"""The mail server that an administrator sets: what is kept, what is refused, and what the environment decides."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.environment import Environment
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed
from mydevices.organisation import outgoing, selectors
from mydevices.organisation.models import Organisation
from tests import factories

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {
    "host": "mail.aldermoor.example",
    "port": None,
    "encryption": "starttls",
    "user": "devices",
    "password": "between us",
    "mail_from": "Devices <devices@aldermoor.example>",
}


@pytest.fixture
def boss(db: None) -> Actor:
    return factories.actor(factories.administrator(), proved=timezone.now())


def change(actor: Actor, **values: object) -> None:
    outgoing.change(actor=actor, **{**GOOD, **values})
    selectors.forget()


def test_what_is_set_is_used_and_its_password_is_sealed_and_in_no_audit(boss: Actor) -> None:
    assert outgoing.current() is None
    change(boss)
    found = outgoing.current()
    assert found is not None
    assert (found.server.host, found.server.port, found.server.tls) == ("mail.aldermoor.example", 587, "starttls")
    assert (found.server.user, found.server.password) == ("devices", "between us")
    assert found.sender == outgoing.sender() == "Devices <devices@aldermoor.example>"
    assert b"between us" not in bytes(Organisation.objects.get().mail_password or b"")
    assert "between us" not in str(Entry.objects.get().details)
    assert "between us" not in repr(found)


def test_the_password_stays_for_the_same_user_of_the_same_server_only(boss: Actor) -> None:
    change(boss)
    change(boss, password="", port=2525)
    found = outgoing.current()
    assert found is not None
    assert (found.server.port, found.server.password) == (2525, "between us")
    for other in ({"host": "elsewhere.example"}, {"user": "somebody"}):
        with pytest.raises(Invalid, match="both"):
            change(boss, password="", **other)
    change(boss, user="", password="")
    assert Organisation.objects.get().mail_password is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"host": "https://mail.example"}, "name of a server"),
        ({"host": ""}, "name of a server"),
        ({"host": "mail.example\0"}, "name of a server"),
        ({"port": 0}, "65535"),
        ({"port": 70000}, "65535"),
        ({"encryption": "ssl"}, "encrypted"),
        ({"encryption": "none"}, "unencrypted"),
        ({"user": ""}, "both"),
        ({"user": "a\nb"}, "user name"),
        ({"user": "u" * 255}, "user name"),
        ({"mail_from": "nobody"}, "e-mail address"),
        ({"mail_from": "a@b.example\r\nBcc: c@d.example"}, "e-mail address"),
        ({"mail_from": "a@b.example\0"}, "e-mail address"),
        ({"mail_from": f"{'a' * 320}@b.example"}, "e-mail address"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_kept(boss: Actor, wrong: dict[str, object], why: str) -> None:
    if wrong == {"user": ""}:
        wrong = {"user": "devices", "password": ""}
    with pytest.raises(Invalid, match=why):
        change(boss, **wrong)
    assert outgoing.current() is None
    assert not Entry.objects.exists()


def test_without_encryption_there_is_no_password_but_to_this_machine(boss: Actor, settings: Settings) -> None:
    change(boss, encryption="none", host="127.0.0.1")
    with pytest.raises(Invalid, match="links and PINs"):
        change(boss, encryption="none", user="", password="")
    settings.ENVIRONMENT = Environment(allow_unencrypted=True)
    change(boss, encryption="none", user="", password="")
    found = outgoing.current()
    assert found is not None
    assert found.server.port == 25


def test_it_is_taken_away_again(boss: Actor) -> None:
    change(boss)
    outgoing.remove(actor=boss)
    selectors.forget()
    assert outgoing.current() is None
    assert not outgoing.is_set()
    assert Organisation.objects.get().mail_password is None


def test_only_an_administrator_who_has_just_signed_in_may(boss: Actor) -> None:
    for role in ("person", "helpdesk", "auditor"):
        other = factories.actor(factories.person(role=role), proved=timezone.now())
        with pytest.raises(NotAllowed):
            change(other)
        with pytest.raises(NotAllowed):
            outgoing.remove(actor=other)
    stale = factories.actor(factories.administrator("stale@aldermoor.example"), proved=None)
    with pytest.raises(NeedsFreshAuthentication):
        change(stale)


def test_the_environment_decides_where_it_says_anything(boss: Actor, settings: Settings) -> None:
    change(boss)
    settings.ENVIRONMENT = Environment(smtp_url="smtp://other.example?tls=tls", mail_from="a@b.example")
    found = outgoing.current()
    assert found is not None
    assert (found.server.host, found.sender) == ("other.example", "a@b.example")
    with pytest.raises(Conflict, match="MYDEVICES_SMTP_URL"):
        change(boss)
    with pytest.raises(Conflict, match="MYDEVICES_SMTP_URL"):
        outgoing.remove(actor=boss)
