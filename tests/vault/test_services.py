"""Sealing and opening: what opens, what does not, and that nothing else does."""

import base64
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from mydevices.errors import CannotOpen, Invalid
from mydevices.vault import services
from mydevices.vault.services import Place

OLD = bytes(range(32))
NEW = bytes(range(32, 64))
KEY = UUID("0c3b16a8-55c6-4a0e-a0a1-4b6b4a2f7f8f")
PLACE = Place("devices_channel", "unlock_token", row="17", owner="device-1")


@pytest.fixture(autouse=True)
def one_master_key(settings: Settings) -> None:
    settings.MASTER_KEYS = [OLD]


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_in_its_place(plaintext: bytes) -> None:
    sealed = services.seal(plaintext, PLACE)
    assert services.open_sealed(sealed, PLACE) == plaintext
    assert services.open_sealed(memoryview(sealed), PLACE) == plaintext
    assert plaintext not in sealed or len(plaintext) < 4


@given(st.data(), st.binary(max_size=40))
def test_any_flipped_bit_fails(data: st.DataObject, plaintext: bytes) -> None:
    sealed = bytearray(services.seal(plaintext, PLACE))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        services.open_sealed(bytes(sealed), PLACE)


def test_each_single_bit_matters() -> None:
    sealed = services.seal(b"a PIN", PLACE)
    for bit in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CannotOpen):
            services.open_sealed(bytes(damaged), PLACE)


@given(st.data())
def test_any_shortened_or_lengthened_value_fails(data: st.DataObject) -> None:
    sealed = services.seal(b"a PIN", PLACE)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for damaged in (sealed[:cut], sealed + b"\0", b"\0" + sealed):
        with pytest.raises(CannotOpen):
            services.open_sealed(damaged, PLACE)


@pytest.mark.parametrize("part", ["table", "column", "row", "owner"])
def test_a_value_copied_to_another_place_does_not_open(part: str) -> None:
    sealed = services.seal(b"a PIN", PLACE)
    with pytest.raises(CannotOpen):
        services.open_sealed(sealed, replace(PLACE, **{part: "another"}))


@st.composite
def two_cuts(draw: st.DrawFn) -> tuple[Place, Place]:
    """Two places whose parts, written one after the other, are the same text."""
    text = draw(st.text(alphabet="a|\0,/", min_size=1, max_size=8))
    cuts = st.lists(st.integers(0, len(text)), min_size=3, max_size=3).map(sorted)
    here, there = (Place(text[:a], text[a:b], text[b:c], text[c:]) for a, b, c in (draw(cuts), draw(cuts)))
    return here, there


@given(two_cuts())
@example((replace(PLACE, row="1|", owner="2"), replace(PLACE, row="1", owner="|2")))
@example((replace(PLACE, row="1\0", owner="2"), replace(PLACE, row="1", owner="\x002")))
@example((replace(PLACE, table="a|b", column="c"), replace(PLACE, table="a", column="b|c")))
def test_no_two_places_look_alike(places: tuple[Place, Place]) -> None:
    here, there = places
    sealed = services.seal(b"a PIN", here)
    if here == there:
        assert services.open_sealed(sealed, there) == b"a PIN"
    else:
        with pytest.raises(CannotOpen):
            services.open_sealed(sealed, there)


def test_a_row_may_be_named_by_its_key_or_by_its_text() -> None:
    sealed = services.seal(b"a PIN", Place("t", "c", row=KEY, owner=7))
    assert services.open_sealed(sealed, Place("t", "c", row=str(KEY), owner="7")) == b"a PIN"


@pytest.mark.parametrize(
    ("place", "sealed"),
    [
        (
            Place("commands_action", "secret", row=KEY, owner="7d9f3c1e-2b4a-4f60-9a51-0e8d6c5b4a39"),
            (
                "AcOlR3ApWZ0mf7Bi0paNgwjULIh3NvBVLTay+hEBqWfH/6UU9ec6wJ8Yll89H8OY5NyCsL5ZLpEi7QKlEvrbWHec8oI/GDIV"
                "3NsoXFcg3EupbyjXjxLKV+BAmijLybAcGrtW5oUEP4b8"
            ),
        ),
        (
            Place("mfa_authenticator", "data", row="", owner=""),
            (
                "AcOlR3ApWZ0mKDFztG/5cxcWWXWyyfaETLVOyMfT5MC6SmWxNShF3sQuNKqpr6FTkfA8KnwCI1F//aqnN9XsEUNLMWhODeNp"
                "6zIuJylo8Z3AY/DI4EZBtx2yoGriM9FRDXp5CdeiA1Ao"
            ),
        ),
        (
            Place("certificates_authority", "key", row=1, owner="server"),
            (
                "AcOlR3ApWZ0mQGjrFqTu9CtcWAb+0lYv51wEDQvLz+7VU6YTc9eZ+lCjSWqE6QRXLD5gV2HVwJ68bj6RHPQwCERiohe97HaV"
                "bHhiEAkxWq8akDDRJT3W+xqzL8mr1+TqsW39pf5D/lEi"
            ),
        ),
    ],
)
def test_what_an_earlier_version_sealed_still_opens(place: Place, sealed: str) -> None:
    assert services.open_sealed(base64.b64decode(sealed), place) == b"a secret"


def test_the_same_value_sealed_twice_looks_different() -> None:
    first, second = (services.seal(b"a PIN", PLACE) for _ in range(2))
    assert first[69:] != second[69:]
    assert first[9:69] != second[9:69]


def test_a_data_key_cannot_be_moved_to_another_value() -> None:
    first, second = (services.seal(value, PLACE) for value in (b"one", b"two"))
    with pytest.raises(CannotOpen):
        services.open_sealed(first[:69] + second[69:], PLACE)


def test_a_value_of_another_master_key_does_not_open(settings: Settings) -> None:
    sealed = services.seal(b"a PIN", PLACE)
    settings.MASTER_KEYS = [NEW]
    with pytest.raises(CannotOpen, match="master key that is not given"):
        services.open_sealed(sealed, PLACE)


def test_an_old_master_key_still_opens_and_the_first_one_seals(settings: Settings) -> None:
    sealed = services.seal(b"a PIN", PLACE)
    settings.MASTER_KEYS = [NEW, OLD]
    assert services.open_sealed(sealed, PLACE) == b"a PIN"
    assert services.key_id(services.seal(b"a PIN", PLACE)) == services.identify(NEW) != services.key_id(sealed)


@given(st.binary(max_size=60))
def test_rewrapping_leaves_the_value_untouched_and_needs_no_place(plaintext: bytes) -> None:
    sealed = services.seal(plaintext, PLACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.MASTER_KEYS", [NEW, OLD])
        wrapped = services.rewrap(sealed)
    assert wrapped[69:] == sealed[69:]
    assert services.key_id(wrapped) == services.identify(NEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.MASTER_KEYS", [NEW])
        assert services.open_sealed(wrapped, PLACE) == plaintext


def test_what_was_never_sealed_is_refused() -> None:
    for blob in (b"", b"a PIN", bytes(200)):
        with pytest.raises(CannotOpen):
            services.key_id(blob)
        with pytest.raises(CannotOpen):
            services.rewrap(blob)
        with pytest.raises(Invalid):
            services.open_sealed(blob, PLACE)
