"""What a device that holds a good key may send all the same: wrong types, missing keys, numbers out of all measure,
other methods and content types. Nothing of it is an error of the server's, and what is refused changes nothing."""

import plistlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.commands import queue
from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Channel, Device, Registration
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.port.routes import ROUTES
from mydevices.registration import lives, tickets
from mydevices.registration.models import Ticket
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.errors import Unreachable
from tests.platforms.apple.conftest import TOPIC, Registers, send, ticket_for

CONNECT = "https://localhost/mdm/apple/connect"
CHECKIN = "https://localhost/mdm/apple/checkin"
SCEP = "https://localhost/mdm/apple/scep"

COMMAND = UUID("11111111-2222-3333-4444-555555555555")
MISSING = object()
WRONG: Sequence[Any] = (
    MISSING,
    "",
    "x" * 100_000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "a\nb\u2028c\ufffdd\u202e\U0001f600",
    -1,
    2**64 - 1,
    -(2**63),
    1e308,
    float("nan"),
    True,
    b"\x00\xff" * 40,
    datetime(1, 1, 1),  # noqa: DTZ001  property lists know no zone
    ["x", 7, {}],
    [{}],
    {"x": {"y": [1]}},
)

CHECK_INS: Mapping[str, Mapping[str, Any]] = {
    "Authenticate": {
        "Topic": TOPIC,
        "DeviceName": "A name",
        "Model": "iPhone17,1",
        "ModelName": "iPhone",
        "ProductName": "iPhone17,1",
        "OSVersion": "18.1",
        "SerialNumber": "C1",
        "IMEI": "1",
    },
    "TokenUpdate": {
        "Topic": TOPIC,
        "Token": b"token",
        "PushMagic": "magic",
        "UnlockToken": b"unlock",
        "AwaitingConfiguration": False,
        "NotOnConsole": "false",
    },
    "UserAuthenticate": {"DigestResponse": "x"},
    "SetBootstrapToken": {"BootstrapToken": b"token", "AwaitingConfiguration": False},
    "GetBootstrapToken": {"AwaitingConfiguration": False},
    "DeclarativeManagement": {"Endpoint": "tokens", "Data": b"{}"},
    "GetToken": {"TokenServiceType": "com.apple.maid", "TokenParameters": {}},
}
IDENTITY = ("MessageType", "UDID", "EnrollmentID", "UserID", "UserShortName", "EnrollmentUserID")

PROFILE = {"PayloadIdentifier": "a", "PayloadUUID": "b", "PayloadDisplayName": "c", "IsManaged": True}
APP = {"Identifier": "org.example.app", "Name": "App", "ShortVersion": "1", "Version": "1", "BundleSize": 7}
QUERIED = {
    "DeviceName": "A name",
    "ProductName": "iPhone17,1",
    "ModelName": "iPhone",
    "OSVersion": "18.1",
    "SerialNumber": "C1",
    "DeviceCapacity": 128.0,
    "AvailableDeviceCapacity": 64.0,
    "BatteryLevel": 0.5,
    "IsSupervised": True,
    "IsMDMLostModeEnabled": False,
    "IsActivationLockEnabled": False,
}
PLACE = {
    "Latitude": 52.5,
    "Longitude": 13.4,
    "HorizontalAccuracy": 5.0,
    "Altitude": 30.0,
    "Timestamp": "2026-11-28T12:00:00Z",
}
SECURITY = {"PasscodePresent": True, "PasscodeCompliant": True, "FDE_Enabled": True, "HardwareEncryptionCaps": 3}
ANSWERS: Mapping[str, tuple[Mapping[str, Any], tuple[str | int, ...]]] = {
    "DeviceInformation": ({"QueryResponses": QUERIED}, ("QueryResponses",)),
    "SecurityInfo": ({"SecurityInfo": SECURITY}, ("SecurityInfo",)),
    "ProfileList": ({"ProfileList": [PROFILE]}, ("ProfileList", 0)),
    "CertificateList": (
        {"CertificateList": [{"CommonName": "a", "Data": b"der", "IsIdentity": True}]},
        ("CertificateList", 0),
    ),
    "InstalledApplicationList": ({"InstalledApplicationList": [APP]}, ("InstalledApplicationList", 0)),
    "DeviceLocation": (PLACE, ()),
    "DeviceLock": ({"MessageResult": "Success"}, ()),
    "EnableLostMode": ({}, ()),
    "InstallProfile": ({}, ()),
}
"""An answer for each command, and the way to the dictionary in it whose values are replaced."""


