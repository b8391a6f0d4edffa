"""A device, its registrations (each one life under management), and the channels it is spoken to on."""

import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from mydevices.names import LineField
from mydevices.search import Searched, Word, word_index

STILL_TALKING: Final = timedelta(minutes=2)
"""A device's last words while it goes into its lock or erases itself; last-seen is written once a minute."""


class Device(Searched):
    """A phone, tablet or computer of one person. Its history outlives its registrations."""

    class Ownership(models.TextChoices):
        PERSONAL = "personal", "Personal"
        COMPANY = "company", "Company"

    SEARCHED = ("name", "model_name", "serial_number", "hardware_id", "os_name", "os_version")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="devices")
    platform = models.CharField(max_length=16)
    """The name of a `port.platform.Platform`."""
    hardware_id = models.CharField(max_length=128)
    """What the device calls itself, in its platform's terms. Not proof of anything."""
    ownership = models.CharField(max_length=16, choices=Ownership.choices)
    name = LineField(max_length=200, blank=True)
    model = LineField(max_length=64, blank=True)
    """The identifier of the product, in its platform's terms."""
    model_name = LineField(max_length=120, blank=True)
    os_name = LineField(max_length=32, blank=True)
    os_version = LineField(max_length=32, blank=True)
    serial_number = LineField(max_length=64, blank=True)
    lost_since = models.DateTimeField(null=True, blank=True)
    pin_locked_at = models.DateTimeField(null=True, blank=True)
    """When it last went into a lock that only its PIN opens."""
    created_at = models.DateTimeField(auto_now_add=True)
    registration = models.ForeignKey(
        "Registration", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    """The present life, or the last one."""
    state = models.CharField(max_length=16, blank=True)
    """Its present life's (`Registration.State`), and below when it was last seen: repeated here, where lists of a
    hundred thousand can be narrowed, sorted and counted by them through an index. Who writes the one writes the other,
    the device first (`services`, `seen`)."""
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "platform", "hardware_id"], name="one_device_per_owner"),
        ]
        indexes = [
            # Lists of a hundred thousand are sorted and searched by these, and never read whole. What narrows a list
            # stands in them too, so that its last page is found in the index alone; and so does the name itself,
            # without which PostgreSQL would look into the table for each.
            models.Index(Lower("name"), "id", "os_name", "ownership", "name", name="devices_by_name"),
            models.Index(fields=["seen_at", "id", "os_name", "ownership"], name="devices_by_seen"),
            # For counting alone: a list that names no registration cannot take it for its own index, and then sort.
            models.Index(
                fields=["os_name", "state", "registration"],
                name="devices_by_system",
                condition=models.Q(registration__isnull=False),
            ),
            models.Index(
                "state",
                Lower("name"),
                "id",
                "os_name",
                "ownership",
                "seen_at",
                "name",
                name="devices_by_state_and_name",
            ),
            models.Index(fields=["state", "seen_at", "id", "os_name", "ownership"], name="devices_by_state_and_seen"),
            models.Index(
                Lower("name"), "id", "owner", name="lost_devices", condition=models.Q(lost_since__isnull=False)
            ),
            models.Index(fields=["serial_number"], name="devices_by_serial", opclasses=["varchar_pattern_ops"]),
        ]

    @property
    def waits_for_pin(self) -> bool:
        """A computer that waits for its PIN is offline: one that has spoken since it was locked is open again."""
        if self.pin_locked_at is None or self.registration is None:
            return False
        seen = self.registration.last_seen_at
        return seen is None or seen <= self.pin_locked_at + STILL_TALKING

    @property
    def known_as(self) -> str:
        """Its own name, or else its model, where no language is known to say more in."""
        return self.name or self.model_name or self.model

    @property
    def is_lost(self) -> bool:
        return self.lost_since is not None

    @property
    def is_registered(self) -> bool:
        return self.registration is not None and self.registration.state == Registration.State.ACTIVE

    @property
    def is_personal(self) -> bool:
        return self.ownership == self.Ownership.PERSONAL


class DeviceWord(Word):
    """What a device is found by."""

    of = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="words", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "word"], name="a_devices_word_once")]
        indexes = [word_index("devices_by_word")]


class Registration(models.Model):
    """One life of a device under management, from its certificate to its end."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")  # it has authenticated, and cannot be woken yet
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")
        WIPED = "wiped", _("Wiped")
        REPLACED = "replaced", _("Replaced")  # the device registered anew

    class Ending(models.TextChoices):
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        CHECKED_OUT = "checked out", "Checked out"
        UNREACHABLE = "unreachable", "Unreachable"  # told, and then its push token died
        SILENT = "silent", "Silent"  # told, and then not heard of for long

    LIVING = (State.PENDING, State.ACTIVE)
    ENDED = (State.RETIRED, State.WIPED, State.REPLACED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="registrations")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    keys_held = models.BooleanField()
    """No private key is sent to it until its owner has confirmed that it is theirs (`registration.confirmations`)."""
    confirmed_at = models.DateTimeField(null=True)
    """When they did; null while they have not, and where nobody asked."""
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True)
    old_digest_since = models.DateTimeField(null=True)
    """Since when the device signs its requests with a digest that is only accepted because it is allowed (SHA-1)."""
    unreachable_since = models.DateTimeField(null=True)
    """Since when the push service calls the device's token dead."""
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=16, choices=Ending.choices, blank=True)
    """How it was learnt that a retired or wiped life has ended."""
    heard_after_wipe_at = models.DateTimeField(null=True)
    """When a device that counts as erased last spoke all the same."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=models.Q(state__in=["pending", "active"]),
                name="one_life_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "active", "retired", "wiped", "replaced"]),
                name="known_registration_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["device"], condition=models.Q(unreachable_since__isnull=False), name="unreachable_registrations"
            ),
            models.Index(
                fields=["device"],
                condition=models.Q(old_digest_since__isnull=False),
                name="registrations_of_old_digest",
            ),
        ]

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def is_presumed_ended(self) -> bool:
        """Nobody said that it has ended: it was told to, and has not been heard of since."""
        return self.ended_because in {self.Ending.UNREACHABLE, self.Ending.SILENT}


class Channel(models.Model):
    """Where commands go: the device itself, or one user of it. Each has its own push token and queue."""

    class Kind(models.TextChoices):
        DEVICE = "device", "Device"
        USER = "user", "User"

    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, related_name="channels")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    user_id = models.CharField(max_length=128, blank=True)
    user_name = LineField(max_length=128, blank=True)
    push_token = models.BinaryField()
    """Of any length, and not unique across devices."""
    pushed_at = models.DateTimeField(null=True)
    """When the push service last took a wake for this channel."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["registration", "user_id"], name="one_channel_per_user"),
        ]


class Inventory(models.Model):
    """What a device last said of itself, replaced at each check in."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="inventory")
    collected_at = models.DateTimeField()
    capacity_bytes = models.BigIntegerField(null=True)
    available_bytes = models.BigIntegerField(null=True)
    battery = models.FloatField(null=True)
    """0 to 1; null when unknown."""
    has_passcode = models.BooleanField(null=True)
    is_passcode_compliant = models.BooleanField(null=True)
    is_encrypted = models.BooleanField(null=True)
    is_find_my_on = models.BooleanField(null=True)
    is_activation_locked = models.BooleanField(null=True)
    profiles = models.JSONField(default=list)
    """Of each installed profile: identifier, uuid, name."""
    certificates = models.JSONField(default=list)
    """Of each installed certificate: name, fingerprint, whether it has a key."""
