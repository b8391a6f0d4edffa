"""What the fleet keeps, and how it is started from a terminal."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from simulator.__main__ import device_options, main
from simulator.device import Device
from simulator.errors import SimulatorError
from simulator.fleet import Delivery, Fleet, new_device
from simulator.hardware import MODELS, make
from simulator.identity import signing_request
from simulator.iphone import USUAL_PASSCODE
from simulator.state import Memory, Notice, Screen, from_json, to_json
from tests.simulator.server import TOPIC, Server, configuration, payload


def test_a_fleet_starts_again_where_it_was(server: Server, device_key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    with Fleet(send=server, state=tmp_path) as fleet:
        iphone = fleet.add(new_device("iphone", send=server, name="Ines’s iPhone", key=device_key))
        mac = fleet.add(new_device("mac", send=server, name="Ines’s Mac", key=device_key))
        iphone.register(server.profile())
        mac.register(server.profile())
        clip = payload("com.apple.webClip.managed", URL="https://example.org", Label="Clip", Icon=b"\x00png")
        server.enqueue("InstallProfile", Payload=configuration([clip]))
        iphone.poll()
        server.enqueue("DeviceLock", Message="Hi")
        iphone.poll()
        before = {device.udid: device.memory for device in fleet.devices()}
    with Fleet(send=server, state=tmp_path) as again:
        assert {device.udid: device.memory for device in again.devices()} == before
        found = again.device(iphone.udid)
        assert found.snapshot()["message"] == "Hi"
        assert found.identity == iphone.identity or found.identity is not None
        found.unlock(USUAL_PASSCODE)
        assert found.poll().ended == "empty"
        token, (magic, _channel) = next(iter(found.pushes().items()))
        assert again.deliver(topic=TOPIC, token=token, magic=magic, keep=True) is Delivery.ACCEPTED


def test_keys_are_readable_by_their_owner_only_and_go_with_the_device(
    server: Server, device_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    with Fleet(send=server, state=tmp_path) as fleet:
        device = fleet.add(new_device("iphone", send=server, key=device_key))
        device.register(server.profile())
        kept = list((tmp_path / "devices").iterdir())
        assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}
        assert {file.suffix for file in kept} == {".json", ".pem"}
        assert "PRIVATE KEY" not in (tmp_path / "devices" / f"{device.udid}.json").read_text()
        token = next(iter(device.pushes()))
        device.erase()
        assert not list((tmp_path / "devices").glob("*.pem"))
    with Fleet(send=server, state=tmp_path) as again:
        assert again.deliver(topic=TOPIC, token=token, magic="", keep=True) is Delivery.UNREGISTERED
        again.remove(device.udid)
        assert not list((tmp_path / "devices").iterdir())


def test_an_unreadable_state_is_said_and_not_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    broken = tmp_path / "devices" / "x.json"
    for text in ("{", "[]", '{"hardware": {}}', '{"name": 1}'):
        broken.write_text(text)
        with pytest.raises(SimulatorError, match="cannot be read"):
            Fleet(send=server, state=tmp_path)
        assert broken.read_text() == text


@given(
    name=st.text(),
    passcode=st.none() | st.text(),
    screen=st.sampled_from(Screen),
    message=st.text(),
    supervised=st.booleans(),
)
def test_what_a_device_remembers_is_read_as_it_was_written(
    name: str, passcode: str | None, screen: Screen, message: str, supervised: bool
) -> None:
    memory = Memory(
        hardware=make(MODELS["iPad14,8"].kind),
        name=name,
        passcode=passcode,
        screen=screen,
        notice=Notice(message),
        supervised=supervised,
    )
    assert from_json(to_json(memory)) == memory


def test_serial_numbers_and_identifiers_look_like_those_of_current_devices() -> None:
    iphone, mac = make(MODELS["iPhone17,1"].kind), make(MODELS["Mac15,12"].kind)
    assert len(iphone.udid) == 25
    assert len(mac.udid) == 36
    assert len(iphone.serial) == 10
    assert iphone.imei is not None
    digits = [int(digit) for digit in iphone.imei if digit.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) if place % 2 else digit for place, digit in enumerate(digits)]
    assert sum(doubled) % 10 == 0
    with pytest.raises(SimulatorError, match="no simulated"):
        make(MODELS["iPhone17,1"].kind, product="Mac15,12")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "name=Ines’s iPhone,kind=iphone,model=iPhone17,1,supervised=yes,profile=/tmp/a,b",
            {
                "name": "Ines’s iPhone",
                "kind": "iphone",
                "model": "iPhone17,1",
                "supervised": "yes",
                "profile": "/tmp/a,b",
            },
        ),
        ("name=a=b", {"name": "a=b"}),
        ("name=x,url=http://localhost/r/A?b=c,d", {"name": "x", "url": "http://localhost/r/A?b=c,d"}),
    ],
)
def test_a_device_is_described_in_one_argument(text: str, found: Mapping[str, str]) -> None:
    assert device_options(text) == found


def test_a_push_certificate_is_made_from_a_terminal(device_key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    csr, out = tmp_path / "push.csr", tmp_path / "push.pem"
    subject = make_name()
    csr.write_bytes(signing_request(device_key, subject=subject, challenge=None, key_usage=0, alternative_names=()))
    state = tmp_path / "state"
    assert main(["push-certificate", "--state", str(state), "--csr", str(csr), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    assert (state / "gateway-authority.pem").exists()
    csr.write_bytes(b"x")
    assert main(["push-certificate", "--state", str(state), "--csr", str(csr), "--out", str(out)]) == 1


def make_name() -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server")])


@pytest.fixture
def listening(authority_key: rsa.RSAPrivateKey) -> Iterator[tuple[Server, int]]:
    """The tests' server behind a socket, so that another process can reach it."""
    fake = Server(authority_key)

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.title(): value for name, value in self.headers.items()}
            status, answered, content = fake(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in answered.items():
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = respond  # noqa: N815  (the names are http.server's)
        do_POST = respond  # noqa: N815
        do_PUT = respond  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: http.serve_forever(poll_interval=0.05))
    thread.start()
    yield fake, http.server_address[1]
    http.shutdown()
    http.server_close()
    thread.join()


