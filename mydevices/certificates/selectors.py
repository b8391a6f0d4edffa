from datetime import datetime

from django.db.models import QuerySet

from mydevices.certificates.models import RENEW_BEFORE, DeviceCertificate
from mydevices.devices.models import Registration


def due_for_renewal(now: datetime) -> QuerySet[DeviceCertificate]:
    """Certificates in use that end within 30 days, the most urgent first, of registrations that live. One that has
    ended cannot be used to ask for another."""
    return (
        DeviceCertificate.objects.filter(
            state=DeviceCertificate.State.CURRENT,
            not_after__gt=now,
            not_after__lte=now + RENEW_BEFORE,
            registration__state=Registration.State.ACTIVE,
        )
        .select_related("registration__device__owner")
        .order_by("not_after")
    )


def by_fingerprint(fingerprint: str) -> DeviceCertificate | None:
    """The certificate that signed a request, with its registration, device, owner and challenge."""
    return (
        DeviceCertificate.objects.select_related("registration__device__owner", "challenge")
        .filter(fingerprint=fingerprint)
        .first()
    )
