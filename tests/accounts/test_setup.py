"""The one-time link with which the first administrator begins."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.password_validation import validate_password
from django.db import OperationalError, connection
from django.test import Client

from mydevices.accounts import services
from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from tests import factories

pytestmark = pytest.mark.django_db

VALUES = {
    "organisation": "Aldermoor",
    "name": "Amara Diallo",
    "email": "amara@aldermoor.example",
    "password": "granite meadow seventeen",
}


def address() -> str:
    return f"/setup/{services.first_administrator_token()}"


def test_the_link_makes_the_first_administrator_and_names_the_organisation(client: Client) -> None:
    link = address()
    assert client.get(link).status_code == 200
    assert client.get(link).status_code == 200  # opening spends nothing
    assert client.post(link, VALUES).status_code == 303
    person = Person.objects.get()
    assert person.is_administrator
    assert person.check_password(VALUES["password"])
    organisation.forget()
    assert organisation.current().name == "Aldermoor"
    organisation.forget()


def test_the_link_works_once(client: Client) -> None:
    link = address()
    client.post(link, VALUES)
    assert client.get(link).status_code == 403
    assert client.post(link, VALUES | {"email": "second@aldermoor.example"}).status_code == 403
    assert Person.objects.count() == 1


@pytest.mark.parametrize("token", ["nonsense", "1:2:3", "1xVEiq:0PsgrzPldNw8sCkzj7oGpO0tdHOfYAz8NjeKwN4mzKg"])
def test_a_forged_link_is_refused(client: Client, token: str) -> None:
    assert client.get(f"/setup/{token}").status_code == 403


def test_an_old_link_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    link = address()
    monkeypatch.setattr(services, "SETUP_LIFETIME", timedelta(seconds=-1))
    assert client.get(link).status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"password": "short"}, {"password": "password123"}, {"email": "nobody"}, {"name": ""}]
)
def test_what_will_not_do_is_said_beside_the_field_and_makes_nobody(client: Client, wrong: dict[str, str]) -> None:
    response = client.post(address(), VALUES | wrong)
    assert response.status_code == 400
    assert b'aria-invalid="true"' in response.content
    assert not Person.objects.exists()


def test_of_two_who_spend_the_link_at_once_one_becomes_administrator(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = address()
    both_are_past_the_check = threading.Barrier(2, timeout=1)

    def validate_together(password: str, user: Person) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both_are_past_the_check.wait()
        validate_password(password, user)

    monkeypatch.setattr(services, "validate_password", validate_together)

    def spend(email: str) -> int:
        try:
            return Client().post(link, VALUES | {"email": email}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(spend, ["one@aldermoor.example", "two@aldermoor.example"]))
    organisation.forget()
    assert sorted(answers) == [303, 403]
    assert Person.objects.count() == 1


def test_without_the_organisation_s_name_there_is_no_administrator_either(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = address()

    def away(**_values: object) -> None:
        raise OperationalError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(organisation_services, "describe", away)
        with pytest.raises(OperationalError):
            client.post(link, VALUES)
    assert not Person.objects.exists()
    assert client.post(link, VALUES).status_code == 303  # the link is still good
    organisation.forget()


def test_an_address_is_one_person_s_whatever_its_capital_letters() -> None:
    actor = Actor.system("test")
    services.create_person(actor=actor, email="ines@aldermoor.example", name="Ines")
    with pytest.raises(Conflict):
        services.create_person(actor=actor, email="INES@aldermoor.example", name="Ines Again")


@pytest.mark.parametrize("values", [{"email": "no address"}, {"name": " "}, {"password": "short"}])
def test_a_person_who_will_not_do_is_refused_whole(values: dict[str, str]) -> None:
    given = {"email": "ines@aldermoor.example", "name": "Ines", **values}
    with pytest.raises(Invalid):
        services.create_person(actor=Actor.system("test"), **given)  # type: ignore[arg-type]  # all of them are text
    assert not Person.objects.exists()


def test_a_token_cannot_be_used_when_an_administrator_exists() -> None:
    token = services.first_administrator_token()
    factories.administrator()
    with pytest.raises(NotAllowed):
        services.check_first_administrator_token(token)
