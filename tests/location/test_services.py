"""Positions: kept where that is allowed and by whom, sealed, seen and told, and forgotten."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device, Registration
from mydevices.errors import CannotOpen, Invalid, NotAllowed, NotFound, ProtocolError, TooMany, Unsupported
from mydevices.location import selectors, services
from mydevices.location.models import Look, Position, Reporter
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.models import Policy
from mydevices.protocols.position import Fix
from tests import factories

pytestmark = pytest.mark.django_db

HERE = {"latitude": 51.5072, "longitude": -0.1276, "accuracy": 35.0}


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor")


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines)


@pytest.fixture
def actor(ines: Person) -> Actor:
    return factories.actor(ines)


@pytest.fixture
def shares(ines: Person, actor: Actor) -> None:
    services.choose(person=ines, actor=actor, shares=True)


def decide(**values: object) -> Policy:
    return policies.create(
        actor=Actor.system("test"),
        name="What is collected",
        values=Privacy(**values),  # type: ignore[arg-type]  # the test's own values
        assignment=EVERYONE,
    )


def keep(device: Device, *, now: datetime | None = None, **more: float) -> Position | None:
    now = now or timezone.now()
    fix = Fix(**{**HERE, **more}, measured_at=now)
    return services.record(device=device, source=Position.Source.LOST_MODE, fix=fix, now=now)


def rows() -> int:
    """What the table holds, asked past everything that could hide a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM location_position")
        return int(cursor.fetchone()[0])


# Whether they are kept


def test_nothing_is_kept_until_somebody_says_yes(ines: Person, phone: Device, actor: Actor) -> None:
    assert keep(phone) is None
    assert rows() == 0
    services.choose(person=ines, actor=actor, shares=True)
    assert keep(phone) is not None
    assert rows() == 1


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize(("decided", "is_kept"), [(privacy.OFF, False), (privacy.ON, True)])
def test_a_policy_that_decides_leaves_no_choice(
    ines: Person, phone: Device, actor: Actor, decided: str, is_kept: bool, chosen: bool
) -> None:
    decide(location=decided)
    services.choose(person=ines, actor=actor, shares=chosen)
    assert (keep(phone) is not None) is is_kept
    assert rows() == int(is_kept)


def test_another_person_s_choice_is_theirs(phone: Device, shares: None) -> None:
    other = factories.device(factories.person("Sam Stone"))
    assert keep(other) is None
    assert keep(phone) is not None


def test_nobody_chooses_for_another(ines: Person) -> None:
    for somebody in (factories.actor(factories.administrator()), Actor.system("test")):
        with pytest.raises(NotAllowed):
            services.choose(person=ines, actor=somebody, shares=True)
    assert not selectors.shares(ines.id)


def test_a_device_that_has_left_comes_to_no_positions(phone: Device, shares: None) -> None:
    Registration.objects.update(state=Registration.State.RETIRED, ended_at=timezone.now())
    assert keep(phone) is None


