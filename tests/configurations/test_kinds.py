"""Identity certificates and accounts: what can be kept, and what becomes of a certificate type."""

from uuid import uuid4

import pytest

from mydevices.audit.models import Entry
from mydevices.certificates import selectors as certificates
from mydevices.certificates.models import Certificate, CertificateType
from mydevices.certificates.wording import NotTaken
from mydevices.configurations import resolve, selectors, services, shared_files
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import SINGLE_FILE, IdentityCertificate
from mydevices.configurations.models import Configuration, SharedIdentity
from mydevices.devices.assignment import Assignment, To
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.policies.kinds.kind import Kind
from tests import factories
from tests.certificates import identities
from tests.platforms.apple.conftest import fresh

NOBODY = Assignment(to=To.NOBODY)
HOST = "mail.aldermoor.example"


def made(name: str, values: Kind, assignment: Assignment = NOBODY) -> Configuration:
    return services.create(actor=fresh(factories.administrator()), name=name, values=values, assignment=assignment)


def changed(configuration: Configuration, values: Kind, name: str = "") -> Configuration:
    return services.change(
        actor=fresh(factories.administrator()),
        configuration=configuration,
        name=name or configuration.name,
        values=values,
        assignment=configuration.assignment,
    )


def account(**values: object) -> Exchange:
    return Exchange.read({"host": HOST, **values})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (IdentityCertificate(source="found"), "source"),
        (IdentityCertificate(purpose="sealing"), "purpose"),
        (IdentityCertificate(delete_key_after=0), "delete_key_after"),
        (IdentityCertificate(delete_key_after=31), "delete_key_after"),
        (Exchange(), "host"),
        (Exchange(oauth=True, oauth_sign_in_url="https://sign.in/x"), "host"),
        (account(host="https://mail.example"), "host"),
        (account(host="mail.example:443"), "host"),
        (account(host="mail\0.example"), "host"),
        (account(user_name=""), "user_name"),
        (account(user_name="a\ud800"), "user_name"),
        (account(domain="a\nb"), "domain"),
        (account(email_address="a" * 256), "email_address"),
        (account(past_days=2), "past_days"),
        (account(port=0), "port"),
        (account(external_port=65536), "external_port"),
        (account(oauth_sign_in_url="http://sign.in"), "oauth_sign_in_url"),
        (account(audio_call_application="a b"), "audio_call_application"),
        (account(login_identity="1"), "login_identity"),
        (account(smime_signing=True), "signing_type"),
        (account(smime_encryption=True, encryption_type="x"), "encryption_type"),
        (account(mail=False, contacts=False, calendars=False, reminders=False, notes=False), "mail"),
        (Email(incoming_host=HOST), "outgoing_host"),
        (Email(outgoing_host=HOST), "incoming_host"),
        (Email(incoming_host=HOST, outgoing_host=HOST, protocol="smtp"), "protocol"),
        (Email(incoming_host=HOST, outgoing_host=HOST, incoming_authentication="kerberos"), "incoming_authentication"),
        (Email(incoming_host=HOST, outgoing_host=HOST, full_name="a\0"), "full_name"),
    ],
)
def test_what_no_device_would_take_is_refused_at_its_field(db: None, values: Kind, field: str) -> None:
    assert field in values.problems()
    with pytest.raises(Invalid):
        made("Mail", values)


def test_what_is_kept_is_what_was_given(db: None) -> None:
    for values in (
        account(host="mail.$DOMAIN", smime_signing=True, signing_user_may_choose=True),
        Exchange(oauth=True),
        Email(incoming_host=HOST, outgoing_host=HOST, incoming_port=993),
        IdentityCertificate(delete_key_after=None),
    ):
        one = made(values.title(), values)
        one.refresh_from_db()
        assert KINDS[one.kind].read(one.values) == values
        assert values.summary()
        one.delete()


def test_an_identity_certificate_is_a_certificate_type_under_the_same_id(db: None) -> None:
    one = made("Signing certificate", IdentityCertificate(purpose="signing", key_download=True))
    of = certificates.type_by_id(one.id)
    assert (of.label, of.purpose, of.delete_key_after, of.key_download) == (one.name, "signing", 2, True)
    changed(one, IdentityCertificate(purpose="both", delete_key_after=None, all_apps=True), "Mail certificate")
    of.refresh_from_db()
    assert (of.label, of.purpose, of.delete_key_after, of.all_apps) == ("Mail certificate", "both", None, True)
    services.delete(actor=fresh(factories.administrator()), configuration=one)
    assert not CertificateType.objects.exists()


def test_a_type_with_certificates_goes_only_when_they_are_meant(db: None) -> None:
    one = made("Mail certificate", IdentityCertificate())
    identities.uploaded(factories.person(), certificates.type_by_id(one.id))
    boss = fresh(factories.administrator())
    with pytest.raises(Conflict):
        services.delete(actor=boss, configuration=one)
    assert Configuration.objects.count() == 1
    services.delete(actor=boss, configuration=one, with_certificates=True)
    assert not Certificate.objects.exists()


def test_an_account_names_certificates_that_are_for_what_it_needs(db: None) -> None:
    signing = made("Signing", IdentityCertificate(purpose="signing"))
    with pytest.raises(Invalid):
        made("Mail", account(smime_encryption=True, encryption_type=str(signing.id)))
    with pytest.raises(Invalid):
        made("Mail", account(smime_signing=True, signing_type=str(uuid4())))
    mail = made("Mail", account(smime_signing=True, signing_type=str(signing.id)))
    assert {line.field: line.text for line in selectors.lines(mail)}["signing_type"] == "Signing"
    assert (
        "Signing certificate: Signing;"
        in Entry.objects.get(verb="configuration.created", details__configuration="Mail").details["decided"]
    )
    with pytest.raises(Conflict, match="Mail"):
        changed(signing, IdentityCertificate(purpose="encryption"))
    with pytest.raises(Conflict, match="Mail"):
        services.delete(actor=fresh(factories.administrator()), configuration=signing)
    assert CertificateType.objects.get().purpose == "signing"


def test_one_file_for_everybody_is_checked_as_a_persons_and_sealed(db: None) -> None:
    person = factories.administrator()
    boss = fresh(person)
    issued = identities.identity_for(person)
    with pytest.raises(NotAllowed):
        shared_files.examine_file(actor=fresh(factories.person()), purpose="both", data=b"", password="")
    with pytest.raises(NotTaken) as refused:
        shared_files.examine_file(actor=boss, purpose="both", data=issued.exported("right"), password="wrong")
    assert refused.value.field == "password"
    file = shared_files.examine_file(actor=boss, purpose="both", data=issued.exported("right"), password="right")
    values = IdentityCertificate(source=SINGLE_FILE)
    with pytest.raises(Invalid):
        made("Login", values)
    one = services.create(actor=boss, name="Login", values=values, assignment=NOBODY, file=file)
    kept = SharedIdentity.objects.get()
    assert (kept.cautions, issued.private_key_info in bytes(kept.key)) == ([], False)
    assert not CertificateType.objects.exists()
    identity = resolve.supply([]).present(person, one.id, all_apps=False)
    assert identity is not None
    assert (identity.opened().key, identity.opened().certificate) == (issued.private_key_info, issued.encoded)
    changed(one, values)
    assert SharedIdentity.objects.get().uploaded_at == kept.uploaded_at
    with pytest.raises(Invalid):
        changed(one, IdentityCertificate())
