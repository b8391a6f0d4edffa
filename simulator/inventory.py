"""What a device tells about itself: DeviceInformation, SecurityInfo, the lists, and what its screen shows."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from simulator.hardware import Kind
from simulator.profiles import Right
from simulator.state import InstalledCertificate, InstalledProfile, Memory, Screen

MOBILE = frozenset({Kind.IPHONE, Kind.IPAD})
MAC = frozenset({Kind.MAC})
ALL = MOBILE | MAC
INFORMATION = Right.DEVICE_INFORMATION
NETWORK = Right.NETWORK_INFORMATION


@dataclass(frozen=True)
class Query:
    """One key of DeviceInformation: who has it, which right it needs, whether a User Enrolment may see it."""

    kinds: frozenset[Kind]
    right: Right | None
    read: Callable[[Memory], Any]
    personal: bool = True


def _capacity(memory: Memory) -> float:
    return memory.hardware.model.capacity


def _battery(memory: Memory) -> float | None:
    return None if memory.hardware.model.model_name == "Mac mini" else memory.battery


def _network_name(memory: Memory) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in memory.name).strip("-")


def _subscriptions(memory: Memory) -> list[dict[str, Any]] | None:
    if memory.hardware.imei is None:
        return None
    return [
        {
            "CarrierSettingsVersion": "60.1",
            "CurrentCarrierNetwork": "Simulated",
            "IMEI": memory.hardware.imei,
            "IsDataPreferred": True,
            "IsRoaming": False,
            "IsVoicePreferred": True,
            "Label": "Primary",
            "Slot": "CTSubscriptionSlotOne",
        }
    ]


QUERIES: Mapping[str, Query] = {
    "UDID": Query(ALL, None, lambda memory: memory.hardware.udid, personal=False),
    "ProvisioningUDID": Query(MAC, None, lambda memory: memory.hardware.provisioning_udid, personal=False),
    "AwaitingConfiguration": Query(ALL, None, lambda _memory: False, personal=False),
    "DeviceName": Query(ALL, INFORMATION, lambda memory: memory.name),
    "OSVersion": Query(ALL, INFORMATION, lambda memory: memory.hardware.os_version),
    "BuildVersion": Query(ALL, INFORMATION, lambda memory: memory.hardware.build),
    "SupplementalBuildVersion": Query(ALL, INFORMATION, lambda memory: memory.hardware.build),
    "ModelName": Query(ALL, INFORMATION, lambda memory: memory.hardware.model.model_name),
    "Model": Query(
        ALL,
        INFORMATION,
        lambda memory: memory.hardware.product if memory.hardware.kind is Kind.MAC else memory.hardware.model.number,
    ),
    "ModelNumber": Query(ALL, INFORMATION, lambda memory: f"{memory.hardware.model.number}LL/A"),
    "ProductName": Query(ALL, INFORMATION, lambda memory: memory.hardware.product),
    "SerialNumber": Query(ALL, INFORMATION, lambda memory: memory.hardware.serial, personal=False),
    "IMEI": Query(MOBILE, INFORMATION, lambda memory: memory.hardware.imei, personal=False),
    "DeviceCapacity": Query(ALL, INFORMATION, _capacity),
    "AvailableDeviceCapacity": Query(
        ALL, INFORMATION, lambda memory: round(_capacity(memory) * (1.0 - memory.used), 2)
    ),
    "BatteryLevel": Query(ALL, INFORMATION, _battery),
    "HasBattery": Query(MAC, INFORMATION, lambda memory: _battery(memory) is not None),
    "CellularTechnology": Query(MOBILE, INFORMATION, lambda memory: 1 if memory.hardware.imei else 0),
    "IsSupervised": Query(ALL, INFORMATION, lambda memory: memory.supervised),
    "IsMultiUser": Query(MOBILE, INFORMATION, lambda _memory: False),
    "IsDeviceLocatorServiceEnabled": Query(MOBILE, INFORMATION, lambda _memory: True),
    "IsActivationLockEnabled": Query(ALL, INFORMATION, lambda _memory: False, personal=False),
    "IsActivationLockSupported": Query(MAC, INFORMATION, lambda _memory: True, personal=False),
    "IsDoNotDisturbInEffect": Query(MOBILE, INFORMATION, lambda _memory: False, personal=False),
    "IsCloudBackupEnabled": Query(MOBILE, INFORMATION, lambda _memory: True, personal=False),
    "IsMDMLostModeEnabled": Query(MOBILE, INFORMATION, lambda memory: memory.screen is Screen.LOST, personal=False),
    "DiagnosticSubmissionEnabled": Query(MOBILE, INFORMATION, lambda _memory: False),
    "AppAnalyticsEnabled": Query(MOBILE, INFORMATION, lambda _memory: False),
    "TimeZone": Query(MOBILE, INFORMATION, lambda _memory: "Europe/Berlin"),
    "IsAppleSilicon": Query(MAC, INFORMATION, lambda _memory: True),
    "HostName": Query(MAC, INFORMATION, lambda memory: f"{_network_name(memory)}.local"),
    "LocalHostName": Query(MAC, INFORMATION, _network_name),
    "SystemIntegrityProtectionEnabled": Query(MAC, INFORMATION, lambda _memory: True),
    "SupportsLOMDevice": Query(MAC, INFORMATION, lambda _memory: False),
    "PINRequiredForDeviceLock": Query(MAC, INFORMATION, lambda _memory: True),
    "PINRequiredForEraseDevice": Query(MAC, INFORMATION, lambda _memory: False),
    "SupportsiOSAppInstalls": Query(MAC, INFORMATION, lambda _memory: True),
    "SoftwareUpdateDeviceID": Query(ALL, INFORMATION, lambda memory: memory.hardware.product),
    "ActiveManagedUsers": Query(MAC, INFORMATION, lambda memory: [account.guid for account in memory.accounts]),
    "EACSPreflight": Query(MAC, INFORMATION, lambda _memory: "success"),
    "WiFiMAC": Query(ALL, NETWORK, lambda memory: memory.hardware.wifi_address, personal=False),
    "BluetoothMAC": Query(ALL, NETWORK, lambda memory: memory.hardware.bluetooth_address, personal=False),
    "IsRoaming": Query(MOBILE, NETWORK, lambda _memory: False, personal=False),
    "DataRoamingEnabled": Query(MOBILE, NETWORK, lambda _memory: False, personal=False),
    "PersonalHotspotEnabled": Query(MOBILE, NETWORK, lambda _memory: False, personal=False),
    "IsNetworkTethered": Query(MOBILE, NETWORK, lambda _memory: False, personal=False),
    "ServiceSubscriptions": Query(MOBILE, NETWORK, _subscriptions, personal=False),
}


def device_information(
    memory: Memory, queries: Iterable[str], *, rights: int, user_enrolment: bool, user_channel: bool = False
) -> dict[str, Any]:
    """The answers to what was asked. What the device does not have, or the rights do not allow, is left out."""
    found = {}
    for key in queries:
        query = QUERIES.get(key)
        if query is None or memory.hardware.kind not in query.kinds:
            continue
        if query.right is not None and not rights & query.right:
            continue
        if user_enrolment and not query.personal:
            continue
        if user_channel and key == "ActiveManagedUsers":
            continue
        value = query.read(memory)
        if value is not None:
            found[key] = value
    return found


def security_info(memory: Memory, *, user_enrolment: bool) -> dict[str, Any]:
    if memory.hardware.kind is Kind.MAC:
        return {
            "FDE_Enabled": True,
            "FDE_HasPersonalRecoveryKey": True,
            "FDE_HasInstitutionalRecoveryKey": False,
            "SystemIntegrityProtectionEnabled": True,
            "FirewallSettings": {
                "FirewallEnabled": True,
                "BlockAllIncoming": False,
                "StealthMode": False,
                "Applications": [],
                "LoggingEnabled": True,
                "LoggingOption": "throttled",
            },
            "FirmwarePasswordStatus": {"PasswordExists": False, "ChangePending": False, "AllowOroms": False},
            "ManagementStatus": {
                "EnrolledViaDEP": False,
                "UserApprovedEnrollment": True,
                "IsUserEnrollment": user_enrolment,
                "IsActivationLockManageable": True,
            },
            "SecureBoot": {"SecureBootLevel": "full", "ExternalBootLevel": "disallowed"},
            "RemoteDesktopEnabled": False,
            "AuthenticatedRootVolumeEnabled": True,
            "BootstrapTokenAllowedForAuthentication": "allowed",
            "BootstrapTokenRequiredForSoftwareUpdate": True,
            "BootstrapTokenRequiredForKernelExtensionApproval": True,
            "IsRecoveryLockEnabled": False,
        }
    present = memory.passcode is not None
    found: dict[str, Any] = {
        "HardwareEncryptionCaps": 3,
        "PasscodePresent": present,
        "PasscodeCompliant": True,
        "PasscodeLockGracePeriod": 0,
        "PasscodeLockGracePeriodEnforced": 0,
        "ManagementStatus": {"IsUserEnrollment": user_enrolment},
    }
    if not user_enrolment:
        found["PasscodeCompliantWithProfiles"] = True
    return found


def profile_list(entries: Sequence[InstalledProfile], memory: Memory) -> list[dict[str, Any]]:
    return [_profile(entry, memory) for entry in entries]


def _profile(entry: InstalledProfile, memory: Memory) -> dict[str, Any]:
    found: dict[str, Any] = {
        "PayloadUUID": entry.uuid,
        "PayloadIdentifier": entry.identifier,
        "PayloadVersion": 1,
        "PayloadDisplayName": entry.display_name,
        "PayloadOrganization": entry.organisation,
        "PayloadDescription": entry.description,
        "PayloadRemovalDisallowed": entry.removal_disallowed and memory.supervised,
        "HasRemovalPasscode": False,
        "IsEncrypted": entry.encrypted,
        "SignerCertificates": list(entry.signers),
    }
    if memory.hardware.kind is not Kind.MAC and not memory.supervised:
        found["IsManaged"] = entry.managed
    if not entry.encrypted:
        found["PayloadContent"] = [
            {
                "PayloadType": payload.kind,
                "PayloadVersion": 1,
                "PayloadIdentifier": payload.identifier,
                "PayloadUUID": payload.uuid,
                "PayloadDisplayName": payload.display_name,
                "PayloadDescription": payload.description,
                "PayloadOrganization": payload.organisation,
            }
            for payload in entry.payloads
        ]
    return found


def certificate_list(entries: Iterable[InstalledProfile]) -> list[dict[str, Any]]:
    return [
        {"CommonName": item.common_name, "IsIdentity": item.is_identity, "Data": item.der}
        for entry in entries
        for item in entry.certificates
    ]


APPLICATIONS: Mapping[Kind, Sequence[tuple[str, str, str, int]]] = {
    Kind.IPHONE: (
        ("org.example.transit", "Transit", "7.2.1", 92_340_224),
        ("org.example.notebook", "Notebook", "3.0", 31_457_280),
        ("org.example.chess", "Chess", "12.4", 58_720_256),
        ("org.example.timesheet", "Timesheet", "4.8.2", 74_448_896),
        ("org.example.wiki", "Wiki Reader", "2.10", 18_874_368),
    ),
    Kind.IPAD: (
        ("org.example.sketch", "Sketch", "5.1", 204_472_320),
        ("org.example.notebook", "Notebook", "3.0", 31_457_280),
        ("org.example.timesheet", "Timesheet", "4.8.2", 81_788_928),
    ),
    Kind.MAC: (
        ("org.example.editor", "Editor", "2024.3", 412_090_368),
        ("org.example.terminal", "Better Terminal", "1.9", 24_117_248),
        ("org.example.timesheet", "Timesheet", "4.8.2", 96_468_992),
    ),
}


MANAGED_APPLICATIONS = frozenset({"org.example.timesheet", "org.example.wiki"})
"""Those that the organisation installed."""


def applications(
    kind: Kind, identifiers: Sequence[str] | None, *, managed_only: bool = False, items: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Sizes in bytes. With `items` those keys alone, and the identifier."""
    found = [
        {
            "Identifier": identifier,
            "Name": name,
            "Version": version,
            "ShortVersion": version,
            "BundleSize": size,
            "Installing": False,
        }
        for identifier, name, version, size in APPLICATIONS[kind]
        if (identifiers is None or identifier in identifiers)
        and (not managed_only or identifier in MANAGED_APPLICATIONS)
    ]
    if items is None:
        return found
    return [{key: value for key, value in app.items() if key in {"Identifier", *items}} for app in found]


