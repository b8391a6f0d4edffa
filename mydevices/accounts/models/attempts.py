"""What is counted."""

from django.db import models


class Attempts(models.Model):
    """How often something was tried within a stretch of time: guesses at a password, mails asked for.

    A row and not a value of the cache, because two processes must never both see the old number: it is raised by one
    UPDATE."""

    key = models.CharField(max_length=64, primary_key=True)
    """A keyed digest of what is counted: no address or network is kept."""
    number = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ends_at"], name="attempts_by_end")]
