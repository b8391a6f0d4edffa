import hashlib
import plistlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import inventory, reports
from mydevices.protocols.apple.inventory import (
    DeviceInformation,
    HardwareEncryption,
    InstalledApplication,
    InstalledCertificate,
    InstalledProfile,
    Position,
    SecurityInfo,
)
from tests.protocols.apple.captures import capture


def result(name: str) -> dict[str, object]:
    return dict(reports.parse(capture(name)).result)


def told(**answers: object) -> DeviceInformation:
    return inventory.device_information({"QueryResponses": answers})


def secured(**info: object) -> SecurityInfo:
    return inventory.security_info({"SecurityInfo": info})


def test_an_iphone_tells_what_it_is() -> None:
    told = inventory.device_information(result("iphone-device-information"))
    assert told == DeviceInformation(
        name="Mariam’s iPhone",
        product="iPhone17,1",
        marketing_name="iPhone 16 Pro",
        os_name="iOS",
        os_version="18.1",
        build="22B83",
        serial_number="H7QX2L9M4T",
        udid="00008140-001C60E93A88801C",
        capacity_gb=256.0,
        available_gb=187.42615127563477,
        battery=0.8299999833106995,
        is_supervised=True,
        is_awaiting_configuration=False,
        is_find_my_on=True,
        is_activation_locked=False,
        is_lost_mode_on=False,
    )
    assert (told.capacity_bytes, told.available_bytes) == (256_000_000_000, 187_426_151_276)


def test_a_user_enrolment_tells_less() -> None:
    told = inventory.device_information(result("byod-device-information"))
    assert (told.serial_number, told.udid, told.is_activation_locked, told.is_lost_mode_on) == (None,) * 4
    assert (told.marketing_name, told.battery, told.is_supervised) == ("iPhone 15 Pro", 1.0, False)


def test_a_mac_without_a_known_battery_has_none() -> None:
    told = inventory.device_information(result("mac-device-information"))
    assert told.battery is None
    assert (told.marketing_name, told.os_name) == ("MacBook Pro (14-inch, 2024)", "macOS")
    assert told.capacity_bytes == 494_384_795_648


def test_an_old_mac_counts_in_gibibytes() -> None:
    told = inventory.device_information(result("mac-old-device-information"))
    assert told.capacity_bytes == round(931.5 * 2**30)
    assert told.available_bytes == 100 * 2**30


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("Mac16,1", "12.0", 1_000_000_000),
        ("Mac16,1", "11", 2**30),
        ("iMac18,3", "10.15.7", 2**30),
        ("iPhone10,1", "11.4", 1_000_000_000),
        ("Mac16,1", "x", 1_000_000_000),
        ("Mac16,1", "", 1_000_000_000),
        ("Mac16,1", "9" * 500, 1_000_000_000),
    ],
)
def test_the_unit_of_storage_follows_the_system(product: str, version: str, expected: int) -> None:
    assert told(ProductName=product, OSVersion=version, DeviceCapacity=1.0).capacity_bytes == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e308, 2**63])
def test_an_impossible_amount_is_unknown(value: float) -> None:
    answers = told(DeviceCapacity=value, AvailableDeviceCapacity=value, BatteryLevel=value)
    assert (answers.capacity_bytes, answers.available_bytes, answers.battery) == (None, None, None)


def test_a_product_that_is_not_in_the_table_keeps_the_word_of_the_device() -> None:
    answers = told(ProductName="iPhone99,9", ModelName="iPhone")
    assert (answers.marketing_name, answers.os_name) == ("iPhone", "iOS")


def test_nothing_told_is_nothing_known() -> None:
    assert inventory.device_information({}) == DeviceInformation()
    assert inventory.device_information({"QueryResponses": {}}) == DeviceInformation()
    assert inventory.security_info({}) == SecurityInfo()
    assert inventory.profile_list({}) == ()
    assert inventory.certificate_list({}) == ()
    assert inventory.installed_application_list({}) == ()


