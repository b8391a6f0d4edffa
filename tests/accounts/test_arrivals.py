"""Whose account a provider opens: the five ways of issue 10 by which it opened somebody else's, and those that stay."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Group, Membership, Person, Provider, ProviderLink
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.cli import start
from mydevices.outbox.models import Message
from tests import factories, passkeys
from tests.accounts.conftest import forget
from tests.accounts.test_passkeys import add, asked_to_sign_in, handle, post
from tests.accounts.test_undone_change import taken_over
from tests.factories import PASSWORD
from tests.identity.arriving import AGAIN, OTHER, WITH, arrive, is_signed_in, keep, make_stale
from tests.identity.people import CLIENT, SECRET
from tests.identity.running import Identity
from tests.passkeys import Key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("identity")]

LENA = "lena.brandt@aldermoor.example"
NOOR = "noor.haddad@aldermoor.example"
ADOPT = f"{WITH}/account"


@pytest.fixture
def provider(identity: Identity) -> Provider:
    return keep(identity.issuer)


def owner(email: str = LENA, *, role: str = Person.Role.PERSON) -> Person:
    """Somebody who has an account with a password."""
    person = factories.person("Lena Brandt", role=role, password=PASSWORD)
    person.email = email
    person.save()
    return person


def enter(person: Person, browser: Client | None = None) -> Client:
    browser = browser or Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def is_untouched(person: Person) -> bool:
    before = (person.name, person.email, person.provider)
    person.refresh_from_db()
    return before == (person.name, person.email, person.provider) and not person.provider_links.exists()


def who(browser: Client) -> Person | None:
    return (
        Person.objects.filter(id=browser.session["_auth_user_id"]).first()
        if "_auth_user_id" in browser.session
        else None
    )


def mails(notice: str) -> list[Any]:
    return [message.payload for message in Message.objects.filter(topic="mail") if message.payload["notice"] == notice]


# The five ways


@pytest.mark.parametrize(
    "email",
    [
        "l\u0131sa@aldermoor.example",
        "lisa@aldermoor.example\u0000",
        "LISA\u212a@aldermoor.example",
        "\uff4cisa@aldermoor.example",
        "lisa@aldermoor\u3002example",
    ],
)
def test_an_address_that_only_looks_like_somebodys_is_nobodys(
    identity: Identity, provider: Provider, email: str
) -> None:
    lisa = factories.invited("lisa@aldermoor.example", "Lisa")
    factories.invited("lisak@aldermoor.example", "Lisa K")
    identity.lie(claims={"email": email, "email_verified": True}, userinfo={"email": email, "email_verified": True})
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert not is_signed_in(browser)
    assert is_untouched(lisa)
    assert not ProviderLink.objects.exists()


def test_an_unvouched_address_makes_no_account_that_could_be_adopted_later(
    identity: Identity, provider: Provider
) -> None:
    browser, answer = arrive(identity, "unverified")
    assert answer.status_code == 403
    assert not is_signed_in(browser)
    assert not Person.objects.filter(email="amara.diallo@aldermoor.example").exists()


@pytest.mark.parametrize("role", ["administrator", "helpdesk", "auditor"])
def test_a_provider_adopts_nobody_with_a_role_of_the_console(identity: Identity, provider: Provider, role: str) -> None:
    boss = owner(role=role)
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert "linked by yourself alone" in answer.content.decode()
    assert not is_signed_in(browser)
    assert is_untouched(boss)


def test_nor_an_invited_administrator_who_has_never_signed_in(identity: Identity, provider: Provider) -> None:
    boss = factories.invited(LENA)
    Person.objects.filter(id=boss.id).update(role="administrator")
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert not is_signed_in(browser)


def test_a_second_provider_takes_nobody_from_the_first(identity: Identity, provider: Provider) -> None:
    arrive(identity, "lena")
    lena = Person.objects.get(email=LENA)
    keep(identity.other_issuer, of="birchwood", name="Birchwood ID")
    browser, answer = arrive(identity, "lena", at=OTHER)
    assert answer.status_code == 403
    assert not is_signed_in(browser)
    lena.refresh_from_db()
    assert lena.provider == "aldermoor"
    assert lena.provider_links.count() == 1


def test_another_issuer_behind_the_same_provider_knows_nobody(
    identity: Identity, provider: Provider, client: Client
) -> None:
    """Subject 2 of the new issuer is not subject 2 of the old one."""
    arrive(identity, "lena")
    arrive(identity, "noor")
    lena = Person.objects.get(email=LENA)
    boss = factories.administrator(password=PASSWORD)
    enter(boss, client)
    page = reverse("console:settings_provider", args=["aldermoor"])
    assert "the links of 2 people end" in client.get(page).content.decode()
    form = {
        "name": "Aldermoor ID",
        "issuer": identity.other_issuer,
        "client_id": CLIENT,
        "secret": SECRET,
        "domains": "aldermoor.example",
    }
    form |= {"groups_claim": "groups", "makes_people": "on", "is_enabled": "on"}
    unasked = client.post(page, form)
    assert unasked.status_code == 400
    assert "ends the links of 2 people" in unasked.content.decode()
    assert client.post(page, {**form, "ends": "1"}).status_code == 400
    assert client.post(page, {**form, "ends": "2"}).status_code == 303
    forget()
    lena.refresh_from_db()
    assert (lena.provider, lena.provider_links.count()) == ("", 0)
    browser, answer = arrive(identity, "lena")
    assert answer["Location"] == ADOPT  # asked to prove that the account is theirs
    assert not is_signed_in(browser)


def test_a_provider_made_anew_under_the_old_name_knows_nobody(identity: Identity, provider: Provider) -> None:
    arrive(identity, "lena")
    boss = factories.administrator(password=PASSWORD)
    browser = enter(boss)
    page = reverse("console:settings_provider_remove", args=["aldermoor"])
    assert "The link of 1 person ends." in browser.get(page).content.decode()
    assert browser.post(page).status_code == 303
    keep(identity.other_issuer, makes_people=False)
    browser, _answer = arrive(identity, "lena")
    assert not is_signed_in(browser)


# Adopting


def test_who_has_an_account_proves_it_by_its_password_and_is_linked(identity: Identity, provider: Provider) -> None:
    lena = owner()
    browser, answer = arrive(identity, "lena", at=f"{WITH}?next=/register")
    assert (answer.status_code, answer["Location"]) == (303, ADOPT)
    assert not is_signed_in(browser)
    assert is_untouched(lena)
    page = browser.get(ADOPT).content.decode()
    assert "You already have an account here" in page
    wrong = browser.post(ADOPT, {"password": "something else entirely"})
    assert wrong.status_code == 400
    assert is_untouched(lena)
    entered = browser.post(ADOPT, {"password": PASSWORD})
    assert (entered.status_code, entered["Location"]) == (302, "/register")
    assert who(browser) == lena
    lena.refresh_from_db()
    assert (lena.provider, lena.provider_links.get().subject) == ("aldermoor", "2")
    assert [mail["facts"]["factor"] for mail in mails("factor_added")] == ["Aldermoor ID"]
    assert Entry.objects.filter(verb=Verb.PROVIDER_LINKED, person_id=str(lena.id)).exists()
    # From now on it is enough to come.
    browser, answer = arrive(identity, "lena")
    assert who(browser) == lena


def test_the_password_is_tried_as_often_as_at_the_sign_in(identity: Identity, provider: Provider) -> None:
    owner()
    browser, _answer = arrive(identity, "lena")
    statuses = [browser.post(ADOPT, {"password": "something else entirely"}).status_code for _time in range(7)]
    assert statuses == [400] * 5 + [429] * 2
    assert browser.post(ADOPT, {"password": PASSWORD}).status_code == 429
    assert not ProviderLink.objects.exists()


def test_a_second_factor_is_asked_for_before_anything_is_linked(identity: Identity, provider: Provider) -> None:
    lena = owner()
    Authenticator.objects.create(user=lena, type="webauthn", data={"name": "Key", "credential": passkeys.credential()})
    browser, _answer = arrive(identity, "lena")
    step = browser.post(ADOPT, {"password": PASSWORD})
    assert step["Location"] == reverse("mfa_authenticate")
    assert not is_signed_in(browser)
    assert is_untouched(lena)


def test_whoever_signs_in_otherwise_in_that_browser_is_not_linked(identity: Identity, provider: Provider) -> None:
    """What one person left in a browser is not finished by the next who signs in there."""
    lena = owner()
    browser, _answer = arrive(identity, "lena")
    enter(lena, browser)
    assert who(browser) == lena
    assert is_untouched(lena)


def test_what_waits_to_be_proved_does_not_wait_for_long(identity: Identity, provider: Provider) -> None:
    lena = owner()
    browser, _answer = arrive(identity, "lena")
    session = browser.session
    session["adoption"] = {**session["adoption"], "at": session["adoption"]["at"] - 601}
    session.save()
    assert browser.get(ADOPT).status_code == 403
    assert browser.post(ADOPT, {"password": PASSWORD}).status_code == 403
    assert is_untouched(lena)


def test_nobody_proves_an_account_that_no_provider_brought(identity: Identity, provider: Provider) -> None:
    lena = owner()
    browser = Client()
    assert browser.get(ADOPT).status_code == 403
    assert browser.post(ADOPT, {"password": PASSWORD}).status_code == 403
    assert not is_signed_in(browser)
    assert is_untouched(lena)


@pytest.mark.parametrize("domains", [[], ["moor.example"], ["aldermoor.example.org"], ["mail.aldermoor.example"]])
def test_an_address_of_another_domain_opens_nobodys_account(identity: Identity, domains: list[str]) -> None:
    keep(identity.issuer, domains=domains)
    lena = owner()
    browser, answer = arrive(identity, "lena")
    assert answer.status_code == 403
    assert "not for Aldermoor ID to give" in answer.content.decode()
    assert is_untouched(lena)
    Person.objects.filter(id=lena.id).delete()
    waiting = factories.invited(LENA)
    _browser, answer = arrive(identity, "lena", browser)
    assert answer.status_code == 403
    assert is_untouched(waiting)


def test_who_once_signed_in_must_prove_it_also_without_a_password(identity: Identity, provider: Provider) -> None:
    lena = factories.invited(LENA)
    Person.objects.filter(id=lena.id).update(signed_in_at=timezone.now())
    browser, answer = arrive(identity, "lena")
    assert answer["Location"] == ADOPT
    assert browser.post(ADOPT, {"password": ""}).status_code == 400
    assert is_untouched(lena)


def test_where_it_is_required_the_password_still_proves_the_account(identity: Identity) -> None:
    keep(identity.issuer, is_required=True)
    lena = owner()
    assert not is_signed_in(enter(lena))
    browser, _answer = arrive(identity, "lena")
    browser.post(ADOPT, {"password": PASSWORD})
    assert who(browser) == lena
    assert not is_signed_in(enter(lena))


def test_where_it_is_required_helpdesk_and_auditors_sign_in_once_more_to_link(identity: Identity) -> None:
    keep(identity.issuer, is_required=True)
    helpdesk = owner(role="helpdesk")
    browser = enter(helpdesk)
    assert is_signed_in(browser)
    link(identity, browser, "lena")
    assert not is_signed_in(enter(helpdesk))
    browser, _answer = arrive(identity, "lena")
    assert who(browser) == helpdesk


@pytest.mark.parametrize("is_required", [False, True])
def test_a_passkey_proves_it_as_well(identity: Identity, is_required: bool) -> None:
    lena, key = owner(), Key()
    assert add(enter(lena), key).status_code == 200
    lena.set_password(None)
    lena.save()
    keep(identity.issuer, is_required=is_required)
    browser, _answer = arrive(identity, "lena", at=f"{WITH}?next=/register")
    assert "Link with a passkey" in browser.get(ADOPT).content.decode()
    given = key.given(asked_to_sign_in(browser), handle=handle(lena))
    entered = post(browser, "mfa_login_webauthn", given, adopts="aldermoor")
    assert who(browser) == lena
    assert entered["Location"] == "/register"
    lena.refresh_from_db()
    assert (lena.provider, lena.provider_links.count()) == ("aldermoor", 1)


def test_a_passkey_for_another_sign_in_links_nothing(identity: Identity, provider: Provider) -> None:
    lena, other, key = owner(), factories.person(password=PASSWORD), Key()
    assert add(enter(other), key).status_code == 200
    browser, _answer = arrive(identity, "lena")
    given = key.given(asked_to_sign_in(browser), handle=handle(other))
    post(browser, "mfa_login_webauthn", given, adopts="aldermoor")
    assert who(browser) == other
    assert not ProviderLink.objects.exists()
    assert is_untouched(lena)


# Linking by one's own hand


def link(identity: Identity, browser: Client, username: str) -> Any:
    assert "Go on to Aldermoor ID" in browser.get("/account/security/with/aldermoor").content.decode()
    left = browser.get("/account/security/with/aldermoor?go=1")
    assert "prompt=login" in left["Location"]
    return browser.get(identity.sign_in(identity.browser(), left["Location"], username))


def test_an_administrator_links_by_hand_and_stays_who_they_are(identity: Identity, provider: Provider) -> None:
    group = Group.objects.create(name="Finance")
    boss = owner("boss@elsewhere.example", role="administrator")
    browser = enter(boss)
    assert "Link Aldermoor ID" in browser.get(reverse("mfa_index")).content.decode()
    answer = link(identity, browser, "noor")
    assert (answer.status_code, answer["Location"]) == (303, reverse("mfa_index"))
    assert [mail["facts"]["factor"] for mail in mails("factor_added")] == ["Aldermoor ID"]
    elsewhere, _answer = arrive(identity, "noor")
    assert who(elsewhere) == boss
    boss.refresh_from_db()
    assert (boss.name, boss.email, boss.provider) == ("Lena Brandt", "boss@elsewhere.example", "")
    assert not Membership.objects.filter(person=boss, group=group).exists()
    # And proves there that it is they.
    make_stale(elsewhere)
    back = identity.sign_in(identity.browser(), elsewhere.get(f"{AGAIN}?go=1&next=/account")["Location"], "noor")
    assert elsewhere.get(back)["Location"] == "/account"
    # What was linked can be ended.
    assert "Unlink Aldermoor ID" in browser.get(reverse("mfa_index")).content.decode()
    assert browser.post("/account/security/with/aldermoor/end").status_code == 303
    assert not boss.provider_links.exists()
    assert [mail["facts"]["factor"] for mail in mails("factor_removed")] == ["Aldermoor ID"]
    elsewhere, answer = arrive(identity, "noor")
    assert who(elsewhere) != boss


def test_who_must_add_a_factor_before_anything_else_can_prove_at_the_provider_that_it_is_they(
    identity: Identity, provider: Provider
) -> None:
    boss = owner("boss@elsewhere.example", role="administrator")
    browser = enter(boss)
    link(identity, browser, "noor")
    Person.objects.filter(id=boss.id).update(factor_due_at=timezone.now() - timedelta(days=1))
    make_stale(browser)
    add = reverse("mfa_add_webauthn")
    assert browser.get(add).status_code == 303
    left = browser.get(f"{AGAIN}?go=1&next={add}")
    answer = browser.get(identity.sign_in(identity.browser(), left["Location"], "noor"))
    assert (answer.status_code, answer["Location"]) == (303, add)
    assert browser.get(add).status_code == 200
    assert browser.get(reverse("console:overview"))["Location"] == reverse("portal:secure")


def test_linking_and_unlinking_ask_for_a_fresh_proof(identity: Identity, provider: Provider) -> None:
    boss = owner(role="administrator")
    browser = enter(boss)
    link(identity, browser, "noor")
    make_stale(browser)
    asked = browser.get("/account/security/with/aldermoor?go=1")
    assert (asked.status_code, reverse("account_reauthenticate") in asked["Location"]) == (303, True)
    assert browser.post("/account/security/with/aldermoor/end").status_code == 403
    assert boss.provider_links.exists()


def test_a_proof_that_became_old_at_the_provider_links_nothing(identity: Identity, provider: Provider) -> None:
    boss = owner(role="administrator")
    browser = enter(boss)
    left = browser.get("/account/security/with/aldermoor?go=1")
    back = identity.sign_in(identity.browser(), left["Location"], "noor")
    make_stale(browser)
    answer = browser.get(back)
    assert (answer.status_code, "Link Aldermoor ID again" in answer.content.decode()) == (403, True)
    assert not boss.provider_links.exists()


def test_a_link_of_another_page_only_shows_the_way(identity: Identity, provider: Provider) -> None:
    browser = enter(owner(role="administrator"))
    answer = browser.get("/account/security/with/aldermoor?go=1", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200


def test_whoever_comes_back_in_somebody_elses_session_links_nothing(identity: Identity, provider: Provider) -> None:
    boss, other = owner(role="administrator"), factories.person(password=PASSWORD)
    browser = enter(boss)
    back = identity.sign_in(
        identity.browser(), browser.get("/account/security/with/aldermoor?go=1")["Location"], "noor"
    )
    browser.post(reverse("account_logout"))
    enter(other, browser)
    browser.get(back)
    assert not ProviderLink.objects.exists()


def test_an_account_there_is_one_persons_here(identity: Identity, provider: Provider) -> None:
    arrive(identity, "noor")
    boss = owner(role="administrator")
    answer = link(identity, enter(boss), "noor")
    assert answer.status_code == 403
    assert "signs in somebody else here" in answer.content.decode()
    assert not boss.provider_links.exists()


def test_whom_a_provider_keeps_links_no_other(identity: Identity, provider: Provider) -> None:
    browser, _answer = arrive(identity, "lena")
    keep(identity.other_issuer, of="birchwood", name="Birchwood ID")
    left = browser.get("/account/security/with/birchwood?go=1")
    answer = browser.get(identity.sign_in(identity.browser(), left["Location"], "noor"))
    assert answer.status_code == 403
    assert ProviderLink.objects.count() == 1
    assert browser.post("/account/security/with/aldermoor/end").status_code == 403
    assert ProviderLink.objects.count() == 1


def test_the_only_way_in_is_not_ended(identity: Identity, provider: Provider) -> None:
    boss = owner(role="administrator")
    browser = enter(boss)
    link(identity, browser, "lena")
    boss.set_password(None)
    boss.save()
    elsewhere, _answer = arrive(identity, "lena")
    assert who(elsewhere) == boss
    assert "only way in" in elsewhere.get(reverse("mfa_index")).content.decode()
    assert elsewhere.post("/account/security/with/aldermoor/end").status_code == 409
    assert boss.provider_links.exists()


def test_what_an_intruder_linked_ends_with_the_undo_of_their_change(identity: Identity, provider: Provider) -> None:
    lena = owner()
    undo = taken_over(lena)
    link(identity, enter(Person.objects.get(id=lena.id)), "noor")
    elsewhere, _answer = arrive(identity, "noor")
    assert who(elsewhere) == lena
    assert Client().post(undo).status_code == 303
    assert not lena.provider_links.exists()
    elsewhere, _answer = arrive(identity, "noor")
    assert who(elsewhere) != lena


# What remains of people whom providers keep


def test_an_address_that_will_not_do_leaves_the_old_one(identity: Identity, provider: Provider) -> None:
    arrive(identity, "lena")
    for email in ("no address", "l\u0131sa@aldermoor.example", "x" * 300 + "@aldermoor.example", ["a@b.example"]):
        identity.lie(claims={"email": email}, userinfo={"email": email})
        browser, _answer = arrive(identity, "lena")
        assert is_signed_in(browser)
    assert Person.objects.filter(email=LENA).exists()


def test_a_name_has_one_line_whatever_the_provider_says(identity: Identity, provider: Provider) -> None:
    name = "Lena\r\nBcc: all@aldermoor.example\u202e"
    identity.lie(claims={"name": name}, userinfo={"name": name})
    arrive(identity, "lena")
    assert Person.objects.get(email=LENA).name == "Lena Bcc: all@aldermoor.example"


@pytest.mark.parametrize("email", ["\ud800@aldermoor.example", "lisa\ud800@aldermoor.example", "\ud800", "\u202e"])
def test_an_address_that_no_page_could_show_is_refused_on_one(
    identity: Identity, provider: Provider, email: str
) -> None:
    identity.lie(claims={"email": email}, userinfo={"email": email})
    browser, answer = arrive(identity, "lena")
    assert (answer.status_code, "used here" in answer.content.decode()) == (403, True)
    assert not is_signed_in(browser)


def test_a_group_that_no_database_could_keep_is_none(identity: Identity, provider: Provider) -> None:
    group = Group.objects.create(name="Finance")
    identity.lie(claims={"groups": ["a\0b", "\ud800", ["finance"], {"finance": 1}, "finance"]})
    browser, _answer = arrive(identity, "lena")
    assert is_signed_in(browser)
    assert list(Membership.objects.values_list("group", flat=True)) == [group.id]


def test_an_address_that_somebody_is_given_at_the_same_instant_leaves_the_old_one(
    identity: Identity, provider: Provider
) -> None:
    """Between the question who has it and the answer to the one who has just signed in."""
    arrive(identity, "lena")
    new = "lena.maas@aldermoor.example"
    other = owner("somebody.else@aldermoor.example")

    def be_faster(*, instance: Person, **_signal: Any) -> None:
        if instance.email == new and instance.id != other.id:
            other.email = new
            other.save(update_fields=["email"])

    identity.lie(claims={"email": new, "name": "Lena Maas"}, userinfo={"email": new, "name": "Lena Maas"})
    pre_save.connect(be_faster, sender=Person)
    try:
        browser, _answer = arrive(identity, "lena")
    finally:
        pre_save.disconnect(be_faster, sender=Person)
    assert is_signed_in(browser)
    lena = who(browser)
    assert lena is not None
    assert (lena.email, lena.name) == (LENA, "Lena Maas")


# No administrator is locked out


def test_the_issuer_stays_while_no_administrator_could_sign_in_without_it(
    identity: Identity, provider: Provider
) -> None:
    boss = owner(role="administrator")
    browser = enter(boss)
    link(identity, browser, "lena")
    Person.objects.update(password="!")
    browser, _answer = arrive(identity, "lena")
    page = reverse("console:settings_provider", args=["aldermoor"])
    form = {"name": "Aldermoor ID", "issuer": identity.other_issuer, "client_id": CLIENT, "is_enabled": "on"}
    for changed in ({**form, "ends": "1"}, {**form, "issuer": identity.issuer, "is_enabled": ""}):
        answer = browser.post(page, changed)
        assert answer.status_code == 400
        assert "No administrator could sign in any more" in answer.content.decode()
    answer = browser.post(reverse("console:settings_provider_remove", args=["aldermoor"]))
    assert answer.status_code == 409
    assert "No administrator could sign in any more" in answer.content.decode()
    assert Provider.objects.get().issuer == identity.issuer
    assert boss.provider_links.exists()


def test_the_command_line_gives_an_administrator_a_way_back_in(identity: Identity, provider: Provider) -> None:
    boss = owner(role="administrator")
    other = factories.administrator("Tomas Reiter")
    Person.objects.filter(id=boss.id).update(password="!", provider="gone", is_active=False)
    printed = StringIO()
    call_command("restore_administrator", LENA.upper(), stdout=printed)
    path = "/" + printed.getvalue().strip().partition("://")[2].partition("/")[2]
    browser = Client()
    password = "granite meadow seventeen orchard"
    assert browser.get(path).status_code == 200
    assert browser.post(path, {"password": password, "again": password}).status_code == 303
    boss.refresh_from_db()
    assert boss.check_password(password)
    assert Entry.objects.get(verb=Verb.ADMINISTRATOR_RESTORED).person_id == str(boss.id)
    administrators = Person.objects.filter(role="administrator")
    assert {boss, other} <= set(administrators)
    assert {mail["to"] for mail in mails("administrator_restored")} == {one.email for one in administrators}
    assert Client().get(path).status_code == 403


def test_it_gives_nobody_else_one(identity: Identity) -> None:
    person = owner()
    for email in (person.email, "nobody@aldermoor.example"):
        with pytest.raises(CommandError):
            call_command("restore_administrator", email)


def test_people_of_an_issuer_that_the_environment_named_before_are_let_go(
    identity: Identity, provider: Provider
) -> None:
    arrive(identity, "lena")
    with pytest.raises(CommandError):
        call_command("end_provider_links", identity.issuer)
    Provider.objects.all().delete()
    forget()
    call_command("end_provider_links", f"{identity.issuer}/")
    assert (Person.objects.get(email=LENA).provider, ProviderLink.objects.count()) == ("", 0)


def test_the_start_names_an_issuer_that_is_gone_and_those_who_are_linked_to_it(
    identity: Identity, provider: Provider
) -> None:
    arrive(identity, "lena")
    assert not any("end_provider_links" in line for line in start.missing())
    Provider.objects.all().delete()
    forget()
    assert any(f"end_provider_links {identity.issuer}`" in line for line in start.missing())


def test_two_providers_have_two_issuers(identity: Identity, provider: Provider) -> None:
    browser = enter(owner(role="administrator"))
    form = {"name": "Another", "id": "another", "issuer": f"{identity.issuer}/", "client_id": "x", "is_enabled": "on"}
    answer = browser.post(reverse("console:settings_provider_new"), form)
    assert answer.status_code == 400
    assert "has this issuer already" in answer.content.decode()


@pytest.mark.parametrize("domains", ["nonsense", "exa mple", "*.example.org", "example.org/", "-a.example"])
def test_a_domain_is_one(identity: Identity, domains: str) -> None:
    browser = enter(owner(role="administrator"))
    form = {"name": "Another", "id": "another", "issuer": identity.issuer, "client_id": "x", "domains": domains}
    assert browser.post(reverse("console:settings_provider_new"), form).status_code == 400
    form["domains"] = "@Aldermoor.Example, münchen.example"
    assert browser.post(reverse("console:settings_provider_new"), form).status_code == 303
    assert Provider.objects.get().domains == ["aldermoor.example", "xn--mnchen-3ya.example"]