def dumped(message: Mapping[str, Any]) -> bytes:
    return plistlib.dumps({key: value for key, value in message.items() if value is not MISSING})


def spoilt(message: Mapping[str, Any], keys: Sequence[str]) -> Iterator[bytes]:
    """The message with each of these keys replaced by each wrong value, one at a time."""
    for key in keys:
        for value in WRONG:
            yield dumped({**message, key: value})


KEPT: Sequence[type[models.Model]] = (
    Registration,
    Channel,
    DeviceCertificate,
    Challenge,
    Ticket,
    Command,
    Entry,
    Device,
)


def everything() -> list[list[tuple[Any, ...]]]:
    """All that a device could change, but for when it was seen."""
    seen = {"last_seen_at", "seen_at"}
    rows = []
    for model in KEPT:
        names = [field.attname for field in model._meta.concrete_fields if field.name not in seen]
        rows.append(sorted(model._default_manager.values_list(*names), key=str))
    return rows


@contextmanager
def writing() -> Iterator[list[str]]:
    """The statements that write, as they are run."""
    written: list[str] = []

    def look(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        if sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(sql)
        return execute(sql, *more)

    with connection.execute_wrapper(look):
        yield written


def signed(simulated: Simulated, endpoint: str, body: bytes) -> int:
    return send("PUT", endpoint, simulated.signed_request(body).headers, body)[0]


@pytest.mark.parametrize("kind", sorted(CHECK_INS))
def test_a_check_in_with_wrong_values_is_read_or_refused_and_then_changes_nothing(
    owner: Person, register: Registers, kind: str
) -> None:
    simulated, _device = register(owner, "mac")
    message = {"MessageType": kind, "UDID": simulated.udid, **CHECK_INS[kind]}
    for body in spoilt(message, [*CHECK_INS[kind], *IDENTITY]):
        with writing() as written:
            status = signed(simulated, CHECKIN, body)
        assert status in {200, 400, 404, 410}, body
        assert status != 400 or not written, (body, written)


def replaced(answer: Mapping[str, Any], way: Sequence[str | int], key: str, value: object) -> dict[str, Any]:
    """The answer with one of its inner values replaced."""
    copy: dict[str, Any] = deepcopy(dict(answer))
    place: Any = copy
    for step in way:
        place = place[step]
    place[key] = value
    if value is MISSING:
        del place[key]
    return copy


def inner(answer: Mapping[str, Any], way: Sequence[str | int]) -> Mapping[str, Any]:
    place: Any = answer
    for step in way:
        place = place[step]
    found: Mapping[str, Any] = place
    return found


@pytest.mark.parametrize("request_type", sorted(ANSWERS))
def test_an_answer_with_wrong_values_is_read_or_counts_as_failed(
    owner: Person, register: Registers, request_type: str
) -> None:
    """The device gets its 200 all the same: where an answer is refused, it is repeated for ever."""
    policies.create(
        actor=Actor.system("test"),
        name="All that can be",
        values=Privacy(app_inventory=privacy.ALL_APPS, location=privacy.ON),
        assignment=EVERYONE,
    )
    simulated, device = register(owner, supervised=True)
    simulated.poll()
    channel = Channel.objects.get(registration=device.registration_id)
    answer, way = ANSWERS[request_type]
    report = {"UDID": simulated.udid, "Status": "Acknowledged", "CommandUUID": str(COMMAND)}
    bodies = [*spoilt({**report, **answer}, [*answer, "MessageResult", "RequestType"])]
    bodies += [
        dumped({**report, **replaced(answer, way, key, value)})
        for key in (inner(answer, way) if way else ())
        for value in WRONG
    ]
    for body in bodies:
        given(channel, request_type)
        assert signed(simulated, CONNECT, body) == 200, body
        assert Command.objects.get(uuid=COMMAND).state in {State.DONE, State.FAILED}, body


@pytest.mark.parametrize("status", ["Acknowledged", "Error"])
def test_a_report_with_wrong_values_is_read_or_refused_and_then_changes_nothing(
    owner: Person, register: Registers, status: str
) -> None:
    simulated, device = register(owner)
    simulated.poll()
    channel = Channel.objects.get(registration=device.registration_id)
    link = {"ErrorCode": 7, "ErrorDomain": "a", "LocalizedDescription": "b", "USEnglishDescription": "c"}
    report = {
        "UDID": simulated.udid,
        "Status": status,
        "CommandUUID": str(COMMAND),
        "ErrorChain": [link],
        "NotOnConsole": False,
    }
    bodies = [*spoilt(report, [*report, *IDENTITY])]
    bodies += [dumped({**report, "ErrorChain": [{**link, key: value}]}) for key in link for value in WRONG[1:]]
    for body in bodies:
        given(channel, "SecurityInfo")
        with writing() as written:
            answered = signed(simulated, CONNECT, body)
        assert answered in {200, 400}, body
        assert answered == 200 or not written, (body, written)


def given(channel: Channel, request_type: str) -> None:
    """The device has this command, and nothing else waits for it."""
    Command.objects.all().delete()
    Command.objects.create(
        uuid=COMMAND,
        channel=channel,
        request_type=request_type,
        parameters={"scope": privacy.ALL_APPS, "installation": 7},
        state=State.SENT,
        queued_at=timezone.now(),
    )


@pytest.mark.parametrize(
    ("kind", "key"), [("TokenUpdate", "Token"), ("TokenUpdate", "UnlockToken"), ("SetBootstrapToken", "BootstrapToken")]
)
def test_a_token_beyond_all_measure_is_not_kept(owner: Person, register: Registers, kind: str, key: str) -> None:
    simulated, _device = register(owner, "mac")
    message = {**CHECK_INS[kind], "MessageType": kind, "UDID": simulated.udid}
    before = everything()
    assert signed(simulated, CHECKIN, dumped({**message, key: bytes(64 * 1024 + 1)})) == 400
    assert everything() == before
    assert signed(simulated, CHECKIN, dumped({**message, key: bytes(64 * 1024)})) == 200


def test_a_device_cannot_have_users_without_end(
    owner: Person, register: Registers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "MOST_USERS", 3)
    simulated, device = register(owner, "mac")
    message = {**CHECK_INS["TokenUpdate"], "MessageType": "TokenUpdate", "UDID": simulated.udid}
    answers = [signed(simulated, CHECKIN, dumped({**message, "UserID": f"user {number}"})) for number in range(5)]
    assert answers == [200, 200, 400, 400, 400]  # it had one
    assert Channel.objects.filter(registration=device.registration_id, kind=Channel.Kind.USER).count() == 3
    assert signed(simulated, CHECKIN, dumped({**message, "UserID": "user 0"})) == 200


def test_a_name_with_line_ends_becomes_one_line(owner: Person, register: Registers) -> None:
    """It stands on pages, in mails and in the log."""
    simulated, _device = register(owner)
    name = "Ines\r\n\nPlease call\u2028me:\x85 \u202eenohp"
    body = dumped(
        {**CHECK_INS["Authenticate"], "MessageType": "Authenticate", "UDID": simulated.udid, "DeviceName": name}
    )
    assert signed(simulated, CHECKIN, body) == 200
    assert Device.objects.get().name == "Ines Please call me:  enohp"


METHODS = ("GET", "HEAD", "DELETE", "PATCH", "TRACE", "PROPFIND", "", "put", "OPTIONS")


@pytest.mark.parametrize("endpoint", [CONNECT, CHECKIN])
@pytest.mark.parametrize("method", METHODS)
def test_another_method_does_nothing_even_with_a_good_signature(
    owner: Person, register: Registers, endpoint: str, method: str
) -> None:
    simulated, device = register(owner)
    channel = Channel.objects.get(registration=device.registration_id)
    queue.upkeep(channel=channel, request_type="SecurityInfo")
    before = everything()
    for body in (simulated.idle_body(), dumped({"MessageType": "CheckOut", "UDID": simulated.udid})):
        status = send(method, endpoint, simulated.signed_request(body).headers, body)[0]
        assert status == (204 if method == "OPTIONS" else 405)
    assert everything() == before


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "application/json", "multipart/form-data; boundary=x", "\u00e9", "x" * 9000]
)
def test_a_content_type_decides_nothing(owner: Person, register: Registers, content_type: str) -> None:
    simulated, _device = register(owner)
    simulated.poll()
    request = simulated.signed_request(simulated.idle_body())
    headers = {**request.headers, "Content-Type": content_type}
    assert send("PUT", CONNECT, headers, request.body) == (200, {}, b"")
    assert send("POST", SCEP, {"Content-Type": content_type}, b"x")[0] == 400


