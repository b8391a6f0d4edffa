"""Signing in with the organisation: through a real OpenID Connect provider that runs beside the tests."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import providers
from mydevices.accounts.models import Group, Membership, Person, Provider
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed
from mydevices.vault import services as vault
from tests import factories
from tests.factories import PASSWORD
from tests.identity.arriving import AGAIN, WITH, arrive, is_signed_in, keep, make_stale
from tests.identity.people import SECRET
from tests.identity.running import Identity

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("identity")]


@pytest.fixture
def provider(identity: Identity) -> Provider:
    return keep(identity.issuer)


def test_somebody_new_gets_an_account_with_name_address_and_groups(identity: Identity, provider: Provider) -> None:
    Group.objects.create(name="Finance")
    Group.objects.create(name="Engineering")
    browser, answer = arrive(identity, "noor")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_signed_in(browser)
    noor = Person.objects.get(email="noor.haddad@aldermoor.example")
    assert (noor.name, noor.provider, noor.role) == ("Noor Haddad", "aldermoor", "person")
    assert not noor.has_usable_password()
    assert [group.name for group in noor.groups.all()] == ["Finance"]
    verbs = set(Entry.objects.filter(person_id=str(noor.id)).values_list("verb", flat=True))
    assert {Verb.PERSON_CREATED, Verb.SIGNED_IN} <= verbs
    assert Entry.objects.get(verb=Verb.SIGNED_IN, person_id=str(noor.id)).details == {"proved_by": "provider"}


def test_the_second_time_it_is_the_same_account(identity: Identity, provider: Provider) -> None:
    arrive(identity, "lena")
    arrive(identity, "lena")
    assert Person.objects.filter(email="lena.brandt@aldermoor.example").count() == 1


def test_who_was_invited_comes_into_the_account_that_waits(identity: Identity, provider: Provider) -> None:
    waiting = factories.invited("Lena.Brandt@aldermoor.example", "L. Brandt")
    browser, _answer = arrive(identity, "lena")
    assert is_signed_in(browser)
    waiting.refresh_from_db()
    assert (waiting.name, waiting.provider) == ("Lena Brandt", "aldermoor")


def test_an_address_that_nobody_vouches_for_opens_nobodys_account(identity: Identity, provider: Provider) -> None:
    amara = factories.invited("amara.diallo@aldermoor.example", "Amara Diallo")
    browser, answer = arrive(identity, "unverified")
    assert answer.status_code == 403
    assert "does not say that the address amara.diallo@aldermoor.example is yours" in answer.content.decode()
    assert not is_signed_in(browser)
    amara.refresh_from_db()
    assert (amara.name, amara.provider) == ("Amara Diallo", "")


def test_a_provider_that_vouches_for_its_addresses_does(identity: Identity) -> None:
    keep(identity.issuer, vouches_for_addresses=True)
    factories.invited("amara.diallo@aldermoor.example", "Amara Diallo")
    browser, _answer = arrive(identity, "unverified")
    assert is_signed_in(browser)


def test_where_people_are_invited_only_a_stranger_is_told_so(identity: Identity) -> None:
    keep(identity.issuer, makes_people=False)
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert "an invitation" in answer.content.decode()
    assert not is_signed_in(browser)
    assert not Person.objects.filter(email="lena.brandt@aldermoor.example").exists()


def test_who_is_suspended_is_told_so_and_is_signed_out_at_once(identity: Identity, provider: Provider) -> None:
    browser, _answer = arrive(identity, "lena")
    Person.objects.filter(email="lena.brandt@aldermoor.example").update(is_active=False)
    assert not is_signed_in(browser)
    _browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert "suspended" in answer.content.decode()


def test_groups_follow_the_claim_and_those_made_by_hand_stay(identity: Identity, provider: Provider) -> None:
    finance, board = Group.objects.create(name="Finance"), Group.objects.create(name="Board")
    arrive(identity, "noor")
    noor = Person.objects.get(email="noor.haddad@aldermoor.example")
    Membership.objects.create(group=board, person=noor)
    Group.objects.filter(id=finance.id).update(name="Money")
    arrive(identity, "noor")
    assert [group.name for group in noor.groups.all()] == ["Board"]


def test_a_value_of_the_claim_can_stand_for_a_group_of_another_name(identity: Identity) -> None:
    keep(identity.issuer, group_names={"finance": "Money"})
    Group.objects.create(name="Money")
    arrive(identity, "noor")
    assert [group.name for group in Person.objects.get(email="noor.haddad@aldermoor.example").groups.all()] == ["Money"]


def test_a_token_and_an_answer_about_two_people_admit_neither(identity: Identity, provider: Provider) -> None:
    browser, answer = arrive(identity, "two")
    assert answer.status_code == 403
    assert not is_signed_in(browser)
    assert not Person.objects.filter(email="two@aldermoor.example").exists()


def test_an_answer_without_having_asked_is_refused(identity: Identity, provider: Provider) -> None:
    left = Client().get(WITH)
    back = identity.sign_in(identity.browser(), left["Location"], "lena")
    somebody_else = Client()
    assert somebody_else.get(back).status_code in {302, 401, 403}
    assert not is_signed_in(somebody_else)


def test_an_answer_counts_once(identity: Identity, provider: Provider) -> None:
    browser = Client()
    left = browser.get(WITH)
    back = identity.sign_in(identity.browser(), left["Location"], "lena")
    assert browser.get(back).status_code == 302
    browser.post(reverse("account_logout"))
    browser.get(back)
    assert not is_signed_in(browser)


def test_who_says_no_at_the_provider_is_told_what_happened(identity: Identity, provider: Provider) -> None:
    browser = Client()
    state = parse_qs(urlsplit(browser.get(WITH)["Location"]).query)["state"][0]
    answer = browser.get(f"{WITH}/back", {"error": "access_denied", "state": state})
    assert answer.status_code == 403
    assert "You stopped before Aldermoor ID let you in" in answer.content.decode()


def test_a_provider_that_is_down_leaves_the_other_ways_in() -> None:
    keep("http://127.0.0.1:9")
    answer = Client().get(WITH)
    assert answer.status_code == 503
    assert "does not answer" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()


def test_a_link_on_another_page_signs_nobody_in_unasked(provider: Provider) -> None:
    answer = Client().get(WITH, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert "Continue with Aldermoor ID" in answer.content.decode()


def test_the_way_on_is_kept_and_leads_nowhere_else(identity: Identity, provider: Provider) -> None:
    _browser, answer = arrive(identity, "lena", at=f"{WITH}?next=/register")
    assert answer["Location"] == "/register"
    _browser, answer = arrive(identity, "lena", at=f"{WITH}?next=https://evil.example/")
    assert answer["Location"] == "/"


def test_the_sign_in_page_offers_it(provider: Provider) -> None:
    assert "Continue with Aldermoor ID" in Client().get(reverse("account_login")).content.decode()


# Where it is required


def test_where_it_is_required_passwords_are_for_administrators(identity: Identity) -> None:
    keep(identity.issuer, is_required=True)
    page = Client().get(reverse("account_login")).content.decode()
    assert 'name="password"' not in page
    assert "Sign in as a local administrator" in page
    assert 'name="password"' in Client().get(reverse("account_login") + "?local").content.decode()
    person, boss = factories.person(password=PASSWORD), factories.administrator(password=PASSWORD)
    for somebody, let_in in ((person, False), (boss, True)):
        browser = Client()
        browser.post(reverse("account_login"), {"login": somebody.email, "password": PASSWORD})
        assert is_signed_in(browser) is let_in


def test_a_right_password_of_somebody_else_looks_like_a_wrong_one(identity: Identity) -> None:
    keep(identity.issuer, is_required=True)
    person = factories.person(password=PASSWORD)
    pages = [
        Client().post(reverse("account_login"), {"login": person.email, "password": password}).context["form"].errors
        for password in (PASSWORD, "something else entirely")
    ]
    assert pages[0] == pages[1]


# Proving anew who one is


def unlock_page(email: str) -> str:
    device = factories.device(Person.objects.get(email=email))
    return reverse("portal:unlock", args=[device.id])


def test_who_just_signed_in_at_the_provider_has_proved_it(identity: Identity, provider: Provider) -> None:
    browser, _answer = arrive(identity, "lena")
    assert browser.get(unlock_page("lena.brandt@aldermoor.example")).status_code == 200


@pytest.mark.parametrize("username", ["silent", "stale"])
def test_that_a_provider_sent_somebody_proves_nothing_by_itself(
    identity: Identity, provider: Provider, username: str
) -> None:
    browser, _answer = arrive(identity, username)
    assert is_signed_in(browser)
    answer = browser.get(unlock_page(f"{username}@aldermoor.example"))
    assert answer.status_code == 303
    assert answer["Location"].startswith(reverse("account_reauthenticate"))


def test_it_is_proved_anew_at_the_provider_which_must_ask(identity: Identity, provider: Provider) -> None:
    browser, _answer = arrive(identity, "lena")
    make_stale(browser)
    page = unlock_page("lena.brandt@aldermoor.example")
    asked = browser.get(page, follow=True)
    assert asked.redirect_chain[-1][0].startswith(AGAIN)
    assert "Confirm with Aldermoor ID" in asked.content.decode()
    left = browser.get(f"{AGAIN}?go=1&next={page}")
    assert "prompt=login" in left["Location"]
    back = identity.sign_in(identity.browser(), left["Location"], "lena")
    answer = browser.get(back)
    assert (answer.status_code, answer["Location"]) == (303, page)
    assert browser.get(page).status_code == 200


@pytest.mark.parametrize(
    ("username", "reason"),
    [("silent", "did not say when"), ("stale", "let you through without asking")],
)
def test_a_provider_that_does_not_say_that_it_was_now_proves_nothing(
    identity: Identity, provider: Provider, username: str, reason: str
) -> None:
    browser, _answer = arrive(identity, username)
    left = browser.get(f"{AGAIN}?go=1")
    answer = browser.get(identity.sign_in(identity.browser(), left["Location"], username))
    assert answer.status_code == 403
    assert reason in answer.content.decode()
    assert browser.get(unlock_page(f"{username}@aldermoor.example")).status_code == 303


def test_somebody_else_cannot_prove_it_for_them(identity: Identity, provider: Provider) -> None:
    arrive(identity, "noor")
    browser, _answer = arrive(identity, "lena")
    make_stale(browser)
    left = browser.get(f"{AGAIN}?go=1")
    answer = browser.get(identity.sign_in(identity.browser(), left["Location"], "noor"))
    assert answer.status_code == 403
    assert "somebody else" in answer.content.decode()
    assert browser.get(unlock_page("lena.brandt@aldermoor.example")).status_code == 303
    assert is_signed_in(browser)


def test_an_answer_to_signing_in_is_no_proof(identity: Identity, provider: Provider) -> None:
    """The address to come back to is the same for both: what was asked is kept in the session, not in the address."""
    browser, _answer = arrive(identity, "stale")
    browser.get(WITH)
    assert browser.get(unlock_page("stale@aldermoor.example")).status_code == 303


def test_who_has_a_password_here_is_not_sent_to_a_provider(provider: Provider) -> None:
    person = factories.person(password=PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert browser.get(AGAIN)["Location"] == reverse("account_reauthenticate")


# What is kept, and who may change it


def test_the_secret_is_sealed(provider: Provider) -> None:
    row = Provider.objects.get()
    assert SECRET.encode() not in bytes(row.client_secret or b"")
    assert vault.key_id(bytes(row.client_secret or b"")) == vault.current_key_id()
    assert providers.secret_of(row) == SECRET


def test_only_who_manages_settings_and_has_proved_it_changes_one(identity: Identity, provider: Provider) -> None:
    now = timezone.now()
    for role in (Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR):
        actor = factories.actor(factories.person(role=role), proved=now)
        with pytest.raises(NotAllowed):
            providers.save(actor=actor, provider=provider)
        with pytest.raises(NotAllowed):
            providers.remove(actor=actor, provider=provider)
    stale = factories.actor(factories.administrator(), proved=now - timedelta(minutes=6))
    with pytest.raises(NeedsFreshAuthentication):
        providers.save(actor=stale, provider=provider)


@pytest.mark.parametrize("issuer", ["http://login.example.org", "ftp://login.example.org", "login.example.org", ""])
def test_a_provider_is_reached_by_https(issuer: str) -> None:
    with pytest.raises(Invalid):
        keep(issuer)
    assert not Provider.objects.exists()


def test_two_providers_of_one_name_are_refused(identity: Identity, provider: Provider) -> None:
    with pytest.raises(Conflict):
        keep(identity.issuer)


def test_a_removed_provider_leaves_its_people_their_accounts(identity: Identity, provider: Provider) -> None:
    arrive(identity, "lena")
    boss = factories.actor(factories.administrator(password=PASSWORD), proved=timezone.now())
    providers.remove(actor=boss, provider=provider)
    assert Person.objects.get(email="lena.brandt@aldermoor.example").provider == ""
    providers.forget()
    assert Client().get(WITH).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete"])
@pytest.mark.parametrize("address", [WITH, f"{WITH}/back", AGAIN])
def test_the_ways_there_and_back_are_only_looked_at(provider: Provider, method: str, address: str) -> None:
    assert getattr(Client(), method)(address).status_code == 405


def test_a_provider_that_is_not_there_is_not_found() -> None:
    assert Client().get("/sign-in/with/nobody").status_code == 404
    assert Client().get("/sign-in/with/nobody/back").status_code == 404


def test_an_address_that_looks_like_somebody_elses_is_refused_and_opens_nothing(
    identity: Identity, provider: Provider
) -> None:
    ivy = factories.person("Ivy")
    ivy.email = "ivy@aldermoor.example"
    ivy.save()
    browser, answer = arrive(identity, "alike")
    assert "be used here" in answer.content.decode()
    assert not is_signed_in(browser)
    assert Person.objects.get(id=ivy.id).provider == ""
    assert not Person.objects.exclude(id=ivy.id).exclude(role=Person.Role.ADMINISTRATOR).exists()
