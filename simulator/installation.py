"""What installing a profile leaves on a device: its entry, its certificates, its web clips and mail accounts."""

from collections.abc import Mapping
from typing import TypeVar

from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from simulator.errors import CERTIFICATE, Refused, refuse
from simulator.hardware import Kind
from simulator.identity import Identity
from simulator.payloads import failed
from simulator.profiles import (
    EAS_PAYLOAD,
    EWS_PAYLOAD,
    MAIL_PAYLOAD,
    PKCS12_PAYLOAD,
    ROOT_PAYLOADS,
    SCEP_PAYLOAD,
    WEB_CLIP_PAYLOAD,
    Payload,
    Profile,
    field,
)
from simulator.state import InstalledCertificate, InstalledPayload, InstalledProfile, MailAccount, WebClip

T = TypeVar("T", bound=x509.ExtensionType)

SERVICES: Mapping[str, str] = {EAS_PAYLOAD: "Exchange", EWS_PAYLOAD: "Exchange"}
MAIL_SERVICES: Mapping[str, str] = {"EmailTypeIMAP": "IMAP", "EmailTypePOP": "POP"}


def install(
    profile: Profile, *, kind: Kind, identities: Mapping[str, Identity], managed: bool, user_id: str | None = None
) -> InstalledProfile:
    """The entry for a profile. `identities` are what its SCEP payloads gave, by payload UUID. Raises Refused."""
    certificates: dict[str, InstalledCertificate] = {}
    for payload in profile.payloads:
        try:
            if payload.kind in ROOT_PAYLOADS:
                certificates[payload.uuid] = _certificate(field(payload.values, "PayloadContent", bytes))
            elif payload.kind == PKCS12_PAYLOAD:
                certificates[payload.uuid] = _pkcs12(payload)
            elif payload.kind == SCEP_PAYLOAD and payload.uuid in identities:
                certificates[payload.uuid] = described(identities[payload.uuid].certificate, is_identity=True)
        except Refused as error:
            raise failed(profile, payload, error, kind) from error
    return InstalledProfile(
        identifier=profile.identifier,
        uuid=profile.uuid,
        display_name=profile.display_name,
        organisation=profile.organisation,
        description=profile.description,
        encrypted=profile.encrypted,
        removal_disallowed=profile.removal_disallowed,
        managed=managed,
        signers=profile.signers,
        payloads=tuple(_entry(payload) for payload in profile.payloads),
        certificates=tuple(certificates.values()),
        web_clips=tuple(_web_clip(payload) for payload in profile.of_kind(WEB_CLIP_PAYLOAD)),
        mail_accounts=tuple(
            _mail_account(payload, certificates)
            for payload in profile.payloads
            if payload.kind in {EAS_PAYLOAD, EWS_PAYLOAD, MAIL_PAYLOAD}
        ),
        user_id=user_id,
    )


def describe(profile: InstalledProfile) -> str:
    return profile.display_name or profile.identifier


def described(certificate: x509.Certificate, *, is_identity: bool) -> InstalledCertificate:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = str(names[0].value) if names else ""
    usage = _extension(certificate, x509.KeyUsage)
    return InstalledCertificate(
        common_name,
        certificate.public_bytes(serialization.Encoding.DER),
        is_identity,
        addresses=_addresses(certificate),
        signs=usage is None or usage.digital_signature or usage.content_commitment,
        encrypts=usage is None or usage.key_encipherment or usage.key_agreement,
    )


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):  # or there are extensions that cannot be read
        return None


def _addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """The addresses of a certificate: rfc822Name of the subject's alternative names, or the subject's own."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    found = names.get_values_for_type(x509.RFC822Name) if names is not None else []
    own = [str(item.value) for item in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    return tuple(dict.fromkeys(address.lower() for address in [*found, *own]))


def _entry(payload: Payload) -> InstalledPayload:
    return InstalledPayload(
        kind=payload.kind,
        identifier=payload.identifier,
        uuid=payload.uuid,
        display_name=payload.display_name,
        description=str(payload.values.get("PayloadDescription", "")),
        organisation=str(payload.values.get("PayloadOrganization", "")),
    )


def _certificate(data: bytes) -> InstalledCertificate:
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise refuse(CERTIFICATE, 9005, "The certificate in the profile cannot be read.") from error
    return described(found, is_identity=False)


def _pkcs12(payload: Payload) -> InstalledCertificate:
    data, password = field(payload.values, "PayloadContent", bytes), payload.values.get("Password")
    wrong_password = refuse(CERTIFICATE, 9000, "The password for the certificate is not correct.")
    if not _is_of_the_old_kind(data):
        raise wrong_password
    try:
        bundle = pkcs12.load_pkcs12(data, password.encode() if isinstance(password, str) else None)
    except ValueError as error:
        raise wrong_password from error
    if bundle.key is None or bundle.cert is None:
        raise refuse(CERTIFICATE, 9006, "The certificate has no private key.")
    if bundle.additional_certs:
        raise refuse(CERTIFICATE, 9001, "The payload holds more than one certificate.")
    return described(bundle.cert.certificate, is_identity=True)


def _is_of_the_old_kind(data: bytes) -> bool:
    """Whether all is protected as in PKCS#12 version 1.0 (RFC 7292, appendix C): SHA-1, with 3DES or RC2.

    Apple's importers were seen to call the password of a newer one (PBES2, HMAC with SHA-256) wrong. Not every version
    does; whoever writes for all of them writes the old kind. Raises Refused for what is not PKCS#12.
    """
    try:
        file = asn1_pkcs12.Pfx.load(data, strict=True)
        digest = file["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native if file["mac_data"].native else "sha1"
        algorithms = [
            content["content"]["encrypted_content_info"]["content_encryption_algorithm"]["algorithm"].native
            for content in file.authenticated_safe
            if content["content_type"].native == "encrypted_data"
        ]
        for content in file.authenticated_safe:
            if content["content_type"].native == "data":
                bags = asn1_pkcs12.SafeContents.load(content["content"].native)
                algorithms += [
                    bag["bag_value"]["encryption_algorithm"]["algorithm"].native
                    for bag in bags
                    if bag["bag_id"].native == "pkcs8_shrouded_key_bag"
                ]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise refuse(CERTIFICATE, 9005, "The certificate in the profile cannot be read.") from error
    return digest == "sha1" and all(str(name).startswith("pkcs12_sha1_") for name in algorithms)


def _web_clip(payload: Payload) -> WebClip:
    icon = payload.values.get("Icon")
    return WebClip(payload.values["Label"], payload.values["URL"], icon if isinstance(icon, bytes) else b"")


def _mail_account(payload: Payload, certificates: Mapping[str, InstalledCertificate]) -> MailAccount:
    """The account, with the identities that the payload names. That they are there has been checked."""
    values = payload.values

    def named(key: str) -> bytes | None:
        return certificates[values[key]].der if key in values else None

    return MailAccount(
        service=SERVICES.get(payload.kind) or MAIL_SERVICES[values["EmailAccountType"]],
        address=str(values.get("EmailAddress", "")),
        host=str(values.get("Host") or values.get("IncomingMailServerHostName") or ""),
        signs_with=named("SMIMESigningCertificateUUID"),
        encrypts_with=named("SMIMEEncryptionCertificateUUID"),
        encrypts_by_default=bool(values.get("SMIMEEncryptByDefault", values.get("SMIMEEncryptionEnabled", False))),
    )
