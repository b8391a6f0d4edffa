import hashlib

from django.conf import settings
from django.db import models

from mydevices.names import LineField


class Organisation(models.Model):
    """The one organisation that this server belongs to: a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = LineField(max_length=120, default="MyDevices")
    helpdesk_name = LineField(max_length=120, blank=True)
    helpdesk_phone = LineField(max_length=40, blank=True)
    helpdesk_email = models.EmailField(blank=True)
    language = models.CharField(max_length=12, blank=True)
    """Of mails to people who have chosen none: a code of settings.LANGUAGES; empty for the first of them."""
    accent = models.CharField(max_length=7, blank=True)
    """`#rrggbb`; empty for the product's own blue."""
    logo = models.BinaryField(null=True)
    """A PNG picture."""
    # The mail server, where the environment names none: see `organisation.outgoing`.
    mail_host = models.CharField(max_length=253, blank=True)
    mail_port = models.PositiveIntegerField(null=True, blank=True)
    mail_encryption = models.CharField(max_length=8, blank=True)
    mail_user = models.CharField(max_length=254, blank=True)
    mail_password = models.BinaryField(null=True, blank=True)
    """Sealed; null: none."""
    mail_from = LineField(max_length=320, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_organisation")]

    @property
    def logo_version(self) -> str:
        """Changes with the picture, for its address; empty where there is none."""
        return hashlib.sha256(bytes(self.logo)).hexdigest()[:12] if self.logo else ""

    @property
    def mail_language(self) -> str:
        return self.language or settings.LANGUAGES[0][0]
