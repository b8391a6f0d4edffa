"""A new certificate for a device in time, under the terms of its registration: the life goes on."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from mydevices.audit.verbs import Verb
from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.commands import queue
from mydevices.commands.models import Command
from mydevices.commands.states import OPEN
from mydevices.devices.models import Channel, Registration
from mydevices.errors import Conflict
from mydevices.port.commands import RENEW
from mydevices.port.platform import platform_of
from mydevices.port.registering import Document
from mydevices.registration import records

RENEWAL_LIFETIME: Final = timedelta(days=30)
RENEW_AGAIN_AFTER: Final = timedelta(days=1)
"""How long a device that refused a new certificate is left alone."""


def renew_due(*, now: datetime, limit: int = 500) -> int:
    """Queue a new certificate for every device whose certificate ends within 30 days. The number queued."""
    queued = 0
    tried = Command.objects.filter(channel__registration=OuterRef("registration"), exclusive="renewal").filter(
        Q(state__in=OPEN) | Q(finished_at__gte=now - RENEW_AGAIN_AFTER)
    )
    due = certificates_selectors.due_for_renewal(now).filter(~Exists(tried))
    for certificate in due[:limit]:
        channel = Channel.objects.filter(registration=certificate.registration_id, kind=Channel.Kind.DEVICE).first()
        if channel is None or certificate.registration is None:
            continue
        with transaction.atomic():
            challenge = certificates.new_challenge(
                registration=certificate.registration, expires_at=now + RENEWAL_LIFETIME
            )
            command = queue.upkeep(
                channel=channel,
                request_type=RENEW,
                parameters={"challenge": str(challenge.id)},
                exclusive="renewal",
                now=now,
            )
            if command is None:
                challenge.delete()
            else:
                queued += 1
    return queued


def renewal_document(*, registration: Registration, challenge_id: str) -> Document:
    """What the registration was promised, exactly, with a new challenge."""
    challenge = Challenge.objects.filter(id=challenge_id, registration=registration).first()
    if challenge is None:
        raise Conflict("The right to a new certificate is gone.")
    platform = platform_of(registration.device)
    return platform.document(
        promise=platform.promised(registration),
        password=certificates.password_of(challenge.id),
        subject=f"MyDevices {challenge.id}",
        signed=settings.ENVIRONMENT.sign_profiles,
    )


def use(*, certificate: DeviceCertificate, registration: Registration) -> None:
    """A renewed certificate is used for the first time: from now on it is the one, and the life goes on."""
    with transaction.atomic():
        if certificates.use(certificate=certificate, registration=registration):
            records.of_life(Verb.CERTIFICATE_RENEWED, registration)