def test_a_signature_that_is_there_twice_is_refused(owner: Person, register: Registers) -> None:
    """The server joins repeated headers with a comma."""
    simulated, _device = register(owner)
    request = simulated.signed_request(simulated.idle_body())
    signature = request.headers["Mdm-Signature"]
    for twice in (f"{signature}, {signature}", f"{signature},", f", {signature}", signature + signature):
        assert send("PUT", CONNECT, {**request.headers, "Mdm-Signature": twice}, request.body)[0] == 400


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"a{number}=1" for number in range(50)),
        "operation=PKIOperation&message=%C3%A9",
        "operation=PKIOperation&message=%FF%FE%00",
        "operation=PKIOperation&message=" + "A" * 60_000,
        "operation=PKIOperation&message=MIA=&message=MIA=",
        "operation=%00",
        "operation=GetCACert%00",
        "operation[]=PKIOperation",
        "%",
        "\u00e9=\u00e9",
    ],
)
def test_a_scep_address_out_of_shape_is_refused(server: None, query: str) -> None:
    for method in ("GET", "POST"):
        assert send(method, f"{SCEP}?{query}", {}, b"")[0] == 400
    assert send("HEAD", f"{SCEP}?{query}", {}, b"")[0] in {400, 405}


def test_every_endpoint_is_tried_here() -> None:
    assert {path for path in ROUTES if path.startswith("/mdm/apple/")} == {
        address.removeprefix("https://localhost") for address in (CONNECT, CHECKIN, SCEP)
    }


