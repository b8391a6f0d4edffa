"""What is asked of passwords and sessions, and what is kept of those that were."""

from collections.abc import Mapping
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from mydevices import looser
from mydevices.accounts.models.people import Person


class SignInRules(models.Model):
    """What the organisation asks of passwords and sessions: a single row. The defaults are those of NIST SP 800-63B-4
    (docs/decisions)."""

    LONGEST: ClassVar[int] = 256
    """Characters of a password."""
    MOST_KEPT: ClassVar[int] = 10
    """Earlier passwords: each is one more Argon2 hash when a password is changed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    minimum_length = models.PositiveSmallIntegerField(
        _("Shortest password"), default=15, validators=[MinValueValidator(8), MaxValueValidator(64)]
    )
    """In characters. 15 where the password may be all that is asked for; 8 is for those who ask everybody for more."""
    classes = models.PositiveSmallIntegerField(_("Kinds of characters"), default=0, validators=[MaxValueValidator(4)])
    """How many of small letters, capital letters, digits and others a password must have."""
    history = models.PositiveSmallIntegerField(
        _("Earlier passwords"), default=0, validators=[MaxValueValidator(MOST_KEPT)]
    )
    """How many earlier passwords, the present one among them, may not come back; 0: any may."""
    expires_after_days = models.PositiveSmallIntegerField(_("Passwords expire"), default=0)
    """0: they do not."""
    idle_minutes = models.PositiveIntegerField(
        _("Sign out after"), default=8 * 60, validators=[MaxValueValidator(14 * 24 * 60)]
    )
    """Minutes without a page being opened; 0: only the end of the session itself, two weeks after sign-in."""
    limited_sign_in = models.BooleanField(_("Lost second factors"), default=True)
    """Whether people whose second factor is what they lost may lock, mark lost and locate with their password alone."""
    console_factor = models.BooleanField(_("A second factor for every role in the console"), default=True)
    """Whether administrators, helpdesk and auditors need one (`role_factors`)."""

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "minimum_length": looser.LOWER,
        "classes": looser.LOWER,
        "history": looser.LOWER,
        "expires_after_days": looser.HIGHER_OR_NONE,
        "idle_minutes": looser.HIGHER_OR_NONE,
        "limited_sign_in": looser.HIGHER,
        "console_factor": looser.LOWER,
    }

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_set_of_sign_in_rules"),
            models.CheckConstraint(
                condition=models.Q(minimum_length__gte=8, minimum_length__lte=64), name="passwords_of_a_sane_length"
            ),
        ]


class FormerPassword(models.Model):
    """A hash that may not come back, kept only while the rules remember passwords."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="former_passwords")
    password = models.CharField(max_length=128)
    ended_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["person", "-id"], name="newest_former_passwords")]
