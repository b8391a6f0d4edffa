"""The page of an invitation's link."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices import logs
from mydevices.accounts import providers
from mydevices.accounts.models import Person, Provider
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.registration import invitations
from mydevices.registration.models import Invitation
from tests import factories
from tests.portal.conftest import SignedIn

pytestmark = pytest.mark.django_db

PASSWORD = "seven quiet herons"


@pytest.fixture
def made() -> Invitation:
    amara = factories.actor(factories.administrator("Amara Diallo"))
    return invitations.invite(actor=amara, email="nils@aldermoor.example", name="Nils Berg")


@pytest.fixture
def link(made: Invitation) -> str:
    amara = factories.actor(factories.administrator("Amara Diallo"))
    shown = invitations.show_link(invitation_id=made.id, actor=amara)
    token = shown.rpartition("/")[2]
    assert shown.endswith(reverse("portal:invitation", args=[token]))  # what the mail says is where the page is
    return reverse("portal:invitation", args=[token])


def test_the_page_greets_and_says_who_invites(client: Client, link: str) -> None:
    answer = client.get(link)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Welcome, Nils" in text
    assert "Amara Diallo of MyDevices invites you." in text
    assert 'value="nils@aldermoor.example"' in text
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"


def test_looking_is_free_for_scanners_and_browsers(client: Client, link: str, made: Invitation) -> None:
    for method in (client.get, client.head, client.get):
        assert method(link).status_code == 200
    made.refresh_from_db()
    assert made.accepted_at is None
    assert not made.person.has_usable_password()


def test_a_password_signs_in_and_leads_to_registering_a_device(client: Client, link: str, made: Invitation) -> None:
    answer = client.post(link, {"password": PASSWORD})
    assert answer.status_code in {302, 303}
    assert answer["Location"] == reverse("portal:register")
    assert client.get(reverse("portal:register")).status_code == 200
    assert client.session["_auth_user_id"] == str(made.person_id)
    # A fresh proof: what destroys needs no second one right now.
    assert client.session["account_authentication_methods"][0]["method"] == "password"
    assert Entry.objects.filter(verb=Verb.SIGNED_IN, person_id=str(made.person_id)).count() == 1
    assert Client().post("/sign-in", {"login": "nils@aldermoor.example", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("password", ["", "short", "1234567890123", "nils.berg@aldermoor"])
def test_a_password_that_will_not_do_is_refused_beside_the_field(client: Client, link: str, password: str) -> None:
    answer = client.post(link, {"password": password})
    assert answer.status_code == 400
    assert 'class="error"' in answer.content.decode()
    assert password == "" or f'value="{password}"' not in answer.content.decode()
    assert client.post(link, {"password": PASSWORD}).status_code in {302, 303}


def test_a_spent_link_leads_to_the_sign_in(client: Client, link: str) -> None:
    client.post(link, {"password": PASSWORD})
    for answer in (Client().get(link), Client().post(link, {"password": "another good sentence"})):
        assert answer.status_code == 410
        assert "has been accepted" in answer.content.decode()


def test_an_ended_link_says_why(client: Client, link: str, made: Invitation) -> None:
    Invitation.objects.filter(id=made.id).update(expires_at=timezone.now())
    answer = client.get(link)
    assert answer.status_code == 410
    assert "has expired" in answer.content.decode()
    invitations.revoke(invitation_id=made.id, actor=factories.actor(factories.administrator()))
    assert "taken back" in client.post(link, {"password": PASSWORD}).content.decode()


def test_guesses_from_one_place_are_counted_and_right_links_are_free(client: Client, link: str) -> None:
    for number in range(60):
        assert client.get(link).status_code == 200
        assert client.get(f"/invitation/{number:043}").status_code == 404
    assert client.get(f"/invitation/{61:043}").status_code == 429
    assert client.get(link).status_code == 200, "whatever others behind the same address have tried"
    assert Client(REMOTE_ADDR="192.0.2.9").get(link).status_code == 200


def test_other_methods_are_refused(client: Client, link: str) -> None:
    assert client.put(link).status_code == 405
    assert client.delete(link).status_code == 405


def test_a_form_of_another_site_does_nothing(link: str, made: Invitation) -> None:
    assert Client(enforce_csrf_checks=True).post(link, {"password": PASSWORD}).status_code == 403
    made.refresh_from_db()
    assert made.accepted_at is None


def test_somebody_else_who_is_signed_in_is_told_and_then_signed_out(
    sign_in: SignedIn, ines: Person, link: str, made: Invitation
) -> None:
    browser = sign_in(ines)
    assert "You are signed in as Ines Okafor" in browser.get(link).content.decode()
    browser.post(link, {"password": PASSWORD})
    assert browser.session["_auth_user_id"] == str(made.person_id)
    ines.refresh_from_db()
    assert ines.check_password(factories.PASSWORD)


def test_who_came_in_by_the_provider_accepts_without_a_password(client: Client, link: str, made: Invitation) -> None:
    client.force_login(made.person, backend=settings.AUTHENTICATION_BACKENDS[0])
    assert "id_password" not in client.get(link).content.decode()
    answer = client.post(link)
    assert answer.status_code == 303
    assert answer["Location"] == reverse("portal:register")
    made.refresh_from_db()
    assert made.accepted_at is not None
    assert not Person.objects.get(id=made.person_id).has_usable_password()


@pytest.fixture
def provider() -> Iterator[Provider]:
    yield Provider.objects.create(
        id="aldermoor-id", name="Aldermoor ID", issuer="https://id.example", client_id="mydevices"
    )
    providers.forget()


def test_a_provider_is_offered_beside_a_password_and_leads_back_here(
    client: Client, link: str, provider: Provider
) -> None:
    providers.forget()
    text = client.get(link).content.decode()
    assert "Continue with Aldermoor ID" in text
    assert f"{reverse('openid_connect_login', args=['aldermoor-id'])}?next={link.replace('/', '%2F')}" in text
    assert "id_password" in text


def test_where_a_provider_is_required_no_password_is_taken(
    client: Client, link: str, made: Invitation, provider: Provider
) -> None:
    Provider.objects.update(is_required=True)
    providers.forget()
    assert "id_password" not in client.get(link).content.decode()
    answer = client.post(link, {"password": PASSWORD})
    assert answer.status_code == 403
    assert "Aldermoor ID" in answer.content.decode()
    assert not Person.objects.get(id=made.person_id).has_usable_password()


@pytest.mark.parametrize("role", ["administrator", "helpdesk", "auditor"])
def test_roles_of_the_console_choose_a_password_all_the_same(
    client: Client, link: str, made: Invitation, provider: Provider, role: str
) -> None:
    """A provider adopts none of them: they sign in here first, and link their account then."""
    Person.objects.filter(id=made.person_id).update(role=role)
    Invitation.objects.filter(id=made.id).update(role=role)  # as if it had been sent again since
    Provider.objects.update(is_required=True)
    providers.forget()
    page = client.get(link).content.decode()
    assert "id_password" in page
    assert "Continue with Aldermoor ID" not in page
    assert client.post(link, {"password": PASSWORD}).status_code == 302
    answer = client.get(reverse("portal:devices"))
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (303, reverse("portal:secure"))


def test_the_token_is_not_written_to_logs(link: str) -> None:
    assert logs.masked(link) == "/invitation/…"
    assert logs.masked("/invitation/abcdefghij") == "/invitation/…"
