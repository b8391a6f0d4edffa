"""Measure one database: `python -m tests.bench.stage DEVICES SECONDS WORKERS`, in an environment that names a fresh
data folder, a port and a database. Writes what it found to its output, as JSON."""

import contextlib
import http.client
import itertools
import json
import plistlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import django

django.setup()

from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402  models can be imported from here on
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from mydevices.accounts.models import Person  # noqa: E402
from mydevices.actions import ActionKind  # noqa: E402
from mydevices.cli import serving, start  # noqa: E402
from mydevices.commands import asking  # noqa: E402
from mydevices.commands.models import Command  # noqa: E402
from mydevices.commands.states import State  # noqa: E402
from mydevices.devices import selectors as devices  # noqa: E402
from mydevices.devices.models import Device  # noqa: E402
from mydevices.outbox.models import Message  # noqa: E402
from mydevices.plane import plane  # noqa: E402
from mydevices.platforms.apple import signed  # noqa: E402
from mydevices.platforms.apple.models import PushCertificate  # noqa: E402
from mydevices.port.routes import Request  # noqa: E402
from mydevices.registration import tickets  # noqa: E402
from mydevices.vault import services as vault  # noqa: E402
from simulator import fleet  # noqa: E402
from simulator.connection import Outgoing  # noqa: E402
from simulator.device import Device as Simulated  # noqa: E402
from simulator.transport import HttpTransport, Reply, Transport  # noqa: E402
from tests import factories  # noqa: E402
from tests.bench import load  # noqa: E402
from tests.bench.load import Outcome, Task  # noqa: E402

BATCH: Final = 25
"""Devices of one person: as many as may be registered without anybody noticing a limit."""
_NOT_COUNTED: Final = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(frozen=True)
class Figure:
    """A line of the table: `rate` a second, milliseconds, statements for one (None where there is no database)."""

    what: str
    rate: float
    p50: float | None = None
    p99: float | None = None
    statements: int | None = None
    failed: int = 0


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def figure(what: str, outcome: Outcome, statements: int | None = None) -> Figure:
    return Figure(what, outcome.rate, outcome.p50, outcome.p99, statements, outcome.failed)


# The server


@contextlib.contextmanager
def running(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this benchmark's own, which ends with it."""
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output)
    try:
        yield child
        if child.poll() is not None:
            raise SystemExit(f"{arguments} ended by itself:\n{log.read_text()}")
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until(is_so: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.1)


def answers(port: int) -> bool:
    asked = http.client.HTTPConnection(load.HOST, port, timeout=2)
    try:
        asked.request("GET", "/")
        return asked.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        asked.close()


# The fleet


