"""A person's certificates, as the portal and the console say them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.certificates import wording
from mydevices.certificates.models import Certificate
from mydevices.configurations.models import Installation
from mydevices.configurations.selectors import Deliveries
from mydevices.presentation import moments
from mydevices.presentation.device_looks import name_of

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
    type_id: UUID
    fingerprint: str
    is_there: bool
    """It is on devices, or on its way to them."""
    is_pending: bool
    """Something of that is under way."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """A certificate that is no longer kept here, and still on devices."""

    name: str
    type_id: UUID
    fingerprint: str
    spots: Sequence[Spot]
    is_pending: bool


def row(
    certificate: Certificate,
    now: datetime,
    deliveries: Deliveries | None = None,
    unconfirmed: Sequence[SafeString] = (),
) -> Row:
    """What devices say of it comes first, where that was read, and of those that it waits for (`unconfirmed`); then
    what is to be said of its key, and its cautions."""
    there = deliveries.of(certificate.type_id, certificate.fingerprint) if deliveries else ()
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
        spots=[
            *_of_devices(there),
            *(Spot("clock", "warn", text) for text in unconfirmed),
            *(_of_use(certificate, deliveries, is_there=bool(there or unconfirmed)) if deliveries else ()),
            *_of_key(certificate),
            *_cautions(certificate),
        ],
        has_key=certificate.has_key,
        is_present=certificate.is_present,
        may_take_key=certificate.has_key and certificate.type.key_download,
        type_id=certificate.type_id,
        fingerprint=certificate.fingerprint,
        is_there=any(one.state != Installation.State.REMOVING for one in there),
        is_pending=any(one.state in _UNDER_WAY for one in there),
    )


def remainders(deliveries: Deliveries, kept: Iterable[Certificate], labels: Mapping[UUID, str]) -> Sequence[Remainder]:
    """What is on devices and no longer kept here; `labels` are the names of types."""
    known = {(one.type_id, one.fingerprint) for one in kept}
    return [
        Remainder(
            name=labels[type_id],
            type_id=type_id,
            fingerprint=fingerprint,
            spots=_of_devices(there),
            is_pending=any(one.state in _UNDER_WAY for one in there),
        )
        for type_id, fingerprint in deliveries.certificates
        if type_id in labels and (type_id, fingerprint) not in known
        for there in [deliveries.of(type_id, fingerprint)]
    ]


_UNDER_WAY: Final = frozenset({Installation.State.PENDING, Installation.State.REMOVING})
_WORST_FIRST: Final = (
    Installation.State.FAILED,
    Installation.State.PENDING,
    Installation.State.REMOVING,
    Installation.State.INSTALLED,
)


def _of_devices(there: Iterable[Installation]) -> Sequence[Spot]:
    """A line for each device: of several profiles with it, the one that is worst off speaks."""
    by_device: dict[UUID, list[Installation]] = {}
    for one in there:
        by_device.setdefault(one.channel.registration.device_id, []).append(one)
    return [
        _of_device(min(rows, key=lambda one: _WORST_FIRST.index(Installation.State(one.state))))
        for rows in by_device.values()
    ]


def _of_device(one: Installation) -> Spot:
    named = {"device": name_of(one.channel.registration.device)}
    if one.state == Installation.State.INSTALLED:
        return Spot("check", "ok", _("On %(device)s") % named)
    if one.state == Installation.State.PENDING:
        return Spot("clock", "off", _("On its way to %(device)s") % named)
    if one.state == Installation.State.REMOVING:
        return Spot("clock", "off", _("Being removed from %(device)s") % named)
    reason = _(one.reason) if one.reason else _("The device gave no reason.")
    return Spot("alert", "warn", _("Not installed on %(device)s: %(reason)s") % {**named, "reason": reason})


def _of_use(certificate: Certificate, deliveries: Deliveries, *, is_there: bool) -> Sequence[Spot]:
    """Why it is on no device, and which accounts there use it."""
    if not certificate.is_present:
        return []
    found = []
    if (certificate.type_id, certificate.fingerprint) in deliveries.withdrawn:
        if not is_there:
            found.append(Spot("minus", "off", _("Taken off your devices. Upload it again to have it there.")))
    elif not is_there:
        found.append(Spot("device", "off", _("On none of your devices")))
    if users := deliveries.users(certificate.type_id):
        found.append(Spot("mail", "off", _("Used by %(accounts)s") % {"accounts": _(", ").join(users)}))
    return found


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
