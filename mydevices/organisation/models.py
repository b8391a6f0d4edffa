from django.db import models


class Organisation(models.Model):
    """The one organisation that this server belongs to: a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=120, default="MyDevices")
    helpdesk_name = models.CharField(max_length=120, blank=True)
    helpdesk_phone = models.CharField(max_length=40, blank=True)
    helpdesk_email = models.EmailField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_organisation")]
