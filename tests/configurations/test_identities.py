"""Which commands an upload, a cleared key and a deleted certificate make for which devices."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.certificates import keeping, types
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.certificates.types import TypeRules
from mydevices.commands.models import Command
from mydevices.commands.states import State as CommandState
from mydevices.configurations import comparison, delivery, resolve, selectors, services, uploads, wanted
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device
from mydevices.errors import Conflict, NotFound
from mydevices.policies.kinds.kind import Kind
from mydevices.port.commands import INSTALL, REMOVE
from tests import factories, smime
from tests.certificates import identities
from tests.configurations.test_web_clip import work
from tests.platforms.apple.conftest import fresh

pytestmark = pytest.mark.django_db

NOBODY = Assignment(to=To.NOBODY)
HOST = "mail.aldermoor.example"
State = Installation.State
Sent = list[tuple[str, str, str]]


def made(name: str, values: Kind, assignment: Assignment = EVERYONE) -> Configuration:
    return services.create(actor=fresh(factories.administrator()), name=name, values=values, assignment=assignment)


def changed(one: Configuration, values: Kind, assignment: Assignment = EVERYONE) -> None:
    services.change(
        actor=fresh(factories.administrator()), configuration=one, name=one.name, values=values, assignment=assignment
    )


def account(signing: Configuration | None = None, encryption: Configuration | None = None, **more: Any) -> Exchange:
    return Exchange(
        host=HOST,
        smime_signing=signing is not None,
        signing_type=str(signing.id) if signing else "",
        smime_encryption=encryption is not None,
        encryption_type=str(encryption.id) if encryption else "",
        **more,
    )


class Office:
    """A person with an iPhone and a Mac, types for both purposes and an account that names them."""

    def __init__(self) -> None:
        self.ines = factories.person()
        self.iphone = factories.device(self.ines)
        self.mac = factories.mac(self.ines)
        self.other = factories.person("Ada Lund")
        self.others_iphone = factories.device(self.other, name="Ada’s iPhone")
        self.signing = made("Signing", IdentityCertificate(purpose="signing"), NOBODY)
        self.encryption = made("Encryption", IdentityCertificate(purpose="encryption"), NOBODY)
        self.mail = made("Mail", account(self.signing, self.encryption))
        work()
        self.deliver()

    def upload(self, of: Configuration, identity: smime.Identity | None = None) -> Certificate:
        data = (identity or identities.identity_for(self.ines)).exported(identities.PASSWORD)
        return uploads.upload(
            actor=fresh(self.ines),
            person=self.ines,
            type_id=of.id,
            data=data,
            password=identities.PASSWORD,
            now=timezone.now(),
        ).certificate

    def waiting(self) -> Sent:
        """Commands that wait: for which device, which configuration, and what is asked."""
        found = []
        for command in Command.objects.filter(state="queued", parameters__has_key="installation").order_by("id"):
            row = Installation.objects.select_related("channel__registration__device").get(
                id=command.parameters["installation"]
            )
            found.append((row.channel.registration.device.name, row.name, command.request_type))
        return sorted(found)

    def deliver(self, but: Device | None = None) -> None:
        """Devices ask, and install what they are given; one is off. A turn as many as there are answers to follow."""
        for _turn in range(3):
            for command in Command.objects.filter(state="queued", parameters__has_key="installation").order_by("id"):
                row = Installation.objects.select_related("channel__registration").get(
                    id=command.parameters["installation"]
                )
                if but is not None and row.channel.registration.device_id == but.id:
                    continue
                if command.request_type == INSTALL:
                    try:
                        due = delivery.due(installation_id=row.pk, now=timezone.now())
                        for one in due.content.identities:
                            one.opened()
                    except Conflict:
                        Command.objects.filter(id=command.pk).update(state="void", finished_at=timezone.now())
                        continue
                    delivery.given(installation_id=row.pk, digest=due.content.digest, profile_uuid="X")
                for state in ("sent", "done"):
                    Command.objects.filter(id=command.pk).update(state=state)
                delivery.answered(
                    installation_id=row.pk,
                    request_type=command.request_type,
                    outcome=CommandState.DONE,
                    reason="",
                    now=timezone.now(),
                )

    def compare(self) -> Sent:
        comparison.of_everything()
        work()
        return self.waiting()

    def state(self, device: Device, of: Configuration) -> list[tuple[str, bool]]:
        """Of the profiles of a configuration on a device: how they are, and whether there are certificates in them."""
        rows = selectors.of_device(device).filter(identifier__startswith=selectors.identifier(of.id))
        return [(row.state, bool(row.carried)) for row in rows]


@pytest.fixture
def office() -> Office:
    return Office()


IPHONE, MAC = "Ines’s iPhone", "Studio MacBook"


def test_the_account_is_installed_before_there_is_a_certificate(office: Office) -> None:
    assert office.state(office.iphone, office.mail) == [(State.INSTALLED, False)]
    (piece,) = wanted.pieces(office.iphone)
    assert isinstance(piece.content, resolve.AccountContent)
    assert (piece.content.account.smime_signing, piece.content.account.smime_encryption) == (False, False)


def test_an_upload_for_signing_makes_one_command_per_device_and_configuration(office: Office) -> None:
    office.upload(office.signing)
    assert office.waiting() == [
        (IPHONE, "Mail", INSTALL),
        (MAC, "Mail", INSTALL),
        (MAC, "Signing", INSTALL),  # no account carries it there
    ]
    office.deliver()
    assert office.compare() == []
    (mail,) = (piece.content for piece in wanted.pieces(office.iphone))
    assert isinstance(mail, resolve.AccountContent)
    assert (mail.account.smime_signing, mail.account.smime_encryption) == (True, False)
    assert mail.signing is not None


def test_one_for_encryption_is_in_a_profile_of_its_own_as_well(office: Office) -> None:
    office.upload(office.encryption)
    assert office.waiting() == [
        (IPHONE, "Encryption", INSTALL),
        (IPHONE, "Mail", INSTALL),
        (MAC, "Encryption", INSTALL),
        (MAC, "Mail", INSTALL),
    ]


def test_a_replaced_one_stays_on_the_devices_beside_its_successor(office: Office) -> None:
    first = office.upload(office.encryption)
    office.deliver()
    second = office.upload(office.encryption)
    assert office.waiting() == [
        (IPHONE, "Encryption", INSTALL),
        (IPHONE, "Mail", INSTALL),
        (MAC, "Encryption", INSTALL),
        (MAC, "Mail", INSTALL),
    ]
    office.deliver()
    for device in (office.iphone, office.mac):
        assert office.state(device, office.encryption) == [(State.INSTALLED, True)] * 2
        there = {piece.identifier for piece in wanted.pieces(device)}
        assert {selectors.identifier(office.encryption.id, one.id) for one in (first, second)} <= there


def test_replacing_one_for_signing_takes_its_place(office: Office) -> None:
    office.upload(office.signing)
    office.deliver()
    office.upload(office.signing)
    assert office.waiting() == [(IPHONE, "Mail", INSTALL), (MAC, "Mail", INSTALL), (MAC, "Signing", INSTALL)]
    office.deliver()
    assert office.state(office.mac, office.signing) == [(State.INSTALLED, True)]


def test_the_same_file_once_more_is_sent_once_more(office: Office) -> None:
    identity = identities.identity_for(office.ines)
    office.upload(office.signing, identity)
    office.deliver()
    office.upload(office.signing, identity)
    assert len(office.waiting()) == 3


def test_somebody_elses_devices_are_left_alone(office: Office) -> None:
    office.upload(office.signing)
    office.upload(office.encryption)
    assert all(name != "Ada’s iPhone" for name, _configuration, _request in office.waiting())
    assert len(selectors.of_device(office.others_iphone)) == 1


def test_of_two_uploads_in_quick_succession_the_last_one_is_sent_once(office: Office) -> None:
    office.upload(office.signing)
    before = office.waiting()
    last = office.upload(office.signing)
    assert office.waiting() == before
    office.deliver()
    for row in selectors.carrying(office.ines.id, office.signing.id):
        assert (row.state, row.carried) == (State.INSTALLED, {str(office.signing.id): last.fingerprint})


def test_an_upload_while_a_device_installs_follows_its_answer(office: Office) -> None:
    office.upload(office.signing)
    row = Installation.objects.get(name="Mail", channel__registration__device=office.iphone)
    command = Command.objects.get(parameters__installation=row.pk, state="queued")
    due = delivery.due(installation_id=row.pk, now=timezone.now())
    delivery.given(installation_id=row.pk, digest=due.content.digest, profile_uuid="X")
    Command.objects.filter(id=command.pk).update(state="sent")
    last = office.upload(office.signing)
    assert (IPHONE, "Mail", INSTALL) not in office.waiting()
    Command.objects.filter(id=command.pk).update(state="done")
    delivery.answered(
        installation_id=row.pk, request_type=INSTALL, outcome=CommandState.DONE, reason="", now=timezone.now()
    )
    assert (IPHONE, "Mail", INSTALL) in office.waiting()
    office.deliver()
    row.refresh_from_db()
    assert (row.state, row.carried[str(office.signing.id)]) == (State.INSTALLED, last.fingerprint)


def test_notes_cleared_keys_and_deleted_certificates_send_nothing_ever(office: Office) -> None:
    for of in (office.signing, office.encryption):
        office.upload(of)
    office.deliver()
    before = Installation.objects.order_by("id").values_list("state", "digest", "carried")
    as_it_was = list(before)
    for one in Certificate.objects.all():
        uploads.annotate(actor=fresh(office.ines), certificate=one, note="In the drawer")
        assert office.compare() == []
        uploads.clear_key(actor=fresh(office.ines), certificate=one, now=timezone.now())
        assert office.compare() == []
        uploads.delete(actor=fresh(office.ines), certificate=one, now=timezone.now())
        assert office.compare() == []
    assert list(before) == as_it_was


def test_what_was_not_sent_yet_is_not_sent_once_the_key_is_cleared(office: Office) -> None:
    one = office.upload(office.signing)
    office.deliver(but=office.iphone)
    assert wanted.waits_for_key(one)
    uploads.clear_key(actor=fresh(office.ines), certificate=one, now=timezone.now())
    assert office.waiting() == []
    row = Installation.objects.get(name="Mail", channel__registration__device=office.iphone)
    assert (row.state, row.reason) == (State.FAILED, resolve.CLEARED)
    assert office.compare() == []
    assert office.state(office.mac, office.signing) == [(State.INSTALLED, True)]
    # The key is back, and with it what failed.
    again = identities.identity_for(office.ines)
    office.upload(office.signing, again)
    assert (IPHONE, "Mail", INSTALL) in office.waiting()


def test_a_key_that_goes_while_the_device_was_not_asked_fails_when_it_asks(office: Office) -> None:
    one = office.upload(office.signing)
    row = Installation.objects.get(name="Mail", channel__registration__device=office.iphone)
    Certificate.objects.filter(id=one.id).update(
        key=None, key_cleared_at=timezone.now(), key_cleared_why=Certificate.Cleared.AGE
    )
    with pytest.raises(Conflict):
        delivery.due(installation_id=row.pk, now=timezone.now())
    row.refresh_from_db()
    assert (row.state, row.reason) == (State.FAILED, resolve.CLEARED)


def test_a_device_that_comes_after_the_key_went_says_why_it_has_none(office: Office) -> None:
    one = office.upload(office.signing)
    office.deliver()
    uploads.clear_key(actor=fresh(office.ines), certificate=one, now=timezone.now())
    second = factories.device(office.ines, name="Second iPhone")
    comparison.of_device(second.id, now=timezone.now())
    row = selectors.of_device(second).get()
    assert (row.state, row.reason, office.waiting()) == (State.FAILED, resolve.CLEARED, [])
    with pytest.raises(Conflict):
        delivery.due(installation_id=row.pk, now=timezone.now())
    services.retry(actor=fresh(factories.administrator()), installation=row)
    row.refresh_from_db()
    assert (row.state, row.reason, office.waiting()) == (State.FAILED, resolve.CLEARED, [])


def test_what_was_deleted_before_it_was_sent_is_called_off(office: Office) -> None:
    one = office.upload(office.encryption)
    uploads.delete(actor=fresh(office.ines), certificate=one, now=timezone.now())
    row = Installation.objects.get(name="Mail", channel__registration__device=office.iphone)
    assert (row.state, row.reason) == (State.FAILED, resolve.DELETED)
    assert office.state(office.iphone, office.encryption) == [(State.REMOVED, True)]
    assert [what for what in office.waiting() if what[1] != "Mail"] == []
    assert [what for what in office.compare() if what[0] == IPHONE] == []


def test_taking_one_off_the_devices_is_a_step_of_its_own_and_lasts(office: Office) -> None:
    one = office.upload(office.encryption)
    office.deliver()
    fingerprint = one.fingerprint
    uploads.delete(actor=fresh(office.ines), certificate=one, now=timezone.now())
    remove: dict[str, Any] = {"person": office.ines, "type_id": office.encryption.id, "fingerprint": fingerprint}
    with pytest.raises(NotFound):
        uploads.remove_from_devices(actor=fresh(office.other), now=timezone.now(), **remove)
    with pytest.raises(NotFound):
        uploads.remove_from_devices(actor=fresh(office.ines), now=timezone.now(), **{**remove, "fingerprint": "0" * 64})
    assert uploads.remove_from_devices(actor=fresh(office.ines), now=timezone.now(), **remove) == 2
    assert office.waiting() == [
        (IPHONE, "Encryption", REMOVE),
        (IPHONE, "Mail", INSTALL),
        (MAC, "Encryption", REMOVE),
    ]
    office.deliver()
    assert office.compare() == []
    assert office.state(office.iphone, office.mail) == [(State.INSTALLED, False)]
    assert Entry.objects.filter(verb="certificate.withdrawn").count() == 1


def test_what_was_taken_off_comes_back_with_the_next_upload(office: Office) -> None:
    identity = identities.identity_for(office.ines)
    one = office.upload(office.signing, identity)
    office.deliver()
    uploads.clear_key(actor=fresh(office.ines), certificate=one, now=timezone.now())
    uploads.remove_from_devices(
        actor=fresh(office.ines),
        person=office.ines,
        type_id=office.signing.id,
        fingerprint=one.fingerprint,
        now=timezone.now(),
    )
    office.deliver()
    assert office.compare() == []
    assert office.state(office.mac, office.signing) == [(State.REMOVED, True)]
    office.upload(office.signing, identity)
    office.deliver()
    assert office.state(office.mac, office.signing) == [(State.INSTALLED, True)]
    assert office.state(office.iphone, office.mail) == [(State.INSTALLED, True)]


def test_an_identity_for_its_own_sake_gives_way_to_an_account_that_carries_it(office: Office) -> None:
    changed(office.mail, account(encryption=office.encryption))
    changed(office.signing, IdentityCertificate(purpose="signing"))
    work()
    office.upload(office.signing)
    office.deliver()
    assert office.state(office.iphone, office.signing) == [(State.INSTALLED, True)]
    changed(office.mail, account(office.signing, office.encryption))
    work()
    assert office.waiting() == [(IPHONE, "Mail", INSTALL), (IPHONE, "Signing", REMOVE)]
    office.deliver()
    assert office.compare() == []
    assert office.state(office.mac, office.signing) == [(State.INSTALLED, True)]


def test_with_its_key_gone_it_stays_where_it_is(office: Office) -> None:
    changed(office.mail, account(encryption=office.encryption))
    changed(office.signing, IdentityCertificate(purpose="signing"))
    work()
    one = office.upload(office.signing)
    office.deliver()
    uploads.clear_key(actor=fresh(office.ines), certificate=one, now=timezone.now())
    changed(office.mail, account(office.signing, office.encryption))
    work()
    assert office.waiting() == []
    assert office.state(office.iphone, office.signing) == [(State.INSTALLED, True)]
    assert office.state(office.iphone, office.mail) == [(State.FAILED, True)]


def test_another_purpose_sends_nothing_a_second_time(office: Office) -> None:
    one = made("Both", IdentityCertificate(purpose="both"))
    office.upload(one)
    office.deliver()
    changed(one, IdentityCertificate(purpose="signing"))
    work()
    assert office.waiting() == []
    assert office.state(office.iphone, one) == [(State.INSTALLED, True)]


def test_withdrawing_the_account_takes_its_certificates_along(office: Office) -> None:
    office.upload(office.signing)
    office.deliver()
    changed(office.mail, account(office.signing, office.encryption), NOBODY)
    work()
    assert office.waiting() == [
        ("Ada’s iPhone", "Mail", REMOVE),
        (IPHONE, "Mail", REMOVE),
        (MAC, "Mail", REMOVE),
        (MAC, "Signing", REMOVE),
    ]


def test_only_a_mac_is_told_of_all_applications(office: Office) -> None:
    office.upload(office.encryption)
    office.deliver()
    changed(office.encryption, IdentityCertificate(purpose="encryption", all_apps=True), NOBODY)
    work()
    assert office.waiting() == [(MAC, "Encryption", INSTALL)]


def test_variables_are_the_owners_and_a_new_name_is_sent(office: Office) -> None:
    email = Email(incoming_host="imap.$DOMAIN", outgoing_host=HOST)
    made("Post", email, Assignment(platforms=frozenset({"apple"})))
    work()
    office.deliver()
    content = next(piece.content for piece in wanted.pieces(office.iphone) if piece.content.name == "Post")
    assert isinstance(content, resolve.AccountContent)
    assert isinstance(content.account, Email)
    assert (content.account.incoming_host, content.account.full_name) == ("imap.aldermoor.example", "Ines Okafor")
    Person.objects.filter(id=office.ines.id).update(name="Ines Abara")
    assert office.compare() == [(IPHONE, "Post", INSTALL), (MAC, "Post", INSTALL)]


def test_what_changed_since_the_comparison_is_sent_once_and_counts_as_sent(office: Office) -> None:
    made("Post", Email(incoming_host=HOST, outgoing_host=HOST))
    work()
    Person.objects.filter(id=office.ines.id).update(name="Ines Abara")
    office.deliver()
    assert office.waiting() == []
    assert office.compare() == []


def test_keys_are_not_deleted_by_age_while_a_device_waits(office: Office) -> None:
    one = office.upload(office.signing)
    office.deliver(but=office.iphone)
    later = timezone.now() + timedelta(days=3)
    assert keeping.announce_ends(now=later - timedelta(days=1)) == 1
    assert keeping.delete_keys(now=later) == 0
    office.deliver()
    assert keeping.delete_keys(now=later) == 1
    assert certificates.held(office.ines.id, office.signing.id).get(id=one.id).has_key is False


def statements(call: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


def test_comparing_costs_the_same_for_any_number_of_people_devices_and_configurations(office: Office) -> None:
    office.upload(office.encryption)
    office.deliver()
    one = statements(lambda: comparison.of_person(office.ines.id, now=timezone.now()))

    def everybody() -> None:
        comparison.advance(configuration_id=None, after="", now=timezone.now())

    few = statements(everybody)
    for number in range(3):
        other = factories.person(f"Person {number}")
        identities.uploaded(other, certificates.type_by_id(office.signing.id))
        factories.device(other)
        made(f"Mail {number}", account(office.signing))
    comparison.advance(configuration_id=None, after="", now=timezone.now())
    work()
    office.deliver()
    assert office.compare() == []
    assert statements(lambda: comparison.of_person(office.ines.id, now=timezone.now())) == one
    assert statements(everybody) == few


def types_used(rows: Sequence[Configuration]) -> set[str]:
    return {row.name for row in rows}


def test_who_uses_a_type_is_known(office: Office) -> None:
    made("Plain", Exchange(host=HOST))
    assert types_used(selectors.used_by(office.signing.id)) == {"Mail"}
    assert types_used(selectors.used_by(uuid4())) == set()


def test_a_type_without_a_configuration_goes_nowhere(office: Office) -> None:
    types.create(actor=identities.SYSTEM, type_id=uuid4(), rules=TypeRules(label="Lonely", purpose="both"))
    identities.uploaded(office.ines, CertificateType.objects.get(label="Lonely"))
    assert office.compare() == []
