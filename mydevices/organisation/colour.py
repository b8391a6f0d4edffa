"""One accent colour, chosen by the organisation, in every shade the pages need, each readable (WCAG 2.2, 1.4.3).

A shade is the chosen colour, moved towards black or white until its contrast is enough.
"""

import re
from typing import Final

from django.utils.translation import gettext as _

from mydevices.errors import Invalid

Rgb = tuple[int, int, int]

WHITE: Final[Rgb] = (255, 255, 255)
BLACK: Final[Rgb] = (0, 0, 0)
LIGHT_GROUND: Final[Rgb] = (0xF4, 0xF5, 0xF7)
DARK_GROUND: Final[Rgb] = (0x1B, 0x20, 0x29)
"""The darkest light and the lightest dark ground that accented text stands on (tokens of mydevices.css)."""
TEXT: Final = 5.0
"""The contrast of text: a little over the 4.5 that is needed."""


def parse(colour: str) -> Rgb:
    """Of `#1b54c0`. Raises Invalid for anything else."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise Invalid(_("A colour is # and six digits, such as #1b54c0."))
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def written(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def contrast(one: Rgb, other: Rgb) -> float:
    """1 to 21 (WCAG 2.2, contrast ratio)."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    channels = [value / 255 for value in colour]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def mixed(colour: Rgb, other: Rgb, part: float) -> Rgb:
    """`part` (0 to 1) of the other colour in this one."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def readable(colour: Rgb, *grounds: Rgb, towards: Rgb) -> Rgb:
    """The nearest shade, on the way towards black or white, that can be read on all these grounds."""
    for step in range(101):
        shade = mixed(colour, towards, step / 100)
        if all(contrast(shade, ground) >= TEXT for ground in grounds):
            return shade
    return towards


def tokens(accent: str) -> tuple[dict[str, str], dict[str, str]]:
    """The accent tokens of the stylesheet, for light and for dark pages."""
    colour = parse(accent)
    light_soft, dark_soft = mixed(colour, WHITE, 0.9), mixed(colour, DARK_GROUND, 0.82)
    fill = readable(colour, WHITE, towards=BLACK)
    light = {
        "--accent": written(readable(colour, LIGHT_GROUND, light_soft, towards=BLACK)),
        "--accent-fill": written(fill),
        "--accent-soft": written(light_soft),
    }
    dark = {
        "--accent": written(readable(colour, DARK_GROUND, dark_soft, towards=WHITE)),
        "--accent-fill": written(fill),
        "--accent-soft": written(dark_soft),
    }
    return light, dark


def stylesheet(accent: str) -> str:
    """What overrides the tokens of the stylesheet."""
    light, dark = (_declared(part) for part in tokens(accent))
    return (
        f":root {{ {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
        f':root[data-theme="dark"] {{ {dark} }}\n'
    )


def _declared(part: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in part.items())
