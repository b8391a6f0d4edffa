"""Where a device is, in words: for the page beside the map, and for those who see no map."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mydevices.accounts.models import Person
from mydevices.location import gazetteer
from mydevices.location.gazetteer import Town
from mydevices.location.models import Position
from mydevices.location.selectors import Sighting
from mydevices.port.platform import PLATFORMS
from mydevices.presentation import moments


@dataclass(frozen=True, slots=True)
class ShownPlace:
    """A position as a page shows it. `latitude`, `longitude` and `accuracy` are for the map: with a point, whatever the
    language."""

    latitude: str
    longitude: str
    accuracy: str
    words: str
    """“In Hamburg, 2 km west of the centre”; empty where no town is near."""
    coordinates: str
    within: str
    when: str
    source: str
    battery: str
    link: str
    """Opens the map application of whatever the page is read on."""
    seen_by: Sequence[str]


def places(sightings: Sequence[Sighting], reader: Person, agent: str, now: datetime) -> Sequence[ShownPlace]:
    """Newest first, as they come. `agent` is what the reader's browser calls itself."""
    return [_place(sighting, reader, agent, now) for sighting in sightings]


def _place(sighting: Sighting, reader: Person, agent: str, now: datetime) -> ShownPlace:
    fix = sighting.fix
    latitude, longitude = f"{fix.latitude:.6f}", f"{fix.longitude:.6f}"
    return ShownPlace(
        latitude=latitude,
        longitude=longitude,
        accuracy="" if fix.accuracy is None else f"{fix.accuracy:.0f}",
        words=_words(gazetteer.nearest(fix.latitude, fix.longitude), fix.accuracy or 0),
        coordinates=_coordinates(fix.latitude, fix.longitude),
        within=_("Accuracy unknown") if fix.accuracy is None else _("Within %(far)s") % {"far": distance(fix.accuracy)},
        when=moments.ago(fix.measured_at, now),
        source={
            Position.Source.LOST_MODE.value: _("The device itself, in Lost Mode"),
            Position.Source.BROWSER.value: _("A browser on it, when its owner asked"),
            Position.Source.OWNTRACKS.value: _("The app OwnTracks on it"),
        }[sighting.source],
        battery="" if fix.battery is None else _("%(number)d %%") % {"number": round(fix.battery * 100)},
        link=_link(latitude, longitude, agent),
        seen_by=[_("you") if seen.person_id == reader.id else seen.name for seen in sighting.seen_by],
    )


def distance(metres: float) -> str:
    """“35 m”, “1.2 km”."""
    if metres < 1000:
        return _("%(number)s m") % {"number": number_format(max(1, round(metres)))}
    return _("%(number)s km") % {"number": number_format(round(metres / 1000, 1 if metres < 10_000 else 0))}


def _words(town: Town | None, accuracy: float) -> str | SafeString:
    """As exactly as the position is known, and not to the metre: a centre is a point that somebody chose."""
    if town is None:
        return ""
    name = format_html("<bdi>{}</bdi>", town.name)
    metres = town.km * 1000
    if metres < max(500, accuracy):
        return format_html(_("In {place}") if town.is_within else _("Near {place}"), place=name)
    if town.is_within:
        sentence = {
            "n": _("In {place}, {far} north of the centre"),
            "ne": _("In {place}, {far} north-east of the centre"),
            "e": _("In {place}, {far} east of the centre"),
            "se": _("In {place}, {far} south-east of the centre"),
            "s": _("In {place}, {far} south of the centre"),
            "sw": _("In {place}, {far} south-west of the centre"),
            "w": _("In {place}, {far} west of the centre"),
            "nw": _("In {place}, {far} north-west of the centre"),
        }[town.direction]
    else:
        sentence = {
            "n": _("{far} north of {place}"),
            "ne": _("{far} north-east of {place}"),
            "e": _("{far} east of {place}"),
            "se": _("{far} south-east of {place}"),
            "s": _("{far} south of {place}"),
            "sw": _("{far} south-west of {place}"),
            "w": _("{far} west of {place}"),
            "nw": _("{far} north-west of {place}"),
        }[town.direction]
    return format_html(sentence, place=name, far=_roughly(metres))


def _roughly(metres: float) -> str:
    if metres < 950:
        return _("%(number)s m") % {"number": number_format(round(metres, -2), 0)}
    return _("%(number)s km") % {"number": number_format(round(metres / 1000), 0)}


def _coordinates(latitude: float, longitude: float) -> SafeString:
    north = _("{degrees}° N") if latitude >= 0 else _("{degrees}° S")
    east = _("{degrees}° E") if longitude >= 0 else _("{degrees}° W")
    return format_html(
        "{}{}{}",
        format_html(north, degrees=number_format(abs(latitude), 5)),
        _(", "),
        format_html(east, degrees=number_format(abs(longitude), 5)),
    )


def _link(latitude: str, longitude: str, agent: str) -> str:
    """What the reader's own platform opens, and elsewhere an address of RFC 5870."""
    links = (platform.map_link(agent, latitude=latitude, longitude=longitude) for platform in PLATFORMS.values())
    return next(filter(None, links), f"geo:{latitude},{longitude}?q={latitude},{longitude}")
