import uuid

from django.db import models
from django.db.models.functions import Lower

from mydevices.accounts.models import Person
from mydevices.certificates.models import CertificateType
from mydevices.devices.assignment import Assigned
from mydevices.devices.models import Channel
from mydevices.names import LineField


class Configuration(Assigned):
    """What is sent to the devices of some people. Every one that reaches a device is installed there."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32)
    """A name of `configurations.kinds.KINDS`."""
    name = LineField(max_length=120)
    description = LineField(max_length=500, blank=True)
    values = models.JSONField(default=dict)
    """What `Kind.read` reads."""
    icon = models.BinaryField(null=True)
    """A PNG, where the kind has one."""
    enabled = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1)
    """Counted up by every change."""
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="one_configuration_per_name")]

    def __str__(self) -> str:
        return self.name


class SharedIdentity(models.Model):
    """The file of an identity certificate of the source "single file": the same for everybody whom it reaches. The
    fields are those of `certificates.Certificate`."""

    configuration = models.OneToOneField(
        Configuration, on_delete=models.CASCADE, primary_key=True, related_name="shared_identity"
    )
    der = models.BinaryField()
    chain = models.JSONField(default=list)
    key = models.BinaryField()
    """PKCS#8 DER, sealed."""
    issuer = LineField(max_length=128, blank=True)
    subject = LineField(max_length=128, blank=True)
    serial = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    fingerprint = models.CharField(max_length=64)
    addresses = models.JSONField(default=list)
    key_algorithm = models.CharField(max_length=32, blank=True)
    cautions = models.JSONField(default=list)
    uploaded_at = models.DateTimeField()


class Withdrawal(models.Model):
    """A certificate that its owner had removed from their devices: it stays away until they upload it again."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    type = models.ForeignKey(CertificateType, on_delete=models.CASCADE, related_name="+")
    fingerprint = models.CharField(max_length=64)
    """The certificate itself may be gone."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "type", "fingerprint"], name="a_certificate_withdrawn_once"),
        ]


class Installation(models.Model):
    """A configuration on one channel of one registration. It outlives its configuration until the device has let go of
    it, and goes with its registration's channel."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        INSTALLED = "installed", "Installed"
        FAILED = "failed", "Failed"
        REMOVING = "removing", "Being removed"
        REMOVED = "removed", "Removed"

    configuration = models.ForeignKey(Configuration, on_delete=models.SET_NULL, null=True, related_name="installations")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="installations")
    identifier = models.CharField(max_length=120)
    """Of the profile on the device: the same for all revisions, so that a newer one replaces it."""
    name = LineField(max_length=120)
    """The configuration's, for when it is gone."""
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    reason = models.TextField(blank=True)
    """The device's own, where it failed."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the content that should be there."""
    carried = models.JSONField(default=dict)
    """The certificates in that content: fingerprints by the id of the identity certificate (type) they are of."""
    sent_digest = models.CharField(max_length=64, blank=True)
    """Of the content that the device was last given; empty where it was given none."""
    profile_uuid = models.CharField(max_length=36, blank=True)
    """PayloadUUID of the profile that it was last given."""
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "identifier"], name="one_installation_per_channel"),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "installed", "failed", "removing", "removed"]),
                name="known_installation_state",
            ),
        ]

    @property
    def exclusive(self) -> str:
        """Only one command about it is open at a time."""
        return f"configuration {self.pk}"