def _png(icon: bytes) -> str:
    """A picture as an address that a page can show; empty when it is none."""
    return f"data:image/png;base64,{b64encode(icon).decode()}" if icon.startswith(b"\x89PNG\r\n\x1a\n") else ""


def _short(certificate: InstalledCertificate) -> str:
    """A certificate in few words, so that a person sees when it is another one."""
    return f"{certificate.common_name} · {sha256(certificate.der).hexdigest()[:8].upper()}"


def _identities(memory: Memory, user_id: str | None) -> list[InstalledCertificate]:
    """The identities of the device or of one user, the newest last, without the one that the device is managed with."""
    own = memory.enrolment.profile_identifier if memory.enrolment else None
    return [
        item
        for entry in memory.profiles
        if entry.user_id == user_id and entry.identifier != own
        for item in entry.certificates
        if item.is_identity
    ]


def _keychains(memory: Memory) -> list[tuple[str | None, str]]:
    """The device's, and on a Mac that of each user: UserID and short name."""
    return [(None, ""), *((account.guid, account.short_name) for account in memory.accounts)]


def _accounts(memory: Memory) -> list[dict[str, Any]]:
    """The mail accounts, and what Mail signs and encrypts with in each."""
    short_names = dict(_keychains(memory))
    found = []
    for entry in memory.profiles:
        known = {item.der: item for item in entry.certificates}
        for account in entry.mail_accounts:
            signs, encrypts = known.get(account.signs_with or b""), known.get(account.encrypts_with or b"")
            if memory.hardware.kind is Kind.MAC:
                # On a Mac no profile says it: Mail looks into the login keychain for the account's address.
                mine = [
                    item for item in _identities(memory, entry.user_id) if account.address.lower() in item.addresses
                ]
                signs = next((item for item in reversed(mine) if item.signs), None)
                encrypts = next((item for item in reversed(mine) if item.encrypts), None)
            found.append(
                {
                    "service": account.service,
                    "address": account.address,
                    "host": account.host,
                    "user": short_names.get(entry.user_id, ""),
                    "signs_with": _short(signs) if signs else "",
                    "encrypts_with": _short(encrypts) if encrypts else "",
                    "encrypts_by_default": account.encrypts_by_default,
                }
            )
    return found


