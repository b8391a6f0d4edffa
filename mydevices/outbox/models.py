"""What must leave the machine, and what must be done again and again: rows, written with what they belong to."""

from django.db import models
from django.utils import timezone


class Message(models.Model):
    """Something to deliver. Delivered ones are deleted; those given up stay, to be seen."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LEASED = "leased", "Being delivered"
        DEAD = "dead", "Given up"

    topic = models.CharField(max_length=64)
    key = models.CharField(max_length=200, null=True)  # noqa: DJ001  null keeps it out of the constraint
    """What the message is about: a second one of the same topic joins the first while that waits. Null: each stands
    alone."""
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    run_at = models.DateTimeField(default=timezone.now)
    """When it may be taken next: not before this, or, while it is leased, when the lease ends."""
    attempts = models.PositiveIntegerField(default=0)
    """How often a worker took it."""
    state = models.CharField(max_length=8, default=State.WAITING)
    lease_token = models.UUIDField(null=True)
    """Which taking holds it: a worker that comes back after its lease has ended has another one, and is refused."""
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["topic", "key"], condition=models.Q(state="waiting"), name="one_waiting_message_per_key"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "leased", "dead"]), name="known_message_state"
            ),
            models.CheckConstraint(
                condition=models.Q(state="leased", lease_token__isnull=False)
                | (~models.Q(state="leased") & models.Q(lease_token__isnull=True)),
                name="a_lease_has_a_token",
            ),
        ]
        indexes = [
            models.Index(
                fields=["topic", "run_at"], condition=models.Q(state__in=["waiting", "leased"]), name="due_messages"
            ),
        ]


class Schedule(models.Model):
    """Periodic work: when it is due. One row for all workers, so that only one of them runs it."""

    name = models.CharField(max_length=64, primary_key=True)
    next_run = models.DateTimeField()
    """When it may be taken next; while it runs, when its lease ends."""
    lease_token = models.UUIDField(null=True)
    finished_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """In a row."""
    last_error = models.TextField(blank=True)
