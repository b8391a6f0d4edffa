"""What this product is made of, as a CycloneDX 1.6 bill of materials: read from the lock file and from the manifest of
the vendored files, so that it says what is installed and can't go out of date."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from mydevices.cli.serving import ROOT

LOCK: Final = ROOT / "requirements.lock"
MANIFEST: Final = ROOT / "mydevices" / "static" / "vendor" / "manifest.json"
PROJECT: Final = ROOT / "pyproject.toml"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+?))? *\\?$")
_HASH: Final = re.compile(r"^ +--hash=sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"^ +#(?: via)? +(-r )?([A-Za-z0-9._-]+)$")
_OURS: Final = "pkg:generic/mydevices"


@dataclass(slots=True)
class Package:
    """A line of the lock file, with what follows it."""

    name: str
    version: str
    marker: str = ""
    """On which systems it is installed; empty: on all."""
    hashes: list[str] = field(default_factory=list)
    """SHA-256 of the files that may be installed: one for each system and version of Python."""
    parents: set[str] = field(default_factory=set)
    """Who needs it; empty where this product itself does."""
    is_direct: bool = False

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{self.version}"


def packages(lock: str) -> Sequence[Package]:
    """What a lock file pins."""
    found: list[Package] = []
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            found.append(Package(pin[1], pin[2], pin[3] or ""))
        elif digest := _HASH.match(line):
            found[-1].hashes.append(digest[1])
        elif (via := _VIA.match(line)) and via[2] != "via":
            if via[1]:
                found[-1].is_direct = True
            else:
                found[-1].parents.add(via[2])
    return found


def bill(*, now: datetime, serial: UUID) -> Mapping[str, Any]:
    """The bill of what is in this folder."""
    pinned = packages(LOCK.read_text(encoding="utf-8"))
    vendored = list(_vendored(json.loads(MANIFEST.read_text(encoding="utf-8"))))
    version = _version(PROJECT)
    ours = f"{_OURS}@{version}"
    direct = [one.purl for one in pinned if one.is_direct] + [str(one["bom-ref"]) for one in vendored]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "mydevices",
                "version": version,
                "purl": ours,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [*(_component(one) for one in pinned), *vendored],
        "dependencies": [
            {"ref": ours, "dependsOn": sorted(direct)},
            *({"ref": one.purl, "dependsOn": _children(one, pinned)} for one in pinned),
            *({"ref": one["bom-ref"], "dependsOn": []} for one in vendored),
        ],
    }


def _children(of: Package, pinned: Sequence[Package]) -> Sequence[str]:
    return sorted(one.purl for one in pinned if of.name in one.parents)


def _component(one: Package) -> Mapping[str, Any]:
    properties = [{"name": "mydevices:sha256", "value": digest} for digest in one.hashes]
    if one.marker:
        properties.append({"name": "mydevices:marker", "value": one.marker})
    return {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "scope": "optional" if one.marker else "required",
        "purl": one.purl,
        **_licence(one.name),
        "properties": properties,
    }


def _licence(name: str) -> Mapping[str, Any]:
    """As the package says itself, where it is installed and says it in SPDX's words."""
    try:
        known = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return {}
    has_one = "License-Expression" in known
    return {"licenses": [{"expression": known["License-Expression"]}]} if has_one else {}


def _vendored(manifest: Sequence[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
    """Each library once, with its files below it."""
    for name, version, licence in dict.fromkeys((one["name"], one["version"], one["licence"]) for one in manifest):
        short = name.partition(" ")[0]
        ref = f"pkg:generic/{short}@{version}"
        files = [one for one in manifest if (one["name"], one["version"]) == (name, version)]
        yield {
            "type": "library",
            "bom-ref": ref,
            "name": name,
            "version": version,
            "scope": "required",
            "purl": ref,
            "licenses": [{"license": {"id": licence}}],
            "components": [
                {
                    "type": "file",
                    "bom-ref": f"{ref}#{one['file']}",
                    "name": one["file"],
                    "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
                    **({"description": f"Changed: {one['changes']}"} if "changes" in one else {}),
                }
                for one in files
            ],
        }


def _version(project: Path) -> str:
    found = re.search(r'^version = "([^"]+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{project} names no version.")
    return found[1]
