"""How long a certificate and its private key are kept, and what its owner is told about that by mail."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from mydevices.accounts import services as accounts
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates.models import Certificate, CertificateType

REMIND_AT: Final = (30, 7, 1)
"""Days before a certificate's end at which its owner is told, once each."""
AHEAD: Final = timedelta(days=1)
"""How long before a key is deleted its owner is told."""
ROUND: Final = timedelta(hours=1)
"""How often all this is looked at."""
LONGEST_KEPT: Final = timedelta(days=CertificateType.LONGEST_KEPT)

Waiting = Callable[[Certificate], bool]

_waiting: list[Waiting] = []


def wait_for(waiting: Waiting) -> None:
    """Name, at start-up, who knows whether a device still waits for a certificate's key: it is not deleted meanwhile,
    for 30 days at most."""
    _waiting.append(waiting)


def reminded(certificate_end: datetime, now: datetime) -> int | None:
    """The reminder whose time has come: 30, 7 or 1; none before that."""
    left = certificate_end - now
    return min((days for days in REMIND_AT if left <= timedelta(days=days)), default=None)


def remind(*, now: datetime) -> int:
    """Tell the owners of certificates that end soon; how many."""
    soon = (
        Certificate.objects.filter(
            replaced_at=None,
            person__is_active=True,
            not_after__gt=now,
            not_after__lte=now + timedelta(days=max(REMIND_AT)),
        )
        .filter(Q(expiry_announced=None) | Q(expiry_announced__gt=min(REMIND_AT)))
        .defer("key", "der", "chain")
        .select_related("person", "type")
        .order_by("not_after", "id")
    )
    told = 0
    for certificate in list(soon):
        days = reminded(certificate.not_after, now)
        if days is None or (certificate.expiry_announced is not None and certificate.expiry_announced <= days):
            continue
        with transaction.atomic():
            moved = Certificate.objects.filter(
                Q(expiry_announced=None) | Q(expiry_announced__gt=days), id=certificate.id, replaced_at=None
            ).update(expiry_announced=days)
            if not moved:
                continue
            until = certificate.not_after.isoformat(timespec="seconds")
            _tell(certificate, Notice.CERTIFICATE_EXPIRES, {"until": until})
            _record(Verb.CERTIFICATE_EXPIRES, certificate, {"days": days})
        told += moved
    return told


def announce_ends(*, now: datetime) -> int:
    """Tell the owners of keys that are deleted within a day, so that they can still have another device; how many."""
    told = 0
    for certificate in _with_an_end().filter(key_end_announced_at=None):
        if certificate.uploaded_at + _kept(certificate) - AHEAD > now:
            continue
        with transaction.atomic():
            moved = Certificate.objects.filter(id=certificate.id, key__isnull=False, key_end_announced_at=None).update(
                key_end_announced_at=now
            )
            if moved:
                end = max(certificate.uploaded_at + _kept(certificate), now + AHEAD - ROUND)
                _tell(certificate, Notice.CERTIFICATE_KEY_ENDS, {"until": end.isoformat(timespec="seconds")})
        told += moved
    return told


def delete_keys(*, now: datetime) -> int:
    """Delete the private keys whose time is over and that no device waits for; how many."""
    deleted = 0
    for certificate in _with_an_end().filter(key_end_announced_at__lte=now - AHEAD + ROUND):
        if certificate.uploaded_at + _kept(certificate) > now:
            continue
        is_last = certificate.uploaded_at + LONGEST_KEPT <= now
        with transaction.atomic():
            if not is_last and any(waiting(certificate) for waiting in _waiting):
                continue
            moved = Certificate.objects.filter(
                id=certificate.id, key__isnull=False, uploaded_at=certificate.uploaded_at
            ).update(key=None, key_cleared_at=now, key_cleared_why=Certificate.Cleared.AGE)
            if moved:
                _tell(certificate, Notice.CERTIFICATE_KEY_DELETED, {"at": now.isoformat(timespec="seconds")})
                _record(Verb.CERTIFICATE_KEY_CLEARED, certificate, {"why": Certificate.Cleared.AGE.value})
        deleted += moved
    return deleted


def _with_an_end() -> "QuerySet[Certificate]":
    return (
        Certificate.objects.filter(key__isnull=False, type__delete_key_after__isnull=False)
        .defer("key", "der", "chain")
        .select_related("person", "type")
        .order_by("uploaded_at", "id")
    )


def _kept(certificate: Certificate) -> timedelta:
    return timedelta(days=certificate.type.delete_key_after or CertificateType.LONGEST_KEPT)


def _tell(certificate: Certificate, notice: Notice, facts: dict[str, str]) -> None:
    if certificate.person.is_active:
        about = {"certificate": certificate.type.label, "issuer": certificate.issuer}
        accounts.notify(person=certificate.person, notice=notice, facts=about | facts)


def _record(verb: Verb, certificate: Certificate, details: dict[str, str | int | bool]) -> None:
    audit.record(
        verb,
        actor=Actor.system("certificates"),
        person=certificate.person,
        details={
            "certificate": certificate.type.label,
            "issuer": certificate.issuer,
            "fingerprint": certificate.fingerprint,
            **details,
        },
    )