def test_run_registers_its_devices_says_so_and_ends_on_sigterm(listening: tuple[Server, int], tmp_path: Path) -> None:
    fake, port = listening
    base = f"http://localhost:{port}"
    profile = tmp_path / "iphone.mobileconfig"
    profile.write_bytes(
        fake.profile(ServerURL=f"{base}/connect", CheckInURL=f"{base}/checkin", scep={"URL": f"{base}/scep"})
    )
    command = [sys.executable, "-m", "simulator", "run", "--state", str(tmp_path / "state")]
    device = f"name=Ines’s iPhone,kind=iphone,model=iPhone17,1,supervised=yes,profile={profile}"
    for _start in range(2):  # the second start finds the device registered, and the profile unused
        process = subprocess.Popen(
            [*command, "--device", device],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: screens http://localhost:")
            assert "devices 1" in line
        finally:
            process.send_signal(signal.SIGTERM)
            _out, _err = process.communicate(timeout=20)
        assert process.returncode == 0
    assert len(fake.said("Authenticate")) == 1
    kept = json.loads(next((tmp_path / "state" / "devices").glob("*.json")).read_text())
    assert kept["name"] == "Ines’s iPhone"
    assert kept["supervised"] is True


def test_register_does_it_once_and_ends(listening: tuple[Server, int], tmp_path: Path) -> None:
    fake, port = listening
    base = f"http://localhost:{port}"
    profile = tmp_path / "mac.mobileconfig"
    profile.write_bytes(
        fake.profile(ServerURL=f"{base}/connect", CheckInURL=f"{base}/checkin", scep={"URL": f"{base}/scep"})
    )
    state = str(tmp_path / "state")
    assert main(["register", "--state", state, "--profile", str(profile), "--kind", "mac", "--name", "A Mac"]) == 0
    assert [message["MessageType"] for message in fake.check_ins][:2] == ["Authenticate", "TokenUpdate"]
    missing = ["register", "--state", state, "--profile", str(tmp_path / "none"), "--name", "Other"]
    assert main(missing) == 1


def test_a_server_that_is_not_there_is_waited_for_only_as_long_as_told(tmp_path: Path) -> None:
    assert (
        main(
            [
                "register",
                "--state",
                str(tmp_path),
                "--url",
                "http://localhost:9/r/x",
                "--patience",
                "0.5",
            ]
        )
        == 1
    )


def test_two_devices_of_one_udid_are_refused(server: Server, device_key: rsa.RSAPrivateKey) -> None:
    with Fleet(send=server) as fleet:
        device: Device = fleet.add(new_device("iphone", send=server, key=device_key))
        with pytest.raises(SimulatorError, match="two devices"):
            fleet.add(device)
