"""A person's certificates, as the portal and the console say them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.certificates import wording
from mydevices.certificates.models import Certificate
from mydevices.presentation import moments

SOON = timedelta(days=30)
_MONTH, _YEAR = 30, 365


@dataclass(frozen=True, slots=True)
class Spot:
    """One line below a certificate: an icon with its tone, and words."""

    icon: str
    tone: str
    text: str | SafeString


@dataclass(frozen=True, slots=True)
class Row:
    """A certificate in a table."""

    id: UUID
    name: str
    about: str
    """Whose address it is for, or that it was replaced."""
    issuer: str
    uploaded: SafeString
    expires: SafeString
    left: str
    """“in 11 days”, “expired”."""
    is_urgent: bool
    note: str
    spots: Sequence[Spot]
    has_key: bool
    is_present: bool
    may_take_key: bool
    """Its owner may download it with its private key."""


def row(certificate: Certificate, now: datetime, *, spots: Sequence[Spot] = ()) -> Row:
    """`spots` are what devices say of it; what is to be said of its key and its cautions comes after them."""
    return Row(
        id=certificate.id,
        name=certificate.type.label,
        about=_about(certificate),
        issuer=certificate.issuer or _("Not named"),
        uploaded=moments.day(certificate.uploaded_at),
        expires=moments.day(certificate.not_after),
        left=left(certificate.not_after, now),
        is_urgent=certificate.is_present and certificate.not_after - now <= SOON,
        note=certificate.note,
        spots=[*spots, *_of_key(certificate), *_cautions(certificate)],
        has_key=certificate.has_key,
        is_present=certificate.is_present,
        may_take_key=certificate.has_key and certificate.type.key_download,
    )


def _about(certificate: Certificate) -> str:
    if not certificate.is_present:
        return _("Replaced, kept so that old mail still opens")
    return ", ".join(certificate.addresses) or certificate.subject


def left(until: datetime, now: datetime) -> str:
    """How long something can still be used, in the largest unit of which there are at least two."""
    days = -(-(until - now) // timedelta(days=1))
    if days <= 0:
        return _("expired")
    if days >= 2 * _YEAR:
        number = days // _YEAR
        return ngettext("in %(number)d year", "in %(number)d years", number) % {"number": number}
    if days >= 2 * _MONTH:
        number = days // _MONTH
        return ngettext("in %(number)d month", "in %(number)d months", number) % {"number": number}
    return ngettext("in %(number)d day", "in %(number)d days", days) % {"number": days}


def _of_key(certificate: Certificate) -> Sequence[Spot]:
    if certificate.key_cleared_at is not None:
        day = moments.day(certificate.key_cleared_at)
        if certificate.key_cleared_why == Certificate.Cleared.AGE:
            text = _("Private key deleted here on %(day)s, after its time. New devices cannot get it.") % {"day": day}
        else:
            text = _("Private key cleared on %(day)s. New devices cannot get it.") % {"day": day}
        return [Spot("minus", "off", SafeString(text))]
    days = certificate.type.delete_key_after
    if days is None:
        return [Spot("key", "off", _("Private key kept here, sealed"))]
    day = moments.day(certificate.uploaded_at + timedelta(days=days))
    text = _("Private key kept here, sealed, until %(day)s, longer for a device that waits for it") % {"day": day}
    return [Spot("key", "off", SafeString(text))]


def _cautions(certificate: Certificate) -> Sequence[Spot]:
    """Those that stay true; when it ends is said by its date."""
    if not certificate.is_present:
        return []
    codes = [code for code in certificate.cautions if code != "expires-soon"]
    return [Spot("alert", "warn", text) for text in wording.cautions(codes)]
