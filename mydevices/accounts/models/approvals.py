"""What waits for a second administrator."""

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from mydevices import looser
from mydevices.names import LineField


class ApprovalRules(models.Model):
    """When a change waits for a second administrator: a single row."""

    MOST: ClassVar[int] = 1_000_000

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    from_devices = models.PositiveIntegerField(
        _("Registered devices"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """Nothing waits while fewer are registered."""
    batch_devices = models.PositiveIntegerField(
        _("Locked or retired at once"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """How many devices one person may lock, or retire, in batches of 24 hours without another's word."""
    configuration_devices = models.PositiveIntegerField(
        _("Reached by a configuration"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """How many devices one person may make something new reach within 24 hours without another's word: by changing
    configurations, and by putting people into groups."""

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "from_devices": looser.HIGHER,
        "batch_devices": looser.HIGHER,
        "configuration_devices": looser.HIGHER,
    }

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_set_of_approval_rules")]


class Approval(models.Model):
    """A change that waits for another administrator, or waited: see `accounts.approvals`."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Carried out")
        """Somebody allowed it, or nobody stopped it in time."""
        STOPPED = "stopped", _("Stopped")
        """By somebody, by another change of the same thing, or because nobody decided in time."""
        FAILED = "failed", _("Failed")
        """It could no longer be carried out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32)
    """A name of `approvals.MATTERS`."""
    what = models.CharField(max_length=200)
    """What it would change, such as “policy:” with an id. Of two changes of the same thing the later replaces the
    earlier."""
    subject = LineField(max_length=200)
    """The name of that thing."""
    arguments = models.JSONField(default=dict)
    """What the change is made of, and what was there before. No secrets."""
    enclosure = models.BinaryField(null=True)
    """Sealed: what else the change is made of, such as a file with a private key. Gone once it is decided."""
    asker_id = models.CharField(max_length=64)
    asker_name = LineField(max_length=200)
    address = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    """When it is carried out by itself, or dropped, by its kind."""
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    decided_at = models.DateTimeField(null=True)
    decided_by = LineField(max_length=200, blank=True)
    """The name of who decided; empty: nobody did in time."""
    reason = models.CharField(max_length=500, blank=True)
    """Theirs, or why it could not be carried out."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["what"], condition=models.Q(state="waiting"), name="one_change_of_a_thing_waits"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "done", "stopped", "failed"]), name="known_state_of_approval"
            ),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(state="waiting"), name="approvals_that_wait"),
            models.Index(fields=["decided_at"], name="approvals_by_decision"),
        ]


class ReachedDevice(models.Model):
    """A device that somebody has lately made something new reach without another's word: see `approvals.may_reach`."""

    actor_id = models.CharField(max_length=64)
    device_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor_id", "device_id"], name="a_device_reached_once")]
