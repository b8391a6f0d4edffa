"""What happened, written once. Ids and text, no foreign keys: an entry outlives what it speaks of. The database refuses
every change (migration 0002)."""

from django.db import models


class Entry(models.Model):
    """Who did what, to which device and whose, when, from where, and how it ended."""

    at = models.DateTimeField()
    verb = models.CharField(max_length=48)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=200, blank=True)
    actor_role = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=64, blank=True)
    device_id = models.CharField(max_length=36, blank=True)
    device_name = models.CharField(max_length=200, blank=True)
    person_id = models.CharField(max_length=36, blank=True)
    """Whose history it belongs to: the device's owner, or the account concerned."""
    person_name = models.CharField(max_length=200, blank=True)
    action_id = models.CharField(max_length=36, blank=True)
    outcome = models.CharField(max_length=32, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["device_id", "-id"], name="entries_of_a_device"),
            models.Index(fields=["person_id", "-id"], name="entries_of_a_person"),
            models.Index(fields=["at"], name="entries_by_time"),
            models.Index(fields=["verb", "-id"], name="entries_of_a_verb"),
        ]


class Seal(models.Model):
    """A link of the chain over the entries, in the order of `id`: the keyed hash of the link before and of one entry
    (`chain`).

    Links are made by the worker after the entries are committed, so that those who write entries never wait for each
    other."""

    entry_id = models.BigIntegerField(unique=True)
    previous_hash = models.CharField(max_length=64, unique=True)
    """Unique, so that the chain cannot fork."""
    hash = models.CharField(max_length=64)


class ChainKey(models.Model):
    """A key of the chain, and the seam with which it begins. The newest one seals. The database refuses every change
    but to `sealed`, which a rotation of the master key wraps anew."""

    number = models.PositiveIntegerField(primary_key=True)
    sealed = models.BinaryField()
    made_at = models.DateTimeField()
    after_seal = models.BigIntegerField()
    """The id of the last link before this key; 0: it is the first link's key."""
    entries = models.BigIntegerField()
    """How many entries were sealed before it."""
    digest = models.CharField(max_length=64)
    """Over these entries, in the order of their links."""
    lost = models.BooleanField(default=False)
    """Whether those before were sealed with a key that is lost, so that this seam is all that holds them."""
    hash = models.CharField(max_length=64)
    """Over all of the above, with this key. The first link goes on from it."""
