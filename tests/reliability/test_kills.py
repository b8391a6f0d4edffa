"""kill -9 at random moments, while people ask for things: nothing asked is lost, nothing called off runs."""

import contextlib
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pytest

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.cli import serving
from mydevices.commands import asking
from mydevices.commands.models import Action, Command
from mydevices.commands.states import OPEN, State
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Unsupported
from mydevices.outbox.models import Message
from mydevices.policies import services as policies
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from simulator.device import Device as Simulated
from tests.cli.conftest import running
from tests.platforms.apple.conftest import fresh, present
from tests.reliability.conftest import UNDO_SECONDS, House, Record, Thread, assert_chain_holds, eventually

SECONDS: Final = 18.0
"""For how long processes are killed; on a busy machine longer, until each kind has had its turn."""
VICTIMS: Final = {"web process": 5, "web parent": 2, "worker": 4, "push service": 1}
CALM: Final = 40.0
"""Seconds after which everything must have come to its end."""
DEVICES: Final = (("iphone", "one"), ("iphone", "two"), ("iphone", "three"), ("ipad", "four"), ("ipad", "five"))
REGISTRATION: Final = 1
"""The check in that ends a registration: an action that nobody here asked for."""


@dataclass
class Wishes:
    """What a person asked of one device, and what the server promised."""

    asked: list[uuid.UUID] = field(default_factory=list)
    called_off: set[uuid.UUID] = field(default_factory=set)
    too_late: set[uuid.UUID] = field(default_factory=set)
    refused: int = 0


class Life:
    """A person who wants this and that of a device, as the dice say."""

    def __init__(self, house: House, owner: Person, simulated: Simulated, dice: random.Random) -> None:
        self.house = house
        self.owner = owner
        self.simulated = simulated
        self.dice = dice
        self.end = float("inf")
        self.wishes = Wishes()

    def run(self) -> None:
        while time.monotonic() < self.end:
            kind = self.dice.choices([ActionKind.LOCK, ActionKind.CHECK_IN, ActionKind.WIPE], [5, 3, 2])[0]
            self.simulated.behaviour.busy = self.dice.random() < 0.2
            try:
                action = self._ask(kind)
            except Conflict:
                self.wishes.refused += 1
                self._unlock()
                time.sleep(0.1)
                continue
            except Unsupported:
                return  # a wipe whose undo came too late: there is no device any more
            self.wishes.asked.append(action.id)
            if kind is ActionKind.WIPE:
                # Mostly in good time, and now and then at the very end of the window.
                late = self.dice.random() < 0.15
                self._call_off(action, UNDO_SECONDS + self.dice.uniform(-0.1, 0.5) if late else self.dice.uniform(0, 1))
            elif self.dice.random() < 0.4:
                self._call_off(action, self.dice.uniform(0, 0.6))
            time.sleep(self.dice.uniform(0, 0.4))
            self._unlock()
        self._unlock()

    def _ask(self, kind: ActionKind) -> Action:
        said = Parameters(message=f"{uuid.UUID(int=self.dice.getrandbits(128))}" if kind is ActionKind.LOCK else "")
        device = present(self.owner, self.simulated)
        return asking.enqueue(device=device, kind=kind, actor=fresh(self.owner), parameters=said)

    def _call_off(self, action: Action, after: float) -> None:
        time.sleep(after)
        try:
            asking.cancel(action=action, actor=fresh(self.owner))
        except Conflict:
            self.wishes.too_late.add(action.id)
        else:
            self.wishes.called_off.add(action.id)

    def _unlock(self) -> None:
        """A device that said "not now" asks again when its person unlocks it."""
        if self.simulated.behaviour.busy:
            self.simulated.behaviour.busy = False
            self.house.fleet.wake(self.simulated)


class Checking(Life):
    """A person who never locks this device: a Mac would wait for its PIN."""

    def _ask(self, kind: ActionKind) -> Action:
        return super()._ask(ActionKind.CHECK_IN if kind is ActionKind.LOCK else kind)


