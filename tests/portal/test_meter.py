"""How hard a new password is to guess: for who is signed in or has a link that is good, and not without end."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import password_reset
from mydevices.accounts import services as accounts
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import EmailChange, Person
from mydevices.portal.views import meter
from mydevices.registration import invitations
from tests import factories

pytestmark = pytest.mark.django_db

WORDS = {"password": "sam stone sam stone", "name": "Sam Stone", "email": "sam@aldermoor.example"}
GOOD = {"password": "granite meadow seventeen"}
TOKEN = "a token of a link that was mailed to somebody"


def links(person: Person) -> dict[str, str]:
    """The meter's address beside each page where a visitor with a good link chooses a password."""
    boss = factories.actor(factories.administrator(), proved=timezone.now())
    invited = invitations.invite(actor=boss, email="sam@aldermoor.example", name="Sam Stone")
    shown = invitations.show_link(invitation_id=invited.id, actor=boss)
    now = timezone.now()
    EmailChange.objects.create(
        person=person,
        old_email="sam@aldermoor.example",
        new_email="else@aldermoor.example",
        confirm_digest="x",
        undo_digest=accounts_digest(TOKEN),
        asked_at=now,
        confirm_until=now,
        undo_until=now + timedelta(days=7),
        confirmed_at=now,
        ended_at=now,
        undone_at=now,
    )
    return {
        "invitation": reverse("portal:invitation_strength", args=[shown.rpartition("/")[2]]),
        "reset": f"{password_reset.link_for(person)}/strength",
        "restore": reverse("portal:restore_strength", args=[TOKEN]),
    }


def accounts_digest(token: str) -> str:
    from mydevices.accounts.email_change import _digest  # noqa: PLC0415  what the link is kept as

    return _digest(token)


def test_a_link_that_is_good_shows_it_with_its_persons_own_words() -> None:
    for name, address in links(factories.person("Sam Stone")).items():
        assert 'data-level="0"' in Client().post(address, WORDS).content.decode(), name
        assert 'data-level="3"' in Client().post(address, GOOD).content.decode(), name
        assert Client().get(address).status_code == 405


def test_the_first_administrator_sees_it_too() -> None:
    token = accounts.first_administrator_token()
    address = reverse("portal:setup_strength", args=[token])
    assert 'data-level="0"' in Client().post(address, WORDS).content.decode()
    assert address in Client().get(reverse("portal:setup", args=[token])).content.decode()
    factories.administrator()
    assert Client().post(address, WORDS).status_code == 403


def test_the_pages_ask_at_the_address_of_their_link() -> None:
    for address in links(factories.person("Sam Stone")).values():
        if "restore" not in address:  # it comes after a proof
            assert f'data-strength="{address}"' in Client().get(address.removesuffix("/strength")).content.decode()


def test_without_a_link_or_with_a_wrong_one_a_visitor_is_told_nothing() -> None:
    person = factories.person("Sam Stone")
    wrong = [reverse(f"portal:{name}_strength", args=["wrong"]) for name in ("setup", "invitation", "restore")]
    factories.administrator()
    for address in (
        reverse("portal:strength"),
        *wrong,
        reverse("portal:reset_strength", args=[person.id, "wrong-token"]),
    ):
        answer = Client().post(address, GOOD)
        assert answer.status_code in {302, 403, 404}
        assert b"data-level" not in answer.content


def test_a_network_asks_so_often_with_links_be_they_good_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PER_NETWORK", Limit(3, timedelta(minutes=5)))
    address = links(factories.person("Sam Stone"))["reset"]
    wrong = reverse("portal:invitation_strength", args=["wrong"])
    for tried in (wrong, wrong, address):
        assert Client().post(tried, GOOD, REMOTE_ADDR="203.0.113.9").status_code != 429
    assert Client().post(address, GOOD, REMOTE_ADDR="203.0.113.200").status_code == 429
    assert Client().post(address, GOOD, REMOTE_ADDR="198.51.100.9").status_code == 200


def test_so_does_somebody_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PER_PERSON", Limit(2, timedelta(minutes=5)))
    person, browser = factories.person(password=factories.PASSWORD), Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
    answers = [browser.post(reverse("portal:strength"), GOOD).status_code for _time in range(3)]
    assert answers == [200, 200, 429]
