"""Accounts and certificates from the upload to simulated devices, over the wire."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.certificates import uploads as keeping
from mydevices.certificates.models import Certificate
from mydevices.certificates.selectors import in_use
from mydevices.commands import asking
from mydevices.commands.models import Command
from mydevices.configurations import comparison, delivery, selectors, services, uploads
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Channel, Device, Inventory
from mydevices.errors import Conflict
from mydevices.platforms.apple import configurations, payloads
from mydevices.policies.kinds.kind import Kind
from mydevices.protocols.apple import plist, schema
from mydevices.protocols.pki import cms
from simulator import profiles
from simulator.device import Device as Simulated
from simulator.errors import Refused
from simulator.state import InstalledProfile
from tests import factories, smime
from tests.certificates import identities
from tests.configurations.test_web_clip import work
from tests.platforms.apple.conftest import Registers, fresh, present

State = Installation.State
NOBODY = Assignment(to=To.NOBODY)


def made(name: str, values: Kind, assignment: Assignment = EVERYONE) -> Configuration:
    return services.create(actor=fresh(factories.administrator()), name=name, values=values, assignment=assignment)


class Office:
    """Two types, and an account that names both."""

    def __init__(self, **account: Any) -> None:
        self.signing = made("Signing", IdentityCertificate(purpose="signing"), NOBODY)
        self.encryption = made("Encryption", IdentityCertificate(purpose="encryption"), NOBODY)
        self.account = made(
            "Mail",
            Exchange(
                host="mail.aldermoor.example",
                smime_signing=True,
                signing_type=str(self.signing.id),
                smime_encryption=True,
                encryption_type=str(self.encryption.id),
                encrypt_by_default=True,
                **account,
            ),
        )
        work()

    @staticmethod
    def upload(owner: Person, of: Configuration, identity: smime.Identity | None = None) -> Certificate:
        data = (identity or identities.identity_for(owner)).exported(identities.PASSWORD)
        stored = uploads.upload(
            actor=fresh(owner),
            person=owner,
            type_id=of.id,
            data=data,
            password=identities.PASSWORD,
            now=timezone.now(),
        )
        return stored.certificate

    def upload_both(self, owner: Person) -> tuple[Certificate, Certificate]:
        return self.upload(owner, self.signing), self.upload(owner, self.encryption)


@pytest.fixture
def office(server: None) -> Office:
    return Office()


def polled(simulated: Simulated) -> Sequence[tuple[str, str]]:
    """All channels, for as long as something is done; what was obeyed."""
    obeyed: list[tuple[str, str]] = []
    for _turn in range(5):
        turn: list[tuple[str, str]] = []
        for _magic, channel in simulated.pushes().values():
            turn += simulated.poll(channel).commands
        obeyed += turn
        if not any(status == "Acknowledged" for _name, status in turn):
            break
    return obeyed


def ready(owner: Person, register: Registers, kind: str = "iphone") -> tuple[Simulated, Device]:
    simulated, device = register(owner, kind)
    polled(simulated)
    return simulated, device


def states(device: Device) -> dict[str, str]:
    """Of each profile, by the name of its configuration."""
    return {row.name: row.state for row in selectors.of_device(device)}


def row_of(device: Device, configuration: Configuration) -> Installation:
    return selectors.of_device(device).get(configuration=configuration)


def fingerprints(simulated: Simulated) -> set[str]:
    return {str(one["sha256"]).lower() for one in simulated.snapshot()["identities"]}


def profile_on(simulated: Simulated, identifier: str) -> InstalledProfile:
    return next(one for one in simulated.memory.profiles if one.identifier == identifier)


def payload_uuids(simulated: Simulated, identifier: str) -> dict[str, str]:
    """Of the payloads of a profile, by their identifiers."""
    return {one.identifier: one.uuid for one in profile_on(simulated, identifier).payloads}


def short(certificate: Certificate) -> str:
    return certificate.fingerprint[:8].upper()


# --- on an iPhone


def test_an_account_and_its_certificates_arrive_in_one_encrypted_profile(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    signing, encryption = office.upload_both(owner)
    polled(simulated)
    assert states(device) == {"Mail": State.INSTALLED, "Encryption": State.INSTALLED}
    (account,) = simulated.snapshot()["mail_accounts"]
    assert account["signs_with"].endswith(short(signing))
    assert account["encrypts_with"].endswith(short(encryption))
    assert account["encrypts_by_default"]
    assert account["address"] == owner.email
    there = profile_on(simulated, row_of(device, office.account).identifier)
    assert there.encrypted
    assert {one.fingerprint for one in (signing, encryption)} <= fingerprints(simulated)
    # The certificate between them and their root came along, and the root did not.
    assert [one.common_name for one in there.certificates if not one.is_identity] == ["Aldermoor Mail"]


def test_the_profile_opens_with_the_devices_own_key_and_with_no_others(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    other, _device = ready(owner, register)
    office.upload_both(owner)
    data = configurations.profile(row_of(device, office.account).pk)
    assert simulated.identity is not None
    assert other.identity is not None
    assert len(profiles.parse(data, identities=[simulated.identity]).payloads) == 4
    with pytest.raises(Refused, match="cannot be decrypted"):
        profiles.parse(data, identities=[other.identity])
    top = plist.loads(cms.verify(data, content=None, allow_weak=False).content)
    assert top["IsEncrypted"] is True
    assert "PayloadContent" not in top
    assert data != configurations.profile(row_of(device, office.account).pk)  # another password each time


def test_without_a_private_key_inside_a_profile_is_signed_only(
    owner: Person, register: Registers, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, device = ready(owner, register)
    there = profile_on(simulated, row_of(device, office.account).identifier)
    assert not there.encrypted
    assert there.signers
    monkeypatch.setattr(settings.ENVIRONMENT, "sign_profiles", False)
    office.upload_both(owner)
    polled(simulated)
    there = profile_on(simulated, there.identifier)
    assert there.encrypted
    assert not there.signers


def test_after_an_installation_one_list_for_each_channel_confirms_it(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    office.upload_both(owner)
    before = Command.objects.count()
    assert [name for name, _status in polled(simulated)] == ["InstallProfile", "InstallProfile", "CertificateList"]
    assert Command.objects.count() == before + 1  # the installations were queued by the upload
    assert states(device) == {"Mail": State.INSTALLED, "Encryption": State.INSTALLED}


def test_a_device_that_claims_a_certificate_it_has_not_has_failed(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    office.upload_both(owner)
    row = row_of(device, office.account)
    channel = Channel.objects.get(registration__device=device)
    Installation.objects.filter(id=row.pk).update(state=State.INSTALLED)
    before = Command.objects.count()
    delivery.certificates_listed(
        registration_id=channel.registration_id,
        fingerprints={"00"},
        now=timezone.now(),
        channel_id=channel.pk,
        is_confirmation=True,
    )
    row.refresh_from_db()
    assert (row.state, row.reason, Command.objects.count()) == (State.FAILED, delivery.NOT_THERE, before)
    services.retry(actor=fresh(factories.administrator()), installation=row)
    polled(simulated)
    assert states(device)["Mail"] == State.INSTALLED


def test_a_profile_that_a_device_claims_and_does_not_list_has_failed(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    row = row_of(device, office.account)
    life = row.channel.registration_id
    other = {row.identifier: "00000000-0000-0000-0000-000000000000"}  # an older one of this name
    for profiles_there in (other, {}):
        Installation.objects.filter(id=row.pk).update(state=State.INSTALLED)
        before = Command.objects.count()
        delivery.listed(
            registration_id=life,
            profiles=profiles_there,
            now=timezone.now(),
            channel_id=row.channel_id,
            is_confirmation=True,
        )
        found = row_of(device, office.account)
        assert (found.state, found.reason, Command.objects.count()) == (State.FAILED, delivery.NOT_THERE, before)
        assert bool(found.sent_digest) == bool(profiles_there)
    services.retry(actor=fresh(factories.administrator()), installation=found)
    polled(simulated)
    assert states(device)["Mail"] == State.INSTALLED


def test_what_the_device_lost_and_was_deleted_here_is_removed(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    certificate = office.upload(owner, office.encryption)
    polled(simulated)
    row = row_of(device, office.encryption)
    uploads.delete(actor=fresh(owner), certificate=certificate, now=timezone.now())
    there = {one.identifier: one.uuid for one in simulated.memory.profiles if one.identifier != row.identifier}
    delivery.listed(registration_id=row.channel.registration_id, profiles=there, now=timezone.now())
    simulated.remove_profile(row.identifier, next(iter(simulated.pushes().values()))[1])
    polled(simulated)
    comparison.of_device(device.id, now=timezone.now())
    assert row_of(device, office.encryption).state == State.REMOVED


def test_leave_for_all_applications_brings_the_key_to_a_mac_anew(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register, "mac")
    office.upload(owner, office.signing)
    polled(simulated)
    identifier = row_of(device, office.signing).identifier
    before = payload_uuids(simulated, identifier)
    services.change(
        actor=fresh(factories.administrator()),
        configuration=office.signing,
        name=office.signing.name,
        values=IdentityCertificate(purpose="signing", all_apps=True),
        assignment=NOBODY,
    )
    work()
    polled(simulated)
    after = payload_uuids(simulated, identifier)
    assert {name for name, uuid in after.items() if before[name] != uuid} == {
        f"{identifier}.identity.{office.signing.id}"
    }


def test_a_certificate_that_is_gone_at_a_check_in_is_sent_again(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    office.upload_both(owner)
    polled(simulated)
    identifier = row_of(device, office.account).identifier
    simulated.remove_profile(identifier, next(iter(simulated.pushes().values()))[1])
    assert not simulated.snapshot()["mail_accounts"]
    life = Channel.objects.get(registration__device=device).registration_id
    delivery.certificates_listed(registration_id=life, fingerprints=fingerprints(simulated), now=timezone.now())
    assert states(device)["Mail"] == State.PENDING
    polled(simulated)
    assert states(device)["Mail"] == State.INSTALLED
    assert simulated.snapshot()["mail_accounts"]


def test_a_new_key_comes_under_a_new_uuid_and_all_else_stays(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    _signing, old = office.upload_both(owner)
    polled(simulated)
    identifier = row_of(device, office.account).identifier
    before = payload_uuids(simulated, identifier)
    new = office.upload(owner, office.encryption)
    polled(simulated)
    after = payload_uuids(simulated, identifier)
    assert before.keys() == after.keys()
    changed = {name for name, uuid in after.items() if before[name] != uuid}
    assert changed == {f"{identifier}.identity.{office.encryption.id}"}
    # The old one stays beside the new one, in a profile of its own.
    assert {old.fingerprint, new.fingerprint} <= fingerprints(simulated)
    assert simulated.snapshot()["mail_accounts"][0]["encrypts_with"].endswith(short(new))


def test_of_two_quick_uploads_the_last_one_is_on_the_device(owner: Person, register: Registers, office: Office) -> None:
    simulated, device = ready(owner, register)
    office.upload(owner, office.signing)
    last = office.upload(owner, office.signing)
    obeyed = [name for name, _status in polled(simulated)]
    assert obeyed.count("InstallProfile") == 1
    assert states(device)["Mail"] == State.INSTALLED
    assert fingerprints(simulated) >= {last.fingerprint}
    assert simulated.snapshot()["mail_accounts"][0]["signs_with"].endswith(short(last))


def test_an_upload_while_a_device_installs_follows_its_answer(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    office.upload(owner, office.signing)
    simulated.behaviour.lose_next_report = True
    polled(simulated)
    last = office.upload(owner, office.signing)
    polled(simulated)
    polled(simulated)
    assert states(device)["Mail"] == State.INSTALLED
    assert simulated.snapshot()["mail_accounts"][0]["signs_with"].endswith(short(last))


def test_a_device_that_cannot_now_or_is_off_gets_it_later(owner: Person, register: Registers, office: Office) -> None:
    simulated, device = ready(owner, register)
    signing, _encryption = office.upload_both(owner)
    simulated.behaviour.busy = True
    assert {status for _name, status in polled(simulated)} == {"NotNow"}
    assert states(device)["Mail"] == State.PENDING
    simulated.behaviour.busy = False
    simulated.set_online(online=False)
    assert polled(simulated) == []
    assert states(device)["Mail"] == State.PENDING
    simulated.set_online(online=True)
    polled(simulated)
    assert states(device) == {"Mail": State.INSTALLED, "Encryption": State.INSTALLED}
    assert signing.fingerprint in fingerprints(simulated)


def test_a_failure_says_what_the_device_said_and_can_be_tried_again(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    simulated.behaviour.fail_next = True
    office.upload(owner, office.signing)
    polled(simulated)
    row = row_of(device, office.account)
    assert row.state == State.FAILED
    assert "An internal error occurred." in row.reason
    assert not simulated.snapshot()["identities"]
    services.retry(actor=fresh(factories.administrator()), installation=row)
    polled(simulated)
    assert states(device)["Mail"] == State.INSTALLED


def test_a_key_that_was_cleared_before_the_device_asked_is_not_sent(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    certificate = office.upload(owner, office.signing)
    # Without a word to the devices: as if it happened between their comparison and this poll.
    keeping.clear_key(actor=fresh(owner), certificate=certificate, now=timezone.now())
    assert polled(simulated) == []
    row = row_of(device, office.account)
    assert row.state == State.FAILED
    assert "not kept here any more" in row.reason


def test_a_key_that_does_not_open_fails_and_holds_up_nothing_else(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register)
    signing, encryption = office.upload_both(owner)
    Certificate.objects.filter(id=signing.id).update(key=b"copied from elsewhere")
    polled(simulated)
    assert states(device) == {"Mail": State.FAILED, "Encryption": State.INSTALLED}
    assert row_of(device, office.account).reason
    assert fingerprints(simulated) == {encryption.fingerprint}


def test_a_device_without_a_certificate_is_sent_no_private_key(
    owner: Person, register: Registers, office: Office
) -> None:
    _simulated, device = ready(owner, register)
    office.upload(owner, office.signing)
    assert device.registration is not None
    found = in_use(device.registration.id)
    assert found is not None
    found.delete()
    row = row_of(device, office.account)
    with pytest.raises(Conflict):
        configurations.profile(row.pk)
    row.refresh_from_db()
    assert (row.state, row.reason) == (State.FAILED, configurations.NO_RECIPIENT)


def test_no_key_and_no_password_is_in_the_audit_or_in_a_command(
    owner: Person, register: Registers, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[payloads.Wrapped] = []
    plain = payloads.wrapped

    def noted(identity: Any) -> payloads.Wrapped:
        wrapped.append(plain(identity))
        return wrapped[-1]

    monkeypatch.setattr(payloads, "wrapped", noted)
    simulated, _device = ready(owner, register)
    office.upload_both(owner)
    polled(simulated)
    written = str(list(Entry.objects.values())) + str(list(Command.objects.values())) + str(wrapped)
    assert len(wrapped) == 3
    assert len({one.password for one in wrapped}) == 3
    assert not any(one.password in written for one in wrapped)


def test_a_mail_account_brings_its_certificates_too(owner: Person, register: Registers, server: None) -> None:
    both = made("Both", IdentityCertificate(purpose="both"), NOBODY)
    made(
        "IMAP",
        Email(
            incoming_host="imap.aldermoor.example",
            outgoing_host="smtp.aldermoor.example",
            smime_signing=True,
            signing_type=str(both.id),
            smime_encryption=True,
            encryption_type=str(both.id),
        ),
    )
    work()
    simulated, device = ready(owner, register)
    certificate = Office.upload(owner, both)
    polled(simulated)
    (account,) = simulated.snapshot()["mail_accounts"]
    assert (account["service"], account["host"]) == ("IMAP", "imap.aldermoor.example")
    assert account["signs_with"].endswith(short(certificate))
    assert account["encrypts_with"].endswith(short(certificate))
    assert states(device) == {"IMAP": State.INSTALLED, "Both": State.INSTALLED}


# --- on a Mac


def test_on_a_mac_everything_goes_to_its_user_and_mail_finds_the_certificates_by_address(
    owner: Person, register: Registers, office: Office
) -> None:
    simulated, device = ready(owner, register, "mac")
    signing, encryption = office.upload_both(owner)
    obeyed = [name for name, _status in polled(simulated)]
    assert obeyed.count("CertificateList") == 1
    assert states(device) == {"Mail": State.INSTALLED, "Signing": State.INSTALLED, "Encryption": State.INSTALLED}
    (account,) = simulated.snapshot()["mail_accounts"]
    assert (account["service"], account["user"]) == ("Exchange", simulated.memory.accounts[0].short_name)
    assert account["signs_with"]
    assert fingerprints(simulated) == {signing.fingerprint, encryption.fingerprint}
    assert {one["user"] for one in simulated.snapshot()["identities"]} == {account["user"]}
    assert profile_on(simulated, row_of(device, office.signing).identifier).encrypted
    there = profile_on(simulated, row_of(device, office.account).identifier)
    assert [one.kind for one in there.payloads] == ["com.apple.ews.account"]


def test_for_the_users_of_macs_encryption_can_be_switched_off(
    owner: Person, register: Registers, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENVIRONMENT, "encrypt_for_users", False)
    mac, mac_device = ready(owner, register, "mac")
    iphone, iphone_device = ready(owner, register)
    office.upload_both(owner)
    polled(mac)
    polled(iphone)
    assert not profile_on(mac, row_of(mac_device, office.signing).identifier).encrypted
    assert profile_on(iphone, row_of(iphone_device, office.account).identifier).encrypted


def test_a_check_in_of_a_mac_asks_its_users_too(owner: Person, register: Registers, office: Office) -> None:
    simulated, device = ready(owner, register, "mac")
    office.upload_both(owner)
    polled(simulated)
    row = row_of(device, office.signing)
    user = next(channel for _magic, channel in simulated.pushes().values() if channel.account is not None)
    simulated.remove_profile(row.identifier, user)
    asking.enqueue(device=present(owner, simulated), kind=ActionKind.CHECK_IN, actor=fresh(owner))
    polled(simulated)
    assert states(device)["Signing"] == State.INSTALLED
    assert row.carried[str(office.signing.id)] in fingerprints(simulated)
    # What the user has is not taken for what the device has.
    on_device = {one["identifier"] for one in Inventory.objects.get(device=device).profiles}
    assert on_device == {simulated.enrolment.profile_identifier}


# --- what would be sent


EVERYTHING: Sequence[tuple[str, dict[str, Any]]] = (
    ("Plain", {}),
    (
        "Full",
        {
            "oauth": True,
            "oauth_sign_in_url": "https://login.aldermoor.example/in",
            "oauth_token_url": "https://login.aldermoor.example/token",
            "domain": "ALDERMOOR",
            "past_days": 31,
            "notes": False,
            "audio_call_application": "org.example.calls",
            "port": 8443,
            "path": "/EWS",
            "external_host": "out.aldermoor.example",
            "external_port": 443,
            "external_path": "/EWS",
            "signing_user_may_switch": True,
            "encryption_user_may_choose": True,
            "prevent_move": True,
            "only_in_mail": True,
            "keep_recents": False,
            "allow_mail_drop": True,
        },
    ),
)


@pytest.mark.parametrize(("name", "more"), EVERYTHING)
@pytest.mark.parametrize("kind", ["iphone", "mac"])
def test_every_profile_is_as_apples_schema_has_it(
    owner: Person, register: Registers, kind: str, name: str, more: dict[str, Any]
) -> None:
    office = Office(**more)
    made(f"{name} POP", Email(protocol="pop", incoming_host="pop.example", outgoing_host="smtp.example"))
    _simulated, device = ready(owner, register, kind)
    office.upload_both(owner)
    shown = configurations.shown(device)
    assert len(shown) == (3 if kind == "iphone" else 4)
    for one in shown:
        top = plist.loads(one.content)
        problems = schema.validate(
            top, os="macOS" if kind == "mac" else "iOS", channel="user" if kind == "mac" else "device"
        )
        assert problems == []
        for payload in top["PayloadContent"]:  # type: ignore[attr-defined]
            if payload["PayloadType"] == "com.apple.security.pkcs12":
                assert (payload["PayloadContent"], payload["Password"]) == (payloads.MARKER.encode(), payloads.MARKER)
            elif kind == "mac":
                assert not any(key.startswith("SMIME") for key in payload)
