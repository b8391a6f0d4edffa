"""The queue: actions that people asked for, and the commands that devices are given."""

import uuid

from django.db import models

from mydevices.commands.states import OPEN, PENDING, State
from mydevices.devices.models import Channel, Device, Registration
from mydevices.names import LineField


class Action(models.Model):
    """Something a person asked of a device. Its state is that of its commands."""

    class Approval(models.TextChoices):
        """Of a wipe beyond the limits: whether an administrator has let it go."""

        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    class Limit(models.TextChoices):
        """How many devices may be wiped without an administrator's word: by one person in a day, by all in an hour."""

        PERSON = "person", "Of a person"
        ORGANISATION = "organisation", "Of the organisation"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="actions")
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=24)
    actor_id = models.CharField(max_length=64)
    actor_name = LineField(max_length=200)
    requested_at = models.DateTimeField()
    parameters = models.JSONField(default=dict)
    """What may be shown: a message, a phone number."""
    secret = models.BinaryField(null=True)
    """Sealed: a PIN. Kept as long as the action, and the action until the device has spoken again, however long."""
    held_until = models.DateTimeField(null=True)
    """The end of its undo window. None where there is none, or none yet: it begins when a wipe is approved."""
    approval = models.CharField(max_length=8, choices=Approval, blank=True)
    """Empty for what needs none. What was called off meanwhile still says that it waits: its commands are cancelled."""
    limit = models.CharField(max_length=12, choices=Limit, blank=True)
    """Which one it went beyond."""

    class Meta:
        indexes = [
            models.Index(fields=["device", "-requested_at"], name="actions_of_a_device"),
            models.Index(fields=["requested_at"], condition=models.Q(kind="wipe"), name="wipes_by_time"),
            models.Index(fields=["requested_at"], condition=models.Q(approval="waiting"), name="wipes_to_decide"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approval__in=["", "waiting", "approved", "refused"]), name="known_approval"
            ),
            models.CheckConstraint(condition=models.Q(limit__in=["", "person", "organisation"]), name="known_limit"),
        ]


class Command(models.Model):
    """One command for one channel: a part of an action, or upkeep (no action)."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    """What the device answers by."""
    action = models.ForeignKey(Action, on_delete=models.CASCADE, null=True, related_name="commands")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="commands")
    request_type = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict)
    exclusive = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001  null keeps it out of the constraint
    """Only one open command of a channel may carry the same word: it makes the second Lock by a PIN a refusal."""
    state = models.CharField(max_length=12, default=State.QUEUED)
    queued_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    deferred_at = models.DateTimeField(null=True)
    offered_in = models.DateTimeField(null=True)
    """When the conversation began in which it was last given: the time of the device's Idle. What the device put off is
    not offered again in the same one."""
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    """The device's own reason, in the language it gave."""
    result = models.JSONField(default=dict)
    """What of the answer may be shown; or, as `concluded`, why it counts as done without one."""

    class Meta:
        indexes = [
            models.Index(fields=["channel", "id"], condition=models.Q(state__in=PENDING), name="pending_commands"),
            models.Index(fields=["expires_at"], condition=models.Q(state__in=PENDING), name="commands_that_expire"),
            # How many wait and since when, and what failed lately: what is under way has not finished.
            models.Index(fields=["state", "finished_at", "queued_at"], name="commands_by_state"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(State)), name="known_command_state"),
            models.UniqueConstraint(
                fields=["channel", "exclusive"], condition=models.Q(state__in=OPEN), name="one_open_command_of_a_kind"
            ),
        ]


class Deferral(models.Model):
    """A channel whose device has put commands off, and when it is woken for them (`deferrals`)."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True, related_name="deferral")
    since = models.DateTimeField()
    """When it first said "not now"."""
    next_at = models.DateTimeField(null=True)
    """None when nothing is put off any more."""
    ended_at = models.DateTimeField(null=True)
    """Since when nothing is. The row is kept for a day more, because its wakes still count."""
    woken_at = models.JSONField(default=list)
    """When it was woken for this in the last 24 hours, as ISO 8601."""

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="deferrals_by_time")]


class Batch(models.Model):
    """One action that somebody asked of many devices at once. The worker does them one by one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=24)
    actor_id = models.CharField(max_length=64)
    actor_name = LineField(max_length=200)
    address = models.CharField(max_length=64, blank=True)
    authenticated_at = models.DateTimeField(null=True)
    """When whoever asked had last proved who they are."""
    reason = models.CharField(max_length=500)
    parameters = models.JSONField(default=dict)
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["started_at"], condition=models.Q(finished_at=None), name="batches_under_way"),
        ]


class BatchItem(models.Model):
    """One of a batch's devices, and what became of it there."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        ASKED = "asked", "Asked"
        REFUSED = "refused", "Refused"
        STOPPED = "stopped", "Stopped"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    """Why it was refused, in the language of whoever asked."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "device"], name="once_in_a_batch"),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "asked", "refused", "stopped"]), name="known_item_state"
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], condition=models.Q(state="waiting"), name="items_that_wait"),
        ]
