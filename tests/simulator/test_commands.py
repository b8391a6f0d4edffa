"""What a device does when it is told to, and what can be seen of it."""

import plistlib
import uuid
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12

from simulator.device import Channel, Device
from simulator.errors import SimulatorError
from simulator.fleet import new_device
from simulator.iphone import USUAL_PASSCODE, IPhone
from simulator.mac import USUAL_PASSWORD, Mac
from simulator.state import Screen
from tests.simulator.server import BASE, IDENTIFIER, Server, certify, configuration, payload, sealed_for_devices

# Named here, not taken from the simulator: these are the schema's words.
ACKNOWLEDGED, ERROR, NOT_NOW, FORMAT = "Acknowledged", "Error", "NotNow", "CommandFormatError"


def obey(server: Server, device: Device, request_type: str, **keys: Any) -> dict[str, Any]:
    command = server.enqueue(request_type, **keys)
    device.poll()
    return server.report_of(command)


def code(report: dict[str, Any]) -> tuple[str, int]:
    fault = report["ErrorChain"][0]
    assert fault["LocalizedDescription"]
    assert fault["USEnglishDescription"]
    return fault["ErrorDomain"], fault["ErrorCode"]


def labels(device: Device) -> list[str]:
    return [clip["label"] for clip in device.snapshot()["web_clips"]]


def test_an_idle_device_asks_once(server: Server, iphone: Device) -> None:
    session = iphone.poll()
    assert session.ended == "empty"
    assert [report["Status"] for report in server.reports] == ["Idle"]
    assert server.reports[0]["UDID"] == iphone.udid


def test_commands_are_obeyed_until_there_are_no_more(server: Server, iphone: Device) -> None:
    for _ in range(3):
        server.enqueue("SecurityInfo")
    session = iphone.poll()
    assert session.commands == [("SecurityInfo", ACKNOWLEDGED)] * 3
    assert session.ended == "empty"


# Lock and unlock


def test_a_locked_iphone_shows_message_and_number(server: Server, iphone: Device) -> None:
    report = obey(server, iphone, "DeviceLock", Message="Please call", PhoneNumber="+49 40 1234")
    assert report["Status"] == ACKNOWLEDGED
    assert report["MessageResult"] == "Success"
    seen = iphone.snapshot()
    assert (seen["screen"], seen["message"], seen["phone"]) == ("locked", "Please call", "+49 40 1234")


def test_a_lock_without_words_has_no_message_result(server: Server, iphone: Device) -> None:
    assert "MessageResult" not in obey(server, iphone, "DeviceLock")
    assert iphone.memory.screen is Screen.LOCKED


def test_without_a_passcode_the_message_is_not_shown(server: Server, iphone: Device) -> None:
    assert isinstance(iphone, IPhone)
    iphone.set_passcode(None)
    assert obey(server, iphone, "DeviceLock", Message="Hi")["MessageResult"] == "NoPasscodeSet"
    assert iphone.snapshot()["message"] == ""


def test_a_locked_iphone_opens_with_its_passcode_only(server: Server, iphone: Device) -> None:
    obey(server, iphone, "DeviceLock", Message="Hi")
    with pytest.raises(SimulatorError, match="Wrong passcode"):
        iphone.unlock("0000")
    assert iphone.snapshot()["screen"] == "locked"
    iphone.unlock(USUAL_PASSCODE)
    seen = iphone.snapshot()
    assert (seen["screen"], seen["message"]) == ("home", "")


def test_clear_passcode_needs_the_very_unlock_token(server: Server, iphone: Device) -> None:
    token = server.said("TokenUpdate")[0]["UnlockToken"]
    obey(server, iphone, "DeviceLock")
    wrong = obey(server, iphone, "ClearPasscode", UnlockToken=token[:-1] + bytes([token[-1] ^ 1]))
    assert code(wrong) == ("MCPasscodeErrorDomain", 5013)
    assert iphone.snapshot()["passcode"] == USUAL_PASSCODE
    assert obey(server, iphone, "ClearPasscode", UnlockToken=token)["Status"] == ACKNOWLEDGED
    assert iphone.snapshot()["passcode"] is None
    iphone.unlock()
    assert iphone.memory.screen is Screen.HOME


