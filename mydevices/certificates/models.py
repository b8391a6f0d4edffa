"""What vouches for devices, and the certificates that people bring."""

import uuid
from datetime import timedelta
from typing import ClassVar, Final

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from mydevices.accounts.models import Person
from mydevices.devices.models import Registration
from mydevices.names import LineField

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
    asked_weakly = models.BooleanField(default=False)
    """Its request had DES, 3DES or SHA-1 in it, which is only accepted because it is allowed."""

    class Meta:
        indexes = [
            models.Index(fields=["state", "not_after"], name="certificates_by_end"),
            models.Index(
                fields=["registration"], condition=models.Q(asked_weakly=True), name="certificates_asked_weakly"
            ),
        ]


class CertificateType(models.Model):
    """What a person can have a certificate for, such as "Signing certificate". Its id is that of the configuration that
    defines it."""

    class Purpose(models.TextChoices):
        SIGNING = "signing", _("Signing")
        ENCRYPTION = "encryption", _("Encryption")
        BOTH = "both", _("Signing and encryption")

    LONGEST_KEPT: ClassVar[int] = 30
    """Days that a key to be deleted is kept at most."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    label = LineField(max_length=120)
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    delete_key_after = models.PositiveSmallIntegerField(null=True)
    """Days after the upload, from 1 to 30; null: the private key is kept."""
    all_apps = models.BooleanField(default=False)
    """Every application may use the key, not the one for mail alone, where the device makes that difference."""
    key_download = models.BooleanField(default=False)
    """People may download their certificate with its private key."""

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("label"), name="one_certificate_type_per_label"),
            models.CheckConstraint(
                condition=models.Q(purpose__in=["signing", "encryption", "both"]), name="known_purpose"
            ),
            models.CheckConstraint(
                condition=models.Q(delete_key_after__isnull=True)
                | models.Q(delete_key_after__gte=1, delete_key_after__lte=30),
                name="keys_deleted_within_30_days",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def keeps_history(self) -> bool:
        """Whether a replaced certificate is of use: with its key old mail is read."""
        return self.purpose != self.Purpose.SIGNING


class Certificate(models.Model):
    """What a person uploaded for a type. One of each is the present one; replaced ones are history, for old mail."""

    class Cleared(models.TextChoices):
        """Why there is no private key."""

        PERSON = "person", _("Cleared by its owner")
        AGE = "age", _("Deleted after its time")

    LONGEST_NOTE: ClassVar[int] = 300

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="certificates")
    type = models.ForeignKey(CertificateType, on_delete=models.CASCADE, related_name="certificates")
    der = models.BinaryField()
    chain = models.JSONField(default=list)
    """Certificates of those who issued it, the nearest first, as DER in base64. `selectors.identity` decodes them."""
    issuer = LineField(max_length=128, blank=True)
    subject = LineField(max_length=128, blank=True)
    serial = models.CharField(max_length=64)
    """In hexadecimal."""
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    fingerprint = models.CharField(max_length=64)
    """SHA-256 of the DER, hexadecimal in small letters."""
    addresses = models.JSONField(default=list)
    """E-mail addresses that it names."""
    key_algorithm = models.CharField(max_length=32, blank=True)
    """Such as "RSA 2048" or "P-256"."""
    cautions = models.JSONField(default=list)
    """Codes of what should be looked at (`wording.CAUTIONS`), as found when it was uploaded."""
    note = LineField(max_length=LONGEST_NOTE, blank=True)
    """Its owner's."""
    uploaded_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)
    """Null: the present one of its person and type."""
    key = models.BinaryField(null=True)
    """PKCS#8 DER, sealed; null once it was cleared."""
    key_cleared_at = models.DateTimeField(null=True)
    key_cleared_why = models.CharField(max_length=12, choices=Cleared.choices, blank=True)
    key_end_announced_at = models.DateTimeField(null=True)
    """When its owner was told that the key is going to be deleted."""
    expiry_announced = models.PositiveSmallIntegerField(null=True)
    """The smallest of the numbers of days ahead at which its owner was told that it expires."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "type"],
                condition=models.Q(replaced_at__isnull=True),
                name="one_present_certificate_of_a_type",
            ),
            models.UniqueConstraint(fields=["person", "type", "fingerprint"], name="a_certificate_once_of_a_type"),
            models.CheckConstraint(
                condition=models.Q(key__isnull=False, key_cleared_at__isnull=True, key_cleared_why="")
                | (models.Q(key__isnull=True, key_cleared_at__isnull=False) & ~models.Q(key_cleared_why="")),
                name="a_key_or_why_there_is_none",
            ),
        ]
        indexes = [
            models.Index(fields=["uploaded_at", "id"], name="certificates_by_upload"),
            models.Index(fields=["not_after", "id"], name="certificates_by_expiry"),
        ]

    @property
    def has_key(self) -> bool:
        """Without reading it: the database keeps the two in step."""
        return self.key_cleared_at is None

    @property
    def is_present(self) -> bool:
        return self.replaced_at is None
