"""Another e-mail address: it counts once confirmed, can be taken back for a week, and tells nobody who is here."""

import base64
import re
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import email_change, password_reset, services
from mydevices.accounts.models import EmailChange, Person
from mydevices.accounts.notices import Notice
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Registration
from mydevices.errors import Conflict, Invalid, NeedsFreshAuthentication, NotAllowed, TooMany
from mydevices.outbox.models import Message
from mydevices.registration import confirmations
from mydevices.vault import services as vault
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "ines@new.example"


def mails() -> Mapping[str, str]:
    """What waits to be sent: per notice the path of its link, empty where it has none."""
    found = {}
    for mail in Message.objects.filter(topic="mail").order_by("id"):
        sealed = mail.payload["facts"].get("secret_link")
        place = services.sealed_fact_place(str(mail.key), mail.payload["to"])
        link = vault.open_sealed(base64.b64decode(sealed), place).decode() if sealed else ""
        found[str(mail.payload["notice"])] = "/" + link.split("/", 3)[3] if link else ""
    return found


def begun(person: Person, email: str = NEW) -> tuple[str, str]:
    """The links to confirm and to undo."""
    email_change.ask(actor=factories.actor(person, proved=timezone.now()), person=person, email=email)
    sent = mails()
    return sent[Notice.EMAIL_CONFIRM], sent[Notice.EMAIL_CHANGES]


def settled(client: Client, undo: str, proof: dict[str, str], new: str, *, back: Collection[int] = ()) -> Any:
    """What a new password is answered with, after the page has taken a proof."""
    page = client.post(undo, proof)
    assert page.status_code == 200
    found = re.search(r'name="proof" value="([^"]+)"', page.content.decode())
    assert found
    return client.post(undo, {"proof": found[1], "password": new, "again": new, "back": [str(key) for key in back]})


def address_of(person: Person) -> str:
    return Person.objects.get(id=person.id).email


def test_the_address_counts_once_the_link_is_followed_and_not_before(client: Client) -> None:
    person = factories.person(password=PASSWORD)
    old = person.email
    confirm, _undo = begun(person)
    assert address_of(person) == old
    assert client.get(confirm).status_code == 200
    assert address_of(person) == old, "mail scanners open links"
    assert client.post(confirm).status_code == 303
    assert address_of(person) == NEW
    assert [
        client.post(reverse("account_login"), {"login": email, "password": PASSWORD}).status_code
        for email in (old, NEW)
    ] == [200, 302]
    assert client.post(confirm).status_code == 403


def test_the_old_address_takes_it_back_ends_every_session_and_asks_for_a_new_password(client: Client) -> None:
    person, thief = factories.person(password=PASSWORD), Client()
    old = person.email
    thief.post(reverse("account_login"), {"login": old, "password": PASSWORD})
    confirm, undo = begun(person)
    client.post(confirm)
    assert client.get(undo).status_code == 200
    assert address_of(person) == NEW
    assert client.post(undo).status_code == 303
    assert address_of(person) == old
    assert thief.get(reverse("portal:account")).status_code == 302
    assert not UserSession.objects.filter(user=person).exists()
    assert not Person.objects.get(id=person.id).has_usable_password()
    assert client.post(undo, {"before": "not my password"}).status_code == 400
    new = "granite meadow seventeen"
    assert settled(client, undo, {"before": PASSWORD}, new).status_code == 303
    assert client.post(reverse("account_login"), {"login": old, "password": new}).status_code == 302
    assert client.post(undo).status_code == 403
    verbs = set(Entry.objects.filter(person_id=str(person.id)).values_list("verb", flat=True))
    assert {Verb.EMAIL_CHANGE_ASKED, Verb.EMAIL_CHANGED, Verb.EMAIL_CHANGE_UNDONE, Verb.PASSWORD_CHANGED} <= verbs


def test_taking_it_back_makes_later_changes_void() -> None:
    person = factories.person(password=PASSWORD)
    old = person.email
    confirm, undo = begun(person)
    email_change.confirm(token=confirm.rpartition("/")[2], address="")
    person.refresh_from_db()
    confirm_later, undo_later = begun(person, "thief@elsewhere.example")
    email_change.undo(token=undo.rpartition("/")[2], address="")
    for verb, link in ((email_change.confirm, confirm_later), (email_change.undo, undo_later)):
        with pytest.raises(NotAllowed):
            verb(token=link.rpartition("/")[2], address="")
    assert address_of(person) == old


