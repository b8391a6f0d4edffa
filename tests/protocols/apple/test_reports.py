import plistlib

import pytest

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import reports
from mydevices.protocols.apple.reports import DeviceError, Status
from tests.protocols.apple.captures import CAPTURES, capture, complaints, schema
from tests.protocols.apple.test_checkin import BYOD, IPHONE, MAC, changed

REPORTS = [name for name, body in CAPTURES.items() if b"<key>Status</key>" in body]
ANSWERS = {
    "iphone-device-information": "DeviceInformation",
    "mac-device-information": "DeviceInformation",
    "mac-old-device-information": "DeviceInformation",
    "byod-device-information": "DeviceInformation",
    "iphone-security-info": "SecurityInfo",
    "mac-security-info": "SecurityInfo",
    "byod-security-info": "SecurityInfo",
    "iphone-profile-list": "ProfileList",
    "iphone-certificate-list": "CertificateList",
    "iphone-location": "DeviceLocation",
    "iphone-lock-acknowledged": "DeviceLock",
    "iphone-applications": "InstalledApplicationList",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_captured_answer_is_what_the_schema_describes(name: str) -> None:
    described = schema()["commands"][ANSWERS[name]]["response"]
    system = "macOS" if "mac" in name else "iOS"
    assert list(complaints(dict(reports.parse(capture(name)).result), described, system)) == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_captured_report_is_parsed(name: str) -> None:
    message = plistlib.loads(capture(name))
    report = reports.parse(capture(name))
    assert report.status == message["Status"]
    assert report.identity.device_id == message.get("UDID", message.get("EnrollmentID"))
    assert report.command_uuid == message.get("CommandUUID")


def test_an_idle_device_asks_for_the_next_command() -> None:
    report = reports.parse(capture("iphone-idle"))
    assert report == reports.Report(
        identity=IPHONE, status=Status.IDLE, command_uuid=None, errors=(), not_on_console=False, result={}
    )
    assert reports.parse(capture("byod-idle")).identity == BYOD


def test_a_client_that_sends_both_identifiers_is_known_by_its_udid() -> None:
    assert reports.parse(capture("compact-idle")).identity.device_id == "419D9192-7F4C-4A3B-9E45-2A8F1B6C0D7E"


def test_the_user_of_a_mac_polls_on_a_channel_of_its_own() -> None:
    report = reports.parse(capture("mac-user-idle"))
    assert report.identity.is_user_channel
    assert report.identity.user_key == "5C0B7A11-9E34-4D2F-8B66-7F1A0C94D3E8"


def test_a_user_may_be_away_from_the_screen() -> None:
    assert reports.parse(changed("mac-user-idle", NotOnConsole="TRUE")).not_on_console


def test_the_result_is_the_message_without_its_envelope() -> None:
    assert reports.parse(capture("iphone-lock-acknowledged")).result == {"MessageResult": "Success"}


def test_a_profile_may_be_acknowledged_with_an_empty_request_type() -> None:
    report = reports.parse(capture("iphone-install-profile-acknowledged"))
    assert report.status is Status.ACKNOWLEDGED
    assert report.command_uuid == "0F4C1D2E-0003-4B7A-8C55-3D9E6A7B8C90"
    assert report.result == {}


def test_an_error_says_why_within_why() -> None:
    report = reports.parse(capture("iphone-clear-passcode-error"))
    assert report.status is Status.ERROR
    assert report.errors == (
        DeviceError(
            code=12021,
            domain="MCMDMErrorDomain",
            localized="„ClearPasscode“ ist kein gültiger Anforderungstyp.",
            us_english="“ClearPasscode” is not a valid request type.",
        ),
        DeviceError(
            code=5013,
            domain="MCPasscodeErrorDomain",
            localized="Der Code konnte nicht gelöscht werden.",
            us_english="The passcode could not be cleared.",
        ),
    )


def test_a_command_that_could_not_be_read_may_have_no_uuid() -> None:
    report = reports.parse(capture("mac-command-format-error"))
    assert (report.identity, report.status, report.command_uuid) == (MAC, Status.COMMAND_FORMAT_ERROR, None)
    assert report.errors[0].us_english == ""


def test_a_long_chain_of_errors_is_cut() -> None:
    links = [{"ErrorCode": number, "USEnglishDescription": "x" * 9000} for number in range(500)]
    report = reports.parse(changed("iphone-clear-passcode-error", ErrorChain=links))
    assert len(report.errors) == reports.MAX_ERRORS
    assert len(report.errors[0].us_english) == 1000


def test_an_idle_report_ignores_the_uuid_of_a_command() -> None:
    assert reports.parse(changed("iphone-idle", CommandUUID="left over")).command_uuid is None


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        reports.parse(capture("iphone-location")).result["Latitude"] = 0  # type: ignore[index]  # the point of it


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("iphone-idle", {"Status": None}),
        ("iphone-idle", {"Status": "Busy"}),
        ("iphone-idle", {"Status": "idle"}),
        ("iphone-idle", {"Status": 1}),
        ("iphone-idle", {"UDID": None}),
        ("iphone-idle", {"NotOnConsole": "sometimes"}),
        ("iphone-not-now", {"CommandUUID": None}),
        ("iphone-not-now", {"CommandUUID": ""}),
        ("iphone-lock-acknowledged", {"CommandUUID": None}),
        ("iphone-lock-acknowledged", {"CommandUUID": "0" * 129}),
        ("iphone-clear-passcode-error", {"ErrorChain": {}}),
        ("iphone-clear-passcode-error", {"ErrorChain": ["no"]}),
        ("iphone-clear-passcode-error", {"ErrorChain": [{"ErrorCode": "12021"}]}),
        ("iphone-clear-passcode-error", {"ErrorChain": [{"ErrorDomain": 1}]}),
    ],
)
def test_a_report_without_what_it_needs_is_a_protocol_error(name: str, keys: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        reports.parse(changed(name, **keys))


def test_a_check_in_is_not_a_report() -> None:
    with pytest.raises(ProtocolError, match="Status"):
        reports.parse(capture("iphone-authenticate"))
