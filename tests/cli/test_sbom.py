"""The bill of materials: what CycloneDX 1.6 demands, and everything that the lock file and the manifest name."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mydevices.cli import bill
from tests.cli.test_operators import manage
from tests.test_house import HOSTS, VENDOR, pins

COMPONENT_TYPES = {"application", "library", "file"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sbom")
    ended = manage(folder / "data", "sbom", "--out", str(folder / "bill.json"))
    assert ended.returncode == 0, ended.stderr
    assert not (folder / "data").exists()
    found: dict[str, Any] = json.loads((folder / "bill.json").read_text(encoding="utf-8"))
    return found


def test_it_has_what_the_format_demands(made: dict[str, Any]) -> None:
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made["serialNumber"])
    UUID(made["serialNumber"])
    assert datetime.fromisoformat(made["metadata"]["timestamp"]).tzinfo is not None
    assert made["metadata"]["component"]["name"] == "mydevices"
    components = [made["metadata"]["component"], *made["components"]]
    files = [file for one in components for file in one.get("components", [])]
    for one in (*components, *files):
        assert one["type"] in COMPONENT_TYPES
        assert one["name"]
    for one in files:
        for digest in one["hashes"]:
            assert digest["alg"] == "SHA-256"
            assert re.fullmatch(r"[0-9a-f]{64}", digest["content"])
    refs = [one["bom-ref"] for one in (*components, *files)]
    assert len(refs) == len(set(refs))
    for one in components:
        assert {"version", "purl"} <= one.keys()
        for licence in one.get("licenses", []):
            assert ("expression" in licence) != ("license" in licence)


def test_it_names_everything_that_is_locked_and_vendored(made: dict[str, Any]) -> None:
    named = {(one["name"], one["version"]) for one in made["components"]}
    manifest = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    vendored = {(one["name"], one["version"]) for one in manifest}
    assert named == set(pins(bill.LOCK).items()) | vendored
    files = {file["name"] for one in made["components"] for file in one.get("components", [])}
    assert files == {one["file"] for one in manifest}
    for one in made["components"]:
        if one["purl"].startswith("pkg:pypi/"):
            assert [value for value in one["properties"] if value["name"] == "mydevices:sha256"], one["name"]


def test_it_says_who_needs_what(made: dict[str, Any]) -> None:
    needs = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    known = {one["bom-ref"] for one in made["components"]}
    ours = made["metadata"]["component"]["bom-ref"]
    assert set(needs) == {ours, *known}
    assert {ref for refs in needs.values() for ref in refs} == known  # nothing is here that nobody needs
    by_name = {one["name"]: one["bom-ref"] for one in made["components"]}
    assert by_name["django"] in needs[ours]
    assert by_name["asgiref"] in needs[by_name["django"]]


def test_it_names_no_registry(made: dict[str, Any]) -> None:
    text = json.dumps(made)
    assert not [host for host in HOSTS if host in text]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    ended = manage(tmp_path / "data", "sbom", "--out", str(tmp_path / "nowhere" / "bill.json"))
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