def test_a_change_that_was_taken_back_before_is_not_confirmed_after() -> None:
    person = factories.person(password=PASSWORD)
    confirm, undo = begun(person)
    email_change.undo(token=undo.rpartition("/")[2], address="")
    with pytest.raises(NotAllowed):
        email_change.confirm(token=confirm.rpartition("/")[2], address="")


def test_links_end_after_a_day_and_a_week() -> None:
    person = factories.person(password=PASSWORD)
    confirm, undo = (link.rpartition("/")[2] for link in begun(person))
    EmailChange.objects.update(confirm_until=timezone.now())
    with pytest.raises(NotAllowed):
        email_change.confirm(token=confirm, address="")
    EmailChange.objects.update(undo_until=timezone.now())
    with pytest.raises(NotAllowed):
        email_change.undo(token=undo, address="")
    change = EmailChange.objects.get()
    assert timedelta(days=6) < email_change.UNDO_WITHIN <= timedelta(days=7)
    assert change.confirmed_at is None


def test_a_newer_change_replaces_the_one_that_waits() -> None:
    person = factories.person(password=PASSWORD)
    first, _undo = begun(person)
    begun(person, "other@new.example")
    with pytest.raises(NotAllowed):
        email_change.confirm(token=first.rpartition("/")[2], address="")


@pytest.mark.parametrize("way", ["signed in", "forgotten"])
def test_a_new_password_drops_a_change_that_waits(client: Client, way: str) -> None:
    """Somebody else may have asked for it, whom the owner throws out with this."""
    person, new = factories.person(password=PASSWORD), "granite meadow seventeen"
    confirm, _undo = begun(person)
    if way == "signed in":
        client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
        form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        assert client.post(reverse("account_change_password"), form).status_code == 302
    else:
        assert client.post(password_reset.link_for(person), {"password": new, "again": new}).status_code == 303
    assert Client().post(confirm).status_code == 403
    assert address_of(person) == person.email
    assert Entry.objects.filter(verb=Verb.EMAIL_CHANGE_DROPPED, person_id=str(person.id)).count() == 1


def test_changed_links_are_refused(client: Client) -> None:
    for link in begun(factories.person(password=PASSWORD)):
        start = link.rindex("/") + 1
        for place in range(start, len(link), 5):
            changed = link[:place] + ("A" if link[place] != "A" else "B") + link[place + 1 :]
            assert client.get(changed).status_code == 403
            assert client.post(changed).status_code == 403
    confirm, undo = mails()[Notice.EMAIL_CONFIRM], mails()[Notice.EMAIL_CHANGES]
    assert client.post(confirm.replace("confirm", "restore")).status_code == 403
    assert client.post(undo.replace("restore", "confirm")).status_code == 403


def test_an_address_that_somebody_has_looks_and_costs_the_same_and_its_owner_is_told(client: Client) -> None:
    owner = factories.person("Sam Stone")
    outcomes = []
    for wanted in (NEW, owner.email.upper()):
        person, browser = factories.person(password=PASSWORD), Client()
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
        before = Message.objects.count(), Entry.objects.count(), EmailChange.objects.count()
        answer = browser.post(reverse("portal:email"), {"email": wanted}, follow=True)
        after = Message.objects.count(), Entry.objects.count(), EmailChange.objects.count()
        page = answer.content.decode()
        assert wanted in page
        outcomes.append((answer.status_code, [new - old for old, new in zip(before, after, strict=True)]))
    assert outcomes == [(200, [2, 1, 1])] * 2
    told = Message.objects.filter(payload__notice=Notice.EMAIL_TAKEN).get()
    assert (told.payload["person"], told.payload["facts"].keys()) == (str(owner.id), {"until"})
    assert address_of(owner) == owner.email


def test_of_two_people_who_confirm_the_same_address_one_has_it(transactional_db: None) -> None:
    tokens = [begun(factories.person(password=PASSWORD))[0].rpartition("/")[2] for _number in range(2)]
    together = threading.Barrier(2, timeout=20)

    def confirm(token: str) -> bool:
        try:
            together.wait()
            email_change.confirm(token=token, address="")
        except Conflict:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(confirm, tokens)) == [False, True]
    assert Person.objects.filter(email=NEW).count() == 1


