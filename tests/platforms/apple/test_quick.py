"""The quick answer to an idle poll, on the event loop: it says the same as the endpoint or nothing, and never waits.

Collected where there is such an answer: on SQLite."""

import plistlib
import sqlite3
import threading
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection, transaction
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.certificates.models import DeviceCertificate
from mydevices.commands import asking
from mydevices.commands.models import Command
from mydevices.commands.queue import LoopReader
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.devices.seen import COLLECTOR, EVERY, Collector
from mydevices.errors import ProtocolError
from mydevices.platforms.apple import queries, signed
from mydevices.platforms.apple.endpoints import DONE, connect_endpoint, connect_quickly
from mydevices.platforms.apple.signed import Memory
from mydevices.port.routes import Request
from mydevices.protocols.pki import body_signature, cms, keys
from simulator.connection import Outgoing
from simulator.device import Device as Simulated
from tests.platforms.apple.conftest import Registers, fresh

Registered = tuple[Simulated, Device]
IDLE = {"Status": "Idle"}


def request(outgoing: Outgoing) -> Request:
    parts = urlsplit(outgoing.url)
    headers = {name.lower(): value for name, value in outgoing.headers.items()}
    return Request(outgoing.method, parts.path, parts.query, headers, outgoing.body, "127.0.0.1")


