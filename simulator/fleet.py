"""All the simulated devices of a machine, and the way a push finds one of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import hardware, scep
from simulator.device import Channel, Device
from simulator.errors import SimulatorError
from simulator.hardware import Kind
from simulator.identity import Identity
from simulator.iphone import USUAL_PASSCODE, IPhone
from simulator.mac import Mac, new_account
from simulator.state import Memory
from simulator.store import Store
from simulator.transport import Transport

USUAL_USER = ("ines", "Ines Winter")


class Delivery(Enum):
    """What Apple's push service knows of a token."""

    ACCEPTED = auto()
    BAD_TOKEN = auto()
    WRONG_TOPIC = auto()
    UNREGISTERED = auto()


@dataclass
class _Wakes:
    """The wakes of one device: coalesced while it talks, kept while it cannot be reached."""

    waiting: dict[str | None, Channel] = field(default_factory=dict)
    running: bool = False


def device_from(
    memory: Memory,
    *,
    send: Transport,
    identity: Identity | None = None,
    key: rsa.RSAPrivateKey | None = None,
    manner: scep.Manner = scep.CURRENT,
) -> Device:
    """The device that a memory belongs to."""
    kind = Mac if memory.hardware.kind is Kind.MAC else IPhone
    return kind(memory, send=send, identity=identity, key=key, manner=manner)


def new_device(
    kind: Kind | str,
    *,
    send: Transport,
    name: str | None = None,
    product: str | None = None,
    supervised: bool = False,
    user: tuple[str, str] = USUAL_USER,
    network_user: tuple[str, str] | None = None,
    key: rsa.RSAPrivateKey | None = None,
    manner: scep.Manner = scep.CURRENT,
) -> Device:
    """A device fresh from its setup assistant, with the usual passcode, or one local user on a Mac (short, long name).

    `key` makes enrolment cheap for load tests: the device uses it instead of making one. Raises SimulatorError.
    """
    try:
        kind = Kind(kind)
    except ValueError as error:
        raise SimulatorError(f"There is no kind {kind}: iphone, ipad or mac.") from error
    made = hardware.make(kind, product=product)
    memory = Memory(hardware=made, name=name or made.model.marketing_name, supervised=supervised)
    if kind is Kind.MAC:
        memory.supervised = True  # since macOS 11 a Mac that a person enrolled counts as supervised
        memory.accounts = [new_account(*user)]
        if network_user is not None:
            memory.accounts.append(new_account(*network_user, network=True))
    else:
        memory.passcode = USUAL_PASSCODE
    return device_from(memory, send=send, key=key, manner=manner)