def test_of_confirming_and_taking_back_at_once_the_old_address_wins(transactional_db: None) -> None:
    person = factories.person(password=PASSWORD)
    old = person.email
    confirm, undo = (link.rpartition("/")[2] for link in begun(person))
    together = threading.Barrier(2, timeout=20)

    def spend(work: int) -> None:
        try:
            together.wait()
            (email_change.confirm if work else email_change.undo)(token=confirm if work else undo, address="")
        except NotAllowed:
            return
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        list(people.map(spend, [0, 1]))
    assert address_of(person) == old


def test_a_former_address_stays_its_owner_s_while_it_can_be_taken_back() -> None:
    person, other = factories.person(password=PASSWORD), factories.person(password=PASSWORD)
    old = person.email
    email_change.confirm(token=begun(person)[0].rpartition("/")[2], address="")
    email_change.ask(actor=factories.actor(other, proved=timezone.now()), person=other, email=old)
    assert Message.objects.filter(payload__notice=Notice.EMAIL_TAKEN, payload__to=old).exists()


def test_who_may_ask_and_for_what() -> None:
    person, other = factories.person(password=PASSWORD), factories.person()
    now = timezone.now()
    actor = factories.actor(person, proved=now)
    with pytest.raises(NotAllowed):
        email_change.ask(actor=factories.actor(other, proved=now), person=person, email=NEW)
    with pytest.raises(NeedsFreshAuthentication):
        email_change.ask(actor=factories.actor(person, proved=now - timedelta(minutes=6)), person=person, email=NEW)
    for wrong in ("nonsense", person.email.upper(), "", f"{'x' * 250}@new.example"):
        with pytest.raises(Invalid):
            email_change.ask(actor=actor, person=person, email=wrong)
    person.provider = "entra"
    with pytest.raises(NotAllowed):
        email_change.ask(actor=actor, person=person, email=NEW)
    assert not EmailChange.objects.exists()


def test_mails_are_not_sent_without_end() -> None:
    person = factories.person(password=PASSWORD)
    actor = factories.actor(person, proved=timezone.now())
    for _time in range(5):
        email_change.ask(actor=actor, person=person, email=NEW)
    assert Message.objects.filter(payload__to=NEW).count() == 3
    with pytest.raises(TooMany):
        email_change.ask(actor=actor, person=person, email=NEW)


def test_the_present_address_can_be_kept_by_its_owner_alone(client: Client) -> None:
    person, other = factories.person(password=PASSWORD), factories.person()
    confirm, _undo = begun(person)
    with pytest.raises(NotAllowed):
        email_change.drop(actor=factories.actor(other), person=person)
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert NEW in client.get(reverse("portal:account")).content.decode()
    assert client.get(reverse("portal:keep_email")).status_code == 405
    assert client.post(reverse("portal:keep_email")).status_code == 303
    assert client.post(reverse("portal:keep_email")).status_code == 409
    assert client.get(confirm).status_code == 403


@pytest.mark.parametrize("way", ["everywhere", "the one browser", "not mine"])
def test_what_throws_somebody_out_drops_a_change_that_waits(way: str) -> None:
    """Whoever had the session may have asked for it, and reads the new mailbox."""
    person, intruder, owner = factories.person(password=PASSWORD), Client(), Client()
    for browser in (intruder, owner):
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    confirm, _undo = begun(person)
    match way:
        case "everywhere":
            assert owner.post(reverse("sessions_end_others")).status_code in {302, 303}
        case "the one browser":
            theirs = UserSession.objects.get(session_key=intruder.session.session_key)
            assert owner.post(reverse("session_end", args=[theirs.pk])).status_code in {302, 303}
        case "not mine":
            life = factories.device(person, now=timezone.now()).registration
            assert life is not None
            Registration.objects.filter(id=life.id).update(keys_held=True)
            confirmations.begin(registration=life, person=person, address="192.0.2.1", now=timezone.now())
            assert Client().post(mails()[Notice.DEVICE_WAITS], {"answer": "no"}).status_code == 200
    assert Client().post(confirm).status_code == 403
    assert address_of(person) == person.email
    assert Entry.objects.filter(verb=Verb.EMAIL_CHANGE_DROPPED, person_id=str(person.id)).count() == 1


def test_signing_a_browser_out_leaves_a_change_from_before_it_signed_in() -> None:
    person, other, owner = factories.person(password=PASSWORD), Client(), Client()
    confirm, _undo = begun(person)
    for browser in (other, owner):
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    theirs = UserSession.objects.get(session_key=other.session.session_key)
    owner.post(reverse("session_end", args=[theirs.pk]))
    assert Client().post(confirm).status_code in {200, 302, 303}
    assert address_of(person) != person.email
