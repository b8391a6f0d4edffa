"""What real clients send and what hostile ones try: protocols.md, “What real clients send”, line by line."""

import base64
import plistlib
from dataclasses import replace
from datetime import datetime
from unittest import mock
from urllib.parse import quote

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.certificates import selectors as certificates
from mydevices.commands import asking, queue
from mydevices.commands.models import Command
from mydevices.commands.queue import LoopReader
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.devices.seen import COLLECTOR
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.port.routes import ROUTES, Request, Response
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.errors import Unreachable
from simulator.mac import Mac
from simulator.scep import Manner
from simulator.transport import Reply
from tests.platforms.apple import conftest
from tests.platforms.apple.conftest import Registers, answers, fresh, present, profile_for, send

CONNECT = "https://localhost/mdm/apple/connect"
CHECKIN = "https://localhost/mdm/apple/checkin"
SCEP = "https://localhost/mdm/apple/scep"
ENTITIES = (
    b'<!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    b"<plist><dict><key>UDID</key><string>&b;</string></dict></plist>"
)


@pytest.fixture(autouse=True, params=conftest.WAYS)
def way(request: pytest.FixtureRequest, beside: LoopReader, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every answer is the same on the event loop as in a thread."""
    chosen: str = request.param
    monkeypatch.setattr(conftest, "way", chosen)
    return chosen


def test_only_sqlite_is_read_on_the_event_loop() -> None:
    quick = ROUTES["/mdm/apple/connect"].quick
    assert (quick is not None) == (connection.vendor == "sqlite") == (conftest.ON_THE_LOOP in conftest.WAYS)


@pytest.mark.parametrize("endpoint", [CONNECT, CHECKIN])
@pytest.mark.parametrize(
    "header", [{}, {"Mdm-Signature": "no base64!"}, {"Mdm-Signature": base64.b64encode(b"0").decode()}]
)
def test_whoever_cannot_prove_who_they_are_gets_400_and_never_401(
    server: None, endpoint: str, header: dict[str, str]
) -> None:
    body = plistlib.dumps({"UDID": "X", "Status": "Idle"})
    assert send("PUT", endpoint, header, body)[0] == 400


def test_an_unknown_device_gets_400_so_that_a_restored_backup_unenrols_nobody(
    owner: Person, register: Registers
) -> None:
    simulated, device = register(owner)
    request = simulated.signed_request(simulated.idle_body())
    Device.objects.filter(id=device.id).update(registration=None)
    Registration.objects.all().delete()
    assert send(*request)[0] == 400


def test_a_retired_device_and_only_such_a_one_is_told_that_it_is_unrecognised(
    owner: Person, register: Registers
) -> None:
    simulated, device = register(owner)
    request = simulated.signed_request(simulated.idle_body())
    Registration.objects.filter(device=device).update(state=Registration.State.RETIRED)
    status, _headers, body = send(*request)
    assert status == 403
    assert plistlib.loads(body) == {"code": "com.apple.unrecognized.device"}
    Registration.objects.filter(device=device).update(state=Registration.State.REPLACED)
    assert send(*request)[0] == 400
    Registration.objects.filter(device=device).update(state=Registration.State.WIPED)
    assert send(*request)[0] == 200  # what it is told there: test_after_wipe.py


def test_a_captured_header_does_not_authenticate_another_body(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    action = asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    command = Command.objects.get(action=action)
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=command.queued_at)
    captured = simulated.signed_request(simulated.idle_body())
    forged = plistlib.dumps({"UDID": simulated.udid, "Status": "Acknowledged", "CommandUUID": str(command.uuid)})
    assert send(captured.method, captured.url, captured.headers, forged)[0] == 400
    command.refresh_from_db()
    assert command.state == State.SENT


@pytest.mark.parametrize("attached", [False, True])
def test_both_forms_of_mdm_signature_are_accepted(owner: Person, register: Registers, attached: bool) -> None:
    simulated, _device = register(owner)
    simulated.behaviour.attach_body = attached
    assert send(*simulated.signed_request(simulated.idle_body()))[0] == 200


def test_a_poll_by_post_without_a_content_type_is_answered(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner)
    simulated.poll()
    _method, url, headers, body = simulated.signed_request(simulated.idle_body())
    bare = {name: value for name, value in headers.items() if name != "Content-Type"}
    assert send("POST", url, bare, body) == (200, {}, b"")


def test_sha1_in_signatures_has_a_switch_of_its_own(owner: Person, register: Registers, settings: Settings) -> None:
    simulated, _device = register(owner)
    simulated.behaviour.old_digest = True
    request = simulated.signed_request(simulated.idle_body())
    assert send(*request)[0] == 200
    usual = settings.ENVIRONMENT
    settings.ENVIRONMENT = usual.model_copy(update={"allow_weak_scep": False})
    assert send(*request)[0] == 200
    settings.ENVIRONMENT = usual.model_copy(update={"allow_sha1_signatures": False})
    assert send(*request)[0] == 400
    body = plistlib.dumps({"MessageType": "CheckOut", "UDID": simulated.udid})
    assert send("PUT", CHECKIN, simulated.signed_request(body).headers, body)[0] == 400
    assert present(owner, simulated).is_registered


@pytest.mark.parametrize("manner", [Manner(cipher="des"), Manner(cipher="tripledes_3key"), Manner(digest="sha1")])
def test_weak_scep_has_a_switch_of_its_own(
    owner: Person, server: None, settings: Settings, shared_key: rsa.RSAPrivateKey, manner: Manner
) -> None:
    usual = settings.ENVIRONMENT
    settings.ENVIRONMENT = usual.model_copy(update={"allow_weak_scep": False})
    simulated = fleet.new_device("iphone", send=send, manner=manner, key=shared_key)
    profile = profile_for(owner)
    with pytest.raises(Unreachable, match="400"):
        simulated.register(profile)
    settings.ENVIRONMENT = usual.model_copy(update={"allow_sha1_signatures": False})
    simulated.register(profile)
    assert present(owner, simulated).is_registered
    assert [one.registration for one in certificates.asked_weakly()] == [present(owner, simulated).registration]
    other = fleet.new_device("iphone", send=send, key=shared_key)
    other.register(profile_for(owner))
    assert certificates.asked_weakly().count() == 1


def written(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]


def test_it_is_written_down_once_that_a_device_signs_with_sha1_and_once_that_it_no_longer_does(
    owner: Person, register: Registers
) -> None:
    simulated, _device = register(owner)
    simulated.poll()

    def poll() -> int:
        request = simulated.signed_request(simulated.idle_body())
        COLLECTOR.flush()
        with CaptureQueriesContext(connection) as queries:
            assert send(*request)[0] == 200
        return len(written(queries))

    def since() -> datetime | None:
        life = present(owner, simulated).registration
        return life.old_digest_since if life else None

    assert (poll(), since()) == (0, None)
    simulated.behaviour.old_digest = True
    assert poll() == 1
    first = since()
    assert first is not None
    assert (poll(), poll(), since()) == (0, 0, first)
    simulated.behaviour.old_digest = False
    assert (poll(), since(), poll()) == (1, None, 0)
    simulated.behaviour.old_digest = True
    simulated.update_token()
    assert since() is not None


@pytest.mark.parametrize("in_query", [False, True])
def test_single_des_and_sha1_clients_register_by_post_and_by_query(
    owner: Person, server: None, in_query: bool, shared_key: rsa.RSAPrivateKey
) -> None:
    manner = Manner(cipher="des", digest="sha1", query_on_post=in_query)
    simulated = fleet.new_device("iphone", send=send, manner=manner, key=shared_key)
    simulated.register(profile_for(owner))
    assert present(owner, simulated).is_registered


def test_scep_answers_its_exact_content_types(server: None) -> None:
    assert send("GET", f"{SCEP}?operation=GetCACert", {}, b"")[1]["content-type"] == "application/x-x509-ca-cert"
    status, headers, body = send("GET", f"{SCEP}?operation=GetCACaps&message=x", {}, b"")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert {b"AES", b"SHA-256", b"POSTPKIOperation"} <= set(body.split())


@pytest.mark.parametrize(
    "query", ["", "operation=Nonsense", "operation=PKIOperation", "operation=PKIOperation&message=AAAA"]
)
def test_a_scep_request_that_is_none_is_400(server: None, query: str) -> None:
    assert send("GET", f"{SCEP}?{query}", {}, b"")[0] == 400


def test_declarative_management_and_get_token_are_answered_as_not_offered(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner)
    for message in (
        {"MessageType": "DeclarativeManagement", "Endpoint": "tokens"},
        {"MessageType": "GetToken", "TokenServiceType": "com.apple.maid"},
    ):
        body = plistlib.dumps({"UDID": simulated.udid, **message})
        _method, _url, headers, _body = simulated.signed_request(body)
        assert send("PUT", CHECKIN, headers, body)[0] == 404


def test_a_mac_gets_its_bootstrap_token_back(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner, "mac")
    assert isinstance(simulated, Mac)
    assert simulated.get_bootstrap_token() == simulated.enrolment.bootstrap_token


def check_in(simulated: Simulated, **message: object) -> Reply:
    body = plistlib.dumps({"UDID": simulated.udid, **message})
    return send("PUT", CHECKIN, simulated.signed_request(body).headers, body)


def test_a_mac_that_left_no_bootstrap_token_gets_an_empty_answer(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner, "mac")
    assert check_in(simulated, MessageType="SetBootstrapToken")[0] == 200
    assert check_in(simulated, MessageType="GetBootstrapToken") == (200, {}, b"")


def test_a_mac_that_registers_anew_does_not_get_the_bootstrap_token_of_its_former_life(
    owner: Person, register: Registers
) -> None:
    simulated, device = register(owner, "mac")
    simulated.leave(check_out=False)
    with mock.patch.object(Mac, "_after_enrolment"):  # it has not left a new one yet
        register(owner, simulated=simulated)
    assert check_in(simulated, MessageType="GetBootstrapToken") == (200, {}, b"")
    assert not AppleRegistration.objects.exclude(bootstrap_token=None).exists()
    assert present(owner, simulated).registration_id != device.registration_id


def test_a_mac_that_begins_its_registration_again_has_no_bootstrap_token(owner: Person, register: Registers) -> None:
    """Authenticate repeated before the first TokenUpdate: an enrolment that broke off, perhaps for an erased disk."""
    simulated, device = register(owner, "mac")
    Registration.objects.filter(device=device).update(state=Registration.State.PENDING)
    simulated.repeat_authenticate()
    assert check_in(simulated, MessageType="GetBootstrapToken") == (200, {}, b"")


def test_a_mac_that_only_repeats_authenticate_keeps_its_bootstrap_token(owner: Person, register: Registers) -> None:
    """As when its certificate was renewed, which is no new life."""
    simulated, _device = register(owner, "mac")
    assert isinstance(simulated, Mac)
    simulated.repeat_authenticate()
    assert simulated.get_bootstrap_token() == simulated.enrolment.bootstrap_token


def test_a_push_token_may_have_any_length_and_be_somebody_else_s_too(owner: Person, register: Registers) -> None:
    first, _device = register(owner)
    second, _other = register(owner)
    for simulated in (first, second):
        body = plistlib.dumps(
            {
                "MessageType": "TokenUpdate",
                "Topic": "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555",
                "UDID": simulated.udid,
                "PushMagic": "magic",
                "Token": b"x" * 100,
            }
        )
        _method, _url, headers, _body = simulated.signed_request(body)
        assert send("PUT", CHECKIN, headers, body)[0] == 200


def test_an_acknowledgement_is_known_by_its_id_alone(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    simulated.poll()
    action = asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    command = Command.objects.get(action=action)
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=command.queued_at)
    body = plistlib.dumps(
        {"UDID": simulated.udid, "Status": "Acknowledged", "CommandUUID": str(command.uuid), "RequestType": ""}
    )
    assert send(*simulated.signed_request(body))[0] == 200
    command.refresh_from_db()
    assert command.state == State.DONE


@pytest.mark.parametrize("command_uuid", ["", "nonsense", "11111111-2222-3333-4444-555555555555"])
def test_a_report_of_no_command_of_ours_changes_nothing(owner: Person, register: Registers, command_uuid: str) -> None:
    simulated, device = register(owner)
    simulated.poll()
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    body = plistlib.dumps({"UDID": simulated.udid, "Status": "Error", "CommandUUID": command_uuid})
    status, _headers, answer = send(*simulated.signed_request(body))
    assert status == 200
    assert plistlib.loads(answer)["Command"]["RequestType"] == "DeviceLock"
    assert Command.objects.get(request_type="DeviceLock").state == State.SENT


def test_a_report_of_another_device_s_command_changes_nothing(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    other, _other = register(owner)
    action = asking.enqueue(device=device, kind=ActionKind.LOCK, actor=fresh(owner))
    command = Command.objects.get(action=action)
    queue.mark_sent(command_id=command.pk, seen=State.QUEUED, now=command.queued_at)
    body = plistlib.dumps({"UDID": other.udid, "Status": "Acknowledged", "CommandUUID": str(command.uuid)})
    assert send(*other.signed_request(body))[0] == 200
    command.refresh_from_db()
    assert command.state == State.SENT
    assert simulated.is_registered


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a property list",
        plistlib.dumps({}),
        plistlib.dumps({"UDID": 7, "Status": "Idle"}),
        plistlib.dumps({"UDID": "X", "Status": "Nonsense"}),
        ENTITIES,
        b"<plist>" + b"<array>" * 5000 + b"</array>" * 5000 + b"</plist>",
    ],
)
def test_a_malformed_or_hostile_body_is_400_and_changes_nothing(
    owner: Person, register: Registers, body: bytes
) -> None:
    simulated, _device = register(owner)
    before = list(Command.objects.values_list("id", "state"))
    request = simulated.signed_request(body)
    assert send(*request)[0] == 400
    assert send("PUT", CHECKIN, request.headers, body)[0] == 400
    assert list(Command.objects.values_list("id", "state")) == before


def test_a_long_url_passes_whole(owner: Person, server: None) -> None:
    message = quote(base64.b64encode(b"0" * 4500).decode())
    assert send("POST", f"{SCEP}?operation=PKIOperation&message={message}", {}, b"")[0] == 400  # read, and no SCEP


@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    path=st.sampled_from(["connect", "checkin", "scep"]),
    body=st.binary(max_size=400) | st.just(b">Idle<"),
    signature=st.text(max_size=200),
)
def test_whatever_a_stranger_sends_is_refused_without_an_error(
    server: None, way: str, path: str, body: bytes, signature: str
) -> None:
    for method in ("PUT", "POST", "GET"):
        response = answers[way](
            Request(method=method, path=f"/mdm/apple/{path}", headers={"mdm-signature": signature}, body=body)
        )
        assert response.status in {400, 404, 405}


@pytest.mark.parametrize("path", sorted(path for path in ROUTES if path.startswith("/mdm/apple/")))
def test_every_route_answers_the_methods_that_it_names_and_no_other(
    server: None, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def endpoint(request: Request) -> Response:
        asked.append(request.method)
        return Response(200)

    monkeypatch.setitem(ROUTES, path, replace(ROUTES[path], endpoint=endpoint, quick=None))
    expected = {"/mdm/apple/scep": ["GET", "HEAD", "POST"]}.get(path, ["PUT", "POST"])
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "OPTIONS"):
        status, headers, _body = send(method, f"https://localhost{path}", {}, b"")
        if method not in expected:
            assert status == (204 if method == "OPTIONS" else 405)
            assert headers["allow"] == ", ".join([*expected, "OPTIONS"])
    assert sorted(asked) == sorted(expected)
