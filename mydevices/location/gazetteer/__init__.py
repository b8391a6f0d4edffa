"""Which town is near a point: a list of places that comes with MyDevices, so that no service learns where a device is.

The file holds its places by cells of half a degree, in columns. Read, they take about 5 MB, in processes that have
shown a position. `build.py` makes it, `manifest.json` says from what.
"""

import lzma
import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("places.bin")
CELLS: Final = 2
"""To a degree."""
ROWS: Final = 180 * CELLS
COLUMNS: Final = 360 * CELLS
SCALE: Final = 10_000
"""Coordinates are kept in ten thousandths of a degree: eleven metres."""
STEPS: Final = 8
"""Populations are kept as steps of an eighth of a doubling above LEAST."""
LEAST: Final = 1_000
"""People; smaller places are not in the list."""
HEAD: Final = struct.Struct(">HII")
"""Countries, places, bytes of names."""
_KM_OF_A_DEGREE: Final = 111.2
_REACH_KM: Final = (45.0, 250.0)
"""How far is looked: nearly always the first finds something."""
_DIRECTIONS: Final = ("n", "ne", "e", "se", "s", "sw", "w", "nw")


@dataclass(frozen=True, slots=True)
class Town:
    """A place of the list, seen from a point."""

    name: str
    country: str
    """Two letters, of ISO 3166-1."""
    km: float
    """From its centre to the point."""
    direction: str
    """Where the point lies, seen from the centre: one of n, ne, e, se, s, sw, w, nw."""
    is_within: bool
    """Whether the point lies as near to the centre as a place of so many people usually reaches."""


@dataclass(frozen=True, slots=True)
class Places:
    """The columns of the file. Those of a cell stand together; `cells` says where each begins."""

    countries: bytes
    cells: Sequence[int]
    latitudes: Sequence[int]
    longitudes: Sequence[int]
    steps: bytes
    country_of: bytes
    name_ends: Sequence[int]
    names: bytes

    def __len__(self) -> int:
        return len(self.steps)

    def name(self, number: int) -> str:
        return self.names[self.name_ends[number - 1] if number else 0 : self.name_ends[number]].decode()

    def country(self, number: int) -> str:
        place = 2 * self.country_of[number]
        return self.countries[place : place + 2].decode()

    def near(self, latitude: float, longitude: float, km: float) -> Iterator[int]:
        """Those in all cells that a circle touches, and a few more."""
        row, column = row_of(latitude), column_of(longitude)
        rows = math.ceil(km / _KM_OF_A_DEGREE * CELLS)
        for each in range(max(0, row - rows), min(ROWS, row + rows + 1)):
            shrinks = max(
                0.02, math.cos(math.radians(min(90.0, max(abs(each / CELLS - 90), abs((each + 1) / CELLS - 90)))))
            )
            columns = min(COLUMNS // 2, math.ceil(km / (_KM_OF_A_DEGREE * shrinks) * CELLS))
            for beside in range(-columns, columns + (columns < COLUMNS // 2)):
                cell = each * COLUMNS + (column + beside) % COLUMNS
                yield from range(self.cells[cell], self.cells[cell + 1])


def nearest(latitude: float, longitude: float) -> Town | None:
    """The place whose centre is nearest, measured by how far each reaches: outskirts belong to their city and not to
    the village behind them. None where nothing is within 250 km."""
    places = load()
    for reach in _REACH_KM:
        found = min(
            (
                (km / reaches(people_of(places.steps[number])), km, number)
                for number in places.near(latitude, longitude, reach)
                if (km := distance_km(*_centre(places, number), latitude, longitude)) <= reach
            ),
            default=None,
        )
        if found is not None:
            share, km, number = found
            return Town(
                name=places.name(number),
                country=places.country(number),
                km=km,
                direction=_direction(*_centre(places, number), latitude, longitude),
                is_within=share <= 1,
            )
    return None


def reaches(people: float) -> float:
    """How many kilometres from its centre a place of so many people goes, as a rule: 11 for Hamburg, at least one."""
    return max(1.0, 0.008 * math.sqrt(people))


def people_of(step: int) -> float:
    return float(LEAST * 2 ** (step / STEPS))


def row_of(latitude: float) -> int:
    return min(ROWS - 1, int((latitude + 90) * CELLS))


def column_of(longitude: float) -> int:
    return int((longitude + 180) * CELLS) % COLUMNS


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """On a sphere, which is right to half a percent."""
    north, other_north = math.radians(latitude), math.radians(other_latitude)
    half_east = math.radians(other_longitude - longitude) / 2
    half = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(half_east) ** 2
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))


@cache
def load() -> Places:
    """The list, read once."""
    packed = lzma.decompress(FILE.read_bytes())
    countries, count, letters = HEAD.unpack_from(packed)
    read = _Reader(packed, HEAD.size)
    return Places(
        countries=read.take(2 * countries),
        cells=read.numbers(ROWS * COLUMNS + 1),
        latitudes=read.numbers(count),
        longitudes=read.numbers(count),
        steps=read.take(count),
        country_of=read.take(count),
        name_ends=read.numbers(count),
        names=read.take(letters),
    )


class _Reader:
    def __init__(self, packed: bytes, place: int) -> None:
        self._packed, self._place = packed, place

    def take(self, count: int) -> bytes:
        self._place += count
        return self._packed[self._place - count : self._place]

    def numbers(self, count: int) -> Sequence[int]:
        """Signed, four bytes each, the smallest last."""
        found = array("i", self.take(4 * count))
        if array("H", b"\x00\x01")[0] != 1:
            found.byteswap()
        return found


def _centre(places: Places, number: int) -> tuple[float, float]:
    return places.latitudes[number] / SCALE, places.longitudes[number] / SCALE


def _direction(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> str:
    east = math.remainder(other_longitude - longitude, 360) * math.cos(math.radians((latitude + other_latitude) / 2))
    turn = math.degrees(math.atan2(east, other_latitude - latitude))
    return _DIRECTIONS[round(turn / 45) % 8]
