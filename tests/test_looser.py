"""Every field of a policy, a rule or a limit says which way is looser."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

import pytest
from django.db.models import Model
from django.utils import timezone

from mydevices import looser
from mydevices.accounts.models import ApprovalRules, Group, Provider, SignInRules
from mydevices.looser import Direction
from mydevices.policies.kinds import KINDS
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules
from mydevices.registration.models import InvitationRules

RULES: Final[tuple[type[Model], ...]] = (SignInRules, Group, InvitationRules, ApprovalRules, Provider)
"""What is decided, beside the kinds of policies."""

Declared = type[Any]

CASES: Final[Mapping[tuple[Declared, str], tuple[Any, Any]]] = {
    (Privacy, "location"): ("choice", "on"),
    (Privacy, "position_days"): (7, 8),
    (Privacy, "app_inventory"): ("managed", "all"),
    (Privacy, "administrators_may_wipe"): (False, True),
    (Privacy, "administrators_may_locate"): (False, True),
    (RegistrationRules, "sign_in"): ("both", "pin"),
    (RegistrationRules, "pin_length"): (6, 4),
    (RegistrationRules, "pin_days"): (7, 8),
    (RegistrationRules, "pin_on_request"): (False, True),
    (RegistrationRules, "confirm_devices"): ("factor", "never"),
    (RegistrationRules, "ownership"): ("company", "asked"),
    (RegistrationRules, "device_limit"): (5, 0),
    (RegistrationRules, "company_devices_count"): (True, False),
    (RegistrationRules, "terms"): ("Be kind.", ""),
    (RegistrationRules, "systems"): (("iOS",), ("iOS", "macOS")),
    (RegistrationRules, "minimums"): ({"iOS": "17.4", "macOS": "14"}, {"iOS": "17.3.9", "macOS": "14"}),
    (SelfServiceRules, "allowed"): (("lock",), EVERYTHING),
    (SelfServiceRules, "later"): (False, True),
    (SelfServiceRules, "undo_seconds"): (None, 0),
    (SelfServiceRules, "person_wipes"): (1, 2),
    (SelfServiceRules, "organisation_wipes"): (10, 11),
    (SignInRules, "minimum_length"): (15, 14),
    (SignInRules, "classes"): (3, 2),
    (SignInRules, "history"): (5, 0),
    (SignInRules, "expires_after_days"): (90, 0),
    (SignInRules, "idle_minutes"): (60, 0),
    (SignInRules, "limited_sign_in"): (False, True),
    (SignInRules, "console_factor"): (True, False),
    (Group, "second_factor_since"): (timezone.now(), None),
    (Group, "open_to_helpdesk"): (False, True),
    (Provider, "issuer"): ("", "https://id.example"),
    (Provider, "client_id"): ("", "devices"),
    (Provider, "groups_claim"): ("", "groups"),
    (Provider, "group_names"): ({}, {"all": "Finance"}),
    (Provider, "makes_people"): (False, True),
    (Provider, "vouches_for_addresses"): (False, True),
    (Provider, "domains"): (["one.example"], ["one.example", "two.example"]),
    (Provider, "is_required"): (True, False),
    (Provider, "is_enabled"): (False, True),
    (InvitationRules, "good_for_days"): (14, 15),
    (ApprovalRules, "from_devices"): (10, 11),
    (ApprovalRules, "batch_devices"): (10, 11),
    (ApprovalRules, "configuration_devices"): (10, 11),
}
"""Of each field that has a direction: a value, and a looser one."""


def declared() -> Iterator[tuple[Declared, str, Direction | None]]:
    for kind in KINDS.values():
        for field in fields(kind):
            yield kind, field.name, kind.LOOSER.get(field.name)
    for model in RULES:
        for column in model._meta.concrete_fields:
            if not column.primary_key:
                yield model, column.name, model.LOOSER.get(column.name)  # type: ignore[attr-defined]  # of each of RULES


def test_every_field_declares_its_direction_or_why_it_has_none() -> None:
    missing = [f"{of.__name__}.{name}" for of, name, direction in declared() if direction is None]
    assert not missing, f"say in LOOSER which way these are looser: {missing}"


def test_nothing_is_declared_that_is_no_field() -> None:
    known = {(of, name) for of, name, _direction in declared()}
    classes: list[Declared] = [*KINDS.values(), *RULES]
    for of in classes:
        assert {(of, name) for name in of.LOOSER} <= known


@pytest.mark.django_db
def test_each_direction_tells_the_looser_value_and_not_the_stricter_one() -> None:
    for of, name, direction in declared():
        assert direction is not None
        if direction.why_neither:
            assert (of, name) not in CASES
            continue
        strict, loose = CASES[of, name]
        assert direction.is_looser(strict, loose), (of, name)
        assert not direction.is_looser(loose, strict), (of, name)
        assert not direction.is_looser(strict, strict), (of, name)


def test_an_unlimited_number_is_looser_than_any() -> None:
    for after, expected in ((0, True), (100, True), (4, False), (5, False)):
        assert looser.HIGHER_OR_NONE.is_looser(5, after) is expected
    assert not looser.HIGHER_OR_NONE.is_looser(0, 10_000)


def test_another_proof_instead_of_the_one_before_counts_as_looser() -> None:
    sign_in = RegistrationRules.LOOSER["sign_in"]
    assert sign_in.is_looser("password", "pin")
    assert sign_in.is_looser("pin", "password")
    assert not sign_in.is_looser("pin", "both")


def test_the_fields_that_loosen_are_named_and_what_is_not_given_stays() -> None:
    before = Privacy(location="off", position_days=7).stored()
    after = {"location": "on", "position_days": 1, "text": "Read this."}
    assert looser.fields(Privacy.LOOSER, before, after) == ["location"]
