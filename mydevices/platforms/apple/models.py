"""What is kept for Apple's devices alone."""

import uuid

from django.db import models


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