def snapshot(memory: Memory, *, reachable: bool) -> dict[str, Any]:
    """What can be seen of a device, as JSON values: for its screen, and for tests."""
    enrolment = memory.enrolment
    hardware = memory.hardware
    return {
        "udid": hardware.udid,
        "name": memory.name,
        "kind": hardware.kind.value,
        "product": hardware.product,
        "model": hardware.model.marketing_name,
        "os_version": hardware.os_version,
        "serial": hardware.serial,
        "supervised": memory.supervised,
        "online": memory.online,
        "reachable": reachable,
        "registered": enrolment is not None,
        "organisation": enrolment.organisation if enrolment else "",
        "server": urlsplit(enrolment.management.server_url).netloc if enrolment else "",
        "screen": memory.screen.value,
        "message": memory.notice.message,
        "phone": memory.notice.phone,
        "footnote": memory.notice.footnote,
        "sound": memory.sound,
        "passcode": memory.passcode,
        "restarted": memory.restarted,
        "accounts": [
            {
                "short_name": account.short_name,
                "long_name": account.long_name,
                "password": account.password,
                "locked_out": account.locked_out,
                "registered": enrolment is not None and account.guid in enrolment.users,
            }
            for account in memory.accounts
        ],
        "profiles": [
            {
                "identifier": entry.identifier,
                "uuid": entry.uuid,
                "name": entry.display_name,
                "user": entry.user_id is not None,
                "encrypted": entry.encrypted,
            }
            for entry in memory.profiles
        ],
        "web_clips": [
            {"label": clip.label, "url": clip.url, "icon": _png(clip.icon)}
            for entry in memory.profiles
            for clip in entry.web_clips
        ],
        "mail_accounts": _accounts(memory),
        "identities": [
            {
                "name": _short(item),
                "sha256": sha256(item.der).hexdigest(),
                "user": short_name,
                "addresses": list(item.addresses),
            }
            for user_id, short_name in (
                (None, ""),
                *((account.guid, account.short_name) for account in memory.accounts),
            )
            for item in _identities(memory, user_id)
        ],
        "events": [{"at": event.at, "text": event.text} for event in memory.events],
    }
