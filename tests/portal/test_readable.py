"""What no database can keep as text is refused at the edge, on every page alike."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests import factories
from tests.portal.conftest import SignedIn

LISTS = ["portal:history", "console:audit", "console:people", "console:devices", "console:invitations"]


@pytest.fixture
def administrator(db: None, sign_in: SignedIn) -> Client:
    return sign_in(factories.person("Amara Diallo", password=factories.PASSWORD, role="administrator"))


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize("query", ["?q=%00", "?q=ines%00okafor", "?%00=1", "?page=1&state=%00&sort=%00"])
def test_a_question_with_a_nul_is_refused_in_words(administrator: Client, page: str, query: str) -> None:
    answer = administrator.get(reverse(page) + query)
    assert answer.status_code == 400
    assert "characters that cannot be kept" in answer.content.decode()


def test_an_address_with_a_nul_is_refused(administrator: Client) -> None:
    assert administrator.get("/invitation/a%00b").status_code == 400


def test_a_form_with_a_nul_is_refused_and_changes_nothing(administrator: Client) -> None:
    answer = administrator.post(reverse("account_login"), {"login": "a\0b@example.org", "password": "x"})
    assert answer.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("name", [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "zone", "django_language"])
def test_a_cookie_with_a_nul_is_as_good_as_none(name: str) -> None:
    browser = Client(headers={"cookie": f'{name}="a\\000b"'})
    assert browser.get(reverse("account_login")).status_code == 200
    assert browser.get(reverse("portal:devices")).status_code == 302