def idle(simulated: Simulated) -> Request:
    return request(simulated.signed_request(simulated.idle_body()))


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the collector's thread had begun: in a test's transaction it could write nothing."""
    monkeypatch.setattr(COLLECTOR, "_thread", threading.current_thread())


@pytest.fixture
def registered(beside: LoopReader, owner: Person, register: Registers) -> Registered:
    """A device that this process knows and for which nothing waits."""
    simulated, device = register(owner)
    assert simulated.poll().ended == "empty"
    COLLECTOR.flush()
    return simulated, device


@pytest.fixture
def traced(registered: Registered) -> Iterator[list[str]]:
    """Every statement that SQLite runs meanwhile, by whatever way."""
    statements: list[str] = []
    connection.connection.set_trace_callback(statements.append)
    yield statements
    connection.connection.set_trace_callback(None)


def test_an_idle_device_with_nothing_waiting_is_answered_by_one_read_and_no_write(
    registered: Registered, traced: list[str]
) -> None:
    simulated, _device = registered
    assert connect_quickly(idle(simulated)) is DONE
    (only,) = traced
    assert only.strip().startswith("SELECT")


def test_a_mac_s_user_is_answered_too(beside: LoopReader, owner: Person, register: Registers) -> None:
    simulated, _device = register(owner, "mac")
    COLLECTOR.flush()
    for _magic, channel in simulated.pushes().values():
        simulated.poll(channel)
        assert connect_quickly(request(simulated.signed_request(simulated.idle_body(channel)))) is DONE


def test_what_waits_is_given_out_by_the_endpoint_alone(registered: Registered, owner: Person) -> None:
    simulated, device = registered
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    assert connect_quickly(idle(simulated)) is None
    assert Command.objects.get(request_type="DeviceLock").state == State.QUEUED
    assert plistlib.loads(connect_endpoint(idle(simulated)).body)["Command"]["RequestType"] == "DeviceLock"
    assert connect_quickly(idle(simulated)) is None  # its answer may have been lost
    Command.objects.filter(request_type="DeviceLock").update(state=State.DEFERRED)
    assert connect_quickly(idle(simulated)) is None


@pytest.mark.parametrize("status", ["Acknowledged", "Error", "CommandFormatError", "NotNow", "Nonsense"])
def test_reports_are_left_to_the_endpoint(registered: Registered, traced: list[str], status: str) -> None:
    simulated, _device = registered
    uuid = "11111111-2222-3333-4444-555555555555"
    body = plistlib.dumps({**IDLE, "UDID": simulated.udid, "CommandUUID": uuid, "Status": status, "X": "Idle"})
    assert connect_quickly(request(simulated.signed_request(body))) is None
    assert not traced


@pytest.mark.parametrize("state", [*Registration.ENDED, Registration.State.PENDING])
def test_a_registration_that_is_not_active_is_left_to_the_endpoint(registered: Registered, state: str) -> None:
    simulated, device = registered
    Registration.objects.filter(device=device).update(state=state)
    assert connect_quickly(idle(simulated)) is None


@pytest.mark.parametrize("state", [DeviceCertificate.State.ISSUED, DeviceCertificate.State.SUPERSEDED])
def test_a_certificate_that_is_not_in_use_is_left_to_the_endpoint(registered: Registered, state: str) -> None:
    simulated, _device = registered
    DeviceCertificate.objects.update(state=state)
    assert connect_quickly(idle(simulated)) is None


def test_a_certificate_that_is_gone_is_left_to_the_endpoint(registered: Registered) -> None:
    simulated, _device = registered
    DeviceCertificate.objects.update(registration=None)
    assert connect_quickly(idle(simulated)) is None


def test_an_expired_certificate_is_left_to_the_endpoint(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    request_then = idle(simulated)
    later = timezone.now() + timedelta(days=4000)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert connect_quickly(request_then) is None


def test_one_device_does_not_speak_for_another(registered: Registered, owner: Person, register: Registers) -> None:
    simulated, _device = registered
    other, _device = register(owner)
    other.poll()
    forged = plistlib.dumps({**IDLE, "UDID": simulated.udid})
    assert connect_quickly(request(other.signed_request(forged))) is None


def test_a_captured_header_does_not_authenticate_another_body(registered: Registered) -> None:
    simulated, _device = registered
    captured = idle(simulated)
    assert connect_quickly(replace(captured, body=captured.body.replace(b"<dict>", b"<dict> "))) is None


def test_a_request_without_a_signature_is_left_to_the_endpoint(registered: Registered) -> None:
    simulated, _device = registered
    assert connect_quickly(replace(idle(simulated), headers={})) is None


def test_a_longer_header_than_devices_send_is_not_looked_at(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    padded = idle(simulated)
    header = padded.headers["mdm-signature"]
    assert connect_quickly(replace(padded, headers={"mdm-signature": header + " " * 1000})) is DONE
    assert connect_quickly(replace(padded, headers={"mdm-signature": header + " " * 12_000})) is None
    assert connect_endpoint(replace(padded, headers={"mdm-signature": header + " " * 12_000})) is DONE


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_another_method_is_left_to_the_endpoint(registered: Registered, method: str) -> None:
    simulated, _device = registered
    assert connect_quickly(replace(idle(simulated), method=method)) is None


def test_the_key_of_a_signer_whom_the_endpoint_has_not_accepted_is_not_even_looked_at(
    registered: Registered, traced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    looked_at: list[bytes] = []
    monkeypatch.setattr(keys, "load", recording(looked_at, keys.load))
    monkeypatch.setattr(signed, "TRUSTED", Memory())
    monkeypatch.setattr(signed, "_HEARD", Memory())
    assert connect_quickly(idle(simulated)) is None
    assert not looked_at
    assert not traced
    assert connect_endpoint(idle(simulated)) is DONE
    assert len(looked_at) == 1
    assert connect_quickly(idle(simulated)) is DONE


def test_a_forger_s_certificate_does_not_become_known(
    registered: Registered, shared_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    trusted, heard = Memory[bytes, object](), Memory[bytes, object]()
    monkeypatch.setattr(signed, "TRUSTED", trusted)
    monkeypatch.setattr(signed, "_HEARD", heard)
    genuine = simulated.identity
    assert genuine is not None
    monkeypatch.setattr(simulated, "identity", replace(genuine, key=shared_key))
    with pytest.raises(ProtocolError):
        connect_endpoint(idle(simulated))
    assert len(trusted) == len(heard) == 0


def test_what_is_known_has_a_bound() -> None:
    memory = Memory[str, int](most=2)
    for number, key in enumerate(["oldest", "older", "new"]):
        memory.keep(key, number)
    assert len(memory) == 2
    assert "oldest" not in memory
    assert [memory.get(key) for key in ("oldest", "older", "new")] == [None, 1, 2]


def test_the_same_bytes_are_verified_once_and_other_bytes_anew(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    verified: list[str | bytes] = []
    read = body_signature.read

    def recorded(
        header: str | bytes, body: bytes, *, allow_weak: bool, known: Container[bytes] | None = None
    ) -> cms.Signed:
        verified.append(header)
        return read(header, body, allow_weak=allow_weak, known=known)

    monkeypatch.setattr(body_signature, "read", recorded)
    again = idle(simulated)
    assert [connect_quickly(again), connect_quickly(again), connect_endpoint(again)] == [DONE] * 3
    assert len(verified) <= 1
    verified.clear()
    for header in (again.headers["mdm-signature"] + " ", " " + again.headers["mdm-signature"]):
        assert connect_quickly(replace(again, headers={"mdm-signature": header})) is DONE
    assert len(verified) == 2


def test_a_remembered_poll_ends_with_its_certificate_and_its_registration(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, _device = registered
    remembered = idle(simulated)
    assert connect_quickly(remembered) is DONE
    with monkeypatch.context() as patch:
        later = timezone.now() + timedelta(days=4000)
        patch.setattr(timezone, "now", lambda: later)
        with pytest.raises(ProtocolError, match="expired"):
            connect_endpoint(remembered)
    DeviceCertificate.objects.update(state=DeviceCertificate.State.SUPERSEDED)
    with pytest.raises(ProtocolError, match="not in use"):
        connect_endpoint(remembered)


def test_a_header_does_not_pass_for_the_body_that_follows_it(registered: Registered) -> None:
    simulated, _device = registered
    genuine = idle(simulated)
    assert connect_quickly(genuine) is DONE
    header, body = genuine.headers["mdm-signature"], genuine.body
    for moved in (1, 40, len(header)):
        shifted = replace(genuine, headers={"mdm-signature": header[:-moved]}, body=header[-moved:].encode() + body)
        assert connect_quickly(shifted) is None
        with pytest.raises(ProtocolError):
            connect_endpoint(shifted)


def test_the_device_counts_as_seen(registered: Registered, collecting: None) -> None:
    simulated, device = registered
    COLLECTOR.flush()
    before = datetime.now(UTC) - timedelta(seconds=EVERY + 1)
    Registration.objects.filter(device=device).update(last_seen_at=before)
    assert connect_quickly(idle(simulated)) is DONE
    COLLECTOR.flush()
    seen = Registration.objects.get(device=device).last_seen_at
    assert seen is not None
    assert seen > before


def test_it_does_not_wait_while_seen_devices_are_being_written_down(registered: Registered, collecting: None) -> None:
    simulated, device = registered
    Registration.objects.filter(device=device).update(last_seen_at=None)
    with COLLECTOR._lock:  # as the collector's own thread holds it
        assert connect_quickly(idle(simulated)) is None
    assert connect_quickly(idle(simulated)) is DONE


def test_a_collector_that_has_not_begun_is_started_by_the_endpoint(registered: Registered) -> None:
    _simulated, device = registered
    collector = Collector()
    now = datetime.now(UTC)
    assert device.registration_id is not None
    assert not collector.note_at_once(device.registration_id, now, None)
    assert collector.note_at_once(device.registration_id, now, now)


# With a connection of its own and committed rows, on the file that other connections write


@pytest.fixture
def committed(
    transactional_db: None, owner: Person, register: Registers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registered]:
    """As `registered`, but for all connections to see."""
    monkeypatch.setattr(queries.ON_LOOP, "_connection", None)
    simulated, device = register(owner)
    assert simulated.poll().ended == "empty"
    COLLECTOR.flush()
    yield simulated, device
    queries.ON_LOOP.close()


def test_it_sees_what_has_been_committed(committed: Registered, owner: Person) -> None:
    simulated, device = committed
    assert connect_quickly(idle(simulated)) is DONE
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    assert connect_quickly(idle(simulated)) is None


def test_it_does_not_wait_for_a_writer(committed: Registered) -> None:
    simulated, _device = committed
    with transaction.atomic():
        Registration.objects.update(unreachable_since=timezone.now())
        assert connect_quickly(idle(simulated)) is DONE


def test_it_says_nothing_when_it_would_have_to_wait(committed: Registered) -> None:
    simulated, _device = committed
    assert connect_quickly(idle(simulated)) is DONE
    # With any connection open, nobody gets the file to themselves.
    queries.ON_LOOP.close()
    connection.close()
    alone = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        alone.execute("PRAGMA locking_mode=EXCLUSIVE")
        alone.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert connect_quickly(idle(simulated)) is None
        assert time.monotonic() - began < 0.5
    finally:
        alone.close()
    assert connect_quickly(idle(simulated)) is DONE


def test_it_cannot_write(committed: Registered) -> None:
    simulated, _device = committed
    assert connect_quickly(idle(simulated)) is DONE
    mine = queries.ON_LOOP._connection
    assert mine is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        mine.execute("DELETE FROM devices_registration")


def recording(into: list[bytes], function: Callable[..., keys.PublicKey]) -> Callable[..., keys.PublicKey]:
    def record(spki: bytes, **options: int) -> keys.PublicKey:
        into.append(spki)
        return function(spki, **options)

    return record
