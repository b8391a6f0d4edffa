from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.devices.models import Device
from mydevices.platforms.apple import push_certificate
from tests import factories

SignedIn = Callable[..., Client]


@pytest.fixture
def ines(db: None) -> Person:
    return factories.person("Ines Okafor", password=factories.PASSWORD)


@pytest.fixture
def stranger(db: None) -> Person:
    return factories.person("Sam Stone", password=factories.PASSWORD)


@pytest.fixture
def iphone(ines: Person) -> Device:
    return factories.device(ines, now=timezone.now())


@pytest.fixture
def mac(ines: Person) -> Device:
    return factories.mac(ines)


@pytest.fixture
def sign_in() -> SignedIn:
    """A browser in which somebody has signed in, `ago` before now."""

    def signed_in(person: Person, *, ago: timedelta = timedelta(0)) -> Client:
        client = Client()
        answer = client.post(reverse("account_login"), {"login": person.email, "password": factories.PASSWORD})
        assert answer.status_code == 302, answer.content
        session = client.session
        for record in session["account_authentication_methods"]:
            record["at"] -= ago.total_seconds()
        session.save()
        return client

    return signed_in


@pytest.fixture
def browser(sign_in: SignedIn, ines: Person) -> Client:
    return sign_in(ines)


@pytest.fixture
def registrable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an Apple push certificate were installed: without one nothing can be registered."""
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")
