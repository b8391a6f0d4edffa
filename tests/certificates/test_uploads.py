"""What people do with their certificates, and what is kept of it."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors, types, uploads
from mydevices.certificates.models import Certificate
from mydevices.certificates.types import TypeRules
from mydevices.certificates.wording import NotTaken
from mydevices.errors import CannotOpen, Conflict, Invalid, NeedsFreshAuthentication, NotAllowed, NotFound, TooMany
from mydevices.outbox.models import Message
from mydevices.protocols.pki import pkcs12
from mydevices.vault import services as vault
from tests import factories, smime
from tests.certificates.identities import PASSWORD, SYSTEM, identity_for, type_for, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def ines() -> Person:
    cache.clear()
    return factories.person()


def refused(person: Person, data: bytes, *, purpose: str = "both", password: str = PASSWORD) -> NotTaken:
    of = type_for(purpose, label=f"Type {uuid4()}")
    with pytest.raises(NotTaken) as caught:
        uploads.examine(actor=factories.actor(person), person=person, type_id=of.id, data=data, password=password)
    assert not Certificate.objects.exists()
    return caught.value


def test_an_upload_keeps_the_certificate_and_seals_its_key(ines: Person) -> None:
    of = type_for(label="Signing certificate")
    identity = identity_for(ines)
    stored = uploaded(ines, of, identity)
    assert (stored.previous, stored.is_first) == (None, True)
    kept = Certificate.objects.get()
    assert bytes(kept.der) == identity.encoded
    assert (kept.person, kept.type, kept.issuer, kept.subject) == (ines, of, "Aldermoor Mail", ines.name)
    assert (kept.addresses, kept.key_algorithm, kept.cautions) == ([ines.email], "P-256", [])
    assert kept.key is not None
    assert identity.private_key_info not in bytes(kept.key)
    bundle = selectors.identity(kept)
    assert bundle is not None
    assert (bundle.key, bundle.certificate) == (identity.private_key_info, identity.encoded)
    assert [one.public_bytes(serialization.Encoding.DER) for one in identity.chain] == list(bundle.chain)
    entry = Entry.objects.get(verb=Verb.CERTIFICATE_UPLOADED)
    assert (entry.person_id, entry.details["certificate"]) == (str(ines.id), "Signing certificate")


def test_neither_password_nor_key_is_anywhere_in_the_database(ines: Person) -> None:
    identity = identity_for(ines)
    uploaded(ines, type_for(), identity)
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    secret = identity.key.private_numbers().private_value.to_bytes(32, "big")
    assert secret in identity.private_key_info
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for value in row:
                    held = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    assert PASSWORD.encode() not in held
                    assert secret not in held
                    assert secret.hex().encode() not in held.lower()


def test_a_key_copied_to_another_person_or_row_does_not_open(ines: Person) -> None:
    of = type_for()
    mine = uploaded(ines, of).certificate
    stranger = factories.person("Amara Diallo")
    theirs = uploaded(stranger, of).certificate
    Certificate.objects.filter(id=theirs.id).update(key=mine.key)
    with pytest.raises(CannotOpen):
        selectors.identity(Certificate.objects.get(id=theirs.id))
    Certificate.objects.filter(id=theirs.id).delete()
    Certificate.objects.filter(id=mine.id).update(person=stranger)
    with pytest.raises(CannotOpen):
        selectors.identity(Certificate.objects.get(id=mine.id))


def test_a_rotation_of_the_master_key_brings_every_key_along(ines: Person, settings: Settings) -> None:
    certificate = uploaded(ines, type_for()).certificate
    expected = selectors.identity(certificate)
    old = settings.MASTER_KEYS
    settings.MASTER_KEYS = [b"n" * 32, *old]
    vault.rotate()
    settings.MASTER_KEYS = [b"n" * 32]
    assert selectors.identity(Certificate.objects.get()) == expected
    settings.MASTER_KEYS = old
    with pytest.raises(CannotOpen):
        selectors.identity(Certificate.objects.get())


# --- what is refused


def test_a_wrong_password_another_file_and_another_purpose_are_told_apart(ines: Person) -> None:
    server = identity_for(ines, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    wrong = refused(ines, identity_for(ines).exported("another"))
    assert (wrong.field, wrong.codes) == ("password", ["wrong-password"])
    other = refused(ines, identity_for(ines).certificate.public_bytes(serialization.Encoding.PEM))
    assert (other.field, other.codes) == ("file", ["certificate-text"])
    purpose = refused(ines, server.exported(PASSWORD))
    assert (purpose.field, purpose.codes) == ("file", ["for-server"])
    assert len({wrong.message, other.message, purpose.message}) == 3


@pytest.mark.parametrize(
    ("purpose", "what", "code"),
    [
        ("both", {"not_after": timezone.now() - timedelta(days=1)}, "expired"),
        ("both", {"not_before": timezone.now() + timedelta(days=1)}, "not-yet-valid"),
        ("signing", {"key_usage": smime.ENCRYPTION}, "not-for-signing"),
        ("encryption", {"key_usage": smime.SIGNING}, "not-for-encryption"),
        ("both", {"authority": True}, "authority"),
    ],
)
def test_a_certificate_that_is_good_for_nothing_is_refused(
    ines: Person, purpose: str, what: dict[str, object], code: str
) -> None:
    said = refused(ines, identity_for(ines, **what).exported(PASSWORD), purpose=purpose)
    assert (said.field, said.codes) == ("file", [code])
    assert re.search(r"\. [A-Z]", said.message), "It says what to do."


def test_every_reason_is_said_at_once(ines: Person) -> None:
    identity = identity_for(ines, key_usage=smime.SIGNING, not_after=timezone.now() - timedelta(days=1))
    assert refused(ines, identity.exported(PASSWORD)).codes == ["expired", "not-for-encryption"]


def test_somebody_elses_address_is_a_warning_and_no_refusal(ines: Person) -> None:
    stored = uploaded(ines, type_for(), identity_for(factories.person("Amara Diallo")))
    assert stored.certificate.cautions == ["other-address"]


def test_who_uploads_again_and_again_has_to_wait(ines: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LIMIT", Limit(2, timedelta(minutes=10)))
    of, actor = type_for(), factories.actor(ines)
    for _ in range(2):
        with pytest.raises(NotTaken):
            uploads.examine(actor=actor, person=ines, type_id=of.id, data=b"", password="")
    with pytest.raises(TooMany, match="ten minutes"):
        uploads.examine(actor=actor, person=ines, type_id=of.id, data=b"", password="")


# --- replaced


def test_a_replaced_encryption_identity_is_history_with_its_key(ines: Person) -> None:
    of = type_for("encryption")
    first = uploaded(ines, of).certificate
    stored = uploaded(ines, of)
    assert stored.previous is not None
    assert (stored.previous.id, stored.is_first) == (first.id, False)
    history = Certificate.objects.get(replaced_at__isnull=False)
    assert history.id == first.id
    assert history.replaced_at is not None
    assert selectors.identity(history) is not None
    assert [one.is_present for one in selectors.of_person(ines)] == [True, False]
    assert set(selectors.present([ines.id], [of.id])) == {(ines.id, of.id)}
    assert Entry.objects.filter(verb=Verb.CERTIFICATE_REPLACED).count() == 1


def test_a_replaced_signing_certificate_is_gone_with_its_key(ines: Person) -> None:
    of = type_for("signing")
    first = uploaded(ines, of).certificate
    stored = uploaded(ines, of)
    assert (stored.previous, stored.is_first) == (None, False)
    assert not Certificate.objects.filter(id=first.id).exists()


@pytest.mark.parametrize("purpose", ["signing", "encryption"])
def test_the_same_certificate_once_more_brings_its_key_back_and_makes_no_history(ines: Person, purpose: str) -> None:
    of, identity = type_for(purpose), identity_for(ines)
    first = uploaded(ines, of, identity).certificate
    uploads.clear_key(actor=factories.actor(ines), certificate=first, now=timezone.now())
    again = uploaded(ines, of, identity).certificate
    assert again.id == first.id
    assert Certificate.objects.get().has_key


def test_going_back_to_a_replaced_certificate_swaps_the_two(ines: Person) -> None:
    of, identity = type_for("encryption"), identity_for(ines)
    first = uploaded(ines, of, identity).certificate
    second = uploaded(ines, of).certificate
    stored = uploaded(ines, of, identity)
    assert stored.certificate.id == first.id
    assert [(one.id, one.is_present) for one in selectors.of_person(ines)] == [(first.id, True), (second.id, False)]


def test_the_database_keeps_one_present_certificate_of_a_type(ines: Person) -> None:
    of = type_for("encryption")
    first = uploaded(ines, of).certificate
    uploaded(ines, of)
    with pytest.raises(IntegrityError), transaction.atomic():
        Certificate.objects.filter(id=first.id).update(replaced_at=None)


def test_a_type_that_changed_while_the_file_was_opened_is_looked_at_again(ines: Person) -> None:
    of, actor = type_for("signing"), factories.actor(ines)
    data = identity_for(ines).exported(PASSWORD)
    examined = uploads.examine(actor=actor, person=ines, type_id=of.id, data=data, password=PASSWORD)
    types.change(actor=SYSTEM, type_id=of.id, rules=TypeRules(label=of.label, purpose="encryption"))
    with pytest.raises(Conflict):
        uploads.store(actor=actor, person=ines, examined=examined, now=timezone.now())


# --- noted, cleared, deleted


def test_a_note_is_kept_over_a_replacement_and_can_change(ines: Person) -> None:
    of, actor = type_for(), factories.actor(ines)
    certificate = uploaded(ines, of).certificate
    uploads.annotate(actor=actor, certificate=certificate, note="  from the   smart card ")
    assert uploaded(ines, of).certificate.note == "from the smart card"
    for note in ("a" * 301, "nul\0", "two\nlines", "turned \u202e round"):
        with pytest.raises(Invalid, match=r"300|control characters"):
            uploads.annotate(actor=actor, certificate=certificate, note=note)


def test_clearing_leaves_no_key_in_the_row_or_its_history(ines: Person) -> None:
    of, other, actor = type_for("encryption"), type_for("signing"), factories.actor(ines)
    uploaded(ines, of)
    present = uploaded(ines, of).certificate
    untouched = uploaded(ines, other).certificate
    assert uploads.clear_key(actor=actor, certificate=present, now=timezone.now()) == 2
    assert {(one.key, one.key_cleared_why) for one in Certificate.objects.filter(type=of)} == {(None, "person")}
    assert Certificate.objects.get(id=untouched.id).has_key
    assert selectors.identity(Certificate.objects.get(id=present.id)) is None
    assert uploads.clear_key(actor=actor, certificate=present, now=timezone.now()) == 0
    assert Entry.objects.filter(verb=Verb.CERTIFICATE_KEY_CLEARED).count() == 1


def test_clearing_a_replaced_one_leaves_the_present_one(ines: Person) -> None:
    of = type_for("encryption")
    old = uploaded(ines, of).certificate
    present = uploaded(ines, of).certificate
    assert uploads.clear_key(actor=factories.actor(ines), certificate=old, now=timezone.now()) == 1
    assert Certificate.objects.get(id=present.id).has_key


def test_deleting_takes_the_row_and_its_key(ines: Person) -> None:
    of, actor = type_for("encryption"), factories.actor(ines)
    old = uploaded(ines, of).certificate
    present = uploaded(ines, of).certificate
    uploads.delete(actor=actor, certificate=present)
    assert [one.id for one in Certificate.objects.all()] == [old.id]
    uploads.delete(actor=actor, certificate=old)
    assert not Certificate.objects.exists()
    with pytest.raises(NotFound):
        uploads.delete(actor=actor, certificate=old)
    assert Entry.objects.filter(verb=Verb.CERTIFICATE_DELETED).count() == 2


# --- taken along


def test_a_certificate_is_downloaded_with_its_key_under_a_password_of_ones_own(ines: Person) -> None:
    identity = identity_for(ines)
    certificate = uploaded(ines, type_for(key_download=True), identity).certificate
    now = timezone.now()
    actor = factories.actor(ines, proved=now)
    data = uploads.export(actor=actor, certificate=certificate, password="only mine 7", browser="Safari", now=now)
    bundle = pkcs12.open_bundle(data, "only mine 7")
    assert (bundle.key, bundle.certificate) == (identity.private_key_info, identity.encoded)
    assert Entry.objects.filter(verb=Verb.CERTIFICATE_DOWNLOADED, person_id=ines.id).count() == 1
    mail = Message.objects.get(topic="mail").payload
    assert (mail["notice"], mail["to"]) == ("certificate_downloaded", ines.email)


def test_a_key_is_not_given_out_where_it_may_not_or_cannot(ines: Person) -> None:
    now = timezone.now()
    fresh, stale = factories.actor(ines, proved=now), factories.actor(ines, proved=now - timedelta(hours=1))
    kept = uploaded(ines, type_for(label="Kept")).certificate
    given = uploaded(ines, type_for(label="Given", key_download=True)).certificate

    def export(certificate: Certificate, password: str = "only mine 7", *, is_fresh: bool = True) -> None:
        actor = fresh if is_fresh else stale
        uploads.export(actor=actor, certificate=certificate, password=password, now=now)

    with pytest.raises(NotAllowed, match="organisation"):
        export(kept)
    with pytest.raises(NeedsFreshAuthentication):
        export(given, is_fresh=False)
    for password in ("", "short", "a" * 257, "with a nul\0"):
        with pytest.raises(Invalid):
            export(given, password)
    uploads.clear_key(actor=fresh, certificate=given, now=now)
    with pytest.raises(Conflict):
        export(given)
    assert not Message.objects.filter(topic="mail").exists()


# --- nobody else's


def test_nobody_but_their_owner_does_anything_with_certificates(ines: Person) -> None:
    of, now = type_for(key_download=True), timezone.now()
    certificate = uploaded(ines, of).certificate
    data = identity_for(ines).exported(PASSWORD)
    for other in (factories.person("Amara Diallo"), factories.administrator()):
        actor = factories.actor(other, proved=now)
        with pytest.raises(NotFound):
            uploads.examine(actor=actor, person=ines, type_id=of.id, data=data, password=PASSWORD)
        with pytest.raises(NotFound):
            uploads.annotate(actor=actor, certificate=certificate, note="mine")
        with pytest.raises(NotFound):
            uploads.clear_key(actor=actor, certificate=certificate, now=now)
        with pytest.raises(NotFound):
            uploads.delete(actor=actor, certificate=certificate)
        with pytest.raises(NotFound):
            uploads.export(actor=actor, certificate=certificate, password="only mine 7", now=now)
        with pytest.raises(NotFound):
            selectors.owned_by(other, certificate.id)
    assert selectors.owned_by(ines, certificate.id).has_key


def test_who_is_suspended_stores_nothing(ines: Person) -> None:
    of, actor = type_for(), factories.actor(ines)
    data = identity_for(ines).exported(PASSWORD)
    examined = uploads.examine(actor=actor, person=ines, type_id=of.id, data=data, password=PASSWORD)
    Person.objects.filter(id=ines.id).update(is_active=False)
    with pytest.raises(NotAllowed, match="suspended"):
        uploads.store(actor=actor, person=ines, examined=examined, now=timezone.now())


# --- types


def test_types_are_made_changed_and_deleted_by_administrators_alone(ines: Person) -> None:
    admin = factories.actor(factories.administrator())
    rules = TypeRules(label="Signing certificate", purpose="signing")
    for other in (ines, factories.person(role=Person.Role.HELPDESK), factories.person(role=Person.Role.AUDITOR)):
        with pytest.raises(NotAllowed):
            types.create(actor=factories.actor(other), type_id=uuid4(), rules=rules)
    of = types.create(actor=admin, type_id=uuid4(), rules=rules)
    changed = types.change(actor=admin, type_id=of.id, rules=TypeRules(label="Signing", purpose="both"))
    assert (changed.id, changed.label, changed.purpose, changed.delete_key_after) == (of.id, "Signing", "both", 2)
    for actor in (factories.actor(ines), factories.actor(factories.person(role=Person.Role.HELPDESK))):
        with pytest.raises(NotAllowed):
            types.change(actor=actor, type_id=of.id, rules=rules)
        with pytest.raises(NotAllowed):
            types.delete(actor=actor, type_id=of.id)
    assert types.delete(actor=admin, type_id=of.id) == 0
    verbs = [Verb.CERTIFICATE_TYPE_CREATED, Verb.CERTIFICATE_TYPE_CHANGED, Verb.CERTIFICATE_TYPE_DELETED]
    assert list(Entry.objects.filter(verb__in=verbs).order_by("id").values_list("verb", flat=True)) == verbs


@pytest.mark.parametrize(
    "rules",
    [
        TypeRules(label=" ", purpose="both"),
        TypeRules(label="a" * 121, purpose="both"),
        TypeRules(label="nul\0", purpose="both"),
        TypeRules(label="Mail", purpose="sealing"),
        TypeRules(label="Mail", purpose="both", delete_key_after=0),
        TypeRules(label="Mail", purpose="both", delete_key_after=31),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: TypeRules) -> None:
    with pytest.raises(Invalid):
        types.create(actor=SYSTEM, type_id=uuid4(), rules=rules)


def test_two_types_cannot_have_one_label() -> None:
    type_for(label="Signing certificate")
    with pytest.raises(Conflict, match="another certificate type"):
        type_for(label="SIGNING certificate")


def test_a_type_that_people_use_is_deleted_only_when_that_is_meant(ines: Person) -> None:
    of = type_for()
    uploaded(ines, of)
    with pytest.raises(Conflict, match="private keys"):
        types.delete(actor=SYSTEM, type_id=of.id)
    assert types.delete(actor=SYSTEM, type_id=of.id, with_certificates=True) == 1
    assert not Certificate.objects.exists()
    assert Entry.objects.filter(verb=Verb.CERTIFICATE_DELETED, person_id=ines.id).exists()
    with pytest.raises(NotFound):
        types.delete(actor=SYSTEM, type_id=of.id)