def test_an_iphone_tells_how_it_is_secured() -> None:
    info = inventory.security_info(result("iphone-security-info"))
    assert info == SecurityInfo(
        has_passcode=True,
        is_passcode_compliant=True,
        is_passcode_compliant_with_profiles=True,
        hardware_encryption=HardwareEncryption.BLOCK | HardwareEncryption.FILE,
        is_user_enrollment=False,
    )
    assert info.is_encrypted is True


def test_an_encryption_that_is_not_known_yet_is_left_out() -> None:
    assert secured(HardwareEncryptionCaps=7).hardware_encryption == HardwareEncryption.BLOCK | HardwareEncryption.FILE


def test_a_mac_tells_how_it_is_secured() -> None:
    info = inventory.security_info(result("mac-security-info"))
    assert info == SecurityInfo(
        is_filevault_on=True, is_user_enrollment=False, is_user_approved=True, is_automatically_enrolled=False
    )
    assert info.is_encrypted is True


def test_a_user_enrolment_does_not_tell_its_passcode() -> None:
    info = inventory.security_info(result("byod-security-info"))
    assert (info.has_passcode, info.is_passcode_compliant, info.is_user_enrollment) == (None, True, True)
    assert info.is_encrypted is None


@pytest.mark.parametrize(
    ("info", "encrypted"),
    [
        ({"FDE_Enabled": False}, False),
        ({"FDE_Enabled": False, "HardwareEncryptionCaps": 3, "PasscodePresent": True}, False),
        ({"HardwareEncryptionCaps": 3, "PasscodePresent": False}, False),
        ({"HardwareEncryptionCaps": 1, "PasscodePresent": True}, False),
        ({"HardwareEncryptionCaps": 3}, None),
        ({"PasscodePresent": True}, None),
    ],
)
def test_data_protection_needs_both_encryptions_and_a_passcode(info: dict[str, object], encrypted: bool | None) -> None:
    assert secured(**info).is_encrypted is encrypted


def test_profiles_are_listed() -> None:
    assert inventory.profile_list(result("iphone-profile-list")) == (
        InstalledProfile(
            identifier="org.example.mydevices.registration",
            uuid="1B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
            name="Management by Example",
            organisation="Example",
            is_managed=True,
            is_encrypted=False,
        ),
        InstalledProfile(
            identifier="org.example.mydevices.mail",
            uuid="4B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B",
            name="Mail",
            is_managed=True,
            is_encrypted=True,
        ),
        InstalledProfile(identifier="org.example.wifi", uuid="5B9C6E10-5F0A-4D3B-8E9A-7C6D5E4F3A2B", is_managed=False),
    )


def test_certificates_are_listed_by_their_fingerprint() -> None:
    items = plistlib.loads(capture("iphone-certificate-list"))["CertificateList"]
    assert inventory.certificate_list(result("iphone-certificate-list")) == tuple(
        InstalledCertificate(name, hashlib.sha256(item["Data"]).hexdigest(), is_identity)
        for item, name, is_identity in zip(items, ["MyDevices Authority", "H7QX2L9M4T"], [False, True], strict=True)
    )


def test_an_entry_without_a_certificate_is_passed_over() -> None:
    assert inventory.certificate_list({"CertificateList": [{"CommonName": "Empty"}, {"Data": b""}]}) == ()


def test_applications_are_listed() -> None:
    assert inventory.installed_application_list(result("iphone-applications")) == (
        InstalledApplication("com.example.timesheet", "Timesheet", "3.2", 18_350_080),
        InstalledApplication("com.example.intranet", "Intranet", "118"),
    )


APP_KEYS = st.sampled_from(["Name", "Identifier", "Version", "ShortVersion", "BundleSize"])


def apps(*items: dict[str, object]) -> tuple[InstalledApplication, ...]:
    return inventory.installed_application_list({"InstalledApplicationList": list(items)})


def test_no_more_applications_are_read_than_any_device_has() -> None:
    many: list[dict[str, object]] = [
        {"Identifier": f"org.example.{number}"} for number in range(inventory.MAX_APPLICATIONS + 5)
    ]
    assert len(apps(*many)) == inventory.MAX_APPLICATIONS


