"""What sign-in leaves behind and nobody needs: sessions that have ended, and counts of attempts long ago. And changes
that have waited for another administrator as long as they do."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from mydevices.accounts import (
    approval_decisions,
    approvals,
    attempts,
    codes,
    email_change,
    factor_removal,
    heads,
    post,
    role_factors,
    services,
)
from mydevices.outbox import registry
from mydevices.outbox import services as outbox
from mydevices.outbox.registry import Delivery, DeliveryOutcome, Done

KEEP_DEAD_MAIL = timedelta(days=30)
"""How long a mail that could not be sent stays to be seen."""


def register() -> None:
    registry.handler("mail", post.deliver, batch=post.BATCH, lease=post.LEASE, longest_pause=timedelta(hours=1))
    registry.handler(approvals.TOPIC, end_approvals, batch=1, longest_pause=timedelta(hours=1))
    registry.periodic("accounts.clear_mail", timedelta(days=1), clear_mail)
    registry.periodic("accounts.announce_expiry", timedelta(hours=6), announce_expiry)
    registry.periodic("accounts.tell_of_factors", timedelta(minutes=10), tell_of_factors)
    registry.periodic("accounts.remove_factors", timedelta(hours=1), remove_factors)
    registry.periodic("accounts.hash_codes", timedelta(minutes=5), hash_codes)
    registry.periodic("accounts.clear_email_changes", timedelta(hours=6), clear_email_changes)
    registry.periodic("accounts.clear_sessions", timedelta(days=1), clear_sessions)
    registry.periodic("accounts.clear_cache", timedelta(hours=1), clear_cache)
    registry.periodic("audit.mail_head", timedelta(days=1), heads.mail)
    registry.periodic("audit.write_head", timedelta(days=1), heads.write)
    registry.periodic("accounts.clear_approvals", timedelta(days=1), clear_approvals)
    registry.periodic("accounts.clear_attempts", timedelta(hours=1), attempts.clear)


def clear_sessions() -> None:
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


def end_approvals(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    """Each by itself: one that breaks (its arguments are of an earlier version, say) goes on waiting, is tried again,
    and keeps no other from its time."""
    for delivery in deliveries:
        approval_decisions.end_due(approval_id=UUID(delivery.payload["approval"]), now=timezone.now())
    return {delivery.id: Done() for delivery in deliveries}


def clear_approvals() -> None:
    approval_decisions.clear(now=timezone.now())


def announce_expiry() -> None:
    services.announce_expiry(now=timezone.now())


def tell_of_factors() -> None:
    role_factors.tell(now=timezone.now())


def remove_factors() -> None:
    factor_removal.sweep(now=timezone.now())


def hash_codes() -> None:
    codes.hash_all_old()


def clear_email_changes() -> None:
    email_change.clear(now=timezone.now())


def clear_mail() -> None:
    """Forget mails that were given up, and with them the secrets sealed in them."""
    outbox.clear_dead("mail", before=timezone.now() - KEEP_DEAD_MAIL)


def clear_cache() -> None:
    """Delete what has expired. Django's cache itself does so only to what it is asked for, and when it is full."""
    table = connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))
    now = connection.ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [now])  # noqa: S608  the table is the settings'
