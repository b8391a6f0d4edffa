"""The one page of the simulator, as HTML: a card for each device, and a form for a new one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from simulator import drawing

Snapshot = Mapping[str, Any]
STATIC = Path(__file__).parent / "static"
ASSETS: Mapping[str, tuple[str, bytes]] = {
    "/screens.css": ("text/css; charset=utf-8", (STATIC / "screens.css").read_bytes()),
    "/screens.js": ("text/javascript; charset=utf-8", (STATIC / "screens.js").read_bytes()),
}
SHOWN_EVENTS = 4


def page(devices: Iterable[Snapshot], *, now: datetime, problem: str = "") -> str:
    note = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulated devices</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/screens.css"><script src="/screens.js" defer></script>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body>
<header><div><h1>Simulated devices</h1>
<p>These speak the real protocol to a real server. What the portal does to them shows here.</p></div>
{_new_device()}</header>
<main>{note}<div id="cards">{cards(devices, now=now)}</div></main>
</body>
</html>
"""


def cards(devices: Iterable[Snapshot], *, now: datetime) -> str:
    found = "".join(_card(seen, now) for seen in devices)
    return found or '<p class="empty">No devices yet. Open a registration address on a new one.</p>'


def _new_device() -> str:
    return """<details class="new"><summary>Open a registration address</summary>
<form method="post" action="/devices" data-closes>
<label>Registration address<input name="url" type="url" required placeholder="https://…/r/…" autocomplete="off"></label>
<label>On a new<select name="kind"><option value="iphone">iPhone</option><option value="ipad">iPad</option><option value="mac">Mac</option></select></label>
<label>Its name<input name="name" maxlength="60" placeholder="New device" autocomplete="off"></label>
<label class="tick"><input type="checkbox" name="supervised" value="yes">Supervised</label>
<button class="main">Open and register</button><output></output>
</form></details>"""  # noqa: E501  (HTML)


def _card(seen: Snapshot, now: datetime) -> str:
    events = "".join(
        f'<li><time datetime="{escape(event["at"])}">{_local(event["at"], now)}</time> {escape(event["text"])}</li>'
        for event in reversed(seen["events"][-SHOWN_EVENTS:])
    )
    kind = f"{seen['model']} · {'macOS' if seen['kind'] == 'mac' else 'iOS'} {seen['os_version']}"
    return (
        f'<article id="d-{escape(seen["udid"])}" data-screen="{seen["screen"]}" data-name="{escape(seen["name"])}">'
        f"{drawing.device(seen, now)}"
        f'<div class="text"><h2>{escape(seen["name"])}</h2><p class="quiet">{escape(kind)}</p>'
        f'<p class="managed">{_standing(seen)}</p>{_mail(seen)}{_profiles(seen)}{_controls(seen)}'
        f'<ol class="events">{events}</ol></div></article>'
    )


def _local(at: str, now: datetime) -> str:
    return f"{datetime.fromisoformat(at).astimezone(now.tzinfo):%H:%M:%S}"


def _standing(seen: Snapshot) -> str:
    if not seen["registered"]:
        return "Not registered"
    how = "supervised" if seen["supervised"] and seen["kind"] != "mac" else "registered"
    where = escape(seen["organisation"] or seen["server"])
    return f"{where} · {how}{'' if seen['online'] else ' · offline'}"


def _mail(seen: Snapshot) -> str:
    """The mail accounts with what they sign and encrypt with, and the identities that no account uses."""
    lines, used = [], set()
    for account in seen["mail_accounts"]:
        whose = f" · {account['user']}" if account["user"] else ""
        signs, encrypts = account["signs_with"], account["encrypts_with"]
        used |= {signs, encrypts}
        default = " by default" if account["encrypts_by_default"] and encrypts else ""
        said = [f"Signs with {signs}"] if signs else []
        said += [f"Encrypts{default} with {encrypts}"] if encrypts else []
        quiet = "".join(
            f' <span class="quiet">{escape(text)}</span>' for text in said or ["Neither signs nor encrypts"]
        )
        lines.append(f"<li>{escape(account['address'])} · {escape(account['service'] + whose)}{quiet}</li>")
    for identity in seen["identities"]:
        if identity["name"] not in used:
            whose = f" · {identity['user']}" if identity["user"] else ""
            lines.append(f'<li>{escape(identity["name"] + whose)} <span class="quiet">In no account</span></li>')
    return f'<ul class="mail">{"".join(lines)}</ul>' if lines else ""


def _profiles(seen: Snapshot) -> str:
    """What is installed, and whether it came encrypted to this device."""
    names = [f"{profile['name']}{' (came encrypted)' if profile['encrypted'] else ''}" for profile in seen["profiles"]]
    return f'<p class="profiles quiet">Profiles: {escape(" · ".join(names))}</p>' if names else ""


def _form(seen: Snapshot, action: str, button: str, *, fields: str = "", main: bool = False) -> str:
    kind = ' class="main"' if main else ""
    return (
        f'<form method="post" action="/devices/{escape(seen["udid"])}/{action}">{fields}'
        f"<button{kind}>{escape(button)}</button><output></output></form>"
    )


def _field(label: str, name: str, attributes: str) -> str:
    return f'<label>{escape(label)}<input name="{name}" {attributes} required autocomplete="off"></label>'


def _controls(seen: Snapshot) -> str:
    kind = drawing.KIND_NAMES[seen["kind"]]
    screen = seen["screen"]
    forms = []
    if screen == "pin-lock":
        digits = 'inputmode="numeric" maxlength="6" pattern="[0-9]{6}"'
        forms.append(_form(seen, "unlock", f"Unlock {kind}", fields=_field("PIN", "code", digits), main=True))
    elif screen == "locked":
        forms.append(_unlock(seen, kind))
    if not seen["registered"]:
        address = _field("Registration address", "url", 'type="url" placeholder="https://…/r/…"')
        forms.append(_form(seen, "open", "Open and register", fields=address, main=True))
    small = []
    if screen == "home":
        small.append(_form(seen, "lock", "Close the lid" if kind == "Mac" else "Press the side button"))
    small.append(_form(seen, "offline", "Take offline") if seen["online"] else _form(seen, "online", "Put online"))
    if screen != "wiped":
        small.append(_form(seen, "restart", "Restart"))
    if seen["registered"] and screen in {"home", "locked"}:
        small.append(_form(seen, "poll", "Check in now"))
        small.append(_form(seen, "leave", "Remove management"))
    note = '<p class="quiet">Only the organisation can end Lost Mode.</p>' if screen == "lost" else ""
    return f'{note}{"".join(forms)}<div class="small">{"".join(small)}</div>'


def _unlock(seen: Snapshot, kind: str) -> str:
    if seen["kind"] == "mac":
        password = seen["accounts"][0]["password"] if seen["accounts"] else ""
        label = f"Password ({password})"
        return _form(seen, "unlock", "Log in", fields=_field(label, "code", 'type="text"'), main=True)
    if seen["passcode"] is None:
        return _form(seen, "unlock", f"Swipe to open {kind}", main=True)
    label = f"Passcode ({seen['passcode']})"
    return _form(seen, "unlock", f"Unlock {kind}", fields=_field(label, "code", 'inputmode="numeric"'), main=True)