@pytest.mark.parametrize("keys", [{}, {"UnlockToken": "text"}])
def test_clear_passcode_with_a_wrong_key_is_a_format_error(server: Server, iphone: Device, keys: Any) -> None:
    assert obey(server, iphone, "ClearPasscode", **keys)["Status"] == FORMAT


@pytest.mark.parametrize("pin", [None, "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16"])
def test_a_mac_is_not_locked_without_a_pin_of_six_digits(server: Server, mac: Device, pin: str | None) -> None:
    report = obey(server, mac, "DeviceLock", **({"PIN": pin} if pin else {}))
    assert report["Status"] == ERROR
    assert mac.memory.screen is Screen.HOME


def test_a_mac_locked_by_pin_hears_nothing_until_the_pin_is_entered(server: Server, mac: Device) -> None:
    assert obey(server, mac, "DeviceLock", PIN="482915", Message="Bring it back")["Status"] == ACKNOWLEDGED
    assert mac.snapshot()["screen"] == "pin-lock"
    assert mac.snapshot()["message"] == "Bring it back"
    assert not mac.is_reachable
    assert mac.poll().ended == "off"
    with pytest.raises(SimulatorError, match="Wrong PIN"):
        mac.unlock("111111")
    mac.unlock("482915")
    assert mac.snapshot()["screen"] == "locked"
    assert mac.poll().ended == "empty"
    mac.unlock(USUAL_PASSWORD)
    assert mac.memory.screen is Screen.HOME


def test_the_pin_is_not_among_what_can_be_seen(server: Server, mac: Device) -> None:
    obey(server, mac, "DeviceLock", PIN="482915")
    assert "482915" not in repr(mac.snapshot())


def test_an_account_locked_out_by_wrong_passwords_is_unlocked_by_its_name(server: Server, mac: Device) -> None:
    assert isinstance(mac, Mac)
    mac.lock_screen()
    for _ in range(5):
        with pytest.raises(SimulatorError, match="Wrong password"):
            mac.unlock("no")
    with pytest.raises(SimulatorError, match="account is locked"):
        mac.unlock(USUAL_PASSWORD)
    assert code(obey(server, mac, "UnlockUserAccount", UserName="nobody"))[0] == "MDMClientError"
    assert obey(server, mac, "UnlockUserAccount", UserName="ines")["Status"] == ACKNOWLEDGED
    mac.unlock(USUAL_PASSWORD)
    assert mac.memory.screen is Screen.HOME


# Erase and leave


@pytest.mark.parametrize("kind", ["iphone", "mac"])
def test_an_erased_device_has_forgotten_everything(server: Server, device_key: rsa.RSAPrivateKey, kind: str) -> None:
    device = new_device(kind, send=server, name="Mine", key=device_key)
    device.register(server.profile())
    erase = server.enqueue("EraseDevice", PIN="123456") if kind == "mac" else server.enqueue("EraseDevice")
    server.enqueue("SecurityInfo")
    session = device.poll()
    assert session.commands == [("EraseDevice", ACKNOWLEDGED)]
    assert session.ended == "gone"
    assert server.report_of(erase)["Status"] == ACKNOWLEDGED
    assert not server.said("CheckOut")
    seen = device.snapshot()
    assert (seen["screen"], seen["registered"], seen["profiles"]) == ("wiped", False, [])
    assert seen["name"] != "Mine"
    assert device.identity is None
    assert device.pushes() == {}
    assert device.poll().ended == "off"


def test_an_erased_device_can_be_set_up_and_registered_again(server: Server, iphone: Device) -> None:
    obey(server, iphone, "EraseDevice")
    iphone.register(server.profile())
    assert iphone.snapshot()["screen"] == "home"
    assert iphone.is_registered


def test_without_the_right_to_erase_nothing_is_erased(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile(AccessRights=8191 - 8))
    assert code(obey(server, device, "EraseDevice")) == ("MCMDMErrorDomain", 12007)
    assert device.is_registered
    assert device.memory.screen is Screen.HOME


