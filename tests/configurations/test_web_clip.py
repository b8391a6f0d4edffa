"""A web clip from the verb to simulated devices, over the wire."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mydevices.accounts.models import Group, Membership, Person
from mydevices.commands.models import Command
from mydevices.commands.states import State as CommandState
from mydevices.configurations import comparison, delivery, selectors, services
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.outbox.models import Message
from mydevices.port.commands import INSTALL
from simulator.device import Device as Simulated
from tests import factories
from tests.platforms.apple.conftest import Registers, fresh

CLIP = WebClip(label="Hello $FULLNAME", url="https://portal.example/?who=$EMAIL")
EVERYONE = Assignment()
State = Installation.State


def made(values: WebClip = CLIP, assignment: Assignment = EVERYONE, name: str = "Portal") -> Configuration:
    administrator = fresh(factories.administrator())
    return services.create(actor=administrator, name=name, values=values, assignment=assignment)


def changed(configuration: Configuration, values: WebClip = CLIP, assignment: Assignment = EVERYONE) -> None:
    services.change(
        actor=fresh(factories.administrator()),
        configuration=configuration,
        name="Portal",
        values=values,
        assignment=assignment,
    )


def work() -> None:
    """What the worker does with the messages about configurations, to the last."""
    while message := Message.objects.filter(topic=comparison.TOPIC).order_by("id").first():
        message.delete()
        payload = message.payload if isinstance(message.payload, dict) else json.loads(message.payload)
        comparison.follow(payload, now=timezone.now())


def compare() -> None:
    """What the periodic work does."""
    comparison.of_everything()
    work()


def queued() -> int:
    return Command.objects.filter(parameters__has_key="installation").count()


def states(device: Device) -> list[str]:
    return list(selectors.of_device(device).values_list("state", flat=True))


def labels(simulated: Simulated) -> list[str]:
    return [str(clip["label"]) for clip in simulated.snapshot()["web_clips"]]


def registered(owner: Person, register: Registers, kind: str = "iphone") -> tuple[Simulated, Device]:
    simulated, device = register(owner, kind)
    simulated.poll()
    return simulated, device


def test_a_web_clip_arrives_on_the_iphone_with_its_owners_name(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    made()
    work()
    assert states(device) == [State.PENDING]
    simulated.poll()
    assert labels(simulated) == ["Hello Ines Okafor"]
    assert states(device) == [State.INSTALLED]


def test_on_a_mac_it_goes_to_the_users_channel(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register, "mac")
    made()
    work()
    for _magic, channel in simulated.pushes().values():
        simulated.poll(channel)
    (row,) = selectors.of_device(device).select_related("channel")
    assert (row.channel.kind, row.state) == ("user", State.INSTALLED)
    assert labels(simulated) == ["Hello Ines Okafor"]


def test_a_change_replaces_it_and_deleting_removes_it(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    configuration = made()
    work()
    simulated.poll()
    changed(configuration, WebClip(label="Second", url="https://portal.example/"))
    work()
    simulated.poll()
    assert labels(simulated) == ["Second"]
    services.delete(actor=fresh(factories.administrator()), configuration=configuration)
    work()
    assert states(device) == [State.REMOVING]
    simulated.poll()
    assert labels(simulated) == []
    assert states(device) == [State.REMOVED]
    assert simulated.is_registered  # what ends management was not removed with it


def test_of_two_quick_changes_the_last_one_is_sent_once(owner: Person, register: Registers) -> None:
    simulated, _device = registered(owner, register)
    configuration = made()
    work()
    simulated.poll()
    before = queued()
    for label in ("First", "Last"):
        changed(configuration, WebClip(label=label, url="https://portal.example/"))
        work()
    assert queued() == before + 1
    simulated.poll()
    assert labels(simulated) == ["Last"]


def test_what_changes_while_the_device_installs_follows_its_answer(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    configuration = made()
    work()
    command = Command.objects.get(parameters__has_key="installation")
    row = Installation.objects.get()
    Command.objects.filter(id=command.pk).update(state="sent")
    delivery.given(installation_id=row.pk, digest=row.digest, profile_uuid="X")
    changed(configuration, WebClip(label="Newer", url="https://portal.example/"))
    work()
    Command.objects.filter(id=command.pk).update(state="done")
    delivery.answered(
        installation_id=row.pk, request_type=INSTALL, outcome=CommandState.DONE, reason="", now=timezone.now()
    )
    assert states(device) == [State.PENDING]
    simulated.poll()
    assert labels(simulated) == ["Newer"]
    assert states(device) == [State.INSTALLED]


def test_it_reaches_chosen_groups_only_and_follows_who_joins_and_leaves(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    stranger = factories.person("Ada Lund")
    _other, others_device = registered(stranger, register)
    group = Group.objects.create(name="Sales")
    made(assignment=Assignment(to=To.GROUPS, groups=frozenset({group.id})))
    compare()
    assert queued() == 0
    membership = Membership.objects.create(group=group, person=owner)
    compare()
    assert (states(device), states(others_device)) == ([State.PENDING], [])
    simulated.poll()
    assert labels(simulated) == ["Hello Ines Okafor"]
    membership.delete()
    compare()
    simulated.poll()
    assert (labels(simulated), states(device)) == ([], [State.REMOVED])


def test_what_was_never_given_to_the_device_is_taken_back_without_a_word(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    configuration = made()
    work()
    changed(configuration, assignment=Assignment(to=To.NOBODY))
    work()
    assert states(device) == [State.REMOVED]
    assert list(Command.objects.filter(parameters__has_key="installation").values_list("state", flat=True)) == [
        "cancelled"
    ]
    simulated.poll()
    assert labels(simulated) == []


def test_a_device_that_registers_later_is_sent_what_reaches_it(owner: Person, register: Registers) -> None:
    made()
    work()
    simulated, device = registered(owner, register)
    assert labels(simulated) == ["Hello Ines Okafor"]
    assert states(device) == [State.INSTALLED]


def test_what_failed_says_why_stays_so_and_can_be_sent_again(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    made()
    work()
    command = Command.objects.get(parameters__has_key="installation")
    row = Installation.objects.get()
    delivery.given(installation_id=row.pk, digest=row.digest, profile_uuid="X")
    for state in ("sent", "failed"):
        Command.objects.filter(id=command.pk).update(state=state)
    delivery.answered(
        installation_id=row.pk,
        request_type=INSTALL,
        outcome=CommandState.FAILED,
        reason="Full",
        now=timezone.now(),
    )
    compare()
    row = selectors.of_device(device).get()
    assert (row.state, row.reason, queued()) == (State.FAILED, "Full", 1)
    with pytest.raises(NotAllowed):
        services.retry(actor=fresh(owner), installation=row)
    services.retry(actor=fresh(factories.administrator()), installation=row)
    simulated.poll()
    assert (labels(simulated), states(device)) == (["Hello Ines Okafor"], [State.INSTALLED])
    with pytest.raises(Conflict):
        services.retry(actor=fresh(factories.administrator()), installation=row)


def test_the_list_of_profiles_is_the_truth(owner: Person, register: Registers) -> None:
    simulated, device = registered(owner, register)
    made()
    work()
    simulated.poll()
    row = selectors.of_device(device).get()
    life = row.channel.registration_id
    delivery.listed(registration_id=life, profiles={row.identifier: row.profile_uuid}, now=timezone.now())
    assert states(device) == [State.INSTALLED]
    before = queued()
    delivery.listed(registration_id=life, profiles={}, now=timezone.now())
    assert (states(device), queued()) == ([State.PENDING], before + 1)


def test_saving_costs_the_same_however_many_devices_it_reaches(owner: Person, register: Registers) -> None:
    configuration = made()
    administrator = fresh(factories.administrator())

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            services.change(
                actor=administrator, configuration=configuration, name="Portal", values=CLIP, assignment=EVERYONE
            )
        return len(captured)

    one = statements()
    for _ in range(4):
        factories.device(owner)
    assert statements() == one


def test_more_devices_than_fit_into_one_part_are_all_reached(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "AT_ONCE", 2)
    for _ in range(5):
        factories.device(owner)
    made()
    work()
    assert (queued(), Installation.objects.count()) == (5, 5)
    compare()
    assert queued() == 5


def test_what_was_lost_on_the_way_is_queued_again(owner: Person) -> None:
    factories.device(owner)
    made()
    work()
    Command.objects.update(state="void", finished_at=timezone.now() - timedelta(days=1))
    compare()
    assert Command.objects.filter(state="queued").count() == 1


@pytest.mark.parametrize(
    "values",
    [
        WebClip(label="", url="https://portal.example"),
        WebClip(label="a\0b", url="https://portal.example"),
        WebClip(label="Portal", url="portal.example"),
        WebClip(label="Portal", url="https://portal.example/\0"),
        WebClip(label="Portal", url="https://portal.example/\ud800"),
        WebClip(label="Portal", url="https://portal.example", target_application="a b"),
    ],
)
def test_what_cannot_be_sent_is_not_kept(db: None, values: WebClip) -> None:
    with pytest.raises(Invalid):
        made(values)
    assert not Configuration.objects.exists()


@pytest.mark.parametrize("text", ["a\0b", "a\x01b", "a\ud800b", "a\uffffb"])
def test_names_and_descriptions_are_what_a_profile_can_carry(db: None, text: str) -> None:
    actor = fresh(factories.administrator())
    with pytest.raises(Invalid, match=r"control characters|cannot be shown"):
        services.create(actor=actor, name=text, values=CLIP, assignment=EVERYONE)
    with pytest.raises(Invalid, match=r"control characters|cannot be shown"):
        services.create(actor=actor, name="Portal", description=text, values=CLIP, assignment=EVERYONE)
    assert not Configuration.objects.exists()


def test_an_icon_is_a_png(db: None) -> None:
    with pytest.raises(Invalid):
        services.create(
            actor=fresh(factories.administrator()), name="Portal", values=CLIP, assignment=EVERYONE, icon=b"GIF89a"
        )


def test_names_are_unique_whatever_their_case_and_people_make_none(db: None) -> None:
    made()
    with pytest.raises(Conflict):
        made(name="PORTAL")
    with pytest.raises(NotAllowed):
        services.create(actor=fresh(factories.person()), name="Mine", values=CLIP, assignment=EVERYONE)
