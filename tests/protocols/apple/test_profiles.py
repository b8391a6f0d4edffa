import hashlib
import plistlib
from dataclasses import replace
from typing import Any

import pytest

from mydevices.errors import Invalid
from mydevices.protocols.apple import profiles, schema
from mydevices.protocols.apple.profiles import AccessRights, PayloadUuids

UUIDS = PayloadUuids(
    profile="1B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
    scep="2B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
    mdm="3B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
    root="4B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
)
SYSTEMS: tuple[schema.System, ...] = ("iOS", "macOS")
AUTHORITY = b"0\x82the certificate of the authority"
TOPIC = "com.apple.mgmt.External.2f3a9c1e-6b54-4a1d-9d53-0c7a1be2f4d8"
ARGUMENTS: dict[str, Any] = {
    "organisation": "Example & Sons",
    "identifier": "org.example.mydevices",
    "display_name": "Management by Example",
    "description": "Lets Example manage this device.",
    "uuids": UUIDS,
    "scep_url": "https://mdm.example.org/mdm/apple/scep",
    "scep_name": "MyDevices",
    "challenge": "kT7rXq2vPzL9",
    "subject_common_name": "R-5C0B7A11",
    "server_url": "https://mdm.example.org/mdm/apple/connect",
    "checkin_url": "https://mdm.example.org/mdm/apple/checkin",
    "topic": TOPIC,
    "access_rights": AccessRights.ALL,
    "authority_der": AUTHORITY,
}


def built(**changes: object) -> dict[str, Any]:
    profile: dict[str, Any] = plistlib.loads(profiles.registration_profile(**{**ARGUMENTS, **changes}))
    return profile