# The topic of the registration


@pytest.mark.parametrize("topic", ["com.apple.mgmt.External.somebody-else", TOPIC.lower(), f"{TOPIC} ", TOPIC[:-1]])
def test_a_foreign_topic_begins_no_registration(owner: Person, server: None, topic: str) -> None:
    simulated = fleet.new_device("iphone", send=send)
    ticket = ticket_for(owner)
    document = tickets.document_for(ticket=ticket, signed=False).content
    with pytest.raises(Unreachable, match="400"):
        simulated.register(document.replace(TOPIC.encode(), topic.encode()))
    assert not Device.objects.exists()
    assert Ticket.objects.get(id=ticket.id).used_at is None
    simulated.register(document)
    assert Ticket.objects.get(id=ticket.id).used_at is not None


@pytest.mark.parametrize("kind", ["Authenticate", "TokenUpdate"])
def test_a_foreign_topic_changes_nothing_of_a_registration(owner: Person, register: Registers, kind: str) -> None:
    simulated, _device = register(owner, "mac")
    message = {**CHECK_INS[kind], "MessageType": kind, "UDID": simulated.udid, "Topic": "com.apple.mgmt.else"}
    user = {"UserID": "11111111-2222-3333-4444-555555555555", "UserShortName": "else"}
    # Not even that a renewed certificate was used for the first time.
    DeviceCertificate.objects.update(state=DeviceCertificate.State.ISSUED)
    before = everything()
    assert signed(simulated, CHECKIN, dumped(message)) == 400
    if kind == "TokenUpdate":
        assert signed(simulated, CHECKIN, dumped({**message, **user})) == 400
    assert everything() == before
    assert signed(simulated, CHECKIN, dumped({**message, "Topic": TOPIC})) == 200
