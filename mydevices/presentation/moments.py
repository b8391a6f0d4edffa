"""Times as people read them. The script keeps `data-ago` and `data-until` true while a page is open."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def ago(when: datetime, now: datetime) -> SafeString:
    """“3 minutes ago”, in the largest unit that fits."""
    return _time(when, since(when, now), SafeString(" data-ago"))


def since(when: datetime, now: datetime) -> str:
    seconds = max(0, int((now - when).total_seconds()))
    # The numbers have names, so that a language may say one and two in words.
    if seconds < _MINUTE:
        return ngettext("%(number)d second ago", "%(number)d seconds ago", seconds) % {"number": seconds}
    if seconds < _HOUR:
        number = seconds // _MINUTE
        return ngettext("%(number)d minute ago", "%(number)d minutes ago", number) % {"number": number}
    if seconds < _DAY:
        number = seconds // _HOUR
        return ngettext("%(number)d hour ago", "%(number)d hours ago", number) % {"number": number}
    number = seconds // _DAY
    return ngettext("%(number)d day ago", "%(number)d days ago", number) % {"number": number}


def days(when: datetime, now: datetime) -> int:
    """Whole days that have passed."""
    return max(0, (now - when).days)


def clock(when: datetime) -> SafeString:
    """“14:02:11”, for steps that are seconds apart."""
    return _time(when, date_format(timezone.localtime(when), "H:i:s"))


def moment(when: datetime, now: datetime) -> SafeString:
    """“Today 14:05”, “19 Nov 09:14”, “19 Nov 2025”: as exact as it is near."""
    local, today = timezone.localtime(when), timezone.localtime(now)
    if local.date() == today.date():
        text = _("Today %(time)s") % {"time": date_format(local, "H:i")}
    else:
        text = _near(local, today)
    return _time(when, text)


def at(when: datetime, now: datetime) -> SafeString:
    """Inside a sentence: “at 13:40”, “on 19 Nov 09:14”, “tomorrow 14:02”."""
    local, today = timezone.localtime(when), timezone.localtime(now)
    time = date_format(local, "H:i")
    apart = (local.date() - today.date()).days
    if apart == 0:
        text = _("at %(time)s") % {"time": time}
    elif apart == 1:
        text = _("tomorrow %(time)s") % {"time": time}
    else:
        text = _("on %(day)s") % {"day": _near(local, today)}
    return _time(when, text)


def by(when: datetime, now: datetime) -> SafeString:
    """After “until” or “by”: “13:40”, “tomorrow 14:02”, “19 Nov 09:14”."""
    local, today = timezone.localtime(when), timezone.localtime(now)
    time = date_format(local, "H:i")
    apart = (local.date() - today.date()).days
    text = _near(local, today) if apart > 1 else time
    return _time(when, _("tomorrow %(time)s") % {"time": time} if apart == 1 else text)


def _near(local: datetime, today: datetime) -> str:
    """“19 Nov 09:14”, and of another year “19 Nov 2025”. How languages write a day is theirs to say."""
    if local.year == today.year:
        return date_format(local, pgettext("day and time, as Django’s date format", "j M H:i"))
    return date_format(local, pgettext("day and year, as Django’s date format", "j M Y"))


def duration(length: timedelta) -> str:
    """“8 hours”, in the largest unit in which it is a whole number."""
    minutes = round(length.total_seconds() / 60)
    if minutes % 1440 == 0:
        number = minutes // 1440
        return ngettext("%(number)d day", "%(number)d days", number) % {"number": number}
    if minutes % 60 == 0:
        number = minutes // 60
        return ngettext("%(number)d hour", "%(number)d hours", number) % {"number": number}
    return ngettext("%(number)d minute", "%(number)d minutes", minutes) % {"number": minutes}


def day(when: datetime) -> SafeString:
    """“3 March 2026”."""
    letters = pgettext("day, month and year, as Django’s date format", "j F Y")
    return _time(when, date_format(timezone.localtime(when), letters))


def countdown(when: datetime, now: datetime) -> SafeString:
    """The seconds that are left, as a number that counts down."""
    return format_html('<span class="num" data-until="{}" data-bare>{}</span>', when.isoformat(), left(when, now))


def left(when: datetime, now: datetime) -> int:
    return max(0, -int((now - when).total_seconds() // 1))


def _time(when: datetime, text: str, attributes: str = "") -> SafeString:
    return format_html('<time datetime="{}"{}>{}</time>', when.isoformat(), attributes, text)
