"""From a profile to a registered device."""

import plistlib
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import profiles
from simulator.device import Device
from simulator.errors import Refused, SimulatorError, Unreachable
from simulator.fleet import new_device
from simulator.mac import Mac
from simulator.scep import OLD, ScepError
from tests.simulator.server import BASE, TOPIC, Server, configuration, payload


def code_of(error: Refused) -> int:
    return error.faults[-1].code


def test_an_iphone_enrols_with_a_certificate_of_the_profile_authority(server: Server, iphone: Device) -> None:
    assert iphone.identity is not None
    iphone.identity.certificate.verify_directly_issued_by(server.authority)
    assert server.ciphers == ["aes128_cbc"]
    assert set(server.digests) == {"sha256"}
    assert [message["MessageType"] for message in server.check_ins] == ["Authenticate", "TokenUpdate"]
    authenticate, token_update = server.check_ins
    assert authenticate["Topic"] == TOPIC
    assert authenticate["UDID"] == iphone.udid
    assert authenticate["ProductName"] == "iPhone17,1"
    assert "DeviceName" not in authenticate  # n/a on iOS
    assert len(token_update["Token"]) == 32
    assert token_update["UnlockToken"]
    assert token_update["PushMagic"]
    assert {method for method, url, _headers, _body in server.requests if "/checkin" in url} == {"PUT"}


def test_a_mac_registers_its_user_and_its_bootstrap_token(server: Server, mac: Device) -> None:
    kinds = [message["MessageType"] for message in server.check_ins]
    assert kinds == ["Authenticate", "TokenUpdate", "SetBootstrapToken", "TokenUpdate"]
    authenticate, device, bootstrap, user = server.check_ins
    assert authenticate["DeviceName"] == "Ines’s MacBook"
    assert "UnlockToken" not in device
    assert bootstrap["BootstrapToken"]
    assert user["UserShortName"] == "ines"
    assert user["UserLongName"] == "Ines Winter"
    assert user["UDID"] == device["UDID"]
    assert user["Token"] != device["Token"]
    assert isinstance(mac, Mac)
    assert mac.get_bootstrap_token() == bootstrap["BootstrapToken"]


