"""What a device says of itself, as neutral values. A key that is missing is None: not asked, not allowed, or not known.

Only what the product shows is asked for and read. Phone numbers, SIM and radio identifiers, accounts and the names of
other users are not.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntFlag

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import models
from mydevices.protocols.apple.fields import (
    Fields,
    data,
    dictionaries,
    dictionary,
    flag,
    integer,
    real,
    text,
)

QUERIES = (
    "DeviceName",
    "ProductName",
    "ModelName",
    "OSVersion",
    "BuildVersion",
    "SerialNumber",
    "UDID",
    "DeviceCapacity",
    "AvailableDeviceCapacity",
    "BatteryLevel",
    "IsSupervised",
    "AwaitingConfiguration",
    "IsDeviceLocatorServiceEnabled",
    "IsActivationLockEnabled",
    "IsMDMLostModeEnabled",
)
"""What to ask with DeviceInformation. A device leaves out what its kind or its enrolment does not tell: a User
Enrolment never tells UDID or serial number."""

_GIBIBYTE = 1 << 30
_MAX_GIGABYTES = 1_000_000.0  # a petabyte: more is a mistake, and must not overflow what stores it


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """The answer to DeviceInformation (information.device.yaml)."""

    name: str | None = None
    product: str | None = None
    """The identifier of the product, such as iPhone17,1."""
    marketing_name: str | None = None
    """What people call it, such as iPhone 16 Pro; the device's own word for its kind where the product is not known."""
    os_name: str | None = None
    os_version: str | None = None
    build: str | None = None
    serial_number: str | None = None
    udid: str | None = None
    capacity_gb: float | None = None
    """In decimal gigabytes, whatever the device counts in."""
    available_gb: float | None = None
    battery: float | None = None
    """0 to 1."""
    is_supervised: bool | None = None
    is_awaiting_configuration: bool | None = None
    is_find_my_on: bool | None = None
    is_activation_locked: bool | None = None
    is_lost_mode_on: bool | None = None

    @property
    def capacity_bytes(self) -> int | None:
        return None if self.capacity_gb is None else round(self.capacity_gb * 1e9)

    @property
    def available_bytes(self) -> int | None:
        return None if self.available_gb is None else round(self.available_gb * 1e9)


def _counts_in_gibibytes(product: str | None, os_version: str | None) -> bool:
    """Up to macOS 11 a Mac reports base-2 gibibytes, all others base-10 gigabytes (information.device.yaml)."""
    if product is None or os_version is None or models.kind(product) != "mac":
        return False
    major = os_version.split(".", 1)[0]
    return major.isascii() and major.isdigit() and len(major) < 4 and int(major) < 12


def _gigabytes(fields: Fields, key: str, *, in_gibibytes: bool) -> float | None:
    value = real(fields, key)
    if value is None:
        return None
    gigabytes = value * _GIBIBYTE / 1e9 if in_gibibytes else value
    return gigabytes if 0 <= gigabytes <= _MAX_GIGABYTES else None


def device_information(result: Mapping[str, object]) -> DeviceInformation:
    """Read a DeviceInformation result. Raises ProtocolError for a key of the wrong type."""
    answers = dictionary(result, "QueryResponses")
    product = text(answers, "ProductName", 64)
    os_version = text(answers, "OSVersion", 32)
    in_gibibytes = _counts_in_gibibytes(product, os_version)
    battery = real(answers, "BatteryLevel")
    return DeviceInformation(
        name=text(answers, "DeviceName", 200),
        product=product,
        marketing_name=(models.marketing_name(product) if product else None) or text(answers, "ModelName", 64),
        os_name=models.os_name(product, os_version) if product else None,
        os_version=os_version,
        build=text(answers, "BuildVersion", 32),
        serial_number=text(answers, "SerialNumber", 64),
        udid=text(answers, "UDID", 128),
        capacity_gb=_gigabytes(answers, "DeviceCapacity", in_gibibytes=in_gibibytes),
        available_gb=_gigabytes(answers, "AvailableDeviceCapacity", in_gibibytes=in_gibibytes),
        battery=battery if battery is not None and 0 <= battery <= 1 else None,  # -1 is unknown
        is_supervised=flag(answers, "IsSupervised"),
        is_awaiting_configuration=flag(answers, "AwaitingConfiguration"),
        is_find_my_on=flag(answers, "IsDeviceLocatorServiceEnabled"),
        is_activation_locked=flag(answers, "IsActivationLockEnabled"),
        is_lost_mode_on=flag(answers, "IsMDMLostModeEnabled"),
    )


class HardwareEncryption(IntFlag):
    """HardwareEncryptionCaps of an iPhone or iPad."""

    BLOCK = 1
    FILE = 2


@dataclass(frozen=True, slots=True)
class SecurityInfo:
    """The answer to SecurityInfo (information.security.yaml), without recovery keys and firewall rules."""

    has_passcode: bool | None = None
    is_passcode_compliant: bool | None = None
    is_passcode_compliant_with_profiles: bool | None = None
    hardware_encryption: HardwareEncryption | None = None
    is_filevault_on: bool | None = None
    is_user_enrollment: bool | None = None
    is_user_approved: bool | None = None
    """A Mac whose user has not approved the enrolment refuses some profiles and commands."""
    is_automatically_enrolled: bool | None = None

    @property
    def is_encrypted(self) -> bool | None:
        """FileVault on a Mac; elsewhere both kinds of hardware encryption and a passcode, as the schema has it."""
        if self.is_filevault_on is not None:
            return self.is_filevault_on
        if self.hardware_encryption is None or self.has_passcode is None:
            return None
        return self.has_passcode and self.hardware_encryption == HardwareEncryption.BLOCK | HardwareEncryption.FILE


