"""What configurations do by themselves: follow a change, device after device, and compare everything now and then."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from mydevices.configurations import comparison
from mydevices.outbox import registry
from mydevices.outbox.registry import Delivery, DeliveryOutcome, Done


def register() -> None:
    registry.handler(comparison.TOPIC, advance, batch=1)
    registry.periodic("configurations.compare", timedelta(minutes=30), compare)


def advance(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    for delivery in deliveries:
        comparison.follow(delivery.payload, now=timezone.now())
    return {delivery.id: Done() for delivery in deliveries}


def compare() -> None:
    with transaction.atomic():
        comparison.of_everything()
