"""Which apps are on devices, where a policy lets them be read."""

from django.db import models

from mydevices.devices.models import Device


class Listing(models.Model):
    """The apps of one device, replaced whole each time it tells them."""

    class Scope(models.TextChoices):
        MANAGED = "managed", "Those that the organisation installed"
        ALL = "all", "All of them"

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="applications")
    scope = models.CharField(max_length=8, choices=Scope.choices)
    """What it was asked for. What it told stands under no other."""
    asked_at = models.DateTimeField()
    """When it was its turn last, whether or not it could be asked."""
    read_at = models.DateTimeField(null=True)
    """When it answered last; null until it has."""
    number = models.PositiveIntegerField(default=0)
    is_cut = models.BooleanField(default=False)
    """It told of more than are kept."""
    content = models.BinaryField(null=True)
    """Sealed JSON: a list of name, identifier, version and size in bytes."""

    class Meta:
        indexes = [models.Index(fields=["asked_at"], name="applications_by_asking")]
