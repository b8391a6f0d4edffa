"""A registry of one's own, and workers that stop."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mydevices.outbox import leases, registry
from mydevices.outbox.leases import Claim
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker

PATIENCE = 15.0
"""Seconds until a thread that should have done something counts as stuck."""


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HANDLERS", {})
    monkeypatch.setattr(registry, "PERIODIC", {})


Start = Callable[[], threading.Event]


@pytest.fixture
def start(transactional_db: None) -> Iterator[Start]:
    """Start a worker in a thread; gives the event that stops it. All are stopped and waited for at the end."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def begin() -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=Worker(stop).run)
        running.append((stop, thread))
        thread.start()
        return stop

    yield begin
    for stop, _ in running:
        stop.set()
    for _, thread in running:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """Run something in a thread with a connection of its own."""

    def run() -> None:
        try:
            function()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


def waiting(topic: str = "wake", key: str | None = None, *, number: int = 1) -> list[Message]:
    return Message.objects.bulk_create(Message(topic=topic, key=key, payload={"n": n}) for n in range(number))


def claim(topic: str = "wake", *, limit: int = 50, seconds: float = 60, now: datetime | None = None) -> Claim:
    return leases.claim(topic, limit=limit, lease=timedelta(seconds=seconds), now=now or timezone.now())
