"""What sign-in leaves behind and nobody needs: sessions that have ended."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from mydevices.outbox import registry


def register() -> None:
    registry.periodic("accounts.clear_sessions", timedelta(days=1), clear_sessions)


def clear_sessions() -> None:
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
