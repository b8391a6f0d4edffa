"""The few words that templates have beyond Django's own."""

import re

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from mydevices.port.pictures import Shape
from mydevices.port.platform import PLATFORMS

register = template.Library()
_POINTING = frozenset({"back", "list", "next", "out", "undo"})


@register.simple_tag
def symbols() -> str:
    """The address of the file with the icons."""
    return static("mydevices.svg")


@register.simple_tag
def icon(name: str, more: str = "") -> SafeString:
    """An icon beside words: it says nothing of its own to a screen reader. `more`: further classes, such as "sm". One
    that points somewhere points the other way where pages run from right to left."""
    more = f"{more} flip" if name in _POINTING and "flip" not in more else more
    return format_html(
        '<svg class="ic {}" aria-hidden="true"><use href="{}#{}"/></svg>', more, static("mydevices.svg"), name
    )


@register.filter
def with_bold(words: object) -> SafeString:
    """Words of our own in which what is between <b> and </b> is bold; everything else in them is text."""
    parts = re.split("</?b>", str(words))
    return format_html_join(
        "", "{}", [[format_html("<b>{}</b>", part) if at % 2 else part] for at, part in enumerate(parts)]
    )


@register.simple_tag
def family() -> Shape:
    """Some devices together, for a page that greets: those of the first platform."""
    return next(iter(PLATFORMS.values())).family


@register.filter
def inside(words: str) -> str:
    """What is a title elsewhere, inside a sentence. German writes its nouns with a capital letter everywhere."""
    return words if (get_language() or "").startswith("de") else words[:1].lower() + words[1:]


@register.simple_tag
def zone() -> str:
    """The time zone in which this page writes its times."""
    return timezone.get_current_timezone_name().replace("_", " ")
