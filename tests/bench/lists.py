"""Measure the console's lists: `python -m tests.bench.lists PEOPLE DEVICES ROUNDS`, in an environment that names a data
folder and a database, which is filled unless it has devices already. Writes what it found to its output, as JSON.

Requests go through the whole of Django in this process, middleware and templates included, without a web server."""

import hashlib
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import django

django.setup()

from django.core.management import call_command  # noqa: E402  models can be imported from here on
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from mydevices.accounts.models import Group, Person  # noqa: E402
from mydevices.actions import ActionKind  # noqa: E402
from mydevices.audit.models import Entry  # noqa: E402
from mydevices.audit.verbs import Verb  # noqa: E402
from mydevices.certificates.models import Challenge, DeviceCertificate  # noqa: E402
from mydevices.cli import start  # noqa: E402
from mydevices.commands.models import Action, Command  # noqa: E402
from mydevices.commands.states import State  # noqa: E402
from mydevices.console.listing import SIZE  # noqa: E402
from mydevices.devices.models import Channel, Device, Registration  # noqa: E402
from mydevices.platforms.apple.models import AppleChannel  # noqa: E402
from mydevices.registration.models import Invitation  # noqa: E402

BATCH: Final = 5000
WARM: Final = 2
"""Requests before the clock runs."""
WAITING, FAILED = 0.03, 0.02
"""Shares of the devices that have a command waiting, and one that failed in the last month."""
INVITED: Final = 0.1
"""Share of the people."""
_NOT_COUNTED: Final = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(frozen=True)
class Figure:
    """A line of the table: milliseconds of one request, those of them in which this process had a processor (which
    leaves out PostgreSQL's own, and whatever else the machine did), and its statements."""

    what: str
    median: float
    p95: float
    processor: float
    statements: int


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


# An organisation of that size


