"""The console's first page, and who may open it."""

import pytest
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Person
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["administrator", "helpdesk", "auditor"])
def test_whoever_has_a_role_sees_how_many_devices_there_are(sign_in_as: SignedInAs, role: str) -> None:
    factories.device(factories.person())
    answer = sign_in_as(role).get(reverse("console:overview"))
    assert answer.status_code == 200
    assert answer.context["counts"] == {"active": 1}


def test_a_person_without_a_role_is_told_who_may(sign_in_as: SignedInAs) -> None:
    answer = sign_in_as(Person.Role.PERSON).get(reverse("console:overview"))
    assert answer.status_code == 403
    assert "Helpdesk, Auditor, Administrator" in answer.content.decode()


def test_a_visitor_is_asked_to_sign_in(client: Client) -> None:
    answer = client.get(reverse("console:overview"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in")


def test_the_overview_is_only_looked_at(administrator: Client) -> None:
    assert administrator.post(reverse("console:overview")).status_code == 405


def test_the_way_into_the_console_is_offered_to_those_who_have_a_role(sign_in_as: SignedInAs) -> None:
    assert "/console/" in sign_in_as("auditor").get("/").content.decode()
    assert "/console/" not in sign_in_as("person").get("/").content.decode()
