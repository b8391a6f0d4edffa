"""Extract from Apple's device management schema what the tests check against.

`python extract_schema.py SCHEMA > data/schema.json`, where SCHEMA is a checkout of github.com/apple/device-management.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

COMMANDS = (
    "application.installed.list",
    "certificate.list",
    "device.erase",
    "device.lock",
    "device.lostmode.disable",
    "device.lostmode.enable",
    "device.lostmode.location",
    "device.lostmode.playsound",
    "device.restart",
    "information.device",
    "information.security",
    "passcode.clear",
    "profile.install",
    "profile.list",
    "profile.remove",
    "user.unlock",
)
PROFILES = (
    "CommonPayloadKeys",
    "TopLevel",
    "com.apple.mdm",
    "com.apple.security.root",
    "com.apple.security.scep",
)
SYSTEMS = ("iOS", "macOS")
FACTS = ("introduced", "deprecated", "removed", "supervised", "devicechannel", "userchannel")


def support(described: Mapping[str, Any]) -> dict[str, Any]:
    """Where a message or a key exists, on the systems that are supported here."""
    found = {}
    for system in SYSTEMS:
        entry = described.get("supportedOS", {}).get(system)
        if entry is not None:
            facts = {fact: entry[fact] for fact in FACTS if fact in entry}
            if "userenrollment" in entry:
                facts["userenrollment"] = entry["userenrollment"].get("mode")
            found[system] = facts
    return found


def keys(described: Iterable[Mapping[str, Any]], *, depth: int) -> dict[str, Any]:
    """Keys by name: type, presence, allowed values, where they exist, and the keys within, `depth` levels down."""
    found = {}
    for key in described:
        entry: dict[str, Any] = {"type": key["type"].strip("<>"), "os": support(key)}
        for fact in ("presence", "rangelist"):
            if fact in key:
                entry[fact] = key[fact]
        if "subkeys" in key and depth:
            entry["keys"] = keys(key["subkeys"], depth=depth - 1)
        found[key["key"]] = entry
    return found


def message(path: Path) -> dict[str, Any]:
    described = yaml.safe_load(path.read_text())
    payload = described.get("payload", {})
    return {
        "name": payload.get("requesttype") or payload.get("payloadtype") or path.stem,
        "os": support(payload),
        "keys": keys(described.get("payloadkeys", []), depth=4),
        "response": keys(described.get("responsekeys", []), depth=2),
    }


def main(schema: Path) -> None:
    mdm = schema / "mdm"
    extract = {
        "source": "https://github.com/apple/device-management, directory mdm, October 2024 (iOS 18.1, macOS 15.1)",
        "licence": (schema / "LICENSE.txt").read_text().strip(),
        "checkin": [message(path) for path in sorted((mdm / "checkin").glob("*.yaml"))],
        "commands": [message(mdm / "commands" / f"{name}.yaml") for name in COMMANDS],
        "profiles": [message(mdm / "profiles" / f"{name}.yaml") for name in PROFILES],
    }
    sys.stdout.write(json.dumps(extract, ensure_ascii=False).replace('{"name": ', '\n{"name": ') + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
