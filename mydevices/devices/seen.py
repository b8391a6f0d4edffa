"""When devices were last seen, written in batches: a poll must not cost a write.

Each web process collects what it has seen and a thread of its own writes it every few seconds. A killed process loses
seconds of it, and nothing else."""

import logging
import threading
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection, transaction

from mydevices.devices.models import Device, Registration

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
        """Write down what was collected. The number of registrations.

        In one order, so that two processes never wait for each other in a circle; and devices apart from their
        registrations, so that neither do we and somebody who holds a device and wants its registration."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return 0
        try:
            with transaction.atomic():
                for registration_id, at in sorted(seen.items()):
                    Registration.objects.filter(id=registration_id).exclude(last_seen_at__gte=at).update(
                        last_seen_at=at
                    )
            with transaction.atomic():
                # A life that is over says nothing of its device.
                lives = Registration.objects.filter(id__in=seen).order_by("device").values_list("device", "id")
                for device_id, registration_id in lives:
                    Device.objects.filter(id=device_id, registration=registration_id).exclude(
                        seen_at__gte=seen[registration_id]
                    ).update(seen_at=seen[registration_id])
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
