"""Changes of address."""

import uuid

from django.db import models

from mydevices.accounts import addresses
from mydevices.accounts.models.people import AddressKey, Person


class EmailChange(models.Model):
    """A person on the way to another address. It takes effect when the link that went to the new address is followed,
    and can be undone for a week with the one that went to the old address. Links are kept as digests only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="email_changes")
    old_email = models.EmailField()
    old_key = AddressKey(of="old_email", max_length=addresses.LONGEST, editable=False)
    new_email = models.EmailField()
    confirm_digest = models.CharField(max_length=64, unique=True)
    undo_digest = models.CharField(max_length=64, unique=True)
    asked_at = models.DateTimeField()
    confirm_until = models.DateTimeField()
    undo_until = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    """When it was dropped, replaced or undone: from then on the address is no longer changed by either link."""
    password = models.CharField(max_length=128, blank=True)
    """The hash of the password when the change was asked for, as proof once it is undone: whoever changed the address
    may have changed the password as well. Emptied when the change can no longer be undone."""
    demands_factor = models.BooleanField(default=False)
    """It was asked for with a second factor that the person had had for some time, so its undo takes one, too."""
    undone_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    """When its owner proved who they are and decided about what had been set aside."""

    class Meta:
        indexes = [models.Index(fields=["person", "-asked_at"], name="email_changes_of_a_person")]