class Fleet:
    """Devices by UDID. Keeps them in `state`, if given; wakes them from `workers` threads."""

    def __init__(
        self,
        *,
        send: Transport,
        state: Path | None = None,
        workers: int = 4,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.send = send
        self._clock = clock
        self._store = Store(state) if state is not None else None
        self._lock = threading.Lock()
        self._devices: dict[str, Device] = {}
        self._live: dict[bytes, tuple[str, str]] = {}  # token: UDID and topic
        self._of_device: dict[str, set[bytes]] = {}
        self._dead: dict[bytes, int] = self._store.dead_tokens() if self._store else {}
        self._wakes: dict[str, _Wakes] = {}
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="device")
        self._closed = False
        self.changes = 0  # grows with every change; what a page compares
        for memory, identity in self._store.load() if self._store else ():
            self.add(device_from(memory, send=send, identity=identity))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the conversations under way finish, and start no more."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, device: Device) -> Device:
        with self._lock:
            if device.udid in self._devices:
                raise SimulatorError(f"There are two devices {device.udid}.")
            self._devices[device.udid] = device
            self._wakes[device.udid] = _Wakes()
        device.on_change = self._changed
        device.on_ready = self.wake
        self._changed(device)
        return device

    def remove(self, udid: str) -> None:
        """Forget a device altogether; its push tokens are dead."""
        device = self.device(udid)
        device.on_change = device.on_ready = None
        with self._lock:
            del self._devices[udid], self._wakes[udid]
            self._index(udid, {})
        if self._store is not None:
            self._store.forget(udid)

    def devices(self) -> list[Device]:
        with self._lock:
            return list(self._devices.values())

    def device(self, udid: str) -> Device:
        with self._lock:
            found = self._devices.get(udid)
        if found is None:
            raise SimulatorError(f"There is no device {udid}.")
        return found

    def named(self, name: str) -> Device | None:
        return next((device for device in self.devices() if device.memory.name == name), None)

    def _changed(self, device: Device) -> None:
        """Called by a device, under its lock, after each change."""
        enrolment = device.memory.enrolment
        topic = enrolment.management.topic if enrolment else ""
        tokens = dict.fromkeys(device.pushes(), topic)
        with self._lock:
            self.changes += 1
            self._index(device.udid, tokens)
            if self._store is not None:
                self._store.save(device)
            waiting = bool(self._wakes[device.udid].waiting) if device.udid in self._wakes else False
        if waiting and device.is_reachable:
            self._start(device)

    def _index(self, udid: str, tokens: dict[bytes, str]) -> None:
        before = self._of_device.get(udid, set())
        if before == tokens.keys():
            return
        died = before - tokens.keys()
        for token in died:
            self._live.pop(token, None)
            self._dead[token] = int(self._clock() * 1000)
        for token, topic in tokens.items():
            self._live[token] = (udid, topic)
        self._of_device[udid] = set(tokens)
        if died and self._store is not None:
            self._store.save_dead_tokens(self._dead)

    def died_at(self, token: bytes) -> int:
        """When a dead token died, in milliseconds since 1970; 0 for one that did not."""
        with self._lock:
            return self._dead.get(token, 0)

    def deliver(self, *, topic: str, token: bytes, magic: str, keep: bool) -> Delivery:
        """A push for a token. `keep` stores it while the device is offline; otherwise it is then dropped.

        As with the real service, acceptance says nothing about the device: one with another magic ignores the push.
        """
        with self._lock:
            known = self._live.get(token)
            if known is None:
                return Delivery.UNREGISTERED if token in self._dead else Delivery.BAD_TOKEN
            udid, expected = known
            device = self._devices[udid]
        if expected != topic:
            return Delivery.WRONG_TOPIC
        found = device.pushes().get(token)
        if found is not None and found[0] == magic and (keep or device.is_reachable):
            self.wake(device, found[1])
        return Delivery.ACCEPTED

    def wake(self, device: Device, channel: Channel | None = None) -> None:
        """Let a device ask for commands soon, in the background; when it is reachable."""
        channel = channel or Channel()
        with self._lock:
            self._wakes[device.udid].waiting[channel.user_id] = channel
        if device.is_reachable:
            self._start(device)

    def _start(self, device: Device) -> None:
        with self._lock:
            wakes = self._wakes.get(device.udid)
            if wakes is None or wakes.running or not wakes.waiting or self._closed:
                return
            wakes.running = True
            self._pool.submit(self._run, device, wakes)

    def _run(self, device: Device, wakes: _Wakes) -> None:
        """Talk until no wake is left. A wake that arrives meanwhile is served before the device sleeps again."""
        try:
            while (channel := self._next_wake(device, wakes)) is not None:
                try:
                    device.poll(channel)
                except SimulatorError as error:
                    device.note(f"Could not talk to the server: {error}")
        finally:
            with self._lock:
                wakes.running = False
        if device.is_reachable:
            self._start(device)  # a wake may have come between the last look and the line above

    def _next_wake(self, device: Device, wakes: _Wakes) -> Channel | None:
        with self._lock:
            if not wakes.waiting or self._closed or not device.is_reachable:
                return None
            return wakes.waiting.pop(next(iter(wakes.waiting)))

    def is_quiet(self) -> bool:
        """True when no device is talking or about to."""
        with self._lock:
            return not any(
                wakes.running or (wakes.waiting and self._devices[udid].is_reachable)
                for udid, wakes in self._wakes.items()
            )
