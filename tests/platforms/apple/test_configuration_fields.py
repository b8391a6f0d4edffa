"""What the console says about who reads a field is what profiles are made of: each field is changed, and the profile of
each kind of device looked at."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final
from uuid import UUID

import pytest

from mydevices.configurations import resolve
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.platforms.apple import payloads
from mydevices.platforms.apple.configuration_fields import READERS
from mydevices.platforms.apple.payloads import ProfilePlace, Wrapped
from mydevices.policies.kinds.kind import Kind

TYPE, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
SMIME: Final[dict[str, Any]] = {
    "smime_signing": True,
    "signing_type": TYPE,
    "smime_encryption": True,
    "encryption_type": TYPE,
}
BASES: Final[Mapping[type[Kind], Kind]] = {
    WebClip: WebClip(label="Devices", url="https://devices.example", full_screen=True),
    Exchange: Exchange(
        host="mail.example", domain="office", user_name="ines", oauth=True, external_host="outside.example",
        login_identity=TYPE, **SMIME,
    ),
    Email: Email(incoming_host="in.example", outgoing_host="out.example", **SMIME),
}  # fmt: skip
OTHERS: Final[Mapping[str, object]] = {
    "target_application": "org.example.app",
    "audio_call_application": "org.example.calls",
    "oauth_sign_in_url": "https://login.example",
    "oauth_token_url": "https://token.example",
    "past_days": 31,
    "protocol": "pop",
    "incoming_authentication": "ntlm",
    "outgoing_authentication": "ntlm",
    "signing_type": OTHER,
    "encryption_type": OTHER,
    "login_identity": OTHER,
}


def other(value: object, name: str) -> object:
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return not value
    return f"other.{value}" if isinstance(value, str) else 999


def identity(type_id: str) -> resolve.Identity:
    return resolve.Identity(UUID(type_id), "A certificate", type_id[-1] * 64, all_apps=False)


def content(kind: Kind) -> resolve.Content:
    if isinstance(kind, WebClip):
        return resolve.ClipContent(kind, None, "A configuration")
    assert isinstance(kind, Exchange | Email)
    chosen = {field: identity(str(type_id)) for field, type_id in kind.types.items()}
    return resolve.AccountContent(
        "A configuration",
        kind,
        chosen.get("signing_type"),
        chosen.get("encryption_type"),
        chosen.get("login_identity"),
    )


def profile(kind: Kind, *, for_mac: bool) -> bytes:
    place = ProfilePlace("org.example", 1, for_mac=for_mac)
    made = content(kind)
    first = payloads._payloads(made, place, lambda one: Wrapped(one.fingerprint.encode(), "-", ()))[0]
    return repr(sorted(map(str, first.items()))).encode()


def read(kind: type[Kind], *, for_mac: bool) -> frozenset[str]:
    base = BASES[kind]
    plain = profile(base, for_mac=for_mac)
    return frozenset(
        field.name
        for field in fields(kind)
        if profile(replace(base, **{field.name: other(getattr(base, field.name), field.name)}), for_mac=for_mac)
        != plain
    )


@pytest.mark.parametrize("kind", list(BASES))
@pytest.mark.parametrize(("reader", "for_mac"), [(0, False), (1, True)])
def test_the_fields_that_are_said_to_be_read_are_those_that_change_the_profile(
    kind: type[Kind], reader: int, for_mac: bool
) -> None:
    assert READERS[reader].fields[kind.name()] == read(kind, for_mac=for_mac)


def test_every_kind_is_read_or_the_reason_is_said() -> None:
    for reader in READERS:
        assert {*reader.fields, *reader.reasons} == set(KINDS)


def test_the_key_of_an_identity_is_opened_to_all_apps_on_a_mac_alone() -> None:
    phone, mac = (reader.fields[IdentityCertificate.name()] for reader in READERS)
    assert mac - phone == {"all_apps"}
    assert issubclass(Exchange, Account)
