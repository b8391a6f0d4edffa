"""Which role may do what."""

import pytest

from mydevices.accounts import rights
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.errors import NotAllowed


def somebody(role: str) -> Actor:
    return Actor(kind="person", id="1", role=role)


def test_every_role_has_its_line() -> None:
    assert set(rights.BY_ROLE) == set(Person.Role)


def test_a_person_with_devices_has_no_rights_over_others() -> None:
    assert not rights.of(somebody("person"))


def test_an_auditor_changes_nothing() -> None:
    assert all(right.startswith(("see_", "export")) for right in rights.of(somebody("auditor")))


def test_helpdesk_neither_wipes_nor_decides() -> None:
    refused = {Right.MANAGE_DEVICES, Right.MANAGE_PEOPLE, Right.MANAGE_POLICIES, Right.MANAGE_SETTINGS, Right.EXPORT}
    assert not rights.of(somebody("helpdesk")) & refused


@pytest.mark.parametrize("kind", ["anonymous", "device"])
def test_a_role_that_is_merely_claimed_counts_for_people_only(kind: str) -> None:
    assert not rights.of(Actor(kind=kind, role="administrator"))


def test_a_refusal_names_who_may() -> None:
    with pytest.raises(NotAllowed, match="Administrator"):
        rights.require(somebody("helpdesk"), Right.MANAGE_DEVICES)


def test_each_refusal_is_written_to_the_log_by_numbers(caplog: pytest.LogCaptureFixture) -> None:
    for right in (Right.MANAGE_PEOPLE, Right.SEE_AUDIT):
        with pytest.raises(NotAllowed):
            rights.require(somebody("helpdesk"), right)
    boss = Person(name="Ada Boss", role=Person.Role.ADMINISTRATOR)
    with pytest.raises(NotAllowed):
        rights.ceiling(somebody("helpdesk"), person=boss)
    with pytest.raises(NotAllowed):
        rights.ceiling(somebody("helpdesk"), role="administrator")
    assert caplog.messages == [
        "refused: person 1, helpdesk: manage_people",
        "refused: person 1, helpdesk: see_audit",
        f"refused: person 1, helpdesk: above: person {boss.id}",
        "refused: person 1, helpdesk: above: role administrator",
    ]
