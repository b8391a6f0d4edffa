from collections.abc import Callable

import pytest
from django.test import Client

from mydevices.accounts.models import ApprovalRules, Person
from tests import factories

SignedInAs = Callable[[str], Client]
"""A browser in which somebody of this role (`Person.Role`) is signed in."""


@pytest.fixture
def sign_in_as() -> SignedInAs:
    def sign_in(role: str) -> Client:
        somebody = factories.person(f"A {role}", role=role, password=factories.PASSWORD)
        browser = Client()
        answer = browser.post("/sign-in", {"login": somebody.email, "password": factories.PASSWORD})
        assert answer.status_code == 302
        return browser

    return sign_in


@pytest.fixture
def administrator(sign_in_as: SignedInAs) -> Client:
    return sign_in_as(Person.Role.ADMINISTRATOR)


@pytest.fixture
def amara() -> Person:
    return factories.administrator("Amara Diallo", password=factories.PASSWORD)


@pytest.fixture
def tomas() -> Person:
    return factories.administrator("Tomas Reiter", password=factories.PASSWORD)


@pytest.fixture
def enough() -> None:
    """As many devices are registered as it takes for changes to wait."""
    ApprovalRules.objects.create(id=1, from_devices=2)
    owner = factories.person("Ines Okafor")
    for _time in range(2):
        factories.device(owner)