@pytest.mark.parametrize(
    ("right", "request_type", "keys"),
    [
        (1, "ProfileList", {}),
        (1, "CertificateList", {}),
        (2, "InstallProfile", {"Payload": b"x"}),
        (2, "RemoveProfile", {"Identifier": IDENTIFIER}),
        (4, "DeviceLock", {}),
        (4, "ClearPasscode", {"UnlockToken": b"x"}),
        (4, "RestartDevice", {}),
        (8, "EraseDevice", {}),
        (256, "InstalledApplicationList", {}),
        (1024, "SecurityInfo", {}),
        (2048, "Settings", {"Settings": []}),
    ],
)
def test_every_command_needs_its_right(
    server: Server, device_key: rsa.RSAPrivateKey, right: int, request_type: str, keys: dict[str, Any]
) -> None:
    device = new_device("iphone", send=server, supervised=True, key=device_key)
    device.register(server.profile(AccessRights=8191 & ~right & ~(2 if right == 1 else 0)))
    assert code(obey(server, device, request_type, **keys)) == ("MCMDMErrorDomain", 12007)
    assert device.is_registered


def test_removing_the_enrolment_profile_removes_all_and_checks_out(server: Server, iphone: Device) -> None:
    clip = configuration([payload("com.apple.webClip.managed", URL="https://example.org", Label="Clip")])
    obey(server, iphone, "InstallProfile", Payload=clip)
    server.enqueue("RemoveProfile", Identifier=IDENTIFIER)
    session = iphone.poll()
    assert session.ended == "gone"
    assert [message["UDID"] for message in server.said("CheckOut")] == [iphone.udid]
    assert not [report for report in server.reports if report.get("RequestType") == "RemoveProfile"]
    assert iphone.memory.profiles == []
    assert iphone.identity is None
    assert iphone.memory.screen is Screen.HOME  # its user keeps what is theirs


def test_a_removal_can_be_acknowledged_too(server: Server, iphone: Device) -> None:
    iphone.behaviour.acknowledge_removal = True
    assert obey(server, iphone, "RemoveProfile", Identifier=IDENTIFIER)["Status"] == ACKNOWLEDGED
    assert not iphone.is_registered


def test_without_check_out_when_removed_nothing_is_said(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile(CheckOutWhenRemoved=False))
    device.leave()
    assert not server.said("CheckOut")
    assert not device.is_registered


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b""),
        (403, {"content-type": "application/json"}, b'{"code": "com.apple.unrecognized.device"}'),
        (403, {"content-type": "application/xml"}, plistlib.dumps({"code": "com.apple.unrecognized.device"})),
    ],
)
def test_a_server_that_does_not_know_the_device_makes_it_leave(server: Server, iphone: Device, answer: Any) -> None:
    server.overrides["/connect"] = answer
    assert iphone.poll().ended == "dismissed"
    assert not iphone.is_registered
    assert not server.said("CheckOut")


@pytest.mark.parametrize("answer", [(400, {}, b""), (403, {}, b""), (500, {}, b""), (404, {}, b""), (302, {}, b"")])
def test_any_other_failure_leaves_the_device_registered(server: Server, iphone: Device, answer: Any) -> None:
    server.overrides["/connect"] = answer
    assert iphone.poll().ended == "unreachable"
    assert iphone.is_registered


# Profiles


def test_a_profile_is_installed_listed_and_removed(server: Server, iphone: Device) -> None:
    clip = payload("com.apple.webClip.managed", URL="https://example.org", Label="Handbook")
    data = server.signed(configuration([clip], PayloadIdentifier="org.example.clip"))
    assert obey(server, iphone, "InstallProfile", Payload=data)["Status"] == ACKNOWLEDGED
    assert labels(iphone) == ["Handbook"]
    listed = obey(server, iphone, "ProfileList")["ProfileList"]
    assert [item["PayloadIdentifier"] for item in listed] == [IDENTIFIER, "org.example.clip"]
    assert listed[1]["PayloadContent"][0]["PayloadUUID"] == clip["PayloadUUID"]
    assert len(listed[1]["SignerCertificates"]) == 1
    assert obey(server, iphone, "RemoveProfile", Identifier="org.example.clip")["Status"] == ACKNOWLEDGED
    assert labels(iphone) == []
    assert code(obey(server, iphone, "RemoveProfile", Identifier="org.example.clip")) == ("MCMDMErrorDomain", 12075)


def test_the_same_identifier_replaces_a_profile(server: Server, iphone: Device) -> None:
    for label in ("Old", "New"):
        clip = payload("com.apple.webClip.managed", URL="https://example.org", Label=label)
        obey(server, iphone, "InstallProfile", Payload=configuration([clip]))
    assert labels(iphone) == ["New"]


