"""What the registration policy forbids, at the desk and when the device speaks: refused with the reason, the policy and
whom to ask, and written down for whom it concerns."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, NotAllowed, NotFound
from mydevices.outbox.models import Message
from mydevices.registration import selectors, terms, tickets
from mydevices.registration.models import Acceptance, TermsText, Ticket
from mydevices.registration.refusals import Refusal, Refused, Why
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.errors import SimulatorError
from simulator.transport import Reply
from tests import factories
from tests.platforms.apple.conftest import Registers, send, ticket_for
from tests.registration.conftest import OPERATOR, Decide

PERSONAL, COMPANY = Device.Ownership.PERSONAL, Device.Ownership.COMPANY


def opened(person: Person, ownership: str = PERSONAL, intended: str = "phone", actor: Actor | None = None) -> Ticket:
    return tickets.open_ticket(
        person=person, ownership=ownership, intended=intended, actor=actor or factories.actor(person)
    )


def refused(person: Person, ownership: str = PERSONAL, intended: str = "phone") -> Refusal:
    """Both by the person and on the command line: a policy binds whoever asks."""
    with pytest.raises(Refused) as by_person:
        opened(person, ownership, intended)
    with pytest.raises(Refused) as by_operator:
        opened(person, ownership, intended, OPERATOR)
    assert by_person.value.refusal == by_operator.value.refusal
    assert not Ticket.objects.filter(used_at=None).exists()
    return by_person.value.refusal


@pytest.mark.parametrize(("fixed", "asked"), [("personal", "company"), ("company", "personal")])
def test_ownership_that_is_fixed_is_not_chosen(owner: Person, decide: Decide, fixed: str, asked: str) -> None:
    decide(ownership=fixed)
    assert refused(owner, asked).why == Why.OWNERSHIP
    assert opened(owner, fixed).ownership == fixed


@pytest.mark.parametrize(
    ("systems", "refused_kind", "allowed_kind"),
    [(("iOS",), "mac", "phone"), (("iPadOS",), "mac", "phone"), (("macOS",), "phone", "mac")],
)
def test_a_system_that_is_not_allowed_gets_no_ticket(
    owner: Person, decide: Decide, systems: tuple[str, ...], refused_kind: str, allowed_kind: str
) -> None:
    decide(systems=systems)
    assert refused(owner, intended=refused_kind).why == Why.SYSTEM
    opened(owner, intended=allowed_kind)


def test_whoever_has_as_many_devices_as_allowed_gets_no_ticket(owner: Person, decide: Decide, helpdesk: None) -> None:
    decide(device_limit=2)
    devices = [factories.device(owner, ownership=COMPANY) for _number in range(2)]
    refusal = refused(owner)
    assert refusal == Refusal(Why.DEVICE_LIMIT, "Everyone", {"used": 2, "limit": 2})
    assert refusal.message() == (
        "2 of 2 devices are used. Retire one first, then register the next. The policy “Everyone” decides this. "
        "Questions go to Service desk: 020 7946 0142."
    )
    Registration.objects.filter(device=devices[0]).update(state="retired")
    opened(owner)


def test_the_organisations_own_devices_may_be_left_out_of_the_limit(owner: Person, decide: Decide) -> None:
    decide(device_limit=1, company_devices_count=False)
    factories.device(owner, ownership=COMPANY)
    opened(owner)
    factories.device(owner, ownership=PERSONAL)
    with pytest.raises(Refused):
        opened(owner)
    opened(owner, COMPANY)


def test_nobody_opens_a_ticket_for_somebody_else_without_the_right_to_invite(owner: Person) -> None:
    for role in (Person.Role.PERSON, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            opened(owner, actor=factories.actor(factories.person(role=role)))
    opened(owner, actor=factories.actor(factories.person(role=Person.Role.HELPDESK)))


# Terms


def test_terms_are_accepted_by_the_person_before_they_register_and_anew_when_they_change(
    owner: Person, decide: Decide
) -> None:
    policy = decide(terms="Be kind.")
    assert refused(owner).facts == {"version": 1}
    terms.accept_terms(person=owner, policy_id=policy.id, version=1, actor=factories.actor(owner))
    terms.accept_terms(person=owner, policy_id=policy.id, version=1, actor=factories.actor(owner))
    acceptance = Acceptance.objects.get()
    assert (acceptance.person, acceptance.terms.text, acceptance.terms.version) == (owner, "Be kind.", 1)
    assert Entry.objects.filter(verb="terms.accepted").count() == 1
    opened(owner).delete()
    decide(terms="Be kind.", device_limit=4)
    opened(owner).delete()
    decide(terms="Be kind, always.")
    assert refused(owner).facts == {"version": 2}
    with pytest.raises(Conflict, match="changed"):
        terms.accept_terms(person=owner, policy_id=policy.id, version=1, actor=factories.actor(owner))
    terms.accept_terms(person=owner, policy_id=policy.id, version=2, actor=factories.actor(owner))
    opened(owner)
    policy.delete()
    assert [text.text for text in TermsText.objects.order_by("version")] == ["Be kind.", "Be kind, always."]


def test_nobody_accepts_for_somebody_else(owner: Person, decide: Decide) -> None:
    policy = decide(terms="Be kind.")
    for actor in (OPERATOR, factories.actor(factories.administrator()), Actor(kind="anonymous")):
        with pytest.raises(NotAllowed):
            terms.accept_terms(person=owner, policy_id=policy.id, version=1, actor=actor)
    assert not selectors.has_accepted(owner, selectors.rules_of(owner))


def test_terms_of_another_policy_do_not_stand_for_these(owner: Person, decide: Decide) -> None:
    first = decide(terms="Be kind.")
    terms.accept_terms(person=owner, policy_id=first.id, version=1, actor=factories.actor(owner))
    first.delete()
    decide(terms="Be kind.")
    assert refused(owner).why == Why.TERMS


# When the device speaks


def refused_device(owner: Person, kind: str = "iphone", **memory: str) -> Ticket:
    """Its ticket was good when it was opened; the device is refused, and knows it."""
    ticket = Ticket.objects.get(used_at=None, refused_at=None)
    simulated = fleet.new_device(kind, send=send)
    for name, value in memory.items():
        setattr(simulated.memory, name, value)
    with pytest.raises(SimulatorError):
        simulated.register(tickets.document_for(ticket=ticket).content)
    assert not Device.objects.filter(owner=owner, hardware_id=simulated.udid).exists()
    ticket.refresh_from_db()
    assert ticket.used_at is None
    return ticket


def test_a_device_that_is_too_old_is_refused_and_its_ticket_says_why(
    owner: Person, decide: Decide, helpdesk: None
) -> None:
    opened(owner)
    decide(minimums={"iOS": "99.1"})
    ticket = refused_device(owner)
    assert ticket.refused_at is not None
    refusal = Refusal.read(ticket.refusal)
    assert (refusal.why, refusal.facts["minimum"]) == (Why.TOO_OLD, "99.1")
    assert "is too old: 99.1 or newer is needed" in refusal.message()
    assert "Service desk: 020 7946 0142" in refusal.message()
    entry = Entry.objects.get(verb="ticket.refused")
    assert (entry.person_id, entry.outcome, entry.details["why"]) == (str(owner.id), "refused", "too_old")
    assert entry.device_name
    assert not Message.objects.filter(topic="mail").exists()


@pytest.mark.parametrize(
    ("says", "minimum", "why"),
    [
        ({"ProductName": "iPhone17,1"}, {"minimums": {"iOS": "17.4"}}, Why.VERSION_UNKNOWN),
        ({"ProductName": "iPhone17,1", "OSVersion": ""}, {"minimums": {"iOS": "17.4"}}, Why.VERSION_UNKNOWN),
        ({"ProductName": "iPad14,8"}, {"minimums": {"iPadOS": "17"}}, Why.VERSION_UNKNOWN),
        # Without a version it may be an iPad of the time when they ran iOS.
        ({"ProductName": "iPad4,1"}, {"minimums": {"iOS": "12"}}, Why.SYSTEM_UNKNOWN),
        ({"ProductName": "iPad4,1", "OSVersion": "new"}, {"minimums": {"iOS": "12"}}, Why.SYSTEM_UNKNOWN),
        ({}, {"minimums": {"iOS": "17.4"}}, Why.SYSTEM_UNKNOWN),
        ({"OSVersion": "26.1"}, {"minimums": {"macOS": "14"}}, Why.SYSTEM_UNKNOWN),
        ({"ProductName": "Toaster1,1", "OSVersion": "26.1"}, {"minimums": {"iOS": "17.4"}}, Why.SYSTEM_UNKNOWN),
    ],
)
def test_a_device_that_leaves_out_what_it_runs_is_refused_where_there_is_a_minimum(
    owner: Person,
    decide: Decide,
    monkeypatch: pytest.MonkeyPatch,
    says: dict[str, str],
    minimum: dict[str, dict[str, str]],
    why: Why,
) -> None:
    monkeypatch.setattr(Simulated, "_described", lambda *_arguments, **_named: says)
    opened(owner)
    decide(**minimum)
    ticket = refused_device(owner)
    refusal = Refusal.read(ticket.refusal)
    assert refusal.why == why
    assert all(version in refusal.message() for version in minimum["minimums"].values())


def test_a_device_that_leaves_out_what_it_runs_registers_where_nothing_is_asked(
    owner: Person, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Simulated, "_described", lambda *_arguments, **_named: {})
    decide(device_limit=4)
    fleet.new_device("iphone", send=send).register(tickets.document_for(ticket=opened(owner)).content)
    assert Device.objects.filter(owner=owner).exists()


@pytest.mark.parametrize(("late", "registers"), [(60, True), (119, True), (121, False), (3600, False)])
def test_a_ticket_registers_no_device_beyond_its_time_though_its_certificate_was_taken_before(
    owner: Person, late: int, registers: bool
) -> None:
    ticket = opened(owner)

    def slow(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if url.endswith("/checkin"):
            Ticket.objects.filter(id=ticket.id).update(expires_at=timezone.now() - timedelta(seconds=late))
        return send(method, url, headers, body)

    simulated = fleet.new_device("iphone", send=slow)
    document = tickets.document_for(ticket=ticket).content
    if registers:
        simulated.register(document)
        assert Device.objects.get(owner=owner).is_registered
        return
    with pytest.raises(SimulatorError):
        simulated.register(document)
    assert not Device.objects.filter(owner=owner).exists()
    ticket.refresh_from_db()
    assert Refusal.read(ticket.refusal).why == Why.EXPIRED


def test_a_system_that_is_not_allowed_is_refused_when_it_speaks(owner: Person, decide: Decide) -> None:
    opened(owner)
    decide(systems=("iPadOS", "macOS"))
    assert Refusal.read(refused_device(owner).refusal).facts["system"] == "iOS"


def test_the_limit_counts_again_when_the_device_speaks(owner: Person, decide: Decide, register: Registers) -> None:
    decide(device_limit=1)
    both = [ticket_for(owner), ticket_for(owner)]
    documents = [tickets.document_for(ticket=ticket).content for ticket in both]
    first, second = (fleet.new_device("iphone", send=send) for _number in range(2))
    first.register(documents[0])
    with pytest.raises(SimulatorError):
        second.register(documents[1])
    both[1].refresh_from_db()
    assert Refusal.read(both[1].refusal).why == Why.DEVICE_LIMIT


def test_a_device_that_registers_again_does_not_count_twice(owner: Person, decide: Decide, register: Registers) -> None:
    decide(device_limit=1)
    ticket, again = (tickets.document_for(ticket=ticket_for(owner)).content for _number in range(2))
    simulated = fleet.new_device("iphone", send=send)
    simulated.register(ticket)
    simulated.leave(check_out=False)
    simulated.register(again)
    assert Device.objects.get(owner=owner).registrations.count() == 2


def test_a_refused_ticket_is_closed_and_the_same_device_hears_the_same(owner: Person, decide: Decide) -> None:
    opened(owner)
    decide(minimums={"iOS": "99"})
    ticket = refused_device(owner)
    assert not selectors.open_tickets(owner, ticket.created_at).exists()
    with pytest.raises(NotFound):
        tickets.find_by_code(code=tickets.code_of(ticket))
    with pytest.raises(NotFound):
        tickets.document_for(ticket=ticket)
    with pytest.raises(Conflict):
        tickets.revoke(ticket=ticket, actor=factories.actor(owner))
    assert Entry.objects.filter(verb="ticket.refused").count() == 1


def test_a_registered_device_is_told_by_mail(owner: Person, register: Registers) -> None:
    register(owner)
    mail = Message.objects.get(topic="mail").payload
    assert (mail["notice"], mail["to"]) == (Notice.DEVICE_REGISTERED, owner.email)
    assert mail["facts"]["device"]
    assert mail["facts"]["address"] == "127.0.0.1"
    assert mail["facts"]["model"].startswith("iPhone")


def test_the_command_line_is_bound_as_well_and_says_why(owner: Person, decide: Decide, tmp_path: Path) -> None:
    decide(ownership="company", device_limit=1)
    out = tmp_path / "a.mobileconfig"
    with pytest.raises(CommandError, match=r"organisation’s here\. The policy “Everyone”"):
        call_command("registration_profile", owner.email, "--ownership", "personal", "--out", str(out))
    assert not out.exists()
    call_command("registration_profile", owner.email, "--out", str(out))
    assert Ticket.objects.get().ownership == "company"
    fleet.new_device("iphone", send=send).register(out.read_bytes())
    with pytest.raises(CommandError, match="1 of 1 devices are used"):
        call_command("registration_profile", owner.email, "--out", str(out))


@pytest.mark.parametrize("why", list(Why))
def test_every_refusal_is_a_sentence_that_comes_back_from_the_database(db: None, why: Why) -> None:
    facts: dict[str, str | int] = {
        "used": 2,
        "limit": 2,
        "ownership": "personal",
        "version": "1",
        "minimum": "2",
        "system": "iOS",
        "systems": "iOS 2, macOS",
    }
    refusal = Refusal(why, "Everyone", facts)
    assert Refusal.read(refusal.stored()) == refusal
    assert refusal.reason().endswith(".")
    assert "%(" not in refusal.message()


def test_what_no_refusal_has_stored_is_not_read() -> None:
    with pytest.raises(ValueError):
        Refusal.read({"why": "weather"})
