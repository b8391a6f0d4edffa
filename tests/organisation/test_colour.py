"""Whatever colour is chosen, what is written in it can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydevices.errors import Invalid
from mydevices.organisation import colour

ACCENTS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(ACCENTS)
def test_text_links_and_buttons_can_be_read_on_light_and_dark_pages(accent: str) -> None:
    light, dark = ({name: colour.parse(value) for name, value in part.items()} for part in colour.tokens(accent))
    for part, ground in ((light, colour.LIGHT_GROUND), (dark, colour.DARK_GROUND)):
        assert colour.contrast(part["--accent"], ground) >= 4.5
        assert colour.contrast(part["--accent"], part["--accent-soft"]) >= 4.5
        assert colour.contrast(colour.WHITE, part["--accent-fill"]) >= 4.5


def test_a_colour_that_can_be_read_already_stays_itself() -> None:
    light, _dark = colour.tokens("#1b54c0")
    assert light["--accent"] == light["--accent-fill"] == "#1b54c0"


@pytest.mark.parametrize("text", ["", "blue", "#12345", "#1234567", "#12345g", "1b54c0", "#1b54c0;}body{"])
def test_anything_else_is_no_colour(text: str) -> None:
    with pytest.raises(Invalid):
        colour.parse(text)


def test_contrast_is_that_of_the_guidelines() -> None:
    assert colour.contrast(colour.WHITE, colour.BLACK) == pytest.approx(21)
    assert colour.contrast((0x76, 0x76, 0x76), colour.WHITE) == pytest.approx(4.54, abs=0.01)
