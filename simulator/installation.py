"""What installing a profile leaves on a device: its entry, its certificates, its web clips."""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from simulator.errors import CERTIFICATE, INSTALLATION, Fault, Refused
from simulator.identity import Identity
from simulator.profiles import PKCS12_PAYLOAD, ROOT_PAYLOADS, SCEP_PAYLOAD, WEB_CLIP_PAYLOAD, Payload, Profile, field
from simulator.state import InstalledCertificate, InstalledPayload, InstalledProfile, WebClip


def install(
    profile: Profile, *, identities: Mapping[str, Identity], managed: bool, user_id: str | None = None
) -> InstalledProfile:
    """The entry for a profile. `identities` are what its SCEP payloads gave, by payload UUID. Raises Refused."""
    certificates: list[InstalledCertificate] = []
    web_clips: list[WebClip] = []
    for payload in profile.payloads:
        try:
            if payload.kind in ROOT_PAYLOADS:
                certificates.append(_certificate(field(payload.values, "PayloadContent", bytes)))
            elif payload.kind == PKCS12_PAYLOAD:
                certificates.append(_pkcs12(payload))
            elif payload.kind == SCEP_PAYLOAD and payload.uuid in identities:
                certificates.append(described(identities[payload.uuid].certificate, is_identity=True))
            elif payload.kind == WEB_CLIP_PAYLOAD:
                web_clips.append(_web_clip(payload))
        except Refused as error:
            text = f"The profile “{profile.display_name or profile.identifier}” could not be installed."
            raise Refused(Fault(INSTALLATION, 4001, text), *error.faults) from error
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
        certificates=tuple(certificates),
        web_clips=tuple(web_clips),
        user_id=user_id,
    )


def describe(profile: InstalledProfile) -> str:
    return profile.display_name or profile.identifier


def described(certificate: x509.Certificate, *, is_identity: bool) -> InstalledCertificate:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = str(names[0].value) if names else ""
    return InstalledCertificate(common_name, certificate.public_bytes(serialization.Encoding.DER), is_identity)


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
        raise Refused(Fault(CERTIFICATE, 9002, "The certificate in the profile cannot be read.")) from error
    return described(found, is_identity=False)


def _pkcs12(payload: Payload) -> InstalledCertificate:
    password = payload.values.get("Password")
    try:
        bundle = pkcs12.load_pkcs12(
            field(payload.values, "PayloadContent", bytes), password.encode() if isinstance(password, str) else None
        )
    except ValueError as error:
        raise Refused(Fault(CERTIFICATE, 9000, "The password for the certificate is not correct.")) from error
    if bundle.key is None or bundle.cert is None:
        raise Refused(Fault(CERTIFICATE, 9002, "The certificate has no private key."))
    if bundle.additional_certs:
        raise Refused(Fault(CERTIFICATE, 9001, "The payload holds more than one certificate."))
    return described(bundle.cert.certificate, is_identity=True)


def _web_clip(payload: Payload) -> WebClip:
    icon = payload.values.get("Icon")
    return WebClip(
        label=field(payload.values, "Label", str),
        url=field(payload.values, "URL", str),
        icon=icon if isinstance(icon, bytes) else b"",
    )