def test_an_application_that_names_nothing_is_none() -> None:
    assert apps({}, {"Version": "1"}, {"Name": "\x00\u202e", "Identifier": ""}) == ()


def test_a_name_keeps_what_can_be_shown() -> None:
    (found,) = apps({"Name": "Note\x00book\ud800 \u202eexe.", "Identifier": "x" * 400, "ShortVersion": "1" * 70})
    assert found.name == "Notebook exe."
    assert found.identifier == "x" * 255
    assert found.version == "1" * 64


@pytest.mark.parametrize("size", [-1, 1 << 51])
def test_a_size_that_no_application_has_is_not_known(size: int) -> None:
    assert apps({"Name": "Chess", "BundleSize": size})[0].size is None


@given(st.lists(st.dictionaries(APP_KEYS, st.text() | st.integers() | st.booleans() | st.binary(), max_size=5)))
def test_whatever_a_device_says_of_its_apps_is_read_or_refused(items: list[dict[str, object]]) -> None:
    try:
        found = apps(*items)
    except ProtocolError:
        return
    for app in found:
        told = "".join(part or "" for part in (app.name, app.identifier, app.version))
        told.encode()  # no half of a character
        assert told
        assert "\x00" not in told
        assert app.size is None or app.size >= 0


def test_a_device_in_lost_mode_says_where_it_is() -> None:
    assert inventory.device_location(result("iphone-location")) == Position(
        latitude=52.52000659999999,
        longitude=13.404953999999975,
        accuracy=14.25,
        altitude=34.7,
        speed=None,
        course=None,
        at=datetime(2026, 11, 21, 16, 4, 11, tzinfo=UTC),
    )


def test_a_position_may_be_all_there_is() -> None:
    assert inventory.device_location({"Latitude": -90, "Longitude": 180}) == Position(-90.0, 180.0)


def test_the_time_of_a_position_is_told_in_utc() -> None:
    place = {"Latitude": 0.0, "Longitude": 0.0}
    east = inventory.device_location({**place, "Timestamp": "2026-11-21T18:04:11.5+02:00"})
    assert east.at == datetime(2026, 11, 21, 16, 4, 11, 500_000, tzinfo=UTC)
    bare = inventory.device_location({**place, "Timestamp": "2026-11-21T18:04:11"})
    assert bare.at == datetime(2026, 11, 21, 18, 4, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"Latitude": 90.1},
        {"Longitude": -181.0},
        {"Latitude": float("nan")},
        {"Latitude": "52.5"},
        {"Latitude": True},
        {"Timestamp": "yesterday"},
        {"Timestamp": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_place_that_is_not_on_earth_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        inventory.device_location({"Latitude": 52.5, "Longitude": 13.4, **changes})


def test_a_position_needs_both_coordinates() -> None:
    with pytest.raises(ProtocolError):
        inventory.device_location({"Latitude": 52.5})


@pytest.mark.parametrize(
    "wrong",
    [
        {"QueryResponses": []},
        {"QueryResponses": {"DeviceName": 1}},
        {"QueryResponses": {"DeviceCapacity": "256"}},
        {"QueryResponses": {"BatteryLevel": True}},
        {"QueryResponses": {"IsSupervised": "unknown"}},
    ],
)
def test_a_wrong_type_is_a_protocol_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        inventory.device_information(wrong)


def test_a_wrong_type_in_a_list_is_a_protocol_error() -> None:
    for read, wrong in (
        (inventory.security_info, {"SecurityInfo": {"HardwareEncryptionCaps": True}}),
        (inventory.security_info, {"SecurityInfo": {"ManagementStatus": "managed"}}),
        (inventory.profile_list, {"ProfileList": {}}),
        (inventory.profile_list, {"ProfileList": [{"PayloadUUID": 1}]}),
        (inventory.certificate_list, {"CertificateList": ["der"]}),
        (inventory.certificate_list, {"CertificateList": [{"Data": "der"}]}),
        (inventory.installed_application_list, {"InstalledApplicationList": [{"Name": b"x"}]}),
    ):
        with pytest.raises(ProtocolError):
            read(wrong)