def fill(people: int, devices: int) -> None:
    """People and devices as `demo_data` makes them; and what it leaves out, because a worker would act on it:
    certificates, commands, invitations, and a history."""
    say(f"  making {people:,} people and {devices:,} devices ...")
    call_command("demo_data", people=people, devices=devices, verbosity=0, stdout=sys.stderr)
    say("  certificates, commands, invitations and a history ...")
    chance, now = random.Random(1), timezone.now()
    lives = list(Registration.objects.filter(state=Registration.State.ACTIVE).select_related("device"))
    for begin in range(0, len(lives), BATCH):
        with transaction.atomic():
            _live(lives[begin : begin + BATCH], chance, now)
    invited = chance.sample(list(Person.objects.values_list("id", flat=True)), int(people * INVITED))
    Invitation.objects.bulk_create(
        Invitation(
            person_id=one,
            token_hash=hashlib.sha256(str(one).encode()).hexdigest(),
            created_at=now - timedelta(days=chance.randrange(60)),
            expires_at=now + timedelta(days=chance.randrange(-20, 20)),
            accepted_at=now if chance.random() < 0.5 else None,
        )
        for one in invited
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as autovacuum does within minutes of so many new rows


def _live(lives: Sequence[Registration], chance: random.Random, now: datetime) -> None:
    """What some hundred days under management leave behind."""
    challenges = [
        Challenge(purpose=Challenge.Purpose.REGISTRATION, expires_at=now, spent_by=one.id.hex * 2) for one in lives
    ]
    Challenge.objects.bulk_create(challenges)
    DeviceCertificate.objects.bulk_create(
        DeviceCertificate(
            fingerprint=hashlib.sha256(life.id.bytes).hexdigest(),
            challenge=challenge,
            registration=life,
            state=DeviceCertificate.State.CURRENT,
            der=b"-",
            not_after=now + timedelta(days=chance.randrange(-2, 365), minutes=chance.randrange(1440)),
        )
        for life, challenge in zip(lives, challenges, strict=True)
    )
    channels = [Channel(registration=life, kind=Channel.Kind.DEVICE, push_token=life.id.bytes) for life in lives]
    Channel.objects.bulk_create(channels)
    AppleChannel.objects.bulk_create(AppleChannel(channel=one, push_magic=str(one.registration_id)) for one in channels)
    actions, commands = [], []
    for life, channel in zip(lives, channels, strict=True):
        drawn = chance.random()
        if drawn >= WAITING + FAILED:
            continue
        at = now - timedelta(minutes=chance.randrange(43_200))
        action = Action(
            device=life.device,
            registration=life,
            kind=chance.choice((ActionKind.LOCK, ActionKind.CHECK_IN, ActionKind.UNLOCK)),
            actor_id="bench",
            actor_name="Bench",
            requested_at=at,
        )
        actions.append(action)
        has_failed = drawn < FAILED
        commands.append(
            Command(
                uuid=uuid4(),
                action=action,
                channel=channel,
                request_type="DeviceLock",
                state=State.FAILED if has_failed else State.QUEUED,
                queued_at=at,
                sent_at=at if has_failed else None,
                finished_at=at if has_failed else None,
                error="The device did not understand." if has_failed else "",
            )
        )
    Action.objects.bulk_create(actions)
    Command.objects.bulk_create(commands)
    Entry.objects.bulk_create(
        Entry(
            at=now - timedelta(minutes=chance.randrange(200_000)),
            verb=verb,
            actor_kind="device",
            actor_name=life.device.name,
            device_id=str(life.device_id),
            device_name=life.device.name,
            person_id=str(life.device.owner_id),
        )
        for life in lives
        for verb in (Verb.DEVICE_REGISTERED, Verb.CERTIFICATE_RENEWED)
    )


# What is asked


def last_page(rows: int) -> int:
    return max(1, -(-rows // SIZE))


def pages() -> Iterator[tuple[str, str]]:
    """What each page is called in the table, and its address. Beyond the first page, addresses are of the middle and
    the very last one: what people reach by hand, and what costs most."""
    yield "overview", "/console/"
    yield from pages_of_people()
    yield from pages_of_devices()
    yield "invitations", "/console/invitations"
    yield "invitations, open, last page", "/console/invitations?state=open&page=9999"
    yield "invitations, mail not sent", "/console/invitations?state=not_sent"
    yield "invitations to “oka”", "/console/invitations?q=oka"
    yield "audit", "/console/audit"
    yield "audit of a verb", f"/console/audit?verb={Verb.DEVICE_REGISTERED}"
    yield "audit, a verb that is rare", f"/console/audit?verb={Verb.PUSH_TOKEN_DEAD}"
    yield "audit of a name", "/console/audit?q=zofia"
    yield "audit of nobody", "/console/audit?q=nobody-of-that-name"
    yield "audit, last page", "/console/audit?before=120"


def pages_of_people() -> Iterator[tuple[str, str]]:
    people, group = last_page(Person.objects.count()), Group.objects.order_by("name").values_list("id").first()
    yield "people", "/console/people"
    yield "people, middle page", f"/console/people?page={people // 2}"
    yield "people, last page", f"/console/people?page={people}"
    yield "people by last sign-in", "/console/people?sort=-sign_in"
    yield "people by last sign-in, last page", f"/console/people?sort=sign_in&page={people}"
    yield "people called “oka”", "/console/people?q=oka"
    yield "people, suspended", "/console/people?state=suspended"
    yield "people, invited", "/console/people?state=invited"
    yield "people, active", "/console/people?state=active"
    yield "people with devices", "/console/people?devices=some"
    yield "people without devices", "/console/people?devices=none"
    yield "people with a lost device", "/console/people?devices=lost"
    yield "people, administrators", "/console/people?role=administrator"
    yield "people of a group", f"/console/people?group={group and group[0]}"
    yield "groups", "/console/groups"


def pages_of_devices() -> Iterator[tuple[str, str]]:
    devices, group = last_page(Device.objects.count()), Group.objects.order_by("name").values_list("id").first()
    managed = last_page(Device.objects.filter(state=Registration.State.ACTIVE).count())
    yield "devices", "/console/devices"
    yield "devices, middle page", f"/console/devices?page={devices // 2}"
    yield "devices, last page", f"/console/devices?page={devices}"
    yield "devices by last seen", "/console/devices?sort=-seen"
    yield "devices by last seen, middle page", f"/console/devices?sort=-seen&page={devices // 2}"
    yield "devices by last seen, last page", f"/console/devices?sort=seen&page={devices}"
    yield "devices called “oka”", "/console/devices?q=oka"
    yield "devices called “oka”, by last seen", "/console/devices?q=oka&sort=seen"
    yield "devices, a serial number", "/console/devices?q=MU0000000123"
    yield "devices, managed", "/console/devices?state=active"
    yield "devices, managed, last page", f"/console/devices?state=active&page={managed}"
    yield "devices, managed, by last seen, last page", f"/console/devices?state=active&sort=seen&page={managed}"
    yield "devices, registering, by last seen", "/console/devices?state=pending&sort=-seen"
    yield "devices, retired", "/console/devices?state=retired"
    yield "devices, silent", "/console/devices?state=silent"
    yield "devices, silent, iOS, by last seen", "/console/devices?state=silent&os=iOS&sort=seen&page=3"
    yield "devices, lost", "/console/devices?state=lost"
    yield "devices that cannot be woken", "/console/devices?state=unreachable&sort=seen"
    yield "devices, macOS", "/console/devices?os=macOS"
    yield "devices, macOS, personal, by last seen", "/console/devices?os=macOS&ownership=personal&sort=-seen"
    yield "devices of a group", f"/console/devices?group={group and group[0]}"
    yield "devices of a group, by last seen", f"/console/devices?group={group and group[0]}&sort=-seen"


def measure(client: Client, what: str, url: str, rounds: int) -> Figure:
    taken, busy = [], []
    for _ in range(WARM + rounds):
        begin, busy_before = time.perf_counter(), time.process_time()
        answer = client.get(url)
        taken.append((time.perf_counter() - begin) * 1000)
        busy.append((time.process_time() - busy_before) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{url} answered {answer.status_code}: nothing was measured.")
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    asked = [query for query in queries if not query["sql"].startswith(_NOT_COUNTED)]
    p95 = statistics.quantiles(taken[WARM:], n=20, method="inclusive")[-1]
    return Figure(what, statistics.median(taken[WARM:]), p95, statistics.median(busy[WARM:]), len(asked))


def main(people: int, devices: int, rounds: int) -> list[Figure]:
    start.prepare()
    if not Device.objects.exists():
        fill(people, devices)
    boss = Person.objects.filter(email="bench@mydevices.example").first()
    if boss is None:
        boss = Person(email="bench@mydevices.example", name="Bench", role=Person.Role.ADMINISTRATOR)
        boss.set_unusable_password()
        boss.save()
    client = Client(SERVER_NAME="localhost")
    client.force_login(boss, backend="mydevices.accounts.backends.Passwords")
    say(f"  {rounds} requests of each page ...")
    return [measure(client, what, url, rounds) for what, url in pages()]


if __name__ == "__main__":
    found = main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    json.dump([vars(each) for each in found], sys.stdout)
