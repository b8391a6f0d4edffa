from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from hypothesis import given
from hypothesis import strategies as st

from mydevices.protocols.pki import pkcs12, smime
from mydevices.protocols.pki.refusals import Refused
from mydevices.protocols.pki.smime import Caution, Purpose, Refusal
from tests import smime as made
from tests.protocols.pki import pkcs12_files as files

ORGANISATION = made.Organisation("Example")
NOW = datetime(2037, 1, 1, tzinfo=UTC)
ADA = ("ada@example.org",)


def bundle_of(identity: made.Identity) -> pkcs12.Bundle:
    return pkcs12.Bundle(identity.private_key_info, identity.encoded, (), None)


def judged(
    identity: made.Identity, purpose: Purpose = "both", *, addresses: Sequence[str] = ADA, now: datetime = NOW
) -> tuple[tuple[Refusal, ...], tuple[Caution, ...]]:
    assessment = smime.assess(bundle_of(identity), now=now, purpose=purpose, addresses=addresses)
    return assessment.refusals, assessment.cautions


def test_a_certificate_for_signing_and_encrypting_of_its_owner_is_good() -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA)) == ((), ())


def test_its_facts_are_what_a_page_says() -> None:
    facts = smime.describe(ORGANISATION.issue("Ada Example", "Ada@Example.org", in_subject="old@example.org").encoded)
    assert (facts.issued_by, facts.subject, facts.key) == ("Example Mail", "Ada Example", "P-256")
    assert facts.addresses == ("Ada@Example.org", "old@example.org")
    assert (facts.not_before, facts.not_after) == (made.FROM, made.UNTIL)
    assert len(facts.fingerprint) == 64


@pytest.mark.parametrize(
    ("now", "refusals", "cautions"),
    [
        (made.UNTIL + timedelta(seconds=1), (Refusal.EXPIRED,), ()),
        (made.UNTIL, (), (Caution.EXPIRES_SOON,)),
        (made.UNTIL - timedelta(days=29), (), (Caution.EXPIRES_SOON,)),
        (made.UNTIL - timedelta(days=31), (), ()),
        (made.FROM, (), ()),
        (made.FROM - timedelta(seconds=1), (Refusal.NOT_YET_VALID,), ()),
    ],
)
def test_the_days_of_a_certificate(now: datetime, refusals: tuple[Refusal], cautions: tuple[Caution]) -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA), now=now) == (refusals, cautions)


@pytest.mark.parametrize(
    ("key", "refusals"),
    [
        (rsa.generate_private_key(65537, 1024), (Refusal.WEAK_KEY,)),
        (rsa.generate_private_key(65537, 2048), ()),
        (ec.generate_private_key(ec.SECP224R1()), (Refusal.WEAK_KEY,)),
        (ec.generate_private_key(ec.SECP384R1()), ()),
        (ec.generate_private_key(ec.SECP521R1()), ()),
        (ec.generate_private_key(ec.SECP256K1()), (Refusal.KEY_KIND,)),
        (ec.generate_private_key(ec.BrainpoolP256R1()), (Refusal.KEY_KIND,)),
        (ed25519.Ed25519PrivateKey.generate(), (Refusal.KEY_KIND,)),
    ],
    ids=["RSA 1024", "RSA 2048", "P-224", "P-384", "P-521", "secp256k1", "Brainpool", "Ed25519"],
)
def test_the_kind_of_a_key(key: made.PrivateKey, refusals: tuple[Refusal]) -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA, key=key), "signing")[0] == refusals


@pytest.mark.parametrize(
    ("purposes", "names", "refusals"),
    [
        ((), (), ()),
        ((Eku.EMAIL_PROTECTION, Eku.SERVER_AUTH), (), ()),
        ((Eku.ANY_EXTENDED_KEY_USAGE,), (), ()),
        ((Eku.SERVER_AUTH, Eku.CLIENT_AUTH), (), (Refusal.FOR_SERVER,)),
        ((Eku.CLIENT_AUTH,), (), (Refusal.FOR_SIGN_IN,)),
        ((Eku.SMARTCARD_LOGON,), (), (Refusal.FOR_SIGN_IN,)),
        ((Eku.CODE_SIGNING,), (), (Refusal.FOR_CODE,)),
        ((Eku.TIME_STAMPING,), (), (Refusal.NOT_FOR_MAIL,)),
    ],
)
def test_what_a_certificate_is_made_for(
    purposes: Sequence[x509.ObjectIdentifier], names: Sequence[x509.GeneralName], refusals: tuple[Refusal]
) -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA, purposes=purposes, names=names))[0] == refusals


