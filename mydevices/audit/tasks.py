"""Sealing, by the worker: new entries every few seconds, the whole table once a day."""

from datetime import timedelta

from mydevices.audit import chain
from mydevices.outbox import registry


def register() -> None:
    registry.periodic("audit.seal", timedelta(seconds=10), seal)
    registry.periodic("audit.seal_everything", timedelta(days=1), seal_everything)


def seal() -> None:
    chain.seal_committed()


def seal_everything() -> None:
    chain.seal_committed(everything=True)
