"""The push gateway, from HTTP/2 over TLS to the device that wakes."""

import contextlib
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import hpack
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, SettingsFrame

from simulator.apple import Apple, topic_of
from simulator.device import Device
from simulator.errors import SimulatorError
from simulator.fleet import Fleet, new_device
from simulator.gateway import Gateway, PushReply, PushRequest, judge
from simulator.identity import key_to_pem, signing_request
from simulator.mac import Mac
from simulator.state import Screen
from tests.simulator.server import TOPIC, Server


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def apple(tmp_path_factory: pytest.TempPathFactory) -> Apple:
    return Apple.at(tmp_path_factory.mktemp("apple"))


@pytest.fixture(scope="module")
def push_files(apple: Apple, device_key: rsa.RSAPrivateKey) -> tuple[Path, Path]:
    """Certificate and key of a server that may push to the tests' topic."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server")])
    request = signing_request(device_key, subject=subject, challenge=None, key_usage=0, alternative_names=())
    certificate, key = apple.state / "push.pem", apple.state / "push.key.pem"
    certificate.write_bytes(apple.push_certificate(request, topic=TOPIC))
    key.write_bytes(key_to_pem(device_key))
    return certificate, key


@pytest.fixture
def fleet(server: Server) -> Iterator[Fleet]:
    with Fleet(send=server) as fleet:
        yield fleet


@pytest.fixture
def gateway(apple: Apple, fleet: Fleet) -> Iterator[Gateway]:
    with Gateway(apple=apple, fleet=fleet) as gateway:
        yield gateway


@pytest.fixture
def client(apple: Apple, gateway: Gateway, push_files: tuple[Path, Path]) -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=context(apple, push_files), http2=True, base_url=gateway.url, trust_env=False) as client:
        yield client


def context(apple: Apple, push_files: tuple[Path, Path] | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(apple.gateway_authority_file))
    if push_files is not None:
        made.load_cert_chain(*push_files)
    return made


@pytest.fixture
def iphone(server: Server, fleet: Fleet, device_key: rsa.RSAPrivateKey) -> Device:
    device = fleet.add(new_device("iphone", send=server, key=device_key))
    device.register(server.profile())
    return device


def push(client: httpx2.Client, device: Device, *, lifetime: int = 3600, **headers: str) -> httpx2.Response:
    token, (magic, _channel) = next(iter(device.pushes().items()))
    usual = {
        "apns-topic": TOPIC,
        "apns-push-type": "mdm",
        "apns-priority": "10",
        "apns-expiration": str(int(time.time()) + lifetime if lifetime else 0),
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/3/device/{token.hex()}", headers={**usual, **changed}, json={"mdm": magic})


def test_a_push_wakes_its_device(client: httpx2.Client, server: Server, fleet: Fleet, iphone: Device) -> None:
    command = server.enqueue("DeviceLock", Message="Hi")
    answer = push(client, iphone)
    assert answer.http_version == "HTTP/2"
    assert answer.status_code == 200
    assert str(uuid.UUID(answer.headers["apns-id"])) == answer.headers["apns-id"].lower()
    assert answer.content == b""
    until(lambda: fleet.is_quiet() and iphone.memory.screen is Screen.LOCKED)
    assert server.report_of(command)["Status"] == "Acknowledged"


def test_a_push_to_a_users_token_wakes_the_users_channel(
    client: httpx2.Client, server: Server, fleet: Fleet, device_key: rsa.RSAPrivateKey
) -> None:
    mac = fleet.add(new_device("mac", send=server, key=device_key))
    mac.register(server.profile())
    assert isinstance(mac, Mac)
    user = mac.enrolment.users[mac.account("ines").guid]
    headers = {"apns-topic": TOPIC, "apns-push-type": "mdm"}
    command = server.enqueue("ProfileList", user="ines")
    client.post(f"/3/device/{user.token.hex()}", headers=headers, json={"mdm": user.magic})
    until(lambda: fleet.is_quiet() and server.reports)
    assert server.report_of(command)["UserShortName"] == "ines"


def test_another_magic_is_accepted_and_wakes_nobody(
    client: httpx2.Client, server: Server, fleet: Fleet, iphone: Device
) -> None:
    token = next(iter(iphone.pushes()))
    headers = {"apns-topic": TOPIC, "apns-push-type": "mdm"}
    answer = client.post(f"/3/device/{token.hex()}", headers=headers, json={"mdm": "other"})
    assert answer.status_code == 200
    assert fleet.is_quiet()
    assert not server.reports


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"apns-topic": "com.apple.mgmt.External.other"}, "TopicDisallowed"),
        ({"apns-topic": None}, "MissingTopic"),
        ({"apns-push-type": "alert"}, "InvalidPushType"),
        ({"apns-push-type": None}, "InvalidPushType"),
        ({"apns-priority": "11"}, "BadPriority"),
        ({"apns-expiration": "soon"}, "BadExpirationDate"),
        ({"apns-id": "x"}, "BadMessageId"),
        ({":method": "GET"}, "MethodNotAllowed"),
        ({":path": "/3/device/"}, "BadDeviceToken"),
        ({":path": "/3/device/zz"}, "BadDeviceToken"),
        ({":path": "/3/devices/00"}, "BadPath"),
        ({":path": "/3/device/00/11"}, "BadPath"),
    ],
)
def test_a_wrong_push_is_answered_with_its_reason(
    fleet: Fleet, iphone: Device, headers: dict[str, str | None], reason: str
) -> None:
    token, (magic, _channel) = next(iter(iphone.pushes().items()))
    usual = {":method": "POST", ":path": f"/3/device/{token.hex()}", "apns-topic": TOPIC, "apns-push-type": "mdm"}
    changed = {name: value for name, value in {**usual, **headers}.items() if value is not None}
    body = json.dumps({"mdm": magic}).encode()
    reply = judge(PushRequest(changed, body), topic=TOPIC, fleet=fleet, now=0)
    if headers.get(":path") == "/3/device/":
        assert reply == PushReply(400, "BadDeviceToken")
    assert reply.reason == reason
    assert reply.status >= 400


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"x", 400), (b"[]", 400), (b'{"mdm": 1}', 400), (b"x" * 4097, 413)]
)
def test_a_wrong_body_is_refused(fleet: Fleet, iphone: Device, body: bytes, status: int) -> None:
    token = next(iter(iphone.pushes()))
    headers = {":method": "POST", ":path": f"/3/device/{token.hex()}", "apns-topic": TOPIC, "apns-push-type": "mdm"}
    assert judge(PushRequest(headers, body), topic=TOPIC, fleet=fleet, now=0).status == status


def test_an_unknown_token_is_bad_and_a_dead_one_is_gone(client: httpx2.Client, iphone: Device) -> None:
    token, (magic, _channel) = next(iter(iphone.pushes().items()))
    headers = {"apns-topic": TOPIC, "apns-push-type": "mdm"}
    unknown = client.post(f"/3/device/{'00' * 32}", headers=headers, json={"mdm": magic})
    assert (unknown.status_code, unknown.json()) == (400, {"reason": "BadDeviceToken"})
    iphone.erase()
    before = int(time.time() * 1000)
    gone = client.post(f"/3/device/{token.hex()}", headers=headers, json={"mdm": magic})
    assert gone.status_code == 410
    assert gone.json()["reason"] == "Unregistered"
    assert abs(gone.json()["timestamp"] - before) < 10_000


def test_a_push_to_an_offline_device_is_kept_while_it_has_not_expired(
    client: httpx2.Client, server: Server, fleet: Fleet, iphone: Device
) -> None:
    iphone.set_online(online=False)
    assert push(client, iphone).status_code == 200
    assert fleet.is_quiet()
    assert not server.reports
    iphone.set_online(online=True)
    until(lambda: server.reports)


def test_a_push_without_lifetime_to_an_offline_device_is_dropped(
    client: httpx2.Client, server: Server, fleet: Fleet, iphone: Device
) -> None:
    iphone.set_online(online=False)
    assert push(client, iphone, lifetime=0).status_code == 200
    iphone.set_online(online=True)
    until(fleet.is_quiet)
    assert not server.reports


def test_a_push_to_a_pin_locked_mac_is_kept_until_the_pin_is_entered(
    client: httpx2.Client, server: Server, fleet: Fleet, device_key: rsa.RSAPrivateKey
) -> None:
    mac = fleet.add(new_device("mac", send=server, key=device_key))
    mac.register(server.profile())
    server.enqueue("DeviceLock", PIN="111222")
    push(client, mac)
    until(lambda: mac.memory.screen is Screen.PIN_LOCK and fleet.is_quiet())
    asked = len(server.reports)
    push(client, mac)
    assert len(server.reports) == asked
    mac.unlock("111222")
    until(lambda: len(server.reports) > asked)


def test_a_push_while_the_device_talks_is_not_lost(
    client: httpx2.Client, server: Server, fleet: Fleet, iphone: Device
) -> None:
    pushed = False

    def before_reply(path: str) -> None:
        nonlocal pushed
        if path == "/connect" and not pushed:
            pushed = True
            assert push(client, iphone).status_code == 200

    server.before_reply = before_reply
    fleet.wake(iphone)
    until(lambda: len(server.reports) == 2 and fleet.is_quiet())


def test_without_a_certificate_nothing_is_answered(apple: Apple, gateway: Gateway) -> None:
    with (
        httpx2.Client(verify=context(apple, None), http2=True, base_url=gateway.url, trust_env=False) as stranger,
        pytest.raises(httpx2.TransportError),
    ):
        stranger.post("/3/device/00", json={"mdm": "x"})


def test_a_certificate_of_another_authority_is_not_accepted(
    apple: Apple, gateway: Gateway, server: Server, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_bytes(server.authority.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(key_to_pem(server.key))
    with (
        httpx2.Client(
            verify=context(apple, (certificate, key)), http2=True, base_url=gateway.url, trust_env=False
        ) as stranger,
        pytest.raises(httpx2.TransportError),
    ):
        stranger.post("/3/device/00", json={"mdm": "x"})


def test_many_pushes_share_a_connection(client: httpx2.Client, gateway: Gateway, iphone: Device) -> None:
    def persistent(_number: int) -> int:
        # The client’s threads take turns at one connection; on a busy machine one of them may believe that it is gone.
        for _attempt in range(3):
            with contextlib.suppress(httpx2.RemoteProtocolError):
                return push(client, iphone).status_code
        return 0

    assert persistent(0) == 200  # the connection is there before they share it
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(persistent, range(60)))
    assert answers == [200] * 60
    assert gateway.counts["accepted"] >= 61
    assert len(gateway.connections) <= 8


def test_after_goaway_a_client_comes_back_on_a_new_connection(
    client: httpx2.Client, gateway: Gateway, iphone: Device
) -> None:
    gateway.manners.goaway_every = 3
    answered = 0
    for _ in range(30):
        # Whose push meets the GOAWAY cannot know whether it was taken: it may have been cut off before its body, and
        # is then not one of the three that bring the next.
        with contextlib.suppress(httpx2.RemoteProtocolError):
            answered += push(client, iphone).status_code == 200
        if gateway.counts["goaway"] == 3:
            break
    assert gateway.counts["goaway"] == 3
    assert 6 <= answered <= gateway.counts["accepted"]


def test_what_came_before_goaway_is_answered_and_what_came_after_is_not(
    apple: Apple, gateway: Gateway, push_files: tuple[Path, Path], iphone: Device
) -> None:
    """Frame by frame, because client libraries stop reading at GOAWAY."""
    gateway.manners.goaway_every, gateway.manners.delay = 2, 0.05
    token, (magic, _channel) = next(iter(iphone.pushes().items()))
    encoder = hpack.Encoder()
    sent = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SettingsFrame(0).serialize()]
    for stream in (1, 3, 5):
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", f"/3/device/{token.hex()}"),
            ("apns-topic", TOPIC),
            ("apns-push-type", "mdm"),
        ]
        sent.append(HeadersFrame(stream, encoder.encode(headers), flags=["END_HEADERS"]).serialize())
        sent.append(DataFrame(stream, json.dumps({"mdm": magic}).encode(), flags=["END_STREAM"]).serialize())
    tls = context(apple, push_files)
    tls.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"".join(sent))
        received = b"".join(iter(lambda: secure.recv(65536), b""))
    frames = list(parsed(received))
    goaway = next(place for place, frame in enumerate(frames) if isinstance(frame, GoAwayFrame))
    assert cast("GoAwayFrame", frames[goaway]).last_stream_id == 3
    answered = [frame.stream_id for frame in frames[goaway:] if isinstance(frame, HeadersFrame)]
    assert answered == [1, 3]
    assert gateway.counts["accepted"] == 2


def parsed(data: bytes) -> Iterator[Frame]:
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        yield frame
        data = data[9 + length :]


def test_the_gateway_can_be_slow_and_out_of_service(client: httpx2.Client, gateway: Gateway, iphone: Device) -> None:
    gateway.manners.delay = 0.2
    begin = time.monotonic()
    assert push(client, iphone).status_code == 200
    assert time.monotonic() - begin >= 0.2
    gateway.manners.delay, gateway.manners.fail_next = 0.0, 1
    assert push(client, iphone).status_code == 503
    assert push(client, iphone).status_code == 200


def test_a_push_certificate_names_its_topic(apple: Apple, device_key: rsa.RSAPrivateKey) -> None:
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(device_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    certificate = x509.load_pem_x509_certificate(apple.push_certificate(request))
    topic = topic_of(certificate)
    assert topic is not None
    assert topic.startswith("com.apple.mgmt.External.")
    certificate.verify_directly_issued_by(apple.push_authority.certificate)
    assert certificate.public_key() == device_key.public_key()
    with pytest.raises(SimulatorError, match="begins with"):
        apple.push_certificate(request, topic="org.example")
    with pytest.raises(SimulatorError, match="not a certificate signing request"):
        apple.push_certificate(b"x")


def test_the_authorities_are_kept(apple: Apple) -> None:
    again = Apple.at(apple.state)
    assert again.push_authority.certificate == apple.push_authority.certificate
    assert again.gateway_authority.certificate == apple.gateway_authority.certificate
    for key in apple.state.glob("*authority.key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600