def in_process(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """A transport that ends at the device plane of this very process, where statements can be counted."""
    parts = urlsplit(url)
    lowered = {name.lower(): value for name, value in headers.items()}
    response = plane(Request(method, parts.path, parts.query, lowered, body, load.HOST))
    return response.status, {"content-type": response.content_type}, response.body


def register(owner: Person, key: rsa.RSAPrivateKey, send: Transport) -> Simulated:
    ticket = tickets.open_ticket(
        person=owner,
        ownership=Device.Ownership.COMPANY,
        intended="phone",
        actor=factories.actor(owner),
    )
    simulated = fleet.new_device("iphone", send=send, key=key)
    simulated.register(tickets.document_for(ticket=ticket).content)
    simulated.poll()  # the check in with which a registration ends
    return simulated


def raw(outgoing: Outgoing) -> bytes:
    """A request as it goes over the wire."""
    parts = urlsplit(outgoing.url)
    headers = {"Host": parts.netloc, **outgoing.headers, "Content-Length": str(len(outgoing.body))}
    lines = [f"{outgoing.method} {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + outgoing.body


def unlike(polls: Sequence[bytes], number: int) -> Iterator[bytes]:
    """That many requests of which no two are alike, from these. The signatures hold: what differs are spaces in the
    header's Base64, which its reader leaves out."""
    for turn in range(number):
        poll = polls[turn % len(polls)]
        begin = poll.index(b"Mdm-Signature: ") + len(b"Mdm-Signature: ") + 1
        spaces, place = divmod(turn // len(polls), poll.index(b"\r", begin) - begin)
        yield poll[: begin + place] + b" " * (spaces + 1) + poll[begin + place :]


def acknowledgement(simulated: Simulated, uuid: str) -> bytes:
    body = {"UDID": simulated.udid, "Status": "Acknowledged", "CommandUUID": uuid}
    return raw(simulated.signed_request(plistlib.dumps(body)))


# What is measured


def count(do: Callable[[], object]) -> int:
    """The statements of something, counted as tests/platforms/apple/test_actions.py does."""
    with CaptureQueriesContext(connection) as queries:
        do()
    return sum(1 for query in queries if not query["sql"].startswith(_NOT_COUNTED) and "audit_" not in query["sql"])


def lock(device: Device) -> None:
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(device.owner, proved=datetime.now(UTC)))


def enqueue_all(loaded: Sequence[Device]) -> Outcome:
    outcome = Outcome()
    begin = time.perf_counter()
    for device in loaded:
        before = time.perf_counter()
        lock(device)
        outcome.latencies.append((time.perf_counter() - before) * 1000)
    outcome.seconds, outcome.done = time.perf_counter() - begin, len(loaded)
    return outcome


def round_trips(
    port: int, owners: Sequence[Person], simulated: Mapping[str, Simulated], seconds: float
) -> tuple[Outcome, Outcome]:
    """Lock every device, and let each ask, obey and report; again and again. The round trips, and the enqueueing."""
    idle = {udid: raw(one.signed_request(one.idle_body())) for udid, one in simulated.items()}
    trips, queued = Outcome(), Outcome()
    while trips.seconds < seconds:
        add(queued, enqueue_all([device for owner in owners for device in devices.owned_by(owner)]))
        waiting = Command.objects.filter(state=State.QUEUED).values_list(
            "channel__registration__device__hardware_id", "uuid"
        )
        conversations = [(idle[udid], acknowledgement(simulated[udid], str(uuid))) for udid, uuid in waiting]
        add(trips, load.measure(Task(port, conversations, bodies=1)))
        # The worker does not run: nobody delivers these.
        Message.objects.all().delete()
    unfinished = Command.objects.exclude(state=State.DONE).count()
    if unfinished:
        raise SystemExit(f"{unfinished} commands were not done: what was measured is not what was meant.")
    trips.settle()
    queued.settle()
    return trips, queued


def add(total: Outcome, part: Outcome) -> None:
    total.seconds += part.seconds
    total.done += part.done
    total.failed += part.failed
    total.latencies += part.latencies


def main(number: int, seconds: float, workers: int) -> list[Figure]:
    port: int = settings.ENVIRONMENT.port
    folder: Path = settings.DATA
    start.prepare()
    now = datetime.now(UTC)
    # No wake is delivered here. Its topic is what counts: without one, nobody can register.
    PushCertificate.objects.create(
        key=vault.seal(b"-", vault.Place("bench", "key", row=1, owner=1)),
        certificate=b"-",
        topic="com.apple.mgmt.External.11111111-2222-3333-4444-555555555555",
        not_after=now + timedelta(days=300),
        installed_at=now,
    )
    log = folder / "server.log"
    with running(log, "-P", "-m", "mydevices", "serve", "--web", "--workers", str(workers)) as server:
        wait_until(lambda: serving.is_ready(load.HOST, port), server, log)
        return measure(port, folder, number, seconds, workers)


def measure(port: int, folder: Path, number: int, seconds: float, workers: int) -> list[Figure]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wire = HttpTransport()
    say(f"  registering {number} devices ...")
    owners = [factories.person(f"Person {index}") for index in range(0, number, BATCH)]
    made = [register(owner, key, wire) for owner, _ in zip(itertools.cycle(owners), range(number), strict=False)]
    fleet_by_udid = {simulated.udid: simulated for simulated in made}

    apart = factories.person("Somebody else")
    counted = register(apart, key, in_process)
    one = devices.owned_by(apart).get()
    statements_idle = count(counted.poll)
    statements_enqueue = count(lambda: lock(one))
    statements_trip = count(counted.poll)

    polls = [(raw(simulated.signed_request(simulated.idle_body())),) for simulated in made]
    health = [(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",)]
    say(f"  polls: a request of {len(polls[0][0])} bytes each ...")
    load.measure(Task(port, polls, seconds=min(2.0, seconds)))  # to warm up
    idle = load.measure(Task(port, polls, seconds=seconds))
    others = [(poll,) for poll in unlike([poll for (poll,) in polls], signed.MOST + signed.MOST // 8)]
    anew = load.measure(Task(port, others, seconds=seconds))
    bare = load.measure(Task(port, health, seconds=seconds, bodies=None))
    say("  command round trips ...")
    trips, queued = round_trips(port, owners, fleet_by_udid, seconds)
    say("  the load generator alone ...")
    other, log = load.free_port(), folder / "bare.log"
    with running(log, "-m", "tests.bench.bare", str(other), str(workers)) as bare_server:
        wait_until(lambda: answers(other), bare_server, log)
        generator = load.measure(Task(other, polls, seconds=seconds, bodies=None))
    return [
        figure("idle poll", idle, statements_idle),
        figure("idle poll, unlike any before", anew, statements_idle),
        figure("command round trip", trips, statements_trip),
        figure("enqueue (one process)", queued, statements_enqueue),
        figure("bare endpoint (/healthz)", bare),
        figure("load generator alone", generator),
    ]


if __name__ == "__main__":
    found = main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    json.dump([vars(each) for each in found], sys.stdout)
