"""Which town is near a point, from the list that comes with MyDevices."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from mydevices.location import gazetteer
from mydevices.location.gazetteer import build


def test_the_list_is_what_its_manifest_says_and_small() -> None:
    folder = Path(gazetteer.__file__).parent
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    packed = (folder / manifest["file"]).read_bytes()
    assert hashlib.sha256(packed).hexdigest() == manifest["sha256"]
    assert len(packed) < 3_000_000
    assert (folder / manifest["licence_file"]).read_text(encoding="utf-8")
    places = gazetteer.load()
    assert len(places) == manifest["places"]
    columns = (places.countries, places.cells, places.latitudes, places.longitudes, places.steps)
    more = (places.country_of, places.name_ends, places.names)
    assert sum(sys.getsizeof(column) for column in (*columns, *more)) < 10_000_000


@pytest.mark.parametrize(
    ("latitude", "longitude", "name", "country", "direction", "is_within"),
    [
        (53.5507, 9.963, "Hamburg", "DE", "w", True),
        (53.55, 9.935, "Hamburg", "DE", "w", True),  # a district of it that has a quarter of a million people
        (40.728, -74.07, "Jersey City", "US", "e", True),  # and not the larger city over the river
        (52.9, 10.2, "Faßberg", "DE", "e", False),
        (-25.0, 131.0, "Yulara", "AU", "n", False),
        (-16.8, -179.99, "Labasa", "FJ", "se", False),  # over the 180th meridian
    ],
)
def test_a_point_belongs_to_the_town_that_reaches_it(
    latitude: float, longitude: float, name: str, country: str, direction: str, is_within: bool
) -> None:
    town = gazetteer.nearest(latitude, longitude)
    assert town is not None
    assert (town.name, town.country, town.direction, town.is_within) == (name, country, direction, is_within)


@pytest.mark.parametrize(("latitude", "longitude"), [(0, -30), (90, 0), (-90, 180), (89.9, -180)])
def test_far_out_nothing_is_near(latitude: float, longitude: float) -> None:
    assert gazetteer.nearest(latitude, longitude) is None


def town(name: str, latitude: float, people: int, number: int = 1, state: str = "04") -> dict[str, object]:
    return {
        "name": name,
        "latitude": latitude,
        "longitude": 10.0,
        "population": people,
        "countrycode": "DE",
        "admin1code": state,
        "geonameid": number,
    }


def test_the_list_is_built_without_villages_and_without_districts_of_its_cities() -> None:
    city = town("City", 53.5, 2_000_000, number=1)
    kept = build.kept(
        [
            city,
            town("District", 53.51, 300_000, number=2),
            town("Over the border", 53.51, 300_000, number=3, state="05"),
            town("Twin", 53.51, 1_500_000, number=4),
            town("Village", 52.0, 1_000, number=5),
            town("Suburb", 53.62, 40_000, number=6),
        ]
    )
    assert {one["name"] for one in kept} == {"City", "Over the border", "Twin", "Suburb"}
    assert build.pack(kept) == build.pack(build.kept(reversed([*kept])))
