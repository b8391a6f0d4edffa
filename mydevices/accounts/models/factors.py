"""What is kept of second factors beside django-allauth's own rows."""

import uuid

from django.db import models

from mydevices.accounts.models.people import Person


class FactorCounter(models.Model):
    """The highest number that a second factor has shown: the step of an app's code, or how often a passkey says that it
    has signed. It only ever rises, by one UPDATE that asks for the old one, so that of two who show the same number at
    once, in whatever process, one is refused."""

    factor = models.OneToOneField(
        "mfa.Authenticator", on_delete=models.CASCADE, primary_key=True, related_name="counter"
    )
    number = models.BigIntegerField()

    @staticmethod
    def raise_to(factor_id: int, number: int, *, start: int = -1) -> bool:
        """Whether this is more than there was; it is what there is from now on. `start` is what there was where nothing
        has been kept yet."""
        rows = FactorCounter.objects
        rows.bulk_create([FactorCounter(factor_id=factor_id, number=start)], ignore_conflicts=True)
        return bool(rows.filter(factor_id=factor_id, number__lt=number).update(number=number))


class SetAsideFactor(models.Model):
    """A second factor that opens nothing for now: it was added around the time of a change of address that has been
    undone. It is a row of its own, not a mark on django-allauth's, so that nothing there can take it for a live one."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="set_aside_factors")
    type = models.CharField(max_length=20)
    """One of django-allauth's `Authenticator.Type`."""
    data = models.JSONField()
    """As django-allauth keeps it, with its sealed values."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    set_aside_at = models.DateTimeField()


class FactorRemoval(models.Model):
    """Second factors that somebody who forgot their password does not have, on the way out: they are removed after a
    week in which every address known of the person is mailed daily, unless one of them is used."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="factor_removals")
    factors = models.JSONField()
    """Primary keys of django-allauth's authenticators."""
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    told_at = models.DateTimeField()
    """The last mail about it."""
    ended_at = models.DateTimeField(null=True)
    """When the factors were removed, or one of the person's factors was used and they stay."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=models.Q(ended_at=None), name="one_factor_removal_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["ended_at", "due_at"], name="factor_removals_by_end")]
