import plistlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import Invalid
from mydevices.protocols.apple import commands, inventory
from mydevices.protocols.apple.commands import ObliterationBehavior
from tests.protocols.apple.captures import complaints, schema

UUID = "0F4C1D2E-0001-4B7A-8C55-3D9E6A7B8C90"

# Each command as an adapter builds it for a platform, with every key that the platform has.
BUILT = [
    ("iOS", commands.device_lock()),
    ("iOS", commands.device_lock(message="Please call", phone_number="+49 30 1234567")),
    ("macOS", commands.device_lock(message="Please call", phone_number="+49 30 1234567", pin="042195")),
    ("iOS", commands.clear_passcode(unlock_token=b"token")),
    ("macOS", commands.unlock_user_account(user_name="mariam")),
    ("iOS", commands.erase_device()),
    ("iOS", commands.erase_device(preserve_data_plan=True, disallow_proximity_setup=False)),
    ("macOS", commands.erase_device(pin="042195", obliteration_behavior=ObliterationBehavior.DEFAULT)),
    ("iOS", commands.remove_profile(identifier="org.example.registration")),
    ("macOS", commands.remove_profile(identifier="org.example.registration")),
    ("iOS", commands.install_profile(payload=b"<plist/>")),
    ("macOS", commands.install_profile(payload=b"<plist/>")),
    ("iOS", commands.device_information(queries=inventory.QUERIES)),
    ("macOS", commands.device_information(queries=inventory.QUERIES)),
    ("iOS", commands.security_info()),
    ("macOS", commands.security_info()),
    ("iOS", commands.profile_list(managed_only=True)),
    ("macOS", commands.profile_list()),
    ("iOS", commands.certificate_list(managed_only=False)),
    ("macOS", commands.certificate_list(managed_only=True)),
    ("iOS", commands.installed_application_list(managed_only=True)),
    ("iOS", commands.installed_application_list(items=inventory.APPLICATION_ITEMS)),
    ("macOS", commands.installed_application_list()),
    ("iOS", commands.enable_lost_mode(message="Lost", phone_number="+49 30 1234567", footnote="Thank you")),
    ("iOS", commands.enable_lost_mode(phone_number="+49 30 1234567")),
    ("iOS", commands.disable_lost_mode()),
    ("iOS", commands.device_location()),
    ("iOS", commands.play_lost_mode_sound()),
    ("iOS", commands.restart_device()),
    ("macOS", commands.restart_device(notify_user=True)),
]


def received(payload: commands.Payload) -> dict[str, Any]:
    """The command as the device reads it, without its name."""
    message = plistlib.loads(commands.encode(UUID, payload))
    assert message["CommandUUID"] == UUID
    command: dict[str, Any] = message["Command"]
    return command


@pytest.mark.parametrize(("system", "payload"), BUILT, ids=lambda value: value if isinstance(value, str) else None)
def test_a_command_has_the_keys_that_the_schema_has_for_the_platform(system: str, payload: commands.Payload) -> None:
    command = received(payload)
    described = schema()["commands"][command.pop("RequestType")]
    assert described["os"][system]["introduced"] != "n/a"
    assert list(complaints(command, described["keys"], system)) == []


@pytest.mark.parametrize(
    "personal",
    [
        "PhoneNumber",
        "IMEI",
        "ICCID",
        "SubscriberMCC",
        "ServiceSubscriptions",
        "WiFiMAC",
        "iTunesStoreAccountHash",
        "LastCloudBackupDate",
        "IsRoaming",
        "TimeZone",
        "ResidentUsers",
    ],
)
def test_what_is_personal_and_not_shown_is_not_asked(personal: str) -> None:
    assert personal in schema()["commands"]["DeviceInformation"]["keys"]["Queries"]["keys"]["QueriesItem"]["keys"]
    assert personal not in inventory.QUERIES


def test_every_function_is_tested_against_the_schema() -> None:
    tested = {payload["RequestType"] for _system, payload in BUILT}
    assert tested == set(schema()["commands"])


def test_what_is_not_given_is_left_to_the_device() -> None:
    assert commands.device_lock() == {"RequestType": "DeviceLock"}
    assert commands.device_lock(message="", phone_number="") == {"RequestType": "DeviceLock"}
    assert commands.erase_device() == {"RequestType": "EraseDevice"}
    assert commands.profile_list() == {"RequestType": "ProfileList"}


def test_false_is_given() -> None:
    assert commands.erase_device(preserve_data_plan=False)["PreserveDataPlan"] is False


@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345a", "१२३४५६", " 12345", "-12345"])
def test_a_pin_has_six_digits(pin: str) -> None:
    with pytest.raises(Invalid, match="six digits"):
        commands.device_lock(pin=pin)
    with pytest.raises(Invalid, match="six digits"):
        commands.erase_device(pin=pin)


def test_the_ways_to_erase_a_mac_and_a_phone_do_not_mix() -> None:
    with pytest.raises(Invalid, match="different kinds"):
        commands.erase_device(pin="042195", preserve_data_plan=True)


def test_a_command_without_what_it_needs_is_refused() -> None:
    for build in (
        lambda: commands.clear_passcode(unlock_token=b""),
        lambda: commands.unlock_user_account(user_name=""),
        lambda: commands.remove_profile(identifier=""),
        lambda: commands.install_profile(payload=b""),
        lambda: commands.device_information(queries=()),
        lambda: commands.enable_lost_mode(footnote="nobody to call"),
        lambda: commands.encode("", commands.security_info()),
    ):
        with pytest.raises(Invalid):
            build()


@given(st.text())
def test_any_message_is_encoded_or_refused(message: str) -> None:
    try:
        encoded = commands.encode(UUID, commands.device_lock(message=message))
    except Invalid:
        return
    shown = plistlib.loads(encoded)["Command"].get("Message", "")
    assert shown == message.replace("\r\n", "\n").replace("\r", "\n")


def test_markup_in_a_message_stays_text() -> None:
    message = "</string><key>PIN</key><string>000000</string> & more"
    assert received(commands.device_lock(message=message)) == {"RequestType": "DeviceLock", "Message": message}
