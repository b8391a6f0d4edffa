"""Invitations: who may make them, what their links can do, and what ends them."""

import base64
import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts import post, rights
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Group, Person
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.assignment import EVERYONE
from mydevices.environment import Environment
from mydevices.errors import Conflict, Invalid, NotAllowed, NotFound
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker
from mydevices.policies import services as policies
from mydevices.policies.kinds.registration import PIN, RegistrationRules
from mydevices.registration import invitations, pins
from mydevices.registration.invitations import Wish
from mydevices.registration.models import Invitation
from mydevices.vault import checks
from mydevices.vault import services as vault
from simulator.smtp import Manners, Received, SmtpServer
from tests import factories

pytestmark = pytest.mark.django_db

NOW: Final = factories.NOW
PASSWORD: Final = "seven quiet herons"


@pytest.fixture
def amara() -> Actor:
    return factories.actor(factories.administrator("Amara Diallo"))


def invite(actor: Actor, email: str = "nils@aldermoor.example", *, now: datetime | None = None) -> Invitation:
    return invitations.invite(actor=actor, email=email, name="Nils Berg", now=now)


def token_of(invitation: Invitation, actor: Actor, now: datetime | None = None) -> str:
    link = invitations.show_link(invitation_id=invitation.id, actor=actor, now=now)
    return link.rpartition("/")[2]


def fresh(invitation: Invitation) -> Invitation:
    return Invitation.objects.select_related("person").get(id=invitation.id)


def test_inviting_makes_a_person_without_a_way_in_and_a_mail(amara: Actor) -> None:
    group = Group.objects.create(name="Sales")
    invitation = invitations.invite(
        actor=amara, email=" Nils@aldermoor.example ", name="Nils Berg", groups=[group], language="en-gb", now=NOW
    )
    person = Person.objects.get(email="Nils@aldermoor.example")
    assert (person.name, person.role, person.language) == ("Nils Berg", Person.Role.PERSON, "en-gb")
    assert not person.has_usable_password()
    assert list(person.groups.all()) == [group]
    assert invitation.expires_at == NOW + timedelta(days=14)
    message = Message.objects.get(topic="mail")
    assert message.payload["notice"] == "invitation"
    assert message.payload["facts"]["by"] == "Amara Diallo"
    assert message.key == invitation.mail_id
    assert Entry.objects.filter(verb=Verb.INVITED, person_id=str(person.id), actor_id=amara.id).count() == 1


