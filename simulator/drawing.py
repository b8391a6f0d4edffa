"""Pictures of the devices: a silhouette in SVG, and on its glass what a person would see."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

Snapshot = Mapping[str, Any]

BODIES: Mapping[str, str] = {
    "iphone": """<svg class="body" viewBox="0 0 220 452" aria-hidden="true">
<rect class="button" x="0" y="112" width="4" height="28" rx="2"/>
<rect class="button" x="0" y="154" width="4" height="46" rx="2"/>
<rect class="button" x="216" y="150" width="4" height="64" rx="2"/>
<rect class="metal" x="2" y="1" width="216" height="450" rx="38"/>
<rect class="bezel" x="6" y="5" width="208" height="442" rx="34"/>
</svg>""",
    "ipad": """<svg class="body" viewBox="0 0 320 440" aria-hidden="true">
<rect class="button" x="250" y="0" width="34" height="4" rx="2"/>
<rect class="metal" x="1" y="2" width="318" height="437" rx="22"/>
<rect class="bezel" x="5" y="6" width="310" height="429" rx="18"/>
<circle class="lens" cx="160" cy="15" r="2.6"/>
</svg>""",
    "mac": """<svg class="body" viewBox="0 0 480 316" aria-hidden="true">
<rect class="metal" x="42" y="2" width="396" height="266" rx="16"/>
<rect class="bezel" x="46" y="6" width="388" height="258" rx="13"/>
<path class="metal" d="M4 268h472l-6 18c-3 8-9 12-18 12H28c-9 0-15-4-18-12z"/>
<path class="notch" d="M198 268h84c0 7-4 10-10 10h-64c-6 0-10-3-10-10z"/>
</svg>""",
}

ICONS: Mapping[str, str] = {
    "lock": '<path d="M7 11V8a5 5 0 0 1 10 0v3"/><rect x="5" y="11" width="14" height="10" rx="2.5"/>',
    "open": '<path d="M7 11V8a5 5 0 0 1 9.6-2"/><rect x="5" y="11" width="14" height="10" rx="2.5"/>',
    "phone": '<path d="M6 3h3l2 5-2.5 1.5a12 12 0 0 0 6 6L16 13l5 2v3a3 3 0 0 1-3 3A15 15 0 0 1 3 6a3 3 0 0 1 3-3z"/>',
    "sound": '<path d="M4 9v6h4l5 4V5L8 9z"/><path d="M16.5 8.5a5 5 0 0 1 0 7M19 6a9 9 0 0 1 0 12"/>',
    "alert": '<path d="M12 3 2.5 20h19z"/><path d="M12 9v5M12 17v.5"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4 21a8 8 0 0 1 16 0"/>',
}

TILES: Mapping[str, Sequence[tuple[str, str]]] = {
    "iphone": (
        ("Mail", "a"),
        ("Calendar", "b"),
        ("Photos", "c"),
        ("Maps", "d"),
        ("Notes", "e"),
        ("Transit", "f"),
        ("Chess", "a"),
    ),
    "ipad": (("Mail", "a"), ("Calendar", "b"), ("Photos", "c"), ("Sketch", "d"), ("Notes", "e")),
    "mac": (("Mail", "a"), ("Calendar", "b"), ("Notes", "e"), ("Editor", "c"), ("Terminal", "d")),
}

KIND_NAMES: Mapping[str, str] = {"iphone": "iPhone", "ipad": "iPad", "mac": "Mac"}


def icon(name: str) -> str:
    return f'<svg class="ic" viewBox="0 0 24 24" aria-hidden="true">{ICONS[name]}</svg>'


def device(seen: Snapshot, now: datetime) -> str:
    """The device with what its glass shows, as HTML. `now` is local time."""
    screen = seen["screen"]
    dark = " off" if not seen["online"] and screen == "wiped" else ""
    status = "" if screen in {"wiped", "pin-lock"} else _status_bar(seen, now)
    glass = f'<div class="glass {screen}{dark}">{status}{_GLASS[screen](seen, now)}</div>'
    return f'<div class="frame {seen["kind"]}">{BODIES[seen["kind"]]}{glass}</div>'


def _status_bar(seen: Snapshot, now: datetime) -> str:
    network = "Wi-Fi" if seen["online"] else "No network"
    clock = f"{now:%H:%M}" if seen["screen"] == "home" else ""
    left = f"<b>{escape(seen['name'])}</b>" if seen["kind"] == "mac" and seen["screen"] == "home" else clock
    right = f"{network} · {clock}" if seen["kind"] == "mac" and clock else network
    return f'<p class="bar"><span>{left}</span><span>{right}</span></p>'


def _words(seen: Snapshot) -> str:
    """The message and telephone number of a locked or lost device."""
    parts = []
    if seen["message"]:
        parts.append(f'<p class="message">{escape(seen["message"])}</p>')
    if seen["phone"]:
        parts.append(f'<p class="call">{icon("phone")}<bdi>{escape(seen["phone"])}</bdi></p>')
    return f'<div class="words">{"".join(parts)}</div>' if parts else ""


def _clock(now: datetime) -> str:
    return f'<p class="day">{now:%A %-d %B}</p><p class="time">{now:%H:%M}</p>'


def _home(seen: Snapshot, _now: datetime) -> str:
    drawn = [
        f'<li><i class="tile {tone}">{escape(label[:1])}</i><span>{escape(label)}</span></li>'
        for label, tone in TILES[seen["kind"]]
    ]
    return f'<ul class="tiles">{"".join(drawn)}{"".join(_web_clip(clip) for clip in seen["web_clips"])}</ul>'


def _web_clip(clip: Mapping[str, str]) -> str:
    """Its icon; without one the white square that a device shows, with a letter to tell it by."""
    label = escape(clip["label"])
    if clip["icon"]:
        tile = f'<img class="tile clip" src="{escape(clip["icon"])}" alt="">'
    else:
        tile = f'<i class="tile clip">{escape(clip["label"][:1])}</i>'
    return f'<li title="{escape(clip["url"])}">{tile}<span>{label}</span></li>'


def _locked(seen: Snapshot, now: datetime) -> str:
    if seen["kind"] == "mac":
        return _login(seen, now)
    if seen["passcode"] is None:
        foot = f'<p class="foot">{icon("open")}<span>No passcode. Swipe up to open</span></p>'
    elif seen["restarted"]:
        foot = f'<p class="foot">{icon("lock")}<span>Passcode needed after a restart</span></p>'
    else:
        foot = f'<p class="foot">{icon("lock")}<span>Locked</span></p>'
    return f"{_clock(now)}{_words(seen)}{foot}"


def _login(seen: Snapshot, now: datetime) -> str:
    accounts = seen["accounts"]
    name = escape(accounts[0]["long_name"]) if accounts else "Nobody"
    locked_out = bool(accounts and accounts[0]["locked_out"])
    hint = "Account locked after too many wrong passwords" if locked_out else "Enter password"
    person = f'<p class="person">{icon("person")}</p><p class="who">{name}</p>'
    return f'{_clock(now)}{_words(seen)}{person}<p class="field">{hint}</p>'


def _pin_lock(seen: Snapshot, _now: datetime) -> str:
    cells = "<i></i>" * 6
    return (
        f'<p class="sign">{icon("lock")}</p><p class="title">Enter the PIN to unlock this Mac</p>'
        f'<p class="cells" aria-hidden="true">{cells}</p>{_words(seen)}'
    )


def _lost(seen: Snapshot, _now: datetime) -> str:
    sound = f'<p class="call">{icon("sound")}<span>Playing a sound</span></p>' if seen["sound"] else ""
    foot = escape(seen["footnote"] or f"Locked by {seen['organisation'] or 'its organisation'}")
    return (
        f'<p class="sign">{icon("alert")}</p><p class="title">Lost {KIND_NAMES[seen["kind"]]}</p>'
        f'{_words(seen)}{sound}<p class="foot"><span>{foot}</span></p>'
    )


def _wiped(_seen: Snapshot, _now: datetime) -> str:
    return '<p class="hello">Hello</p><p class="foot"><span>Set up this device to begin</span></p>'


_GLASS: Mapping[str, Callable[[Snapshot, datetime], str]] = {
    "home": _home,
    "locked": _locked,
    "pin-lock": _pin_lock,
    "lost": _lost,
    "wiped": _wiped,
}
