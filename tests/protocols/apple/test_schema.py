"""The table of Apple's keys, and what is found with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from mydevices.protocols.apple import schema
from mydevices.protocols.apple.schema import Fault
from tests.protocols.apple import extract_schema

APPLE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "apple-device-management"
UUID = "1B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"
OTHER = "2B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B"


def payload(kind: str, uuid: str = UUID, **keys: Any) -> dict[str, Any]:
    common = {"PayloadIdentifier": f"org.example.{uuid}", "PayloadUUID": uuid, "PayloadVersion": 1}
    return {"PayloadType": kind, **common, **keys}


def clip(**keys: Any) -> dict[str, Any]:
    return payload("com.apple.webClip.managed", **{"Label": "Handbook", "URL": "https://example.org", **keys})


def exchange(**keys: Any) -> dict[str, Any]:
    return payload("com.apple.eas.account", **keys)


def profile(*payloads: object, **keys: Any) -> dict[str, Any]:
    return payload("Configuration", "0B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B", PayloadContent=list(payloads), **keys)


def found(problems: list[schema.Problem]) -> list[tuple[str, Fault]]:
    return [(problem.path, problem.fault) for problem in problems]


def test_the_tables_are_those_of_apples_schema() -> None:
    """Compared with the schema itself where it is beside the project; that they are whole, everywhere."""
    if APPLE.is_dir():
        assert extract_schema.PAYLOADS.read_text() == extract_schema.payloads(APPLE)
        assert extract_schema.MESSAGES.read_text() == extract_schema.messages(APPLE)
        assert extract_schema.LICENCE.read_text() == extract_schema.licence(APPLE)
    extract = json.loads(extract_schema.PAYLOADS.read_text())
    assert "apple/device-management" in extract["source"]
    assert tuple(extract["payloads"]) == extract_schema.PROFILES
    assert all(entry["keys"] for entry in extract["payloads"].values())
    licence = (extract_schema.PRODUCT / extract["licence"]).read_text()
    assert "Apple Inc." in licence
    assert "Permission is hereby granted" in licence


def test_what_is_right_has_no_problems() -> None:
    assert schema.validate(clip(Icon=b"x", FullScreen=True), os="iOS") == []
    assert schema.validate(clip(Icon=b"x"), os="macOS") == []
    assert schema.validate(profile(clip()), os="iOS") == []


@pytest.mark.parametrize(
    ("wrong", "path", "fault"),
    [
        ({"Colour": "blue"}, "Colour", Fault.UNKNOWN),
        ({"Label": 5}, "Label", Fault.WRONG_TYPE),
        ({"Label": None}, "Label", Fault.WRONG_TYPE),
        ({"Icon": "text"}, "Icon", Fault.WRONG_TYPE),
        ({"FullScreen": 1}, "FullScreen", Fault.WRONG_TYPE),
        ({"PayloadVersion": True}, "PayloadVersion", Fault.WRONG_TYPE),
        ({"PayloadVersion": 2}, "PayloadVersion", Fault.WRONG_VALUE),
        ({"PayloadType": "com.apple.wifi.managed"}, "PayloadType", Fault.UNKNOWN),
        ({"PayloadType": 5}, "PayloadType", Fault.UNKNOWN),
        ({"PayloadType": "TopLevel"}, "PayloadType", Fault.UNKNOWN),
    ],
)
def test_a_wrong_key_is_found(wrong: dict[str, Any], path: str, fault: Fault) -> None:
    assert found(schema.validate({**clip(), **wrong}, os="iOS")) == [(path, fault)]


@pytest.mark.parametrize("key", ["Label", "URL", "PayloadUUID", "PayloadIdentifier", "PayloadVersion"])
def test_a_missing_key_is_found(key: str) -> None:
    wrong = clip()
    del wrong[key]
    assert found(schema.validate(wrong, os="iOS")) == [(key, Fault.MISSING)]


def test_a_value_outside_the_list_is_found() -> None:
    for days in (0, 1, 3, 7, 14, 31):
        assert schema.validate(exchange(MailNumberOfPastDaysToSync=days), os="iOS") == []
    problems = schema.validate(exchange(MailNumberOfPastDaysToSync=30), os="iOS")
    assert found(problems) == [("MailNumberOfPastDaysToSync", Fault.WRONG_VALUE)]


def test_dictionaries_within_are_checked() -> None:
    rules = {"DefaultServiceHandlers": {"AudioCall": 5, "VideoCall": "x"}}
    problems = schema.validate(exchange(CommunicationServiceRules=rules), os="iOS")
    inside = "CommunicationServiceRules.DefaultServiceHandlers"
    assert found(problems) == [(f"{inside}.AudioCall", Fault.WRONG_TYPE), (f"{inside}.VideoCall", Fault.UNKNOWN)]


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ([[["CN"]]], "PayloadContent.Subject[0][0]"),
        ([[["CN", "x", "y"]]], "PayloadContent.Subject[0][0]"),
        ([[["CN", 5]]], "PayloadContent.Subject[0][0][1]"),
        ([["CN", "x"]], "PayloadContent.Subject[0][0]"),
    ],
)
def test_arrays_within_are_checked(subject: Any, path: str) -> None:
    content = {"URL": "https://example.org", "Subject": [[["O", "Example"]], [["CN", "x"]]]}
    right = payload("com.apple.security.scep", PayloadContent=content)
    assert schema.validate(right, os="iOS") == []
    wrong = payload("com.apple.security.scep", PayloadContent={**content, "Subject": subject})
    assert path in [problem.path for problem in schema.validate(wrong, os="iOS")]


def test_what_a_system_does_not_have_is_found() -> None:
    assert found(schema.validate(clip(FullScreen=True), os="macOS")) == [("FullScreen", Fault.UNSUPPORTED)]
    assert found(schema.validate(exchange(), os="macOS")) == [("PayloadType", Fault.UNSUPPORTED)]
    assert found(schema.validate(payload("com.apple.ews.account"), os="iOS")) == [("PayloadType", Fault.UNSUPPORTED)]
    identity = payload("com.apple.security.pkcs12", PayloadContent=b"x", AllowAllAppsAccess=True)
    assert schema.validate(identity, os="macOS") == []
    assert found(schema.validate(identity, os="iOS")) == [("AllowAllAppsAccess", Fault.UNSUPPORTED)]


def test_on_a_mac_every_key_for_smime_is_a_problem() -> None:
    table = json.loads(extract_schema.PAYLOADS.read_text())["payloads"]["com.apple.mail.managed"]["keys"]
    keys = [key for key in table if key.startswith("SMIME")]
    assert len(keys) == 12
    for key in keys:
        assert not schema.has("com.apple.mail.managed", key, os="macOS")


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        ("10.2", Fault.UNSUPPORTED),
        ("10.3", None),
        ("10.3.4", None),
        ("11.9", None),
        ("12.0", Fault.DEPRECATED),
        ("18.1", Fault.DEPRECATED),
        (None, Fault.DEPRECATED),
        ("unknown", Fault.DEPRECATED),
    ],
)
def test_a_key_has_its_versions(version: str | None, fault: Fault | None) -> None:
    problems = schema.validate(exchange(SMIMEEncryptionEnabled=True), os="iOS", os_version=version)
    assert found(problems) == ([("SMIMEEncryptionEnabled", fault)] if fault else [])
    has = schema.has("com.apple.eas.account", "SMIMEEncryptionEnabled", os="iOS", os_version=version)
    assert has is (fault is None)


def test_a_version_is_compared_by_its_numbers() -> None:
    assert schema.has("com.apple.webClip.managed", "IgnoreManifestScope", os="iOS", os_version="14.0")
    assert not schema.has("com.apple.webClip.managed", "IgnoreManifestScope", os="iOS", os_version="9.3.6")


def test_a_key_that_nobody_knows_is_a_mistake_of_the_caller() -> None:
    for kind, key in (("com.apple.eas.account", "SMIMESigning"), ("com.apple.eas", "Host")):
        with pytest.raises(LookupError):
            schema.has(kind, key, os="iOS")


def test_a_macs_accounts_and_web_clips_belong_to_a_user() -> None:
    for wrong in (clip(), payload("com.apple.ews.account")):
        assert schema.validate(wrong, os="macOS", channel="user") == []
        assert found(schema.validate(wrong, os="macOS", channel="device")) == [("PayloadType", Fault.UNSUPPORTED)]
    assert schema.validate(clip(), os="iOS", channel="device") == []


def test_keys_for_supervised_devices_are_found_on_others() -> None:
    wrong = profile(clip(), PayloadRemovalDisallowed=True)
    assert schema.validate(wrong, os="iOS") == []
    assert schema.validate(wrong, os="iOS", supervised=True) == []
    expected = [("PayloadRemovalDisallowed", Fault.UNSUPPORTED)]
    assert found(schema.validate(wrong, os="iOS", supervised=False)) == expected
    assert found(schema.validate(wrong, os="iOS", supervised=True, user_enrolment=True)) == expected
    assert schema.validate(wrong, os="macOS", supervised=False) == []


def test_a_profile_is_checked_with_all_in_it() -> None:
    wrong = profile({**clip(), "Colour": "blue"}, PayloadScope="Everyone", Nonsense=1)
    assert found(schema.validate(wrong, os="iOS")) == [
        ("PayloadScope", Fault.WRONG_VALUE),
        ("Nonsense", Fault.UNKNOWN),
        ("PayloadContent[0].Colour", Fault.UNKNOWN),
    ]
    assert found(schema.validate(profile(5), os="iOS")) == [("PayloadContent[0]", Fault.WRONG_TYPE)]


def test_names_are_given_once_in_a_profile() -> None:
    assert found(schema.validate(profile(clip(), clip()), os="iOS")) == [
        ("PayloadContent[1].PayloadIdentifier", Fault.WRONG_VALUE),
        ("PayloadContent[1].PayloadUUID", Fault.WRONG_VALUE),
    ]


def test_a_certificate_that_is_named_must_be_in_the_profile() -> None:
    account = exchange(SMIMESigningCertificateUUID=OTHER)
    identity = payload("com.apple.security.pkcs12", OTHER, PayloadContent=b"x")
    assert schema.validate(profile(account, identity), os="iOS") == []
    problems = schema.validate(profile(account), os="iOS")
    assert found(problems) == [("PayloadContent[0].SMIMESigningCertificateUUID", Fault.UNRESOLVED)]


def test_a_reference_has_the_form_of_a_uuid() -> None:
    for wrong in ("", "x", f"{OTHER}\n", OTHER[:-1]):
        problems = schema.validate(exchange(SMIMESigningCertificateUUID=wrong), os="iOS")
        assert found(problems) == [("SMIMESigningCertificateUUID", Fault.WRONG_VALUE)]


def test_an_encrypted_profile_has_sealed_payloads_instead() -> None:
    sealed = profile(IsEncrypted=True, EncryptedPayloadContent=b"x")
    del sealed["PayloadContent"]
    assert schema.validate(sealed, os="iOS") == []
    del sealed["EncryptedPayloadContent"]
    assert found(schema.validate(sealed, os="iOS")) == [("EncryptedPayloadContent", Fault.MISSING)]
    del sealed["IsEncrypted"]
    assert found(schema.validate(sealed, os="iOS")) == [("PayloadContent", Fault.MISSING)]


def test_no_problem_shows_a_value() -> None:
    wrong = exchange(Password="correct horse", MailNumberOfPastDaysToSync=4711, SMIMESigningCertificateUUID="horse")
    wrong["Host"] = b"correct horse"
    problems = schema.validate(profile(wrong), os="iOS")
    assert len(problems) == 4
    text = "\n".join(str(problem) for problem in problems)
    assert "horse" not in text
    assert "4711" not in text
    assert "PayloadContent[0].Host: it must be of type string" in text


def test_every_payload_that_the_registration_brings_is_in_the_table() -> None:
    assert {"com.apple.mdm", "com.apple.security.scep", "com.apple.security.root"} <= schema.kinds()
