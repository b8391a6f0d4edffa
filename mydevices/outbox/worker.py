"""The worker: one thread for each topic, so that a slow one (mail) does not hold up another (wakes), and one for
periodic work. Any number of workers may run, in one process or on many machines.

A killed worker loses nothing: what it held comes back when its lease ends. What was delivered but not yet noted is
delivered again; handlers can stand that.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from mydevices.outbox import leases, registry
from mydevices.outbox.leases import Claim
from mydevices.outbox.registry import Dead, Delivery, DeliveryOutcome, Done, Handler, Periodic, Retry

log = logging.getLogger(__name__)

IDLE: Final = 0.2
"""Seconds between two looks when there is nothing to do: what a message waits at most before it is taken."""
LONGEST_RECONNECT: Final = 5.0
"""Seconds between two tries at a database that is gone."""


class Worker:
    """Delivers and does periodic work until `stop` is set; then it ends what it has begun, and no more."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def run(self) -> None:
        """Blocks until `stop` is set and every thread has ended. The registry must be filled before."""
        threads = [
            threading.Thread(target=self._lane, args=(f"topic {topic}", partial(self._deliver, handler)), name=topic)
            for topic, handler in registry.HANDLERS.items()
        ]
        threads.append(threading.Thread(target=self._lane, args=("periodic work", self._work), name="periodic"))
        for thread in threads:
            thread.start()
        self._stop.wait()
        for thread in threads:
            thread.join()

    def drain(self, *, rounds: int = 100) -> int:
        """Deliver what is due now, in this thread, and return when nothing is left (or after so many rounds, for
        handlers that post to themselves); how many were taken. For tests and for one-off commands."""
        total = 0
        for _ in range(rounds):
            taken = sum(self._deliver(handler) for handler in registry.HANDLERS.values())
            total += taken
            if not taken:
                break
        return total

    def _lane(self, name: str, do: Callable[[], int]) -> None:
        """Do one thing again and again. Catches everything: a thread that ends is work that stops."""
        troubles = 0
        try:
            while not self._stop.is_set():
                try:
                    busy = do()
                    troubles = 0
                except DatabaseTrouble as error:
                    troubles += 1
                    log.warning("%s: the database failed, trying again: %s", name, error)
                    self._reconnect(troubles)
                except Exception:
                    log.exception("%s: unexpected", name)
                    self._stop.wait(1)
                else:
                    if not busy:
                        self._stop.wait(IDLE)
        finally:
            connection.close()

    def _reconnect(self, troubles: int) -> None:
        """Throw the connection away; the next statement makes a new one. In a transaction it is not ours to throw
        away."""
        if connection.in_atomic_block:
            return
        connection.close()
        self._stop.wait(min(LONGEST_RECONNECT, IDLE * 2.0 ** min(troubles, 10)))

    def _deliver(self, handler: Handler) -> int:
        """Take one batch and deliver it; how many messages it had."""
        now = timezone.now()
        if not leases.is_due(handler.topic, now):
            return 0
        claim = leases.claim(handler.topic, limit=handler.batch, lease=handler.lease, now=now)
        if not claim.deliveries:
            return 0
        fresh = [delivery for delivery in claim.deliveries if not _is_overdrawn(handler, delivery)]
        outcomes = _outcomes(handler, fresh) if fresh else {}
        self._insist(handler.topic, claim, lambda: _settle(handler, claim, outcomes))
        return len(claim.deliveries)

    def _insist(self, topic: str, claim: Claim, settle: Callable[[], None]) -> None:
        """Note the outcomes even if the database fails meanwhile: what is delivered but not noted is delivered twice.
        Ends when the lease does, and soon when the worker is to stop. Noting twice is harmless."""
        troubles = 0
        while True:
            try:
                return settle()
            except DatabaseTrouble as error:
                troubles += 1
                if connection.in_atomic_block or timezone.now() >= claim.ends or (self._stop.is_set() and troubles > 3):
                    raise
                log.warning("topic %s: the outcomes could not be noted, trying again: %s", topic, error)
                self._reconnect(troubles)

    def _work(self) -> int:
        """Run what periodic work is due; how many ran."""
        ran = 0
        for work in leases.due_work(registry.PERIODIC.values(), timezone.now()):
            if self._stop.is_set():
                break
            ran += _run(work)
        return ran


def _is_overdrawn(handler: Handler, delivery: Delivery) -> bool:
    """Taken more often than allowed, without an end: whoever takes this message dies of it."""
    return handler.give_up_after is not None and delivery.attempts > handler.give_up_after


def _outcomes(handler: Handler, deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    try:
        return handler.function(deliveries)
    except Exception as error:  # whatever it is, these messages are kept and the next ones get their turn
        log.exception("topic %s: the handler failed with %d messages", handler.topic, len(deliveries))
        return {delivery.id: Retry(error) for delivery in deliveries}


def _settle(handler: Handler, claim: Claim, outcomes: Mapping[int, DeliveryOutcome]) -> None:
    delivered = [delivery.id for delivery in claim.deliveries if isinstance(outcomes.get(delivery.id), Done)]
    noted = leases.done(claim, delivered) if delivered else 0
    for delivery in claim.deliveries:
        match _final(handler, delivery, outcomes.get(delivery.id)):
            case Retry(error, after):
                wait = leases.pause(delivery.attempts, longest=handler.longest_pause) if after is None else after
                noted += leases.retry(claim, delivery.id, run_at=timezone.now() + wait, error=_text(error))
            case Dead(error):
                log.error("topic %s: message %d is given up: %s", handler.topic, delivery.id, _text(error))
                noted += leases.give_up(claim, delivery.id, error=_text(error))
            case Done():
                pass
    if noted < len(claim.deliveries):
        late = len(claim.deliveries) - noted
        log.warning("topic %s: %d outcomes came after the lease had ended, or were noted before", handler.topic, late)


def _final(handler: Handler, delivery: Delivery, outcome: DeliveryOutcome | None) -> DeliveryOutcome:
    """What an outcome means, given how often the message was tried."""
    if _is_overdrawn(handler, delivery):
        return Dead(f"Taken {delivery.attempts} times without an outcome.")
    if outcome is None:
        outcome = Retry("The handler gave no outcome.")
    if isinstance(outcome, Retry) and handler.give_up_after is not None and delivery.attempts >= handler.give_up_after:
        return Dead(outcome.error)
    return outcome


def _run(work: Periodic) -> bool:
    """Run one piece of periodic work, if it is still due; whether it was."""
    token = leases.claim_work(work, timezone.now())
    if token is None:
        return False
    try:
        work.function()
    except Exception as error:  # whatever it is, it is tried again and the other work gets its turn
        log.exception("periodic work %s failed", work.name)
        if isinstance(error, DatabaseTrouble) and not connection.in_atomic_block:
            connection.close()
        leases.fail_work(work, token, now=timezone.now(), error=_text(error))
    else:
        leases.finish_work(work, token, now=timezone.now())
    return True


def _text(error: str | Exception) -> str:
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"