def test_no_more_are_kept_than_a_thousand(phone: Device, shares: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_KEPT", 3)
    now = timezone.now()
    for minute in range(5):
        keep(phone, now=now + timedelta(minutes=minute), accuracy=minute)
    assert [sighting.fix.accuracy for sighting in selectors.kept(phone)] == [4, 3, 2]


# Where they are kept


def test_a_position_is_sealed_to_its_row_and_its_device(ines: Person, phone: Device, shares: None) -> None:
    kept = keep(phone)
    assert kept is not None
    assert b"51.5072" not in bytes(kept.place)
    assert selectors.opened(kept).latitude == HERE["latitude"]
    other = keep(factories.device(ines))
    assert other is not None
    other.place = kept.place
    with pytest.raises(CannotOpen):
        selectors.opened(other)


# How they go


def test_switching_it_off_deletes_them_at_once_with_the_app_s_token(
    ines: Person, phone: Device, actor: Actor, shares: None
) -> None:
    keep(phone)
    services.make_reporter(device=phone, actor=actor)
    services.choose(person=ines, actor=actor, shares=False)
    assert rows() == 0
    assert not Reporter.objects.exists()
    assert list(Entry.objects.order_by("id").values_list("verb", flat=True)[1:]) == [
        Verb.REPORTER_MADE,
        Verb.LOCATION_SWITCHED_OFF,
    ]


def test_switching_it_off_deletes_nothing_where_a_policy_collects(ines: Person, phone: Device, actor: Actor) -> None:
    decide(location=privacy.ON)
    services.choose(person=ines, actor=actor, shares=True)
    keep(phone)
    services.choose(person=ines, actor=actor, shares=False)
    assert rows() == 1


def test_a_policy_that_says_no_deletes_them_in_batches(
    ines: Person, phone: Device, shares: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 2)
    for device in [phone, *(factories.device(ines) for _ in range(4))]:
        keep(device)
    decide(location=privacy.OFF)
    assert rows() == 5
    assert services.sweep(now=timezone.now()) == 5
    assert rows() == 0


@pytest.mark.parametrize("days", [1, 30])
def test_they_go_when_the_policy_s_days_are_over(phone: Device, days: int) -> None:
    decide(location=privacy.ON, position_days=days)
    now = timezone.now()
    keep(phone, now=now - timedelta(days=days, minutes=1))
    keep(phone, now=now - timedelta(days=days, minutes=-1))
    assert services.sweep(now=now) == 1
    assert rows() == 1


def test_what_a_retired_device_left_behind_goes(phone: Device, shares: None) -> None:
    keep(phone)
    Registration.objects.update(state=Registration.State.RETIRED, ended_at=timezone.now())
    assert services.sweep(now=timezone.now()) == 1


# Who looks


def test_its_owner_sees_who_has_looked(ines: Person, phone: Device, actor: Actor, shares: None) -> None:
    keep(phone)
    administrator = factories.administrator("Tomas Reiter")
    for somebody in (actor, factories.actor(administrator), actor):
        [sighting] = services.look(device=phone, actor=somebody, reason="It was asked for.")
    assert [seen.name for seen in sighting.seen_by] == ["Ines Okafor", "Tomas Reiter"]
    assert Look.objects.count() == 2
    entries = Entry.objects.filter(verb=Verb.POSITION_SEEN).order_by("id")
    assert [(entry.actor_name, entry.person_id) for entry in entries] == [
        ("Ines Okafor", str(ines.id)),
        ("Tomas Reiter", str(ines.id)),
    ]
    assert not any("51.5" in json.dumps(entry.details) for entry in Entry.objects.all())


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.AUDITOR])
def test_strangers_and_auditors_do_not_look(phone: Device, shares: None, role: str) -> None:
    keep(phone)
    stranger = factories.person("Sam Stone", role=role)
    with pytest.raises(NotAllowed):
        services.look(device=phone, actor=factories.actor(stranger))
    assert not Look.objects.exists()


def test_a_policy_keeps_administrators_from_looking_but_not_the_owner(phone: Device, actor: Actor) -> None:
    decide(location=privacy.ON, administrators_may_locate=False)
    keep(phone)
    with pytest.raises(NotAllowed, match="What is collected"):
        services.look(device=phone, actor=factories.actor(factories.administrator()), reason="Stolen.")
    assert len(services.look(device=phone, actor=actor)) == 1


# A browser that shares


def test_the_owner_s_browser_shares_where_it_is(phone: Device, actor: Actor, shares: None) -> None:
    services.share(device=phone, actor=actor, **HERE)
    [sighting] = selectors.kept(phone)
    assert (sighting.source, sighting.fix.accuracy) == (Position.Source.BROWSER, 35.0)
    assert Entry.objects.filter(verb=Verb.POSITION_SHARED).count() == 1


def test_nobody_shares_for_another(phone: Device, shares: None) -> None:
    with pytest.raises(NotAllowed):
        services.share(device=phone, actor=factories.actor(factories.administrator()), **HERE)
    assert rows() == 0


def test_what_is_shared_while_it_is_off_is_refused(phone: Device, actor: Actor) -> None:
    with pytest.raises(Unsupported, match="switched it on"):
        services.share(device=phone, actor=actor, **HERE)
    assert rows() == 0