def test_a_profile_encrypted_to_the_device_is_opened(server: Server, iphone: Device) -> None:
    assert iphone.identity is not None
    clip = plistlib.dumps(
        cast("Any", [payload("com.apple.webClip.managed", URL="https://example.org", Label="Secret")])
    )
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(clip)
        .add_recipient(iphone.identity.certificate)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    top = plistlib.loads(configuration([], IsEncrypted=True, EncryptedPayloadContent=sealed))
    del top["PayloadContent"]
    report = obey(server, iphone, "InstallProfile", Payload=server.signed(plistlib.dumps(top)))
    assert report["Status"] == ACKNOWLEDGED
    assert labels(iphone) == ["Secret"]
    listed = obey(server, iphone, "ProfileList")["ProfileList"][1]
    assert listed["IsEncrypted"] is True
    assert "PayloadContent" not in listed


def test_a_profile_encrypted_to_somebody_else_is_refused(server: Server, iphone: Device) -> None:
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(b"x")
        .add_recipient(server.authority)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    data = configuration([], IsEncrypted=True, EncryptedPayloadContent=sealed)
    assert code(obey(server, iphone, "InstallProfile", Payload=data)) == ("MCProfileErrorDomain", 1006)


def test_an_identity_is_installed_with_the_right_password_only(server: Server, iphone: Device) -> None:
    certificate = certify(server.key.public_key(), "ines@example.org", server.authority.subject, server.key, ca=False)
    bundle = pkcs12.serialize_key_and_certificates(b"x", server.key, certificate, None, sealed_for_devices("right"))
    wrong = configuration([payload("com.apple.security.pkcs12", PayloadContent=bundle, Password="wrong")])
    refused = obey(server, iphone, "InstallProfile", Payload=wrong)
    assert code(refused) == ("MCInstallationErrorDomain", 4001)
    assert refused["ErrorChain"][1]["ErrorDomain"] == "MCCertificateErrorDomain"
    right = configuration([payload("com.apple.security.pkcs12", PayloadContent=bundle, Password="right")])
    assert obey(server, iphone, "InstallProfile", Payload=right)["Status"] == ACKNOWLEDGED
    listed = obey(server, iphone, "CertificateList")["CertificateList"]
    found = {item["CommonName"]: item for item in listed}
    assert found["ines@example.org"]["IsIdentity"] is True
    assert x509.load_der_x509_certificate(found["ines@example.org"]["Data"]) == certificate
    assert found["Test Authority"]["IsIdentity"] is False
    assert found["a device"]["IsIdentity"] is True


def test_profile_work_waits_until_the_device_was_unlocked_once(server: Server, iphone: Device) -> None:
    assert obey(server, iphone, "RestartDevice")["Status"] == ACKNOWLEDGED
    assert iphone.snapshot()["restarted"] is True
    clip = payload("com.apple.webClip.managed", URL="https://example.org", Label="Later")
    command = server.enqueue("InstallProfile", Payload=configuration([clip]))
    iphone.poll()
    assert server.report_of(command)["Status"] == NOT_NOW
    iphone.unlock(USUAL_PASSCODE)
    iphone.poll()
    assert server.report_of(command)["Status"] == ACKNOWLEDGED
    assert labels(iphone) == ["Later"]


def test_a_lock_does_not_wait_for_an_unlock(server: Server, iphone: Device) -> None:
    iphone.restart()
    assert obey(server, iphone, "DeviceLock")["Status"] == ACKNOWLEDGED


def test_a_server_that_offers_a_deferred_command_again_and_again_is_told_so_each_time(
    server: Server, iphone: Device
) -> None:
    """A phone does not know that it has been asked before; a server that does not either never comes to an end."""
    iphone.behaviour.busy = True
    again = plistlib.dumps({"CommandUUID": "1", "Command": {"RequestType": "CertificateList"}})
    server.overrides["/connect"] = (200, {}, again)
    session = iphone.poll()
    assert set(session.commands) == {("CertificateList", NOT_NOW)}
    assert session.problem == "The server sends commands without end."


# Renewal


