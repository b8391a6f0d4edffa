"""What is kept for Apple's devices alone."""

import uuid

from django.db import models

from mydevices.devices.models import Channel, Registration


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


class AppleRegistration(models.Model):
    """What a registration profile promised its device, and what the device left here."""

    registration = models.OneToOneField(Registration, on_delete=models.CASCADE, primary_key=True, related_name="apple")
    topic = models.CharField(max_length=255)
    """Repeated exactly at renewal, as are the addresses and the rights: devices refuse a change."""
    server_url = models.URLField(max_length=500)
    checkin_url = models.URLField(max_length=500)
    scep_url = models.URLField(max_length=500)
    access_rights = models.PositiveIntegerField()
    profile_identifier = models.CharField(max_length=255)
    is_supervised = models.BooleanField(null=True)
    is_user_enrollment = models.BooleanField(default=False)
    bootstrap_token = models.BinaryField(null=True)
    """Sealed; a Mac's, kept for the Mac."""


class AppleChannel(models.Model):
    """What a push to a channel says, and what clears the passcode of its device."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True, related_name="apple")
    push_magic = models.CharField(max_length=200)
    unlock_token = models.BinaryField(null=True)
    """Sealed."""
