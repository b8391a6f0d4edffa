"""Processes for these tests: python -m tests.reliability.actors ROLE [FOLDER]

worker            the worker, with leases of seconds instead of minutes
stall-before      a worker that takes a "release" and then does nothing, as one that dies at once
stall-within      ... that releases, but stops before its transaction is committed
stall-after       ... that releases, but stops before it can note that it did
stall-batch       a worker that asks a batch's first device, and stops in the middle of the second
deadly-web        the web server, whose process dies of the first command it is about to give to a device
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings

django.setup()

from mydevices.cli import processes, serving, web  # noqa: E402  models can be imported once Django is set up
from mydevices.commands import queue, tasks  # noqa: E402  the same
from mydevices.outbox import registry  # noqa: E402  the same
from mydevices.outbox.registry import Delivery, DeliveryOutcome  # noqa: E402  the same
from mydevices.outbox.worker import Worker  # noqa: E402  the same

LEASE = timedelta(seconds=2)
FOREVER = 60


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def stall() -> None:
    say("stalls")
    time.sleep(FOREVER)


def short_leases() -> None:
    """What a killed worker held comes back soon; what is done every few minutes is done every few seconds."""
    for topic, handler in registry.HANDLERS.items():
        registry.HANDLERS[topic] = replace(handler, lease=LEASE, longest_pause=LEASE)
    for name, work in registry.PERIODIC.items():
        registry.PERIODIC[name] = replace(work, lease=LEASE, every=min(work.every, LEASE))


def stalling(where: str) -> None:
    """Take releases, and no other topic, and stop at that point."""

    def release(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
        if where == "before":
            stall()
        outcomes = tasks.release(deliveries)
        stall()
        return outcomes

    if where == "within":
        queue.record = lambda *_arguments, **_named: stall()
    registry.HANDLERS.clear()
    registry.PERIODIC.clear()
    registry.handler("release", release, lease=LEASE)
    Worker(threading.Event()).drain()


def stalling_in_a_batch() -> None:
    """Ask one device of a batch, and stop when everything of the second one is written and nothing is committed."""
    record, asked = queue.record, [False]

    def second_stalls(*arguments: Any, **named: Any) -> None:
        record(*arguments, **named)
        if asked[0]:
            stall()
        asked[0] = True

    queue.record = second_stalls
    registry.HANDLERS.clear()
    registry.PERIODIC.clear()
    registry.handler("batch", tasks.batch, batch=1, lease=LEASE)
    Worker(threading.Event()).drain()


def main(role: str, folder: Path) -> None:
    processes.follow_supervisor(grace=1)
    match role.partition("-"):
        case ("worker", _, _):
            short_leases()
            say("works")
            serving.work()
        case ("stall", _, "batch"):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            stalling_in_a_batch()
        case ("stall", _, where):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            stalling(where)
        case _:
            os.chdir(folder)
            web.serve(
                target="tests.reliability.deadly:application",
                address="127.0.0.1",
                port=settings.ENVIRONMENT.port,
                workers=1,
            )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