def test_a_renewal_gets_a_new_certificate_and_signs_with_it(server: Server) -> None:
    device = new_device("iphone", send=server)
    device.register(server.profile())
    assert device.identity is not None
    before, tokens = device.identity, device.pushes()
    renewed = server.enqueue("InstallProfile", Payload=server.signed(server.profile()))
    device.poll()
    assert server.report_of(renewed)["Status"] == ACKNOWLEDGED
    assert device.identity is not None
    assert device.identity.certificate != before.certificate
    assert device.identity.key.public_key() != before.key.public_key()
    assert server.signers[-1] == device.identity.certificate_der  # the acknowledgement already
    assert [message["MessageType"] for message in server.check_ins] == ["Authenticate", "TokenUpdate"] * 2
    assert device.pushes().keys() == tokens.keys()
    assert len([item for item in device.memory.profiles if item.identifier == IDENTIFIER]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"Topic": "com.apple.mgmt.External.other"},
        {"ServerURL": f"{BASE}/elsewhere"},
        {"CheckInURL": f"{BASE}/elsewhere"},
        {"ServerCapabilities": []},
        {"AccessRights": 8191},
    ],
)
def test_a_renewal_that_changes_what_must_stay_is_refused(
    server: Server, device_key: rsa.RSAPrivateKey, changes: dict[str, Any]
) -> None:
    server.rights = 8183
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile())
    before = device.identity
    report = obey(server, device, "InstallProfile", Payload=server.profile(**changes))
    assert code(report) == ("MCMDMErrorDomain", 12012)
    assert device.identity == before
    assert len(server.said("Authenticate")) == 1


def test_a_renewal_may_take_rights_away(server: Server, iphone: Device) -> None:
    assert obey(server, iphone, "InstallProfile", Payload=server.profile(AccessRights=8183))["Status"] == ACKNOWLEDGED
    assert obey(server, iphone, "EraseDevice")["Status"] == ERROR


def test_a_renewal_whose_challenge_is_spent_keeps_the_old_identity(server: Server, iphone: Device) -> None:
    before = iphone.identity
    data = server.profile()
    server.challenges.clear()
    assert code(obey(server, iphone, "InstallProfile", Payload=data)) == ("MCInstallationErrorDomain", 4001)
    assert iphone.identity == before


def test_authenticate_can_be_repeated(server: Server, iphone: Device) -> None:
    iphone.repeat_authenticate()
    assert len(server.said("Authenticate")) == 2
    assert len(set(server.signers)) == 1


# Lost Mode


def test_lost_mode_shows_its_words_and_tells_the_position_until_it_ends(server: Server, iphone: Device) -> None:
    assert code(obey(server, iphone, "DeviceLocation")) == ("MCMDMErrorDomain", 12067)
    report = obey(server, iphone, "EnableLostMode", Message="Lost", PhoneNumber="112", Footnote="Thank you")
    assert report["Status"] == ACKNOWLEDGED
    seen = iphone.snapshot()
    assert (seen["screen"], seen["message"], seen["footnote"]) == ("lost", "Lost", "Thank you")
    with pytest.raises(SimulatorError, match="lost"):
        iphone.unlock(USUAL_PASSCODE)
    location = obey(server, iphone, "DeviceLocation")
    assert isinstance(location["Latitude"], float)
    assert location["HorizontalAccuracy"] > 0
    assert location["Timestamp"].endswith("Z")
    assert obey(server, iphone, "PlayLostModeSound")["Status"] == ACKNOWLEDGED
    assert iphone.snapshot()["sound"] is True
    assert obey(server, iphone, "DeviceLock", Message="x")["MessageResult"] == "DeviceInLostMode"
    answers = obey(server, iphone, "DeviceInformation", Queries=["IsMDMLostModeEnabled"])["QueryResponses"]
    assert answers == {"IsMDMLostModeEnabled": True}
    assert obey(server, iphone, "DisableLostMode")["Status"] == ACKNOWLEDGED
    assert iphone.snapshot()["screen"] == "locked"
    assert iphone.snapshot()["sound"] is False


def test_lost_mode_needs_a_message_or_a_number(server: Server, iphone: Device) -> None:
    assert obey(server, iphone, "EnableLostMode", Footnote="x")["Status"] == ERROR


@pytest.mark.parametrize(
    "request_type",
    ["EnableLostMode", "DisableLostMode", "DeviceLocation", "PlayLostModeSound", "RestartDevice", "NoSuchCommand"],
)
def test_what_needs_supervision_is_unknown_to_a_personal_iphone(
    server: Server, device_key: rsa.RSAPrivateKey, request_type: str
) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile())
    report = obey(server, device, request_type, Message="x")
    assert code(report) == ("MCMDMErrorDomain", 12021)
    assert request_type in report["ErrorChain"][0]["LocalizedDescription"]


