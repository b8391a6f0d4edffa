import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from mydevices import looser
from mydevices.certificates.models import Challenge
from mydevices.devices.models import Device, Registration
from mydevices.names import LineField


class Ticket(models.Model):
    """A person's permission to register one device, for a few minutes. Its code stands in the short address and QR
    code."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tickets")
    platform = models.CharField(max_length=16)
    intended = models.CharField(max_length=32)
    """The name of a `port.registering.DeviceKind`: which pictures and words the page shows. The device says itself what
    it is."""
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
    refused_at = models.DateTimeField(null=True)
    """When a device came with it that a policy does not let in. It ends with that: its challenge is spent."""
    refusal = models.JSONField(default=dict)
    """Why (registration.refusals.Refusal)."""
    used_at = models.DateTimeField(null=True)
    promise = models.JSONField(default=dict)
    """What the platform promises the device (`port.platform.Promise`)."""
    device = models.ForeignKey(Device, on_delete=models.SET_NULL, null=True, related_name="tickets")
    pin = models.ForeignKey("RegistrationPin", on_delete=models.SET_NULL, null=True, related_name="tickets")
    """What its person proved themselves with; spent when a device registers."""
    has_factor = models.BooleanField(default=False)
    """Its person opened it with a fresh proof that included a second factor: the device needs no confirmation."""

    class Meta:
        indexes = [models.Index(fields=["person", "expires_at"], name="tickets_of_a_person")]


class Invitation(models.Model):
    """How a person comes to have an account: a link, good for some days, at which they choose how they sign in."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of what the link carries; kept after the end, so that an old link is told apart from a wrong one."""
    token = models.BinaryField(null=True)
    """Sealed, for reminders and for the console where no mail is sent. Null once the invitation is over."""
    role = models.CharField(max_length=20, default="person")
    """The role that its person had when the link was made. The link opens nothing once they have another one."""
    created_at = models.DateTimeField()
    created_by = LineField(max_length=120, blank=True)
    """Who invited, as their name was."""
    expires_at = models.DateTimeField()
    mail_id = models.CharField(max_length=36, blank=True)
    """The last mail about it (accounts.services.notify)."""
    sent_at = models.DateTimeField(null=True)
    """When the mail server took the last one."""
    mail_problem = models.CharField(max_length=300, blank=True)
    """Why the last one has not gone, yet or ever."""
    reminders = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    """When somebody first looked at the link: a person, or what reads their mail before them."""
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_invitation_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "id"], name="invitations_by_age"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitations_that_may_end",
            ),
            models.Index(fields=["mail_id"], name="invitations_by_mail"),
        ]

    def state(self, now: datetime) -> State:
        if self.accepted_at is not None:
            return self.State.ACCEPTED
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= now else self.State.OPEN


class RegistrationPin(models.Model):
    """A short secret that proves, beside a password or alone, that it is this person who registers. It registers one
    device; typing it spends nothing. A person has one at a time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="registration_pins")
    digest = models.BinaryField()
    """Argon2id of it, sealed: without the master key a stolen database says nothing of so short a thing."""
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    """Counted before each comparison and put back after a right one, so that six at once are six."""
    spent_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    """When a newer one took its place."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(spent_at=None, revoked_at=None),
                name="one_registration_pin_at_a_time",
            ),
        ]


class Confirmation(models.Model):
    """The mail that asks somebody whether a device is theirs, with a link of its own. One at a time for each life of a
    device: a new mail makes a new link, and the former one stops."""

    registration = models.OneToOneField(Registration, on_delete=models.CASCADE, related_name="confirmation")
    token_hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of what the link carries; the link itself is known to the mail alone."""
    address = models.CharField(max_length=64, blank=True)
    """The IP address that the device registered from."""
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    """When somebody answered with this link. That is done once."""


class TermsText(models.Model):
    """Terms of service as they were accepted: a policy's text of one version. Outlives the policy."""

    policy_id = models.UUIDField()
    policy_name = LineField(max_length=120)
    version = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_id", "version"], name="one_text_per_version")]


class Acceptance(models.Model):
    """A person has accepted terms."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="acceptances")
    terms = models.ForeignKey(TermsText, on_delete=models.PROTECT, related_name="acceptances")
    at = models.DateTimeField()
    address = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "terms"], name="terms_accepted_once")]


class InvitationRules(models.Model):
    """How long invitations are good and how people are reminded of them: a single row, once somebody has decided in the
    console. Until then the server's environment holds."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    good_for_days = models.PositiveSmallIntegerField(
        _("Days that an invitation is good"), validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    remind_every_days = models.PositiveSmallIntegerField(
        _("Days until a reminder"), validators=[MaxValueValidator(365)]
    )
    """After an invitation, and after each reminder; 0: none."""
    reminders = models.PositiveSmallIntegerField(_("Reminders at most"), validators=[MaxValueValidator(10)])

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "good_for_days": looser.HIGHER,
        "remind_every_days": looser.neither("says when a mail goes, and lets nobody in"),
        "reminders": looser.neither("says how many mails go, and lets nobody in"),
    }

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_set_of_invitation_rules"),
            models.CheckConstraint(
                condition=models.Q(good_for_days__gte=1, good_for_days__lte=365), name="invitations_of_a_sane_length"
            ),
        ]
