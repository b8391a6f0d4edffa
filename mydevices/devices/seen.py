"""When devices were last seen, written in batches: a poll must not cost a write.

Each web process collects what it has seen and a thread of its own writes it every few seconds. A killed process loses
seconds of it, and nothing else."""

import logging
import threading
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection, transaction

from mydevices.devices.models import Registration

EVERY: Final = 60.0
"""Seconds between two writes for one registration."""
PAUSE: Final = 5.0

log = logging.getLogger(__name__)


class Collector:
    """The registrations seen since the last write. Safe for threads."""

    def __init__(self) -> None:
        self._seen: dict[UUID, datetime] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def note(self, registration_id: UUID, now: datetime, last: datetime | None) -> None:
        """Remember that a device was here, when what is written down is older than a minute."""
        if last is not None and (now - last).total_seconds() < EVERY:
            return
        with self._lock:
            self._seen[registration_id] = now
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="seen", daemon=True)
                self._thread.start()

    def note_at_once(self, registration_id: UUID, now: datetime, last: datetime | None) -> bool:
        """`note`, or False where that would wait: for another thread, or for the collector's own to start."""
        if last is not None and (now - last).total_seconds() < EVERY:
            return True
        if self._thread is None or not self._lock.acquire(blocking=False):
            return False
        try:
            self._seen[registration_id] = now
        finally:
            self._lock.release()
        return True

    def flush(self) -> int:
        """Write down what was collected, in one transaction. The number of registrations."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return 0
        try:
            with transaction.atomic():
                # In one order, so that two processes never wait for each other in a circle.
                for registration_id, at in sorted(seen.items()):
                    Registration.objects.filter(id=registration_id).exclude(last_seen_at__gte=at).update(
                        last_seen_at=at
                    )
        except DatabaseError:
            with self._lock:
                self._seen = seen | self._seen  # for the next time; what is newer wins
            raise
        return len(seen)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                close_old_connections()
                self.flush()
            except DatabaseError:
                # It is only a time of day: the next poll brings a newer one.
                log.warning("could not write down which devices were seen", exc_info=True)
                connection.close()


COLLECTOR: Final = Collector()
