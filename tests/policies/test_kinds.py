"""Privacy and self-service: their defaults, what cannot be kept, and how they are said."""

from dataclasses import replace
from typing import Any

import pytest

from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules, names

TOO_LONG = 11_000 * "x"


def test_where_nobody_has_decided_the_position_is_the_persons_choice_and_apps_are_not_read() -> None:
    rules = Privacy()
    assert (rules.location, rules.app_inventory) == ("choice", "off")
    assert rules.administrators_may_wipe
    assert rules.administrators_may_locate
    assert not rules.problems()


def test_where_nobody_has_decided_people_may_do_everything() -> None:
    rules = SelfServiceRules()
    assert all(rules.allows(what) for what in EVERYTHING)
    assert rules.undo_seconds is None
    assert not rules.problems()
    assert tuple(names()) == EVERYTHING


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("location", "sometimes"),
        ("position_days", 0),
        ("position_days", 91),
        ("app_inventory", "some"),
        ("text", TOO_LONG),
        ("text", "a\x00b"),
        ("text", "a\ud800b"),
    ],
)
def test_what_a_privacy_policy_cannot_say_is_said_at_its_field(field: str, value: Any) -> None:
    assert list(replace(Privacy(), **{field: value}).problems()) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed", ("fly",)),
        ("undo_seconds", -1),
        ("undo_seconds", 3601),
        ("person_wipes", -1),
        ("person_wipes", 10_001),
        ("organisation_wipes", -1),
        ("organisation_wipes", 10_001),
        ("lock_message", TOO_LONG),
        ("lock_message", "a\x00b"),
        ("lock_phone", "a\x00b"),
        ("helpdesk_name", TOO_LONG),
        ("helpdesk_email", "nobody"),
        ("helpdesk_email", "a\x00@b.example"),
        ("helpdesk_link", "javascript:alert(1)"),
        ("helpdesk_link", "help.example"),
    ],
)
def test_what_a_self_service_policy_cannot_say_is_said_at_its_field(field: str, value: Any) -> None:
    assert list(replace(SelfServiceRules(), **{field: value}).problems()) == [field]


@pytest.mark.parametrize(
    "rules",
    [
        Privacy(location="off", position_days=3, app_inventory="managed", text="Why."),
        SelfServiceRules(allowed=("lock",), undo_seconds=0, helpdesk_link="https://help.example/"),
    ],
)
def test_values_come_back_from_the_column_as_they_were(rules: Kind) -> None:
    assert type(rules).read(rules.stored()) == rules
    assert not rules.problems()


def test_a_summary_names_what_is_forbidden_and_whom_to_ask() -> None:
    rules = SelfServiceRules(allowed=("lock", "register"), helpdesk_name="IT", lock_phone="112")
    said = {line.field: line.text for line in rules.summary()}
    assert said["allowed"] == "lock, register devices"
    assert "wipe" in said["forbidden"]
    assert (said["helpdesk_name"], said["lock_message"]) == ("IT", "112")
    assert "position_days" not in {line.field for line in Privacy(location="off").summary()}