def test_without_per_user_connections_a_mac_has_no_user_channel(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    server.server_capabilities = []
    device = new_device("mac", send=server, key=device_key)
    device.register(server.profile())
    assert [message["MessageType"] for message in server.check_ins] == ["Authenticate", "TokenUpdate"]


def test_a_network_user_who_is_declined_has_no_channel(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    server.check_in_answers["UserAuthenticate"] = (410, {}, b"")
    device = new_device("mac", send=server, network_user=("noor", "Noor"), key=device_key)
    device.register(server.profile())
    assert [message["UserShortName"] for message in server.said("UserAuthenticate")] == ["noor"]
    assert [message.get("UserShortName") for message in server.said("TokenUpdate")] == [None, "ines"]


def test_a_network_user_with_an_empty_challenge_is_accepted(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    server.check_in_answers["UserAuthenticate"] = (200, {}, plistlib.dumps({"DigestChallenge": ""}))
    device = new_device("mac", send=server, network_user=("noor", "Noor"), key=device_key)
    device.register(server.profile())
    assert [message.get("UserShortName") for message in server.said("TokenUpdate")] == [None, "ines", "noor"]


def test_a_signed_profile_registers_and_its_signer_is_kept(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("ipad", send=server, key=device_key)
    device.register(server.signed(server.profile()))
    assert device.is_registered
    assert len(device.memory.profiles[0].signers) == 1


def test_a_signed_profile_with_a_changed_byte_is_refused(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    data = server.signed(server.profile()).replace(b"Example", b"Exampel")
    with pytest.raises(Refused) as caught:
        new_device("iphone", send=server, key=device_key).register(data)
    assert code_of(caught.value) == 1004


def test_an_old_client_sends_single_des_sha1_and_everything_in_the_query(
    server: Server, device_key: rsa.RSAPrivateKey
) -> None:
    device = new_device("iphone", send=server, key=device_key, manner=OLD)
    device.behaviour.old_digest = True
    device.register(server.profile())
    assert server.ciphers == ["des"]
    assert set(server.digests) == {"sha1"}
    method, url, _headers, body = next(item for item in server.requests if "PKIOperation" in item[1])
    assert method == "POST"
    assert body == b""
    assert len(url) > 3000


@pytest.mark.parametrize(
    ("capabilities", "cipher", "method"),
    [("AES\nPOSTPKIOperation", "aes128_cbc", "POST"), ("DES3\nSHA-1", "tripledes_3key", "GET"), ("", "des", "GET")],
)
def test_a_device_does_as_well_as_the_server_can(
    server: Server, device_key: rsa.RSAPrivateKey, capabilities: str, cipher: str, method: str
) -> None:
    server.capabilities = capabilities
    new_device("iphone", send=server, key=device_key).register(server.profile())
    assert server.ciphers == [cipher]
    assert next(item for item in server.requests if "PKIOperation" in item[1])[0] == method


def test_another_authority_than_the_profile_names_is_refused(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    device = new_device("iphone", send=server, key=device_key)
    with pytest.raises(ScepError, match="not the one the profile names"):
        device.register(server.profile(scep={"CAFingerprint": secrets.token_bytes(32)}))
    assert not device.is_registered
    assert not server.check_ins


def test_a_wrong_challenge_is_told_with_the_servers_reason(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ScepError) as caught:
        new_device("iphone", send=server, key=device_key).register(server.profile(scep={"Challenge": "guessed"}))
    assert caught.value.fail_info == "badRequest"


@pytest.mark.parametrize(
    "content_type", ["application/x-x509-ca-cert; charset=utf-8", "application/octet-stream", "text/plain"]
)
def test_a_ca_certificate_of_another_content_type_is_refused(
    server: Server, device_key: rsa.RSAPrivateKey, content_type: str
) -> None:
    def changed(method: str, url: str, headers: Any, body: bytes) -> Any:
        status, answer, content = server(method, url, headers, body)
        return status, {**answer, "content-type": content_type} if "GetCACert" in url else answer, content

    with pytest.raises(ScepError, match="does not accept"):
        new_device("iphone", send=changed, key=device_key).register(server.profile())


def test_an_answer_to_another_request_is_refused(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    captured: list[Any] = []

    def replayed(method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = server(method, url, headers, body)
        if "PKIOperation" in url:
            captured.append(answer)
            return captured[0]
        return answer

    new_device("iphone", send=replayed, key=device_key).register(server.profile())
    with pytest.raises(ScepError, match="another request"):
        new_device("iphone", send=replayed, key=device_key).register(server.profile())


def test_a_refused_authenticate_leaves_the_device_unregistered(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    server.check_in_answers["Authenticate"] = (500, {}, b"")
    device = new_device("iphone", send=server, key=device_key)
    with pytest.raises(Unreachable):
        device.register(server.profile())
    assert not device.is_registered
    assert device.identity is None
    assert device.pushes() == {}


def test_the_same_profile_tried_again_asks_with_the_same_key(server: Server) -> None:
    device = new_device("iphone", send=server)
    profile = server.profile()
    keys: list[rsa.RSAPublicKey] = []
    server.check_in_answers["TokenUpdate"] = (503, {}, b"")
    with pytest.raises(Unreachable):
        device.register(profile)
    keys += [item.public_key() for item in device._keys.values()]
    del server.check_in_answers["TokenUpdate"]
    server.challenges.add(plistlib.loads(profile)["PayloadContent"][0]["PayloadContent"]["Challenge"])
    device.register(profile)
    assert device.identity is not None
    assert device.identity.key.public_key() == keys[0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AccessRights": 0}, 12000),
        ({"AccessRights": None}, 12000),
        ({"AccessRights": 2}, 12000),
        ({"AccessRights": 128}, 12000),
        ({"Topic": "org.example"}, 12022),
        ({"Topic": None}, 1002),
        ({"Topic": 7}, 1003),
        ({"ServerURL": "http://mdm.example.org/connect"}, 12011),
        ({"ServerURL": "ftp://localhost/"}, 12011),
        ({"IdentityCertificateUUID": "00000000-0000-0000-0000-000000000000"}, 12005),
        ({"top": {"PayloadVersion": 2}}, 1001),
        ({"top": {"PayloadType": "Something"}}, 1010),
        ({"top": {"PayloadContent": []}}, 1005),
        ({"top": {"PayloadIdentifier": None}}, 1002),
    ],
)
def test_a_wrong_profile_is_refused_with_the_devices_code(server: Server, changes: dict[str, Any], code: int) -> None:
    top = changes.get("top", {})
    if "PayloadIdentifier" in top:
        plist = plistlib.loads(server.profile())
        del plist["PayloadIdentifier"]
        data = plistlib.dumps(plist)
    else:
        data = server.profile(**changes)
    with pytest.raises(Refused) as caught:
        profiles.management(profiles.parse(data))
    assert code_of(caught.value) == code


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x00", b"<plist>", b"not a profile", b"bplist00", b"<?xml?>" * 50])
def test_anything_else_is_not_a_profile(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        profiles.parse(data)
    assert code_of(caught.value) in {1000, 1004}


def test_a_profile_without_an_mdm_payload_does_not_register(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    data = configuration([payload("com.apple.webClip.managed", URL="https://example.org", Label="Clip")])
    with pytest.raises(SimulatorError, match="no MDM payload"):
        new_device("iphone", send=server, key=device_key).register(data)


def test_a_managed_device_takes_no_second_management(server: Server, iphone: Device) -> None:
    with pytest.raises(Refused) as caught:
        iphone.register(server.profile())
    assert code_of(caught.value) == 12001


def test_a_user_enrolment_tells_nothing_that_identifies_the_device(
    server: Server, device_key: rsa.RSAPrivateKey
) -> None:
    device = new_device("iphone", send=server, key=device_key)
    device.register(server.profile(EnrollmentMode="BYOD", AccessRights=None))
    for message in server.check_ins:
        assert message["EnrollmentID"]
        assert not {"UDID", "SerialNumber", "IMEI", "UnlockToken"} & message.keys()
    erase = server.enqueue("EraseDevice")
    device.poll()
    assert server.report_of(erase)["Status"] == "Error"


def test_a_link_leads_to_the_profile(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    profile = server.profile()
    pages = {
        "/r/abc": (302, {"location": "/register/abc", "set-cookie": "seen=1; Path=/\nother=2"}, b""),
        "/register/abc": (
            200,
            {"content-type": "text/html; charset=utf-8"},
            b"""<a href="/sign-in">Sign in</a><form method="post"><input type="password" name="p"></form>
            <a href="/register/abc/profile" download>Download the profile</a>""",
        ),
        "/register/abc/profile": (200, {"content-type": "application/x-apple-aspen-config"}, profile),
    }
    seen: list[tuple[str, str]] = []

    def send(method: str, url: str, headers: Any, body: bytes) -> Any:
        path = url.removeprefix(BASE)
        if path in pages:
            seen.append((path, headers.get("Cookie", "")))
            assert "iPhone" in headers["User-Agent"]
            return pages[path]
        return server(method, url, headers, body)

    device = new_device("iphone", send=send, key=device_key)
    device.open(f"{BASE}/r/abc")
    assert device.is_registered
    assert [path for path, _cookie in seen] == ["/r/abc", "/register/abc", "/register/abc/profile"]
    assert seen[-1][1] == "seen=1; other=2"


def test_a_button_leads_to_the_profile_with_its_hidden_fields(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    page = (
        b'<form method="post" action=""><input type="hidden" name="csrf" value="t&amp;k">'
        b'<input type="radio" name="whose" value="mine" checked><input type="radio" name="whose" value="theirs">'
        b'<button name="go" value="1">Download profile</button><button name="no" value="1">No</button></form>'
    )

    def send(method: str, url: str, headers: Any, body: bytes) -> Any:
        if url != f"{BASE}/r/abc":
            return server(method, url, headers, body)
        if method == "GET":
            return 200, {"content-type": "text/html", "set-cookie": "csrftoken=x"}, page
        assert body == b"csrf=t%26k&whose=mine&go=1"
        assert headers["Origin"] == BASE
        assert headers["Cookie"] == "csrftoken=x"
        return 200, {"content-type": "application/x-apple-aspen-config"}, server.profile()

    device = new_device("mac", send=send, key=device_key)
    device.open(f"{BASE}/r/abc")
    assert device.is_registered


def test_a_page_of_another_site_is_not_followed(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    def send(method: str, url: str, headers: Any, body: bytes) -> Any:
        assert url == f"{BASE}/r/abc"
        return 200, {"content-type": "text/html"}, b'<a href="https://elsewhere.example/p.mobileconfig">x</a>'

    with pytest.raises(SimulatorError, match="no profile behind"):
        new_device("iphone", send=send, key=device_key).open(f"{BASE}/r/abc")


def test_plain_http_to_another_machine_is_refused(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(Unreachable, match="https addresses only"):
        new_device("iphone", send=server, key=device_key).open("http://mdm.example.org/r/abc")