def test_the_token_is_kept_as_a_digest_and_under_seal(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    row = Invitation.objects.values().get()
    assert row["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token.encode() not in bytes(row["token"] or b"")
    assert token not in str(Message.objects.get().payload)
    assert token not in str(list(Entry.objects.values()))
    assert len(token) >= 43  # 256 random bits


@pytest.mark.parametrize("role", Person.Role.values)
def test_only_roles_with_the_right_invite_send_again_revoke_and_see_links(amara: Actor, role: str) -> None:
    actor = factories.actor(factories.person("Somebody", role=role))
    may = Right.INVITE in rights.of(actor)
    invitation = invite(amara)
    verbs: list[Callable[[], object]] = [
        lambda: invite(actor, "other@aldermoor.example"),
        lambda: invitations.invite_many(actor=actor, wishes=[]),
        lambda: invitations.show_link(invitation_id=invitation.id, actor=actor),
        lambda: invitations.resend(invitation_id=invitation.id, actor=actor),
        lambda: invitations.revoke(invitation_id=invitation.id, actor=actor),
    ]
    for verb in verbs:
        if may:
            verb()
        else:
            with pytest.raises(NotAllowed, match="Helpdesk"):
                verb()
    assert Invitation.objects.count() == (2 if may else 1)


def test_opening_a_link_spends_nothing_and_is_noted_once(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    for _time in range(2):
        found = invitations.find(token=token)
        invitations.note_opened(invitation=found, actor=Actor(kind="anonymous"))
    assert fresh(invitation).opened_at is not None
    assert Entry.objects.filter(verb=Verb.INVITATION_SEEN).count() == 1
    assert invitations.accept(token=token, password=PASSWORD) == invitation.person


def test_accepting_sets_the_password_and_spends_the_link(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    person = invitations.accept(token=token, password=PASSWORD, address="192.0.2.7")
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert fresh(invitation).accepted_at is not None
    assert not fresh(invitation).token
    assert not Message.objects.filter(topic="mail").exists()  # it need not go any more
    entry = Entry.objects.get(verb=Verb.INVITATION_ACCEPTED)
    assert (entry.actor_id, entry.address) == (str(person.id), "192.0.2.7")
    with pytest.raises(Conflict, match="Sign in"):
        invitations.accept(token=token, password="another good sentence")
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_a_password_that_will_not_do_leaves_the_link_good(amara: Actor) -> None:
    token = token_of(invite(amara), amara)
    with pytest.raises(Invalid):
        invitations.accept(token=token, password="short")
    invitations.accept(token=token, password=PASSWORD)


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "../../etc", "%00"])
def test_a_wrong_link_finds_nothing(amara: Actor, token: str) -> None:
    invite(amara)
    with pytest.raises(NotFound):
        invitations.find(token=token)
    with pytest.raises(NotFound):
        invitations.accept(token=token, password=PASSWORD)


def test_the_digest_of_a_token_is_no_token(amara: Actor) -> None:
    invitation = invite(amara)
    with pytest.raises(NotFound):
        invitations.find(token=invitation.token_hash)


def test_an_expired_link_says_so_and_can_be_sent_again(amara: Actor) -> None:
    invitation = invite(amara, now=NOW)
    token = token_of(invitation, amara, NOW)
    end = invitation.expires_at
    with pytest.raises(Conflict, match="expired"):
        invitations.accept(token=token, password=PASSWORD, now=end)
    with pytest.raises(Conflict, match="expired"):
        invitations.show_link(invitation_id=invitation.id, actor=amara, now=end)
    again = invitations.resend(invitation_id=invitation.id, actor=amara, now=end)
    assert again.state(end) == Invitation.State.OPEN
    invitations.accept(token=token_of(again, amara, end), password=PASSWORD, now=end)


def test_sending_again_stops_the_old_link_and_the_mail_that_waits(amara: Actor) -> None:
    invitation = invite(amara)
    old, old_mail = token_of(invitation, amara), invitation.mail_id
    again = invitations.resend(invitation_id=invitation.id, actor=amara)
    with pytest.raises(NotFound):
        invitations.accept(token=old, password=PASSWORD)
    assert again.mail_id != old_mail
    assert [message.key for message in Message.objects.filter(topic="mail")] == [again.mail_id]
    invitations.accept(token=token_of(again, amara), password=PASSWORD)


def test_a_revoked_link_is_worthless_and_its_mail_does_not_go(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    invitations.revoke(invitation_id=invitation.id, actor=amara)
    assert not Message.objects.filter(topic="mail").exists()
    for verb in (
        lambda: invitations.accept(token=token, password=PASSWORD),
        lambda: invitations.resend(invitation_id=invitation.id, actor=amara),
        lambda: invitations.revoke(invitation_id=invitation.id, actor=amara),
        lambda: invitations.show_link(invitation_id=invitation.id, actor=amara),
    ):
        with pytest.raises(Conflict):
            verb()
    # They can be invited anew.
    anew = invite(amara)
    assert anew.person_id == invitation.person_id
    invitations.accept(token=token_of(anew, amara), password=PASSWORD)


def test_somebody_suspended_cannot_accept(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    Person.objects.filter(id=invitation.person_id).update(is_active=False)
    with pytest.raises(NotFound):
        invitations.accept(token=token, password=PASSWORD)
    with pytest.raises(Conflict, match="suspended"):
        invitations.resend(invitation_id=invitation.id, actor=amara)
    with pytest.raises(Conflict, match="suspended"):
        invite(amara)


def test_somebody_who_is_here_gets_no_invitation_and_the_reason_is_said(amara: Actor) -> None:
    somebody = factories.person("Ines Okafor", password=factories.PASSWORD)
    with pytest.raises(Conflict, match="Ines Okafor has an account"):
        invite(amara, somebody.email.upper())
    invite(amara)
    with pytest.raises(Conflict, match="invited already"):
        invite(amara, "NILS@aldermoor.example")
    assert Message.objects.count() == 1


def test_somebody_whose_invitation_expired_is_invited_by_the_same_one_anew(amara: Actor) -> None:
    first = invite(amara, now=NOW)
    second = invite(amara, now=first.expires_at)
    assert second.id == first.id
    assert second.expires_at == first.expires_at + timedelta(days=14)


@pytest.mark.parametrize(
    ("email", "name", "language"),
    [("nobody", "Nils", ""), ("a@b.example", "", ""), ("a@b.example", "N" * 121, ""), ("a@b.example", "Nils", "tlh")],
)
def test_what_will_not_do_is_refused_and_leaves_nobody(amara: Actor, email: str, name: str, language: str) -> None:
    before = Person.objects.count()
    with pytest.raises(Invalid):
        invitations.invite(actor=amara, email=email, name=name, language=language)
    assert Person.objects.count() == before
    assert not Message.objects.exists()


def test_of_many_those_that_can_be_are_invited(amara: Actor) -> None:
    somebody = factories.person("Ines Okafor", password=factories.PASSWORD)
    results = invitations.invite_many(
        actor=amara,
        wishes=[Wish("a@b.example", "A"), Wish(somebody.email, "Ines"), Wish("no", "No"), Wish("c@b.example", "C")],
    )
    assert [isinstance(one, Invitation) for one in results] == [True, False, False, True]
    assert "has an account" in str(results[1])
    assert Message.objects.count() == 2


def test_whoever_signed_in_at_the_provider_accepts_for_themselves_alone(amara: Actor) -> None:
    invitation = invite(amara)
    token = token_of(invitation, amara)
    with pytest.raises(NotAllowed):
        invitations.accept_signed_in(token=token, actor=amara)
    with pytest.raises(NotAllowed):
        invitations.accept_signed_in(token=token, actor=Actor.system("somebody"))
    invitations.accept_signed_in(token=token, actor=factories.actor(invitation.person))
    assert not fresh(invitation).person.has_usable_password()
    assert fresh(invitation).state(timezone.now()) == Invitation.State.ACCEPTED


def sent(invitation: Invitation, at: datetime) -> None:
    invitations.heard(fresh(invitation).mail_id, at, "")


def test_reminders_go_every_so_many_days_and_so_many_times(amara: Actor, settings: Settings) -> None:
    settings.ENVIRONMENT = Environment(invitation_days=60, reminder_days=4, reminders=2)
    invitation = invite(amara, now=NOW)
    sent(invitation, NOW)
    link = token_of(invitation, amara, NOW)
    counts = []
    for day in range(20):
        now = NOW + timedelta(days=day)
        counts.append(invitations.remind(now=now))
        if counts[-1]:
            sent(invitation, now)
    assert [day for day, count in enumerate(counts) if count] == [4, 8]
    notices = [message.payload["notice"] for message in Message.objects.order_by("id")]
    assert notices == ["invitation", "invitation_reminder", "invitation_reminder"]
    assert Message.objects.order_by("id").last().payload["facts"]["by"] == "Amara Diallo"  # type: ignore[union-attr]
    invitations.accept(token=link, password=PASSWORD, now=NOW + timedelta(days=20))  # the link is the same


def test_nobody_is_reminded_of_what_is_over_or_never_came(amara: Actor, settings: Settings) -> None:
    later = NOW + timedelta(days=13)
    unsent = invite(amara, "unsent@b.example", now=NOW)
    refused = invite(amara, "refused@b.example", now=NOW)
    sent(refused, NOW)
    invitations.heard(refused.mail_id, None, "550 no")
    revoked = invite(amara, "revoked@b.example", now=NOW)
    sent(revoked, NOW)
    invitations.revoke(invitation_id=revoked.id, actor=amara)
    suspended = invite(amara, "suspended@b.example", now=NOW)
    sent(suspended, NOW)
    Person.objects.filter(id=suspended.person_id).update(is_active=False)
    accepted = invite(amara, "accepted@b.example", now=NOW)
    sent(accepted, NOW)
    invitations.accept(token=token_of(accepted, amara, NOW), password=PASSWORD, now=NOW)
    assert invitations.remind(now=later) == 0
    sent(unsent, NOW)
    assert invitations.remind(now=NOW + timedelta(days=15)) == 0  # expired
    settings.ENVIRONMENT = Environment(reminder_days=0)
    assert invitations.remind(now=later) == 0
    settings.ENVIRONMENT = Environment()
    assert invitations.remind(now=later) == 1


def test_links_that_are_over_leave_nothing_to_rotate_and_the_server_starts(amara: Actor) -> None:
    accepted = invite(amara, "accepted@b.example")
    invitations.accept(token=token_of(accepted, amara), password=PASSWORD)
    revoked = invite(amara, "revoked@b.example")
    invitations.revoke(invitation_id=revoked.id, actor=amara)
    invite(amara, "expired@b.example", now=NOW - timedelta(days=365))
    invitations.expire(now=NOW)
    assert not Invitation.objects.exclude(token=None).exists()
    assert vault.rotate() == vault.Rotation()
    assert checks.check_stored(None, databases=["default"]) == []


def test_who_came_in_by_the_provider_alone_is_reminded_of_nothing_and_counts_as_here(amara: Actor) -> None:
    invitation = invite(amara, now=NOW)
    sent(invitation, NOW)
    Person.objects.filter(id=invitation.person_id).update(provider="aldermoor")
    later = NOW + timedelta(days=5)
    assert invitations.remind(now=later) == 0
    assert invitations.settle(now=later) == 1
    assert invitations.settle(now=later) == 0
    assert fresh(invitation).accepted_at == later


def test_where_a_pin_is_asked_for_the_mail_holds_one_that_works(amara: Actor) -> None:
    rules = RegistrationRules(sign_in=PIN)
    policies.create(actor=amara, name="With a PIN", values=rules, assignment=EVERYONE)
    invitation = invite(amara)
    mails = Message.objects.filter(topic="mail", payload__person=str(invitation.person_id))
    message = mails.get()  # none of its own for the PIN
    sealed = base64.b64decode(message.payload["facts"]["secret_pin"])
    place = accounts.sealed_fact_place(str(message.key), invitation.person.email)
    typed = vault.open_sealed(sealed, place).decode()
    whose, stranger = invitation.person, Actor(kind="anonymous")
    assert pins.check(person=whose, email=whose.email, typed=typed, actor=stranger).person == whose
    again = invitations.resend(invitation_id=invitation.id, actor=amara)
    with pytest.raises(NotAllowed):
        pins.check(person=again.person, email=again.person.email, typed=typed, actor=stranger)


def test_links_that_have_ended_are_forgotten_once(amara: Actor) -> None:
    invitation = invite(amara, now=NOW)
    assert invitations.expire(now=NOW + timedelta(days=13)) == 0
    assert invitations.expire(now=NOW + timedelta(days=14)) == 1
    assert invitations.expire(now=NOW + timedelta(days=14)) == 0
    assert not fresh(invitation).token
    assert Entry.objects.filter(verb=Verb.INVITATION_EXPIRED).count() == 1


def test_what_became_of_the_mail_is_known(amara: Actor, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HANDLERS", {"mail": registry.HANDLERS["mail"]})
    monkeypatch.setattr(registry, "PERIODIC", {})
    settings.ENVIRONMENT = Environment()
    invitation = invite(amara)
    worker = Worker(threading.Event())
    worker.drain(rounds=1)
    assert fresh(invitation).mail_problem == post.NO_SERVER
    inbox: list[Received] = []
    manners = Manners(answers={"RCPT": "550 5.1.1 Nobody of that name"})
    with SmtpServer(take=inbox.append, manners=manners) as server:
        settings.ENVIRONMENT = Environment(
            smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none", mail_from="devices@aldermoor.example"
        )
        Message.objects.update(run_at=timezone.now())
        worker.drain(rounds=1)
        assert fresh(invitation).mail_problem == "The mail server says: 550 5.1.1 Nobody of that name"
        manners.answers = {}
        invitations.resend(invitation_id=invitation.id, actor=amara)
        worker.drain(rounds=1)
    assert fresh(invitation).mail_problem == ""
    assert fresh(invitation).sent_at is not None
    assert token_of(invitation, amara).encode() in inbox[0].content.replace(b"=\r\n", b"")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_accept_at_once_one_is_refused(amara: Actor) -> None:
    token = token_of(invite(amara), amara)
    start = threading.Barrier(2)
    results: list[str] = []

    def try_it(password: str) -> None:
        try:
            start.wait()
            invitations.accept(token=token, password=password)
            results.append("accepted")
        except Conflict:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=(f"{PASSWORD} {number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["accepted", "refused"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_invite_the_same_address_at_once_one_is_told(amara: Actor) -> None:
    start = threading.Barrier(2)
    results: list[str] = []

    def try_it() -> None:
        try:
            start.wait()
            invite(amara)
            results.append("invited")
        except Conflict:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["invited", "refused"]
    assert Invitation.objects.count() == 1