class Networks:
    """What a device does about a server that fails it: ask again after a while. It asks for no other reason, so that a
    push that never comes shows."""

    def __init__(self, house: House, devices: list[Simulated]) -> None:
        self._house = house
        self._devices = devices
        self._over = threading.Event()
        self._thread = Thread(self._run)

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for device in self._devices:
                trouble = self._house.records[device.udid].in_trouble
                if trouble.is_set():
                    trouble.clear()
                    self._house.fleet.wake(device)

    def close(self) -> None:
        self._over.set()
        self._thread.end()


class Reaper:
    """Kills what the dice say, when they say, and starts again what is dead. Lives on the main thread, for a child
    dies with the thread that started it."""

    def __init__(self, house: House, dice: random.Random) -> None:
        self._house = house
        self._dice = dice
        self.web = house.start_web()
        self.worker = house.start_worker()
        self.kills: Counter[str] = Counter()

    def run(self, end: float) -> None:
        """Until everybody on the list was killed, or `end` has come and one of each kind was. Each victim is given the
        time to come up first: what is dead already cannot lose anything."""
        first, more = list(VICTIMS), [name for name, number in VICTIMS.items() for _ in range(number - 1)]
        self._dice.shuffle(first)
        self._dice.shuffle(more)
        for number, victim in enumerate(first + more):
            if number >= len(first) and time.monotonic() >= end:
                break
            eventually(partial(self._is_up, victim), CALM, self._house.said)
            time.sleep(self._dice.uniform(0.05, 0.6))
            self._kill(victim)
            self.revive()

    def revive(self) -> bool:
        """What the supervisor of `serve` does. True when everybody is alive: granian gives up by itself when its
        processes die too often."""
        alive = True
        if self.worker.process.poll() is not None:
            self.worker = self._house.start_worker()
            alive = False
        if self.web.process.poll() is not None:
            self.web = self._house.start_web()
            alive = False
        return alive

    def _is_up(self, victim: str) -> bool:
        if not self.revive():
            return False
        match victim:
            case "worker":
                return "works" in self.worker.said
            case "push service":
                return True
            case _:
                return serving.is_ready("127.0.0.1", self._house.port) and bool(self._web_processes())

    def _web_processes(self) -> list[int]:
        return [pid for pid, parent in running().items() if parent == self.web.process.pid]

    def _kill(self, victim: str) -> None:
        match victim:
            case "worker":
                self.worker.process.kill()
                self.worker.process.wait()
            case "web parent":
                self.web.process.kill()
                self.web.process.wait()
            case "web process":
                # Its parent starts another one.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._dice.choice(sorted(self._web_processes())), signal.SIGKILL)
            case _:
                self._house.pause_pushes()
                time.sleep(self._dice.uniform(0.5, 1.5))
                self._house.resume_pushes()
        self.kills[victim] += 1


def still_open(registrations: list[uuid.UUID]) -> list[tuple[str, str, uuid.UUID]]:
    return list(
        Command.objects.filter(state__in=OPEN, channel__registration_id__in=registrations).values_list(
            "request_type", "state", "action_id"
        )
    )


def check(one: Life, record: Record, told: str) -> None:
    """Each action of a device has the end that it was promised, on the server and on the device."""
    device = Device.objects.get(owner=one.owner, hardware_id=one.simulated.udid)
    actions = list(Action.objects.filter(device=device).prefetch_related("commands").order_by("requested_at"))
    assert len(actions) == len(one.wishes.asked) + REGISTRATION, told
    assert {action.id for action in actions[REGISTRATION:]} == set(one.wishes.asked), told
    wiped = any(
        command.state == State.DONE for action in actions if action.kind == "wipe" for command in action.commands.all()
    )
    offers = Counter(offer.uuid for offer in record.offers)
    known = set()
    for action in actions:
        for command in action.commands.all():
            known.add(command.uuid)
            what = f"{action.kind} {command.request_type} {command.uuid} is {command.state}\n{told}"
            if command.state == State.CANCELLED:
                assert action.id in one.wishes.called_off, what
                assert command.sent_at is None or command.deferred_at is not None, what
                assert command.deferred_at is not None or not offers[command.uuid], what
            elif command.state == State.DONE:
                assert (command.uuid, "Acknowledged") in record.answers, what
                assert len(action.commands.all()) > 1 or action.id not in one.wishes.called_off, what
            else:
                assert command.state == State.VOID, what
                assert wiped, what
        check_audit(action, one, told)
    assert set(offers) <= known, told
    for offer in record.offers:
        command = Command.objects.get(uuid=offer.uuid)
        assert offer.request_type == command.request_type, told
        if offer.request_type == "DeviceLock":
            assert offer.body.get("Message") == command.parameters.get("message"), told


