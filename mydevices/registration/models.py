import uuid

from django.conf import settings
from django.db import models

from mydevices.certificates.models import Challenge
from mydevices.devices.models import Device


class Ticket(models.Model):
    """A person's permission to register one device, for a few minutes. Its code stands in the short address and QR
    code."""

    class Intended(models.TextChoices):
        PHONE = "phone", "iPhone or iPad"
        MAC = "mac", "Mac"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tickets")
    platform = models.CharField(max_length=16, choices=Device.Platform.choices, default=Device.Platform.APPLE)
    intended = models.CharField(max_length=8, choices=Intended.choices, default=Intended.PHONE)
    """Which pictures and words the page shows; the device says itself what it is."""
    ownership = models.CharField(max_length=16, choices=Device.Ownership.choices)
    code_hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of the code: the code itself is known to the person's page alone."""
    code = models.BinaryField()
    """Sealed, so that the person's own page can show it again."""
    challenge = models.OneToOneField(Challenge, on_delete=models.PROTECT, related_name="ticket")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    terms = models.JSONField(default=dict)
    """What the profile promises (devices.services.Terms)."""
    device = models.ForeignKey(Device, on_delete=models.SET_NULL, null=True, related_name="tickets")

    class Meta:
        indexes = [models.Index(fields=["person", "expires_at"], name="tickets_of_a_person")]