def payload(profile: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [payload for payload in profile["PayloadContent"] if payload["PayloadType"] == kind]
    return dict(found)


def test_the_profile_brings_authority_identity_and_management() -> None:
    profile = built()
    kinds = [payload["PayloadType"] for payload in profile["PayloadContent"]]
    assert kinds == ["com.apple.security.root", "com.apple.security.scep", "com.apple.mdm"]
    assert {key: profile[key] for key in profile if key != "PayloadContent"} == {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": "org.example.mydevices",
        "PayloadUUID": UUIDS.profile,
        "PayloadDisplayName": "Management by Example",
        "PayloadDescription": "Lets Example manage this device.",
        "PayloadOrganization": "Example & Sons",
        "PayloadScope": "System",
    }


def test_the_device_asks_for_a_certificate_of_2048_bits() -> None:
    scep = payload(built(), "com.apple.security.scep")
    assert scep["PayloadUUID"] == UUIDS.scep
    assert scep["PayloadIdentifier"] == "org.example.mydevices.scep"
    assert scep["PayloadContent"] == {
        "URL": "https://mdm.example.org/mdm/apple/scep",
        "Name": "MyDevices",
        "Subject": [[["CN", "R-5C0B7A11"]]],
        "Challenge": "kT7rXq2vPzL9",
        "Keysize": 2048,
        "Key Type": "RSA",
        "Key Usage": 5,
        "Retries": 3,
        "RetryDelay": 10,
        "KeyIsExtractable": False,
        "CAFingerprint": hashlib.sha1(AUTHORITY, usedforsecurity=False).digest(),
    }


def test_the_device_is_managed_with_its_certificate() -> None:
    management = payload(built(), "com.apple.mdm")
    assert {key: value for key, value in management.items() if not key.startswith("Payload")} == {
        "IdentityCertificateUUID": UUIDS.scep,
        "Topic": TOPIC,
        "ServerURL": "https://mdm.example.org/mdm/apple/connect",
        "CheckInURL": "https://mdm.example.org/mdm/apple/checkin",
        "SignMessage": True,
        "CheckOutWhenRemoved": True,
        "AccessRights": 8191,
        "ServerCapabilities": ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken"],
        "UseDevelopmentAPNS": False,
    }


def test_the_authority_comes_along() -> None:
    root = payload(built(), "com.apple.security.root")
    assert root["PayloadContent"] == AUTHORITY
    assert root["PayloadUUID"] == UUIDS.root


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("changes", [{}, {"authority_der": None}, {"per_user": False}, {"consent": "I agree."}])
def test_every_key_is_one_that_the_schema_has(system: schema.System, changes: dict[str, object]) -> None:
    assert schema.validate(built(**changes), os=system, channel="device") == []


def test_the_identifiers_of_the_payloads_differ() -> None:
    profile = built()
    for key in ("PayloadUUID", "PayloadIdentifier"):
        values = [profile[key], *(payload[key] for payload in profile["PayloadContent"])]
        assert len(set(values)) == 4


def test_without_an_authority_there_is_no_root_and_no_fingerprint() -> None:
    profile = built(authority_der=None)
    assert len(profile["PayloadContent"]) == 2
    assert "CAFingerprint" not in payload(profile, "com.apple.security.scep")["PayloadContent"]


def test_a_fingerprint_can_be_given() -> None:
    scep = payload(built(authority_der=None, ca_fingerprint=bytes(20)), "com.apple.security.scep")
    assert scep["PayloadContent"]["CAFingerprint"] == bytes(20)


def test_users_of_a_mac_can_be_left_out() -> None:
    management = payload(built(per_user=False), "com.apple.mdm")
    assert management["ServerCapabilities"] == ["com.apple.mdm.bootstraptoken"]


def test_a_person_may_have_to_agree() -> None:
    assert built(consent="I agree.")["ConsentText"] == {"default": "I agree."}


def test_a_renewal_differs_in_its_challenge_and_its_identity_alone() -> None:
    first = built()
    again = built(challenge="another", uuids=replace(UUIDS, scep="5B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"))
    for key in ("PayloadIdentifier", "PayloadUUID"):
        assert again[key] == first[key]
    management, before = payload(again, "com.apple.mdm"), payload(first, "com.apple.mdm")
    differing = {key for key in management if management[key] != before[key]}
    assert differing == {"IdentityCertificateUUID"}
    assert payload(again, "com.apple.security.scep")["PayloadContent"]["Challenge"] == "another"


def test_the_same_arguments_make_the_same_profile() -> None:
    assert profiles.registration_profile(**ARGUMENTS) == profiles.registration_profile(**ARGUMENTS)


def test_the_rights_are_apples_numbers() -> None:
    assert int(AccessRights.ALL) == 8191
    assert int(AccessRights.WITHOUT_ERASE) == 8183
    assert AccessRights.ALL & ~AccessRights.ERASE == AccessRights.WITHOUT_ERASE
    assert payload(built(access_rights=AccessRights.WITHOUT_ERASE), "com.apple.mdm")["AccessRights"] == 8183


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": "org.example.push"},
        {"topic": ""},
        {"identifier": ""},
        {"challenge": ""},
        {"subject_common_name": ""},
        {"uuids": replace(UUIDS, root=UUIDS.mdm)},
        {"access_rights": 0},
        {"access_rights": -1},
        {"access_rights": 8192},
        {"access_rights": 2},
        {"access_rights": 128 | 3},
        {"ca_fingerprint": bytes(32)},
        {"server_url": "http://mdm.example.org/connect"},
        {"checkin_url": "mdm.example.org"},
        {"checkin_url": "https://"},
        {"scep_url": "https://mdm.example.org/scep?ticket=1"},
        {"scep_url": "https://mdm.example.org/scep?"},
        {"scep_url": "https://mdm.example.org/scep#x"},
        {"scep_url": "https://mdm.example.org/sc ep"},
        {"scep_url": "http://localhost.example.org/scep"},
        {"organisation": "Ex\x00ample"},
    ],
)
def test_what_a_device_would_refuse_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        built(**changes)


@pytest.mark.parametrize("host", ["http://localhost:8000", "http://127.0.0.1:8000", "https://[2001:db8::1]:8443"])
def test_a_simulated_device_on_this_machine_needs_no_tls(host: str) -> None:
    assert payload(built(server_url=f"{host}/connect"), "com.apple.mdm")["ServerURL"] == f"{host}/connect"