@pytest.mark.parametrize("place", [{"latitude": 90.1}, {"longitude": -180.5}, {"latitude": float("nan")}])
def test_a_place_that_is_none_is_refused(phone: Device, actor: Actor, shares: None, place: dict[str, float]) -> None:
    with pytest.raises(Invalid):
        services.share(device=phone, actor=actor, **{**HERE, **place})


# OwnTracks


def said(**more: object) -> bytes:
    message = {"_type": "location", "lat": 51.5, "lon": -0.12, "tst": int(datetime.now(UTC).timestamp()), "acc": 12}
    return json.dumps({**message, **more}).encode()


def test_an_app_reports_with_its_token(phone: Device, actor: Actor, shares: None) -> None:
    token = services.make_reporter(device=phone, actor=actor)
    assert services.report(token=token, body=said(batt=61))
    [sighting] = selectors.kept(phone)
    assert (sighting.source, sighting.fix.accuracy, sighting.fix.battery) == (Position.Source.OWNTRACKS, 12, 0.61)
    reporter = Reporter.objects.get()
    assert reporter.used_at is not None
    assert token not in reporter.token_hash


@pytest.mark.parametrize("token", ["", "x", "a\0b", "\ud800"])
def test_a_wrong_token_finds_nothing(phone: Device, actor: Actor, shares: None, token: str) -> None:
    services.make_reporter(device=phone, actor=actor)
    with pytest.raises(NotFound):
        services.report(token=token, body=said())


def test_a_new_token_ends_the_old_one(phone: Device, actor: Actor, shares: None) -> None:
    old = services.make_reporter(device=phone, actor=actor)
    new = services.make_reporter(device=phone, actor=actor)
    with pytest.raises(NotFound):
        services.report(token=old, body=said())
    assert services.report(token=new, body=said())
    assert services.remove_reporter(device=phone, actor=actor)
    with pytest.raises(NotFound):
        services.report(token=new, body=said())


@pytest.mark.parametrize("ends", ["suspended", "retired"])
def test_a_token_ends_with_its_owner_and_its_device(phone: Device, actor: Actor, shares: None, ends: str) -> None:
    token = services.make_reporter(device=phone, actor=actor)
    if ends == "suspended":
        Person.objects.update(is_active=False)
    else:
        Registration.objects.update(state=Registration.State.RETIRED, ended_at=timezone.now())
    with pytest.raises(NotFound):
        services.report(token=token, body=said())


def test_an_app_is_refused_while_location_is_off(ines: Person, phone: Device, actor: Actor, shares: None) -> None:
    token = services.make_reporter(device=phone, actor=actor)
    decide(location=privacy.OFF)
    with pytest.raises(Unsupported):
        services.report(token=token, body=said())
    assert rows() == 0


def test_what_is_old_or_of_another_type_is_answered_and_not_kept(phone: Device, actor: Actor, shares: None) -> None:
    token = services.make_reporter(device=phone, actor=actor)
    yesterday = int((datetime.now(UTC) - timedelta(days=1, minutes=1)).timestamp())
    assert not services.report(token=token, body=said(tst=yesterday))
    assert not services.report(token=token, body=said(tst=yesterday + 10 * 86400))
    assert not services.report(token=token, body=b'{"_type": "transition"}')
    assert rows() == 0


def test_what_cannot_be_read_is_refused(phone: Device, actor: Actor, shares: None) -> None:
    token = services.make_reporter(device=phone, actor=actor)
    with pytest.raises(ProtocolError):
        services.report(token=token, body=b"{")


def test_an_app_does_not_fill_the_database(
    phone: Device, actor: Actor, shares: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PER_DEVICE", Limit(2, timedelta(minutes=10)))
    token = services.make_reporter(device=phone, actor=actor)
    services.report(token=token, body=said())
    services.report(token=token, body=said())
    with pytest.raises(TooMany):
        services.report(token=token, body=said())
    assert rows() == 2


def test_only_its_owner_makes_a_token(phone: Device, shares: None) -> None:
    somebody = factories.actor(factories.administrator())
    with pytest.raises(NotAllowed):
        services.make_reporter(device=phone, actor=somebody)
    with pytest.raises(NotAllowed):
        services.remove_reporter(device=phone, actor=somebody)