def security_info(result: Mapping[str, object]) -> SecurityInfo:
    """Read a SecurityInfo result. Raises ProtocolError for a key of the wrong type."""
    info = dictionary(result, "SecurityInfo")
    management = dictionary(info, "ManagementStatus")
    caps = integer(info, "HardwareEncryptionCaps")
    return SecurityInfo(
        has_passcode=flag(info, "PasscodePresent"),
        is_passcode_compliant=flag(info, "PasscodeCompliant"),
        is_passcode_compliant_with_profiles=flag(info, "PasscodeCompliantWithProfiles"),
        hardware_encryption=None if caps is None else HardwareEncryption(caps & 3),
        is_filevault_on=flag(info, "FDE_Enabled"),
        is_user_enrollment=flag(management, "IsUserEnrollment"),
        is_user_approved=flag(management, "UserApprovedEnrollment"),
        is_automatically_enrolled=flag(management, "EnrolledViaDEP"),
    )


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """One profile on a device (profile.list.yaml)."""

    identifier: str
    uuid: str
    name: str | None = None
    organisation: str | None = None
    is_managed: bool | None = None
    """Installed by this server; None on Macs and on supervised devices, which do not tell."""
    is_encrypted: bool | None = None


def profile_list(result: Mapping[str, object]) -> tuple[InstalledProfile, ...]:
    """Read a ProfileList result. Raises ProtocolError for a key of the wrong type."""
    return tuple(
        InstalledProfile(
            identifier=text(item, "PayloadIdentifier") or "",
            uuid=text(item, "PayloadUUID") or "",
            name=text(item, "PayloadDisplayName"),
            organisation=text(item, "PayloadOrganization"),
            is_managed=flag(item, "IsManaged"),
            is_encrypted=flag(item, "IsEncrypted"),
        )
        for item in dictionaries(result, "ProfileList")
    )


@dataclass(frozen=True, slots=True)
class InstalledCertificate:
    """One certificate on a device (certificate.list.yaml)."""

    common_name: str
    fingerprint: str
    """SHA-256 of the DER form, in hexadecimal."""
    is_identity: bool
    """The device has its private key."""


def certificate_list(result: Mapping[str, object]) -> tuple[InstalledCertificate, ...]:
    """Read a CertificateList result, without entries that hold no certificate. Raises ProtocolError for a key of the
    wrong type."""
    return tuple(
        InstalledCertificate(
            common_name=text(item, "CommonName") or "",
            fingerprint=hashlib.sha256(der).hexdigest(),
            is_identity=flag(item, "IsIdentity") or False,
        )
        for item in dictionaries(result, "CertificateList")
        if (der := data(item, "Data")) is not None
    )


@dataclass(frozen=True, slots=True)
class InstalledApplication:
    """One application on a device (application.installed.list.yaml). Macs may tell no identifier."""

    identifier: str | None = None
    name: str | None = None
    version: str | None = None
    """What people read; the build where the device tells nothing else."""
    size: int | None = None
    """In bytes, of the app itself without what it has stored."""


APPLICATION_ITEMS = ("BundleSize", "Identifier", "Name", "ShortVersion", "Version")
"""The keys that are read, for devices that can be asked for some alone."""
MAX_APPLICATIONS = 2000
"""What is beyond is not read: no device has so many, and a list must not be an attack."""
_MAX_SIZE = 1 << 50


def _size(fields: Fields, key: str) -> int | None:
    value = integer(fields, key)
    return value if value is not None and 0 <= value <= _MAX_SIZE else None


def installed_application_list(result: Mapping[str, object]) -> tuple[InstalledApplication, ...]:
    """Read an InstalledApplicationList result, the first MAX_APPLICATIONS of it, without entries that name nothing.
    Raises ProtocolError for a key of the wrong type."""
    read = (
        InstalledApplication(
            identifier=text(item, "Identifier"),
            name=text(item, "Name"),
            version=text(item, "ShortVersion", 64) or text(item, "Version", 64),
            size=_size(item, "BundleSize"),
        )
        for item in dictionaries(result, "InstalledApplicationList")[:MAX_APPLICATIONS]
    )
    return tuple(found for found in read if found.name or found.identifier)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a device in Lost Mode is (device.lostmode.location.yaml). Degrees, metres, metres a second."""

    latitude: float
    longitude: float
    accuracy: float | None = None
    """The radius of uncertainty; None when the device does not know it."""
    altitude: float | None = None
    speed: float | None = None
    course: float | None = None
    at: datetime | None = None
    """When the device found out, with its time zone."""


def _known(fields: Fields, key: str) -> float | None:
    value = real(fields, key)
    return value if value is not None and value >= 0 else None  # negative means unknown


def _moment(fields: Fields, key: str) -> datetime | None:
    written = text(fields, key, 64)
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ProtocolError(f"{key} is not a time.") from error


def device_location(result: Mapping[str, object]) -> Position:
    """Read a DeviceLocation result. Raises ProtocolError without a place on Earth."""
    latitude, longitude = real(result, "Latitude"), real(result, "Longitude")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        raise ProtocolError("The position is not on Earth.")
    return Position(
        latitude=latitude,
        longitude=longitude,
        accuracy=_known(result, "HorizontalAccuracy"),
        altitude=_known(result, "Altitude"),
        speed=_known(result, "Speed"),
        course=_known(result, "Course"),
        at=_moment(result, "Timestamp"),
    )