def check_audit(action: Action, one: Life, told: str) -> None:
    """It tells of each action once, and as it was."""
    entries = Counter(Entry.objects.filter(action_id=str(action.id)).values_list("verb", flat=True))
    states = {command.state for command in action.commands.all()}
    expected = {
        Verb.ACTION_REQUESTED: 1,
        Verb.ACTION_CANCELLED: int(action.id in one.wishes.called_off),
        Verb.ACTION_VOID: int(State.VOID in states),
    }
    if action.kind == "wipe":
        expected[Verb.ACTION_RELEASED] = int(
            all(command.queued_at > action.requested_at for command in action.commands.all())
        )
    if len(states) == 1:
        expected[Verb.ACTION_DONE] = int(State.DONE in states)
    assert all(entries[verb] == number for verb, number in expected.items()), (
        f"{action.kind} {states} {entries}\n{told}"
    )


@pytest.mark.parametrize("seed", [int(os.environ.get("RELIABILITY_SEED", "20261122"))])
def test_whatever_is_killed_nothing_asked_is_lost_and_nothing_called_off_runs(
    house: House, person: Person, seed: int
) -> None:
    rules = SelfServiceRules(person_wipes=1000, organisation_wipes=1000)  # nobody here decides on wipes
    policies.create(actor=Actor.system("test"), name="Many wipes", values=rules, assignment=EVERYONE)
    dice = random.Random(seed)
    reaper = Reaper(house, dice)
    house.wait_until_ready()
    devices = [house.register(person, kind, name) for kind, name in DEVICES]
    devices.append(house.register(person, "mac", "six"))
    lives = [present(person, device).registration_id for device in devices]
    eventually(lambda: not still_open([life for life in lives if life]), told=house.said)

    end = time.monotonic() + SECONDS
    networks = Networks(house, devices)
    people = [Life(house, person, device, random.Random(f"{seed} {device.memory.name}")) for device in devices[:-1]]
    people.append(Checking(house, person, devices[-1], random.Random(f"{seed} mac")))
    threads = [Thread(one.run) for one in people]
    try:
        reaper.run(end)
    finally:
        for one in people:
            one.end = 0
    for thread in threads:
        thread.end()

    def told() -> str:
        left = [str(row) for row in still_open([life for life in lives if life])]
        posted = list(Message.objects.values_list("topic", "state", "attempts", "last_error"))
        return f"seed {seed}, kills {dict(reaper.kills)}\nopen: {left}\noutbox: {posted}\n{house.said()}"

    def commands_are_over() -> bool:
        return reaper.revive() and not Command.objects.filter(state__in=OPEN).exists()

    def outbox_is_empty() -> bool:
        return reaper.revive() and not Message.objects.exclude(topic="mail").exists()  # no mail server here

    eventually(commands_are_over, CALM, told)
    eventually(outbox_is_empty, CALM, told)
    eventually(house.fleet.is_quiet, CALM, told)
    networks.close()

    for one in people:
        check(one, house.records[one.simulated.udid], told())
    assert sum(len(one.wishes.asked) for one in people) >= 30, told()
    assert sum(len(one.wishes.called_off) for one in people) >= 5, told()
    assert set(reaper.kills) == set(VICTIMS), told()
    assert_chain_holds()
