"""An intruder changed the address: what the old mailbox takes out of their hands, and what it can't do by itself."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import attempts, email_change
from mydevices.accounts.models import EmailChange, Person, SetAsideFactor
from mydevices.accounts.notices import Notice
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Registration
from mydevices.location.models import Reporter
from mydevices.outbox.models import Message
from mydevices.platforms.apple import push_certificate
from mydevices.registration import confirmations, pins, tickets
from mydevices.registration.models import RegistrationPin, Ticket
from tests import factories, passkeys
from tests.accounts.test_email_change import begun, mails, settled
from tests.codes import as_if_unused, code_for
from tests.factories import PASSWORD
from tests.registration.conftest import Decide, decide

__all__ = ["decide"]

pytestmark = pytest.mark.django_db

NEW = "granite meadow seventeen"


def app_of(person: Person, *, age: timedelta) -> tuple[Authenticator, str]:
    """An authenticator app that was set up so long ago, and its key."""
    key = generate_totp_secret()
    factor = TOTP.activate(person, key).instance
    Authenticator.objects.filter(pk=factor.pk).update(created_at=timezone.now() - age)
    return factor, key


def passkey_of(person: Person, *, age: timedelta = timedelta()) -> Authenticator:
    made: Authenticator = Authenticator.objects.create(
        user=person,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "A browser far away", "credential": passkeys.credential()},
        created_at=timezone.now() - age,
    )
    return made


def taken_over(person: Person) -> str:
    """The way back, after the address was changed."""
    confirm, undo = begun(person)
    Client().post(confirm)
    return undo


def test_a_passkey_added_with_the_change_opens_nothing_after_the_undo_and_goes_once_the_owner_proves_themselves(
    client: Client,
) -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person, age=timedelta(hours=3))  # before the change: intruders can think ahead
    undo = taken_over(person)
    assert client.post(undo).status_code == 303
    assert not Authenticator.objects.filter(user=person).exists()
    (aside,) = SetAsideFactor.objects.filter(person=person)
    assert aside.data["name"] == "A browser far away"
    page = client.post(undo, {"before": PASSWORD})
    assert "A browser far away" in page.content.decode()
    assert SetAsideFactor.objects.exists(), "a proof alone removes nothing"
    assert settled(client, undo, {"before": PASSWORD}, NEW).status_code == 303
    assert not SetAsideFactor.objects.exists()
    answer = client.post(reverse("account_login"), {"login": person.email, "password": NEW})
    assert (answer.status_code, answer["Location"]) == (302, reverse("portal:devices"))
    entry = Entry.objects.get(verb=Verb.FACTORS_SETTLED)
    assert (entry.details["back"], entry.details["removed"]) == (0, 1)


def test_what_the_owner_added_themselves_comes_back(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    passkey = passkey_of(person)
    undo = taken_over(person)
    client.post(undo)
    aside = SetAsideFactor.objects.get(person=person)
    assert settled(client, undo, {"before": PASSWORD}, NEW, back=[aside.pk]).status_code == 303
    back = Authenticator.objects.get(user=person)
    assert (back.data, back.created_at) == (passkey.data, passkey.created_at)


@pytest.mark.parametrize("typed", ["9" * 30, "9" * 5000, "-1", "\u0663", "x"])
def test_what_is_nothing_that_was_set_aside_does_not_come_back(client: Client, typed: str) -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person)
    undo = taken_over(person)
    client.post(undo)
    page = client.post(undo, {"before": PASSWORD}).content.decode()
    proof = page.partition('name="proof" value="')[2].partition('"')[0]
    answer = client.post(undo, {"proof": proof, "password": NEW, "again": NEW, "back": typed})
    assert answer.status_code == 303
    assert not Authenticator.objects.filter(user=person).exists()


def test_the_old_mailbox_alone_removes_nothing(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    passkey_of(person)
    undo = taken_over(person)
    client.post(undo)
    for form in ({"password": NEW, "again": NEW}, {"proof": "forged", "password": NEW, "again": NEW}, {"before": NEW}):
        client.post(undo, form)
    assert SetAsideFactor.objects.filter(person=person).exists()
    assert not Person.objects.get(id=person.id).has_usable_password()


def test_a_proof_for_one_change_is_none_for_another(client: Client) -> None:
    mine, other = factories.person("Mallory", password=PASSWORD), factories.person(password="violet tractor opinion")
    undo_mine = taken_over(mine)
    Client().post(undo_mine)
    page = client.post(undo_mine, {"before": PASSWORD}).content.decode()
    found = re.search(r'name="proof" value="([^"]+)"', page)
    assert found
    _confirm, undo_other = begun(other, "other@new.example")
    client.post(undo_other)
    client.post(undo_other, {"proof": found[1], "password": NEW, "again": NEW})
    assert not Person.objects.get(id=other.id).has_usable_password()


def test_the_password_that_counts_is_the_one_from_before_the_change(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    undo = taken_over(person)
    person.refresh_from_db()
    person.set_password("the intruder chose it")
    person.save()
    client.post(undo)
    assert client.post(undo, {"before": "the intruder chose it"}).status_code == 400
    assert client.post(undo, {"before": PASSWORD}).status_code == 200


def test_the_new_password_is_not_the_old_one(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    undo = taken_over(person)
    client.post(undo)
    assert settled(client, undo, {"before": PASSWORD}, PASSWORD).status_code == 400
    assert not Person.objects.get(id=person.id).has_usable_password()


def test_passwords_are_not_guessed_on_the_page(client: Client) -> None:
    undo = taken_over(factories.person(password=PASSWORD))
    client.post(undo)
    tries = [client.post(undo, {"before": f"guess {number}"}).status_code for number in range(12)]
    assert tries == [400] * email_change.PROOFS.most + [429] * 2
    assert client.post(undo, {"before": PASSWORD}).status_code == 429


def test_a_change_made_with_a_factor_is_undone_with_one_from_before(client: Client) -> None:
    """Whoever has the old mailbox only, such as the one who bought the domain, gets nowhere."""
    person = factories.person(password=PASSWORD)
    factor, key = app_of(person, age=timedelta(days=30))
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert browser.post(reverse("mfa_authenticate"), {"code": code_for(key)}).status_code == 302
    assert browser.post(reverse("portal:email"), {"email": "ines@new.example"}).status_code == 303
    change = EmailChange.objects.get()
    assert change.demands_factor
    EmailChange.objects.update(undo_digest=email_change._digest("the link"))
    undo = reverse("portal:restore_email", args=["the link"])
    assert "second factor" in client.get(undo).content.decode()
    for form in ({}, {"before": PASSWORD}, {"proof": "forged"}, {"code": "000000"}):
        client.post(undo, form)
        assert EmailChange.objects.get().undone_at is None
    as_if_unused()
    assert client.post(undo, {"code": code_for(key)}).status_code == 303
    assert EmailChange.objects.get().undone_at is not None
    assert Authenticator.objects.filter(pk=factor.pk).exists(), "it is from before the change"


def test_a_change_made_with_the_intruders_own_new_factor_is_undone_without_it(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    _factor, key = app_of(person, age=timedelta(hours=2))
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    browser.post(reverse("mfa_authenticate"), {"code": code_for(key)})
    browser.post(reverse("portal:email"), {"email": "ines@new.example"})
    EmailChange.objects.update(undo_digest=email_change._digest("the link"))
    assert client.post(reverse("portal:restore_email", args=["the link"])).status_code == 303
    assert not Authenticator.objects.filter(user=person).exists()


def test_an_older_recovery_code_proves_the_owner_and_a_newer_one_does_not(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    app_of(person, age=timedelta(days=30))
    codes = RecoveryCodes.activate(person)
    Authenticator.objects.filter(pk=codes.instance.pk).update(created_at=timezone.now() - timedelta(days=30))
    code = codes.get_unused_codes()[0]
    undo = taken_over(person)
    client.post(undo)
    assert settled(client, undo, {"code": code}, NEW).status_code == 303
    assert Person.objects.get(id=person.id).check_password(NEW)


def test_tickets_and_location_tokens_from_then_are_stopped_and_known_browsers_forgotten(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")
    person = factories.person(password=PASSWORD)
    device = factories.device(person, now=timezone.now())
    actor = factories.actor(person, proved=timezone.now())
    cookie = attempts.renewed_cookie("", person)
    ticket = tickets.open_ticket(person=person, actor=actor, ownership="personal", intended="phone")
    Reporter.objects.create(device=device, token_hash="new", created_at=timezone.now())
    client.post(taken_over(person))
    assert Ticket.objects.get(id=ticket.id).revoked_at is not None
    assert Reporter.objects.get(device=device).paused_at is not None
    person.refresh_from_db()
    assert not attempts.knows(cookie, person)


def test_both_addresses_hear_of_the_undo(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    old = person.email
    client.post(taken_over(person))
    told = Message.objects.filter(topic="mail", payload__notice=Notice.EMAIL_CHANGE_UNDONE)
    assert sorted(mail.payload["to"] for mail in told) == sorted([old, "ines@new.example"])


def test_the_kept_hash_goes_when_it_can_prove_nothing_any_more(client: Client) -> None:
    undone, ended, waiting = (factories.person(password=PASSWORD) for _number in range(3))
    client.post(taken_over(undone))
    begun(ended, "ended@new.example")
    begun(waiting, "waiting@new.example")
    email_change.drop(actor=factories.actor(ended), person=ended)
    now = timezone.now()

    def kept() -> set[Any]:
        return set(EmailChange.objects.exclude(password="").values_list("person_id", flat=True))

    email_change.clear(now=now)
    assert kept() == {undone.id, waiting.id}
    email_change.clear(now=now + timedelta(days=8))
    assert kept() == set()


def test_a_registration_pin_that_went_to_the_intruders_address_registers_nothing_after_the_undo(
    client: Client, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")
    decide(sign_in="pin")
    person = factories.person(password=PASSWORD)
    undo = taken_over(person)
    person.refresh_from_db()
    plain = pins.issue(person=person, actor=factories.actor(person, proved=timezone.now()))
    begun_before = Client()
    typed = {"email": person.email, "pin": plain}
    assert begun_before.post(reverse("portal:register_by_pin"), typed).status_code == 303
    client.post(undo)
    person.refresh_from_db()
    again = Client().post(reverse("portal:register_by_pin"), typed | {"email": person.email})
    assert again.status_code == 403
    begun_before.post(reverse("portal:register_by_pin_device"), {"which": "phone", "ownership": "personal"})
    assert not Ticket.objects.exists()


def test_a_pin_from_before_the_change_stays_good(client: Client, decide: Decide) -> None:
    decide(sign_in="pin")
    person = factories.person(password=PASSWORD)
    plain = pins.issue(person=person, actor=factories.actor(person, proved=timezone.now()))
    RegistrationPin.objects.update(created_at=timezone.now() - timedelta(days=2))
    client.post(taken_over(person))
    person.refresh_from_db()
    typed = {"email": person.email, "pin": plain}
    assert Client().post(reverse("portal:register_by_pin"), typed).status_code == 303


def test_the_link_that_confirms_a_device_is_mailed_anew_to_the_address_that_came_back(client: Client) -> None:
    """The one in the intruder's mailbox would send private keys to their device for a week."""
    person = factories.person(password=PASSWORD)
    old, undo = person.email, taken_over(person)
    person.refresh_from_db()
    device = factories.device(person, now=timezone.now())
    life = device.registration
    assert life is not None
    Registration.objects.filter(id=life.id).update(keys_held=True)
    confirmations.begin(registration=life, person=person, address="192.0.2.1", now=timezone.now())
    theirs = mails()[Notice.DEVICE_WAITS]
    client.post(undo)
    assert Client().post(theirs, {"answer": "yes"}).status_code == 404
    assert Registration.objects.get(id=life.id).keys_held
    mail = Message.objects.filter(topic="mail", payload__notice=Notice.DEVICE_WAITS).order_by("-id")[0]
    assert mail.payload["to"] == old
    assert Client().get(mails()[Notice.DEVICE_WAITS]).status_code == 200