@pytest.mark.parametrize("request_type", ["ClearPasscode", "EnableLostMode", "DeviceLocation", "NoSuchCommand"])
def test_what_a_mac_does_not_have_is_unknown_to_it(server: Server, mac: Device, request_type: str) -> None:
    assert code(obey(server, mac, request_type))[0] == "MDMClientError"


@pytest.mark.parametrize("command", [{}, {"Command": "x"}, {"Command": {}}, {"Command": {"RequestType": 5}}])
def test_a_command_without_a_request_type_is_a_format_error(server: Server, iphone: Device, command: Any) -> None:
    answers = [plistlib.dumps({"CommandUUID": "1", **command}), b""]

    def send(method: str, url: str, headers: Any, body: bytes) -> Any:
        server(method, url, headers, body)
        return 200, {}, answers.pop(0)

    iphone._send = send
    assert iphone.poll().commands == [("", FORMAT)]


# Information


def test_only_what_was_asked_is_answered(server: Server, iphone: Device) -> None:
    queries = ["UDID", "DeviceName", "OSVersion", "ProductName", "HostName", "Nonsense", "BatteryLevel", "WiFiMAC"]
    answers = obey(server, iphone, "DeviceInformation", Queries=queries)["QueryResponses"]
    assert answers["DeviceName"] == "Ines’s iPhone"
    assert answers["UDID"] == iphone.udid
    assert 0 <= answers["BatteryLevel"] <= 1
    assert answers.keys() == {"UDID", "DeviceName", "OSVersion", "ProductName", "BatteryLevel", "WiFiMAC"}


def test_queries_beyond_the_rights_are_left_out(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile(AccessRights=8191 & ~16 & ~32))
    answers = obey(server, device, "DeviceInformation", Queries=["UDID", "DeviceName", "WiFiMAC"])["QueryResponses"]
    assert answers == {"UDID": device.udid}


def test_security_info_tells_whether_a_passcode_is_set(server: Server, iphone: Device) -> None:
    assert obey(server, iphone, "SecurityInfo")["SecurityInfo"]["PasscodePresent"] is True
    assert isinstance(iphone, IPhone)
    iphone.set_passcode(None)
    assert obey(server, iphone, "SecurityInfo")["SecurityInfo"]["PasscodePresent"] is False


def test_security_info_of_a_mac_tells_about_its_disk(server: Server, mac: Device) -> None:
    info = obey(server, mac, "SecurityInfo")["SecurityInfo"]
    assert info["FDE_Enabled"] is True
    assert "PasscodePresent" not in info


def test_applications_can_be_asked_by_identifier(server: Server, mac: Device) -> None:
    everything = obey(server, mac, "InstalledApplicationList")["InstalledApplicationList"]
    one = everything[0]["Identifier"]
    found = obey(server, mac, "InstalledApplicationList", Identifiers=[one])["InstalledApplicationList"]
    assert [item["Identifier"] for item in found] == [one]


def test_managed_applications_are_those_of_the_organisation(server: Server, iphone: Device) -> None:
    def named(**keys: Any) -> set[str]:
        return {item["Identifier"] for item in obey(server, iphone, "InstalledApplicationList", **keys)[LIST]}

    managed = named(ManagedAppsOnly=True)
    assert managed
    assert managed < named()


def test_an_iphone_tells_the_keys_that_it_is_asked_for(server: Server, iphone: Device) -> None:
    found = obey(server, iphone, "InstalledApplicationList", Items=["Name", "BundleSize"])[LIST]
    assert {frozenset(item) for item in found} == {frozenset({"Identifier", "Name", "BundleSize"})}


LIST = "InstalledApplicationList"


def test_a_supervised_device_can_be_renamed(server: Server, iphone: Device) -> None:
    item = {"Item": "DeviceName", "DeviceName": "Store 7"}
    report = obey(server, iphone, "Settings", Settings=[item, {"Item": "Wallpaper"}])
    assert [result["Status"] for result in report["Settings"]] == [ACKNOWLEDGED, ERROR]
    assert iphone.memory.name == "Store 7"


# The user channel


