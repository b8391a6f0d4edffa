"""Extract from Apple's device management schema what is used of it.

`python -m tests.protocols.apple.extract_schema SCHEMA`, where SCHEMA is a checkout of
github.com/apple/device-management, writes two tables and the licence anew: `data/schema.json`, the messages that the
tests check against, and `mydevices/protocols/apple/payloads.json`, the payloads that `mydevices.protocols.apple.schema`
checks against.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

MESSAGES = Path(__file__).parent / "data" / "schema.json"
PRODUCT = Path(__file__).resolve().parents[3] / "mydevices" / "protocols" / "apple"
PAYLOADS = PRODUCT / "payloads.json"
LICENCE = PRODUCT / "payloads.LICENSE.txt"

SOURCE = "https://github.com/apple/device-management, directory mdm, October 2024 (iOS 18.1, macOS 15.1)"
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
    "TopLevel",
    "CommonPayloadKeys",
    "com.apple.eas.account",
    "com.apple.ews.account",
    "com.apple.mail.managed",
    "com.apple.mdm",
    "com.apple.security.pkcs1",
    "com.apple.security.pkcs12",
    "com.apple.security.root",
    "com.apple.security.scep",
    "com.apple.webClip.managed",
)
SYSTEMS = ("iOS", "macOS")
SUPPORT = ("introduced", "deprecated", "removed", "supervised", "devicechannel", "userchannel")
FACTS = ("presence", "rangelist", "range", "repetition", "format")


def support(described: Mapping[str, Any]) -> dict[str, Any]:
    """Where a message or a key exists, on the systems that are supported here."""
    found = {}
    for system in SYSTEMS:
        entry = described.get("supportedOS", {}).get(system)
        if entry is not None:
            facts = {fact: entry[fact] for fact in SUPPORT if fact in entry}
            if "userenrollment" in entry:
                facts["userenrollment"] = entry["userenrollment"].get("mode")
            found[system] = facts
    return found


def keys(described: Iterable[Mapping[str, Any]], *, depth: int) -> dict[str, Any]:
    """Keys by name: type, presence, allowed values, where they exist, and the keys within, `depth` levels down."""
    found = {}
    for key in described:
        entry: dict[str, Any] = {"type": key["type"].strip("<>"), "os": support(key)}
        for fact in FACTS:
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
        "name": payload.get("requesttype") or path.stem,
        "os": support(payload),
        "keys": keys(described.get("payloadkeys", []), depth=4),
        "response": keys(described.get("responsekeys", []), depth=2),
    }


def profile_payload(path: Path) -> dict[str, Any]:
    described = yaml.safe_load(path.read_text())
    return {"os": support(described["payload"]), "keys": keys(described["payloadkeys"], depth=8)}


def messages(schema: Path) -> str:
    """The content of data/schema.json, one message a line."""
    extract = {
        "source": SOURCE,
        "licence": (schema / "LICENSE.txt").read_text().strip(),
        "checkin": [message(path) for path in sorted((schema / "mdm" / "checkin").glob("*.yaml"))],
        "commands": [message(schema / "mdm" / "commands" / f"{name}.yaml") for name in COMMANDS],
    }
    return json.dumps(extract, ensure_ascii=False).replace('{"name": ', '\n{"name": ') + "\n"


def payloads(schema: Path) -> str:
    """The content of payloads.json, one key of a payload a line, so that a newer schema makes a diff to read."""
    lines = ["{", f'"source": {json.dumps(SOURCE)},', f'"licence": {json.dumps(LICENCE.name)},', '"payloads": {']
    for name in PROFILES:
        payload = profile_payload(schema / "mdm" / "profiles" / f"{name}.yaml")
        lines.append(f'{json.dumps(name)}: {{"os": {json.dumps(payload["os"])}, "keys": {{')
        entries = [f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in payload["keys"].items()]
        lines += [*(f"{entry}," for entry in entries[:-1]), entries[-1]]
        lines.append("}}" if name == PROFILES[-1] else "}},")
    return "\n".join([*lines, "}", "}"]) + "\n"


def licence(schema: Path) -> str:
    return (schema / "LICENSE.txt").read_text().strip() + "\n"


def main(schema: Path) -> None:
    MESSAGES.write_text(messages(schema))
    PAYLOADS.write_text(payloads(schema))
    LICENCE.write_text(licence(schema))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
