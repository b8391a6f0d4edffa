"""Where devices were, who looked, and what people said to it."""

import uuid

from django.db import models

from mydevices.accounts.models import Person
from mydevices.devices.models import Device


class Position(models.Model):
    """Where a device was, as something said. The place itself is sealed."""

    class Source(models.TextChoices):
        LOST_MODE = "lost_mode", "Lost Mode"
        BROWSER = "browser", "A browser on it"
        OWNTRACKS = "owntracks", "OwnTracks"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="positions", db_index=False)
    source = models.CharField(max_length=16, choices=Source.choices)
    measured_at = models.DateTimeField()
    received_at = models.DateTimeField()
    place = models.BinaryField()
    """Sealed JSON: latitude, longitude, accuracy, altitude, battery."""

    class Meta:
        indexes = [models.Index(fields=["device", "-measured_at"], name="positions_of_a_device")]


class Look(models.Model):
    """Somebody has seen a position. Once for each of them, however often their page asks."""

    position = models.ForeignKey(Position, on_delete=models.CASCADE, related_name="looks", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["position", "person"], name="one_look_of_a_person")]


class Choice(models.Model):
    """What somebody chose about the positions of their devices. Without a row: no."""

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="location_choice")
    shares = models.BooleanField()
    changed_at = models.DateTimeField()


class Reporter(models.Model):
    """The token with which an app on a device reports where it is."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="location_reporter")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    """Since when it is refused, until its owner lets the app report again: somebody else may have made it."""