def test_a_users_channel_has_profiles_of_its_own(server: Server, mac: Device) -> None:
    assert isinstance(mac, Mac)
    channel = Channel(mac.account("ines"))
    clip = payload("com.apple.webClip.managed", URL="https://example.org", Label="Mine")
    installed = server.enqueue("InstallProfile", user="ines", Payload=configuration([clip]))
    mac.poll(channel)
    report = server.report_of(installed)
    assert report["Status"] == ACKNOWLEDGED
    assert report["UserShortName"] == "ines"
    assert report["NotOnConsole"] is False
    listed = server.enqueue("ProfileList", user="ines")
    mac.poll(channel)
    assert len(server.report_of(listed)["ProfileList"]) == 1
    on_device = obey(server, mac, "ProfileList")["ProfileList"]
    assert [item["PayloadIdentifier"] for item in on_device] == [IDENTIFIER]


@pytest.mark.parametrize("request_type", ["DeviceLock", "EraseDevice", "SecurityInfo"])
def test_device_commands_are_unknown_to_a_users_channel(server: Server, mac: Device, request_type: str) -> None:
    assert isinstance(mac, Mac)
    command = server.enqueue(request_type, user="ines", PIN="123456")
    mac.poll(Channel(mac.account("ines")))
    assert server.report_of(command)["Status"] == ERROR


# Misbehaviour on request


def test_a_lost_report_leaves_the_command_obeyed_and_offered_again(server: Server, iphone: Device) -> None:
    iphone.behaviour.lose_next_report = True
    command = server.enqueue("DeviceLock", Message="x")
    assert iphone.poll().ended == "lost"
    assert iphone.memory.screen is Screen.LOCKED
    assert [report["Status"] for report in server.reports] == ["Idle"]
    assert iphone.poll().ended == "empty"
    assert server.report_of(command)["Status"] == ACKNOWLEDGED


def test_a_lost_answer_ends_the_session_after_the_report(server: Server, iphone: Device) -> None:
    iphone.behaviour.lose_next_answer = True
    first, second = server.enqueue("SecurityInfo"), server.enqueue("SecurityInfo")
    assert iphone.poll().ended == "lost"
    assert server.report_of(first)["Status"] == ACKNOWLEDGED
    iphone.poll()
    assert server.report_of(second)["Status"] == ACKNOWLEDGED


def test_an_offline_device_says_nothing(server: Server, iphone: Device) -> None:
    iphone.set_online(online=False)
    asked = len(server.requests)
    assert iphone.poll().ended == "off"
    iphone.leave()
    assert len(server.requests) == asked


def test_a_device_can_pretend_to_be_another(server: Server, iphone: Device) -> None:
    iphone.behaviour.act_as = "00008140-AAAAAAAAAAAAAAAA"
    iphone.poll()
    assert server.reports[-1]["UDID"] == "00008140-AAAAAAAAAAAAAAAA"


def test_a_device_can_fail_once(server: Server, iphone: Device) -> None:
    iphone.behaviour.fail_next = True
    assert obey(server, iphone, "DeviceLock")["Status"] == ERROR
    assert obey(server, iphone, "DeviceLock")["Status"] == ACKNOWLEDGED


@pytest.mark.parametrize("switch", ["old_digest", "attach_body"])
def test_a_device_can_sign_as_other_clients_do(server: Server, iphone: Device, switch: str) -> None:
    setattr(iphone.behaviour, switch, True)
    assert iphone.poll().ended == "empty"
    assert server.digests[-1] == ("sha1" if switch == "old_digest" else "sha256")


def test_a_server_without_end_is_left(server: Server, iphone: Device) -> None:
    count = 0

    def send(method: str, url: str, headers: Any, body: bytes) -> Any:
        nonlocal count
        count += 1
        command = {"CommandUUID": str(uuid.uuid4()), "Command": {"RequestType": "SecurityInfo"}}
        return 200, {}, plistlib.dumps(command)

    iphone._send = send
    assert iphone.poll().ended == "unreachable"
    assert count <= 201


def test_a_signed_request_can_be_sent_by_any_client(server: Server, iphone: Device) -> None:
    request = iphone.signed_request(iphone.idle_body())
    status, _headers, body = server(*request)
    assert (status, body) == (200, b"")
    assert server.reports[-1] == {"UDID": iphone.udid, "Status": "Idle"}
    assert request.method == "PUT"
    digest = hashes.Hash(hashes.SHA256())
    digest.update(request.body)
    assert digest.finalize()