def test_a_certificate_of_a_host_without_purposes_is_one_for_a_server() -> None:
    host = ORGANISATION.issue("www", purposes=(), names=[x509.DNSName("www.example.org")])
    assert judged(host) == ((Refusal.FOR_SERVER,), (Caution.NO_ADDRESS,))


@pytest.mark.parametrize(
    ("usage", "purpose", "refusals"),
    [
        (None, "both", ()),
        (made.SIGNING, "signing", ()),
        (made.SIGNING, "encryption", (Refusal.NOT_FOR_ENCRYPTION,)),
        (made.SIGNING, "both", (Refusal.NOT_FOR_ENCRYPTION,)),
        (made.ENCRYPTION, "encryption", ()),
        (made.ENCRYPTION, "signing", (Refusal.NOT_FOR_SIGNING,)),
        (made.usage("content_commitment"), "signing", ()),
        (made.usage("crl_sign"), "both", (Refusal.NOT_FOR_SIGNING, Refusal.NOT_FOR_ENCRYPTION)),
        (made.usage("key_encipherment"), "encryption", (Refusal.NOT_FOR_ENCRYPTION,)),  # the key is on a curve
    ],
)
def test_what_a_key_may_be_used_for(usage: x509.KeyUsage, purpose: Purpose, refusals: tuple[Refusal]) -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA, key_usage=usage), purpose)[0] == refusals


def test_a_key_of_rsa_encrypts_by_encipherment() -> None:
    key = rsa.generate_private_key(65537, 2048)
    identity = ORGANISATION.issue("Ada", *ADA, key=key, key_usage=made.usage("key_encipherment"))
    assert judged(identity, "encryption")[0] == ()
    identity = ORGANISATION.issue("Ada", *ADA, key=key, key_usage=made.usage("key_agreement"))
    assert judged(identity, "encryption")[0] == (Refusal.NOT_FOR_ENCRYPTION,)


def test_the_certificate_of_an_authority_is_refused() -> None:
    assert judged(ORGANISATION.issue("Root", *ADA, authority=True))[0] == (Refusal.AUTHORITY,)


@pytest.mark.parametrize(
    ("named", "mine", "cautions"),
    [
        ((), ADA, (Caution.NO_ADDRESS,)),
        (("grace@example.org",), ADA, (Caution.OTHER_ADDRESS,)),
        (("grace@example.org", "ada@example.org"), ADA, ()),
        (("ADA@Example.ORG",), ADA, ()),
        (("ada@xn--bcher-kva.example",), ("ada@bücher.example",), ()),
        (ADA, (), (Caution.OTHER_ADDRESS,)),
    ],
)
def test_whose_address_a_certificate_names(named: Sequence[str], mine: Sequence[str], cautions: tuple[Caution]) -> None:
    assert judged(ORGANISATION.issue("Ada", *named), addresses=mine) == ((), cautions)


def test_who_made_their_certificate_themselves_is_told() -> None:
    assert judged(ORGANISATION.issue("Ada", *ADA, self_signed=True)) == ((), (Caution.SELF_SIGNED,))


@pytest.mark.parametrize("name", ["sha1.der", "md5.der"])
def test_an_old_signature_is_a_caution(name: str) -> None:
    bundle = replace(bundle_of(ORGANISATION.issue("Ada")), certificate=files.read(name))
    assessment = smime.assess(bundle, now=NOW, purpose="both", addresses=ADA)
    assert Caution.OLD_SIGNATURE in assessment.cautions


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        smime.describe(data)


def test_every_refusal_and_caution_has_a_code_of_its_own() -> None:
    found = [*Refusal, *Caution]
    assert len({one.code for one in found}) == len(found) == len({one.text for one in found})
