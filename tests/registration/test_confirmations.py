"""Devices that get no private key before their owner has confirmed them: over HTTP and the wire, as whoever tries."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factors
from mydevices.accounts import services as accounts
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.accounts.requests import LIMITED
from mydevices.audit.models import Entry
from mydevices.certificates import keeping
from mydevices.certificates.models import Certificate
from mydevices.commands.models import Action, Command
from mydevices.configurations import comparison, delivery, resolve, selectors, services, shared_files, uploads
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import SINGLE_FILE, IdentityCertificate
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, NotAllowed
from mydevices.outbox.models import Message
from mydevices.policies import services as policies
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.protocols.pki.pkcs12 import Bundle
from mydevices.protocols.pki.smime import Purpose
from mydevices.registration import confirmations, pins, renewal, tickets
from mydevices.registration.models import Acceptance, Confirmation, RegistrationPin, Ticket
from mydevices.vault import services as vault
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.errors import SimulatorError
from simulator.transport import Reply
from tests import factories
from tests.certificates import identities
from tests.configurations.test_delivery import fingerprints, polled
from tests.configurations.test_web_clip import compare, work
from tests.factories import PASSWORD
from tests.platforms.apple.conftest import fresh, present, send
from tests.registration.conftest import OPERATOR, Decide

pytestmark = pytest.mark.usefixtures("server")

NOBODY: Final = Assignment(to=To.NOBODY)
REGISTER: Final = reverse("portal:register")
CHOICE: Final = {"which": "phone", "ownership": "personal"}
AGES: Final = {"fresh": timedelta(0), "stale": timedelta(minutes=6)}


@pytest.fixture
def kofi() -> Person:
    """Has a second factor."""
    person = factories.person("Kofi Mensah", password=PASSWORD)
    TOTP.activate(person, generate_totp_secret())
    return person


def browser(person: Person, *, password: str = "fresh", factor: str = "") -> Client:
    """Signed in, with proofs that are "fresh" or "stale"."""
    client = Client()
    client.force_login(person, backend="mydevices.accounts.backends.Passwords")
    session, now = client.session, timezone.now()
    records = [{"method": "password", "at": (now - AGES[password]).timestamp()}]
    if factor:
        records.append({"method": "mfa", "type": "totp", "at": (now - AGES[factor]).timestamp()})
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(person.id)
    session.save()
    return client


def limited(person: Person) -> Client:
    client = browser(person, factor="fresh")
    session = client.session
    session[LIMITED] = int((timezone.now() + timedelta(minutes=20)).timestamp())
    session.save()
    return client


def made(name: str, values: Kind, assignment: Assignment = EVERYONE, **more: Any) -> Configuration:
    return services.create(
        actor=fresh(factories.administrator()), name=name, values=values, assignment=assignment, **more
    )


def single_file(purpose: Purpose) -> shared_files.ExaminedFile:
    data = identities.identity_for(factories.person("The organisation")).exported(identities.PASSWORD)
    return shared_files.examine_file(
        actor=fresh(factories.administrator()), purpose=purpose, data=data, password=identities.PASSWORD
    )


class Office:
    """Types for both purposes, and an account that names them."""

    def __init__(self) -> None:
        self.signing = made("Signing", IdentityCertificate(purpose="signing"), NOBODY)
        self.encryption = made("Encryption", IdentityCertificate(purpose="encryption"), NOBODY)
        self.mail = made(
            "Mail",
            Exchange(
                host="mail.aldermoor.example",
                smime_signing=True,
                signing_type=str(self.signing.id),
                smime_encryption=True,
                encryption_type=str(self.encryption.id),
            ),
        )
        work()


def upload(owner: Person, of: Configuration) -> Certificate:
    return uploads.upload(
        actor=fresh(owner),
        person=owner,
        type_id=of.id,
        data=identities.identity_for(owner).exported(identities.PASSWORD),
        password=identities.PASSWORD,
        now=timezone.now(),
    ).certificate


@pytest.fixture
def office(kofi: Person) -> Office:
    office = Office()
    for of in (office.signing, office.encryption):
        upload(kofi, of)
    return office


@dataclass
class Phone:
    owner: Person
    simulated: Simulated

    @property
    def device(self) -> Device:
        return present(self.owner, self.simulated)

    @property
    def page(self) -> str:
        return reverse("portal:confirm_device", args=[self.device.id])

    def take_all(self) -> None:
        work()
        polled(self.simulated)

    def keys(self) -> int:
        """Private keys on it, beside that of its own management."""
        self.take_all()
        return len(fingerprints(self.simulated))

    @property
    def waits(self) -> bool:
        return confirmations.is_waiting(self.device)


def installed(owner: Person, document: bytes, kind: str = "iphone") -> Phone:
    simulated = fleet.new_device(kind, send=send)
    simulated.register(document)
    return Phone(owner, simulated)


def by_ticket(owner: Person, client: Client, kind: str = "iphone") -> Phone:
    """As somebody registers who is signed in."""
    answer = client.post(REGISTER, {**CHOICE, "which": "mac" if kind == "mac" else "phone"})
    assert answer.status_code == 303, answer.content
    return installed(owner, tickets.document_for(ticket=Ticket.objects.get(used_at=None)).content, kind)


def by_operator(owner: Person, kind: str = "iphone") -> Phone:
    """As somebody else registers a device for them."""
    ticket = tickets.open_ticket(
        person=owner, ownership="company", intended="mac" if kind == "mac" else "phone", actor=OPERATOR
    )
    return installed(owner, tickets.document_for(ticket=ticket).content, kind)


def link() -> str:
    """The path in the newest mail that asks whether a device is theirs."""
    mail = Message.objects.filter(topic="mail", payload__notice=Notice.DEVICE_WAITS).latest("id")
    place = accounts.sealed_fact_place(str(mail.key), mail.payload["to"])
    return (
        "/" + vault.open_sealed(base64.b64decode(mail.payload["facts"]["secret_link"]), place).decode().split("/", 3)[3]
    )


def happened(verb: str) -> int:
    return Entry.objects.filter(verb=verb).count()


# Registering is fresh


@pytest.mark.parametrize("factor", ["", "stale"])
def test_a_stale_session_registers_nothing(kofi: Person, decide: Decide, factor: str) -> None:
    stale = browser(kofi, password="stale", factor=factor)
    stale.get(REGISTER)
    stale.post(REGISTER, CHOICE)
    assert not Ticket.objects.exists()
    policy = decide(sign_in="both", terms="Be kind.")
    stale.post(reverse("portal:terms"), {"policy": str(policy.id), "version": "1"})
    assert not Acceptance.objects.exists()
    stale.post(reverse("portal:new_pin"))
    assert not RegistrationPin.objects.exists()
    plain = pins.issue(person=kofi, actor=OPERATOR)
    stale.post(REGISTER, {**CHOICE, "pin": plain})
    assert not Ticket.objects.exists()
    fresh_one = browser(kofi)
    fresh_one.post(reverse("portal:terms"), {"policy": str(policy.id), "version": "1"})
    assert fresh_one.post(REGISTER, {**CHOICE, "pin": plain}).status_code == 303
    assert Ticket.objects.exists()


# Whose devices wait


def test_a_device_registered_without_the_second_factor_gets_mail_and_no_keys(kofi: Person, office: Office) -> None:
    phone = by_ticket(kofi, browser(kofi, password="fresh", factor="stale"))
    assert phone.keys() == 0
    (account,) = phone.simulated.snapshot()["mail_accounts"]
    assert (account["signs_with"], account["encrypts_with"]) == ("", "")
    assert phone.waits
    mails = [mail.payload["notice"] for mail in Message.objects.filter(topic="mail")]
    assert mails == [Notice.DEVICE_WAITS]


def test_a_device_registered_with_a_fresh_second_factor_gets_everything_at_once(kofi: Person, office: Office) -> None:
    phone = by_ticket(kofi, browser(kofi, password="fresh", factor="fresh"))
    assert phone.keys() == 2
    assert not phone.waits
    mails = [mail.payload["notice"] for mail in Message.objects.filter(topic="mail")]
    assert mails == [Notice.DEVICE_REGISTERED]


def test_a_device_waits_that_was_registered_by_pin(kofi: Person, office: Office, decide: Decide) -> None:
    decide(sign_in="pin")
    visitor = Client()
    by_pin, device = reverse("portal:register_by_pin"), reverse("portal:register_by_pin_device")
    typed = {"email": kofi.email, "pin": pins.issue(person=kofi, actor=OPERATOR)}
    assert visitor.post(by_pin, typed)["Location"] == device
    assert visitor.post(device, CHOICE).status_code == 303
    ticket = Ticket.objects.get()
    phone = installed(kofi, tickets.document_for(ticket=ticket).content)
    assert phone.waits
    assert phone.keys() == 0


def test_a_device_waits_that_somebody_else_registered(kofi: Person, office: Office) -> None:
    administrator = factories.administrator()
    boss = replace(factories.actor(administrator, proved=timezone.now()), factor_at=timezone.now())
    ticket = tickets.open_ticket(person=kofi, ownership="company", intended="phone", actor=boss)
    phone = installed(kofi, tickets.document_for(ticket=ticket).content)
    assert phone.waits
    assert phone.keys() == 0


def test_an_administrator_does_not_take_the_factor_away_and_register_then(
    kofi: Person, office: Office, decide: Decide
) -> None:
    """People with a second factor confirm their devices; who has just been deprived of it is still one of them."""
    decide(sign_in="pin")
    boss = browser(factories.administrator(), factor="fresh")
    assert boss.post(reverse("console:people_factors", args=[kofi.id])).status_code == 303
    assert not factors.has_one(kofi)
    visitor = Client()
    by_pin, device = reverse("portal:register_by_pin"), reverse("portal:register_by_pin_device")
    visitor.post(by_pin, {"email": kofi.email, "pin": pins.issue(person=kofi, actor=OPERATOR)})
    assert visitor.post(device, CHOICE).status_code == 303
    phone = installed(kofi, tickets.document_for(ticket=Ticket.objects.get()).content)
    assert phone.waits
    assert phone.keys() == 0


def test_who_removes_the_factor_with_the_password_alone_gets_no_key_by_it(kofi: Person, office: Office) -> None:
    thief = browser(kofi)
    thief.post(reverse("mfa_deactivate_totp"))
    assert not factors.has_one(kofi)
    phone = by_ticket(kofi, thief)
    assert phone.waits
    assert phone.keys() == 0


def test_whose_factor_went_long_ago_registers_as_one_who_has_none(kofi: Person, office: Office) -> None:
    browser(kofi).post(reverse("mfa_deactivate_totp"))
    now = timezone.now()
    assert factors.has_had_one(kofi, now + timedelta(days=6))
    assert not factors.has_had_one(kofi, now + timedelta(days=8))


def test_a_device_waits_that_was_registered_on_the_command_line(kofi: Person, tmp_path: Path) -> None:
    out = tmp_path / "a.mobileconfig"
    call_command("registration_profile", kofi.email, "--out", str(out))
    assert installed(kofi, out.read_bytes()).waits


@pytest.mark.parametrize(
    ("rule", "has_factor", "waits"),
    [
        ("never", True, False),
        ("factor", True, True),
        ("factor", False, False),
        ("everybody", False, True),
        ("everybody", True, True),
    ],
)
def test_the_policy_says_whose_devices_wait(
    kofi: Person, decide: Decide, rule: str, has_factor: bool, waits: bool
) -> None:
    decide(confirm_devices=rule)
    owner = kofi if has_factor else factories.person("Sam Stone", password=PASSWORD)
    assert by_ticket(owner, browser(owner)).waits == waits


def test_the_policy_is_changed_in_the_console(kofi: Person) -> None:
    client = browser(factories.administrator(), factor="fresh")
    new = reverse("console:policies_new", args=["registration"])
    assert "Confirm new devices before they get private keys" in client.get(new).content.decode()
    values = {
        "name": "Everyone", "enabled": "on", "to": "everyone", "sign_in": "password", "pin_length": "6",
        "pin_days": "7", "pin_on_request": "on", "confirm_devices": "everybody", "ownership": "asked",
        "company_devices_count": "on", "systems": ["iOS", "iPadOS", "macOS"],
    }  # fmt: skip
    assert client.post(new, values).status_code == 303
    owner = factories.person(password=PASSWORD)
    assert by_ticket(owner, browser(owner)).waits


def test_what_is_registered_before_the_update_counts_as_confirmed() -> None:
    device = factories.device(factories.person())
    assert not factories.life(device).keys_held


# Confirming


def test_its_owner_confirms_it_and_the_keys_follow(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    assert phone.keys() == 0
    client = browser(kofi)
    page = client.get(reverse("portal:device", args=[phone.device.id])).content.decode()
    assert "Is this device yours?" in page
    assert phone.page in page
    assert "Signing" in page
    table = client.get(reverse("portal:certificates")).content.decode()
    assert table.count(phone.page) >= 2
    assert "Is <bdi>" in client.get(phone.page).content.decode()
    assert phone.keys() == 0, "looking at the question answers nothing"
    assert client.post(phone.page)["Location"] == reverse("portal:device", args=[phone.device.id])
    assert phone.keys() == 2
    (account,) = phone.simulated.snapshot()["mail_accounts"]
    assert account["signs_with"]
    assert account["encrypts_with"]
    assert happened("device.confirmed") == 1
    page = client.get(reverse("portal:device", args=[phone.device.id])).content.decode()
    assert "Is this device yours?" not in page
    assert "Confirmed by you" in page
    assert client.post(phone.page).status_code == 303
    assert happened("device.confirmed") == 1


def test_my_devices_says_that_one_waits_until_it_is_confirmed(kofi: Person, office: Office) -> None:
    phone, client = by_operator(kofi), browser(kofi)
    page = client.get(reverse("portal:devices")).content.decode()
    assert "Waiting for its owner to confirm it" in page
    assert "1 device, 1 needs you." in page
    client.post(phone.page)
    phone.take_all()
    assert "1 device, all well." in client.get(reverse("portal:devices")).content.decode()


def test_a_mac_gets_its_keys_when_it_is_confirmed(kofi: Person, office: Office) -> None:
    mac = by_operator(kofi, "mac")
    assert mac.keys() == 0
    browser(kofi).post(mac.page)
    assert mac.keys() == 2


def test_a_stale_session_confirms_nothing(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    stale = browser(kofi, password="stale", factor="stale")
    stale.get(phone.page)
    stale.post(phone.page)
    assert phone.waits
    assert phone.keys() == 0


def test_a_limited_session_confirms_nothing(kofi: Person) -> None:
    phone = by_operator(kofi)
    path = link()
    for answer in (
        limited(kofi).get(phone.page),
        limited(kofi).post(phone.page),
        limited(kofi).post(path, {"answer": "yes"}),
    ):
        assert answer.status_code == 403
    assert phone.waits


def test_nobody_else_confirms_it(kofi: Person) -> None:
    phone = by_operator(kofi)
    for role in Person.Role.values:
        other = browser(factories.person(role=role), factor="fresh")
        assert other.get(phone.page).status_code == 404
        assert other.post(phone.page).status_code == 404
    assert Client().post(phone.page).status_code in {302, 303}
    assert browser(kofi, factor="fresh").put(phone.page).status_code == 405
    for actor in (OPERATOR, factories.actor(factories.administrator(), proved=timezone.now())):
        with pytest.raises(NotAllowed):
            confirmations.confirm(device=phone.device, actor=actor, now=timezone.now())
    assert phone.waits


# By the mailed link


def test_the_link_asks_and_spends_nothing_until_it_is_answered(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    path, visitor = link(), Client()
    for _time in range(2):
        page = visitor.get(path)
        assert page.status_code == 200
        assert "no-store" in page["Cache-Control"]
        assert kofi.name in page.content.decode()
    assert visitor.head(path).status_code == 200
    assert phone.keys() == 0
    assert visitor.post(path).status_code == 400
    assert visitor.post(path, {"answer": "perhaps"}).status_code == 400
    assert visitor.put(path).status_code == 405
    assert phone.waits
    assert visitor.post(path, {"answer": "yes"}).status_code == 200
    assert phone.keys() == 2
    entry = Entry.objects.get(verb="device.confirmed")
    assert (entry.actor_id, entry.person_id) == (str(kofi.id), str(kofi.id))
    for answer in (visitor.get(path), visitor.post(path, {"answer": "yes"}), visitor.post(path, {"answer": "no"})):
        assert answer.status_code == 404, "it is good once"


@pytest.mark.parametrize("how", ["forged", "expired", "of another", "ended", "suspended"])
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_link_that_is_no_good_does_nothing(kofi: Person, how: str, answer: str) -> None:
    phone = by_operator(kofi)
    path = link()
    if how == "forged":
        path = path[:-1] + ("A" if path[-1] != "A" else "B")
    elif how == "expired":
        Confirmation.objects.update(expires_at=timezone.now())
    elif how == "of another":
        path = confirmations.PATH + "x" * 43
    elif how == "ended":
        Registration.objects.filter(device=phone.device).update(state="retired", ended_at=timezone.now())
    else:
        Person.objects.filter(id=kofi.id).update(is_active=False)
    assert Client().get(path).status_code == 404
    assert Client().post(path, {"answer": answer}).status_code == 404
    assert Registration.objects.get(device=phone.device).keys_held
    assert happened("device.confirmed") == happened("device.disowned") == 0


def test_a_link_needs_the_form_of_its_page(kofi: Person) -> None:
    phone = by_operator(kofi)
    assert Client(enforce_csrf_checks=True).post(link(), {"answer": "yes"}).status_code == 403
    assert phone.waits


def test_whoever_does_not_know_the_device_says_so_and_all_of_it_stops(
    kofi: Person, office: Office, decide: Decide
) -> None:
    decide(sign_in="both", confirm_devices="factor")
    intruder = browser(kofi)
    UserSession.objects.create(user=kofi, ip="127.0.0.1", session_key=intruder.session.session_key, user_agent="")
    phone = by_operator(kofi)
    path = link()
    pins.issue(person=kofi, actor=OPERATOR)
    another = tickets.open_ticket(person=kofi, ownership="personal", intended="phone", actor=OPERATOR)
    document = tickets.document_for(ticket=another).content
    page = Client().post(path, {"answer": "no"}).content.decode()
    assert reverse("portal:forgotten") in page
    assert intruder.get(reverse("portal:devices")).status_code == 302, "every session has ended"
    assert phone.waits
    assert phone.keys() == 0
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(document)
    assert RegistrationPin.objects.get().revoked_at is not None
    assert Action.objects.get(kind="retire").device == phone.device
    assert happened("device.disowned") == 1
    assert Client().post(path, {"answer": "yes"}).status_code == 404
    assert phone.waits


def test_no_policy_keeps_a_device_that_is_nobody_s(kofi: Person) -> None:
    policies.create(actor=OPERATOR, name="Few", values=SelfServiceRules(allowed=("register",)), assignment=EVERYONE)
    phone = by_operator(kofi)
    Client().post(link(), {"answer": "no"})
    Command.objects.filter(action__kind="retire").update(state="queued")
    polled(phone.simulated)
    assert not phone.simulated.is_registered


def test_a_device_that_has_not_finished_registering_is_not_let_in(kofi: Person) -> None:
    def interrupted(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if b"TokenUpdate" in body:
            Client().post(link(), {"answer": "no"})
        return send(method, url, headers, body)

    ticket = tickets.open_ticket(person=kofi, ownership="company", intended="phone", actor=OPERATOR)
    simulated = fleet.new_device("iphone", send=interrupted)
    with pytest.raises(SimulatorError):
        simulated.register(tickets.document_for(ticket=ticket).content)
    assert Registration.objects.get().state == Registration.State.RETIRED
    assert present(kofi, simulated).state == Registration.State.RETIRED


def test_the_link_still_says_no_where_an_intruder_has_confirmed(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    path = link()
    browser(kofi).post(phone.page)
    assert phone.keys() == 2
    page = Client().get(path).content.decode()
    assert 'value="no"' in page
    assert 'value="yes"' not in page
    assert Client().post(path, {"answer": "yes"}).status_code == 409
    assert Client().post(path, {"answer": "no"}).status_code == 200
    assert Registration.objects.get(device=phone.device).keys_held
    before = fingerprints(phone.simulated)
    upload(kofi, office.signing)
    phone.take_all()
    assert fingerprints(phone.simulated) <= before, "what was uploaded since does not go there"


# The helpdesk


def test_the_helpdesk_has_the_mail_sent_again_within_reason_and_cannot_answer(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    first = link()
    address = reverse("console:devices_confirmation", args=[phone.device.id])
    helpdesk = browser(factories.person(role="helpdesk"), factor="fresh")
    console = reverse("console:devices_one", args=[phone.device.id])
    page = helpdesk.get(console).content.decode()
    assert "Waiting for its owner" in page
    assert address in page
    assert f'"{phone.page}"' not in page
    assert helpdesk.get(address).status_code == 405
    assert helpdesk.post(address).status_code == 303
    second = link()
    assert second != first
    assert Client().get(first).status_code == 404
    assert happened("device.confirmation_sent") == 1
    mails = Message.objects.filter(topic="mail", payload__notice=Notice.DEVICE_WAITS)
    assert {mail.payload["to"] for mail in mails} == {kofi.email}
    for _time in range(confirmations.MAILS.most - 1):
        assert helpdesk.post(address).status_code == 303
    assert helpdesk.post(address).status_code == 429
    assert phone.waits
    assert Client().post(link(), {"answer": "yes"}).status_code == 200
    assert phone.keys() == 2
    assert helpdesk.post(address).status_code == 303
    assert happened("device.confirmation_sent") == confirmations.MAILS.most


def test_a_stale_helpdesk_and_others_send_nothing(kofi: Person) -> None:
    phone = by_operator(kofi)
    address = reverse("console:devices_confirmation", args=[phone.device.id])
    before = Message.objects.filter(topic="mail").count()
    browser(factories.person(role="helpdesk"), password="stale").post(address)
    assert browser(factories.person(role="auditor")).post(address).status_code == 403
    assert browser(kofi).post(address).status_code == 403
    assert Message.objects.filter(topic="mail").count() == before


# No way around


def named(kind: type[Kind], office: Office, shared: Configuration) -> list[Kind]:
    """Values of a kind with every private key that it can carry."""
    both = {
        "smime_signing": True,
        "signing_type": str(office.signing.id),
        "smime_encryption": True,
        "encryption_type": str(office.encryption.id),
    }
    if kind is Exchange:
        return [Exchange(host="mail.aldermoor.example", login_identity=str(shared.id), **both)]  # type: ignore[arg-type]
    if kind is Email:
        hosts = {"incoming_host": "imap.aldermoor.example", "outgoing_host": "smtp.aldermoor.example"}
        return [Email(**hosts, **both)]  # type: ignore[arg-type]
    if kind is IdentityCertificate:
        return [IdentityCertificate(), IdentityCertificate(purpose="encryption")]
    assert kind.name() in CARRY_NONE, "say here whether this kind carries private keys, and with which values"
    return []


CARRY_NONE: Final = {"web_clip"}
"""Kinds of configuration in which there is no private key."""
SENDERS: Final[Mapping[str, Callable[["Phone", Office], object]]] = {
    "the half-hourly comparison": lambda _phone, _office: compare(),
    "an upload": lambda phone, office: (upload(phone.owner, office.signing), upload(phone.owner, office.encryption)),
    "a comparison of the device": lambda phone, _office: comparison.of_device(phone.device.id, now=timezone.now()),
    "a comparison of its person": lambda phone, _office: comparison.of_person(phone.owner.id, now=timezone.now()),
    "a certificate anew": lambda phone, office: comparison.of_type(
        person_id=phone.owner.id, type_id=office.signing.id, now=timezone.now()
    ),
    "sending again what failed": lambda phone, _office: _retry(phone),
    "profiles that are missing": lambda phone, _office: delivery.listed(
        registration_id=factories.life(phone.device).id, profiles={}, now=timezone.now()
    ),
    "certificates that are missing": lambda phone, _office: delivery.certificates_listed(
        registration_id=factories.life(phone.device).id, fingerprints=[], now=timezone.now()
    ),
    "a renewal": lambda _phone, _office: renewal.renew_due(now=timezone.now() + timedelta(days=336)),
}
"""Everything that makes a device ask for its profiles again."""


def _retry(phone: Phone) -> None:
    selectors.of_device(phone.device).update(state=Installation.State.FAILED)
    for row in selectors.of_device(phone.device):
        services.retry(actor=fresh(factories.administrator()), installation=row)


@pytest.mark.parametrize("machine", ["iphone", "mac"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_configuration_brings_a_key_by_any_way(
    kofi: Person, office: Office, monkeypatch: pytest.MonkeyPatch, kind: str, machine: str
) -> None:
    shared = made("For everybody", IdentityCertificate(source=SINGLE_FILE), NOBODY, file=single_file("both"))
    for number, values in enumerate(named(KINDS[kind], office, shared)):
        of = made(f"Its {number}", values)
        if isinstance(values, IdentityCertificate):
            upload(kofi, of)
            upload(kofi, of)  # one for encryption leaves its predecessor beside it
    if KINDS[kind] is IdentityCertificate:
        services.change(
            actor=fresh(factories.administrator()),
            configuration=shared,
            name="For everybody",
            values=IdentityCertificate(source=SINGLE_FILE),
            assignment=EVERYONE,
        )
    opened: list[str] = []
    whole = resolve.Identity.opened

    def noted(identity: resolve.Identity) -> Bundle:
        opened.append(identity.label)
        return whole(identity)

    monkeypatch.setattr(resolve.Identity, "opened", noted)
    phone = by_operator(kofi, machine)
    phone.take_all()
    for sender in SENDERS.values():
        sender(phone, office)
        assert phone.keys() == 0
    assert opened == [], "no private key was as much as unsealed"
    assert not any(row.carried for row in selectors.of_device(phone.device))
    browser(kofi).post(phone.page)
    if kind not in CARRY_NONE:
        assert phone.keys() > 0
        assert opened


def test_what_is_shown_of_profiles_names_no_certificate(kofi: Person, office: Office, tmp_path: Path) -> None:
    phone = by_operator(kofi)
    phone.take_all()
    call_command("render_profiles", "--device", str(phone.device.id), "--out", str(tmp_path))
    written = [path.read_bytes() for path in tmp_path.rglob("*.mobileconfig")]
    assert written
    assert not any(b"com.apple.security.pkcs12" in one for one in written)


def test_a_renewal_waits_for_nobody(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    browser(kofi).post(phone.page)
    assert phone.keys() == 2
    renewal.renew_due(now=timezone.now() + timedelta(days=336))
    polled(phone.simulated)
    assert Entry.objects.filter(verb="device.certificate_renewed").exists()
    assert not phone.waits
    assert phone.keys() == 2


def test_a_device_that_comes_back_is_asked_anew(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    browser(kofi).post(phone.page)
    assert phone.keys() == 2
    phone.simulated.leave()
    ticket = tickets.open_ticket(person=kofi, ownership="company", intended="phone", actor=OPERATOR)
    phone.simulated.register(tickets.document_for(ticket=ticket).content)
    assert phone.device.registrations.count() == 2
    assert phone.waits
    assert phone.keys() == 0


def test_a_key_waits_for_a_device_to_be_confirmed_before_it_is_deleted(kofi: Person, office: Office) -> None:
    phone = by_operator(kofi)
    phone.take_all()
    later = timezone.now() + timedelta(days=3)
    keeping.announce_ends(now=later - timedelta(days=1))
    assert keeping.delete_keys(now=later) == 0
    last = timezone.now() + timedelta(days=31)
    assert keeping.delete_keys(now=last) == 2, "never past 30 days"
    browser(kofi).post(phone.page)
    assert phone.keys() == 0


def test_two_answers_at_once_are_one(kofi: Person) -> None:
    phone = by_operator(kofi)
    held = phone.device
    browser(kofi).post(phone.page)
    with pytest.raises(Conflict):
        confirmations.confirm(device=held, actor=factories.actor(kofi, proved=timezone.now()), now=timezone.now())
    assert happened("device.confirmed") == 1
