"""What vouches for devices, and what lets the server push to Apple."""

import uuid
from datetime import timedelta
from typing import Final

from django.db import models

from mydevices.devices.models import Registration

RENEW_BEFORE: Final = timedelta(days=30)
"""How long before its end a device's certificate is renewed."""


class Authority(models.Model):
    """The device authority: it signs the certificates that devices are known by. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    certificate = models.BinaryField()
    """DER."""
    key = models.BinaryField()
    """PKCS#8 DER, sealed."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_authority")]


class Challenge(models.Model):
    """A right to one certificate: for a ticket (which starts a life) or for the renewal of a registration's
    certificate.

    The password that a device sends is derived from the row's id, so that a profile can be written again and again
    and no
    password stands in the database. The first key that uses it spends it; the same key gets the same certificate
    again."""

    class Purpose(models.TextChoices):
        REGISTRATION = "registration", "Registration"
        RENEWAL = "renewal", "Renewal"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, null=True, related_name="challenges")
    """Whose certificate is renewed; empty for a ticket, whose life has not begun."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    spent_by = models.CharField(max_length=64, blank=True)
    """SHA-256 of the key (SubjectPublicKeyInfo) that spent it."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purpose="registration", registration__isnull=True)
                | models.Q(purpose="renewal", registration__isnull=False),
                name="challenge_fits_its_purpose",
            ),
        ]


class DeviceCertificate(models.Model):
    """A certificate that the device authority issued. It selects the registration of every request that it signed."""

    class State(models.TextChoices):
        ISSUED = "issued", "Issued"  # not used yet
        CURRENT = "current", "Current"
        SUPERSEDED = "superseded", "Superseded"  # the renewed one has been used

    fingerprint = models.CharField(max_length=64, primary_key=True)
    """SHA-256 of the DER."""
    challenge = models.OneToOneField(Challenge, on_delete=models.PROTECT, related_name="certificate")
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, null=True, related_name="certificates")
    """Empty between the issue for a ticket and the device's first Authenticate."""
    state = models.CharField(max_length=16, choices=State.choices, default=State.ISSUED)
    der = models.BinaryField()
    not_after = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["state", "not_after"], name="certificates_by_end")]


class PushCertificate(models.Model):
    """What lets the server wake Apple devices: a key, the request made of it, and the certificate that Apple gave for
    it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.BinaryField()
    """PKCS#8 DER, sealed."""
    certificate = models.BinaryField(null=True)
    """PEM as Apple gave it, with what chain came along; empty while only requested."""
    topic = models.CharField(max_length=255, blank=True)
    not_after = models.DateTimeField(null=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    installed_at = models.DateTimeField(null=True)
