import uuid

from django.db import models
from django.db.models.functions import Lower

from mydevices.devices.assignment import Assigned
from mydevices.names import LineField


class Policy(Assigned):
    """What has been decided for some people or devices. Of those of a kind that reach somebody the first one, by
    precedence, counts as a whole: policies are not mixed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32)
    """A name of `policies.kinds.KINDS`."""
    name = LineField(max_length=120)
    values = models.JSONField(default=dict)
    """What `Kind.read` reads."""
    precedence = models.PositiveIntegerField()
    """1 comes first. Numbers of a kind have no gaps: every change renumbers."""
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("kind", Lower("name"), name="one_policy_per_name"),
        ]
        indexes = [models.Index(fields=["kind", "precedence"], name="policies_by_precedence")]

    def __str__(self) -> str:
        return self.name
