"""What holds for every platform: one list over the product's own and over two toys, of which one is asked and one is
told. A platform brings a driver (`tests/platforms/<name>/driver.py`), the other side of its wire; a toy is a folder
under `toys`."""

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Person
from mydevices.actions import ACTIONS, ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, capabilities, queue, tasks
from mydevices.commands.models import Action, Command
from mydevices.commands.states import State
from mydevices.configurations import comparison
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Installation
from mydevices.devices import assignment
from mydevices.devices import selectors as devices
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device, Registration
from mydevices.errors import Conflict, Unsupported
from mydevices.outbox.models import Message
from mydevices.outbox.registry import Delivery, Done, Retry
from mydevices.port import platform as port
from mydevices.port import routes
from mydevices.port.actions import Parameters
from mydevices.port.commands import INSTALL, REMOVE, Outcome
from mydevices.port.pictures import Shape
from mydevices.port.platform import Asked, Platform, Told
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests import factories
from tests.platforms.apple.conftest import server  # noqa: F401  what Apple's platform needs
from tests.platforms.driver import Driver, Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("server")]

HERE: Final = Path(__file__).parent
TOYS: Final = sorted(path.parent.name for path in (HERE / "toys").glob("*/platform.py"))
NAMES: Final = [*port.PLATFORMS, *TOYS]
NOW: Final = datetime.now(UTC)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def platform(name: str, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """One of the product's, or a toy that is registered for one test, as the product's are at start-up."""
    if name in port.PLATFORMS:
        return port.PLATFORMS[name]
    monkeypatch.setattr(port, "PLATFORMS", dict(port.PLATFORMS))
    monkeypatch.setattr(routes, "ROUTES", dict(routes.ROUTES))
    monkeypatch.setattr(assignment, "KNOWN_PLATFORMS", set(assignment.KNOWN_PLATFORMS))
    toy = importlib.import_module(f"tests.platforms.toys.{name}.platform")
    fresh: Platform = type(toy.PLATFORM)()
    port.register(fresh)
    return fresh


@pytest.fixture
def driver(name: str, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Driver:
    folder = f"toys.{name}" if name in TOYS else name
    made: Driver = importlib.import_module(f"tests.platforms.{folder}.driver").DRIVER(platform, monkeypatch)
    return made


@pytest.fixture
def ines(server: None) -> Person:  # noqa: F811  the fixture
    return factories.person("Ines Okafor")


def ticket(ines: Person, platform: Platform, ownership: str = Device.Ownership.COMPANY) -> Ticket:
    return tickets.open_ticket(
        person=ines, ownership=ownership, intended=platform.device_kinds[0].name, actor=factories.actor(ines)
    )


def present(ines: Person, driver: Driver) -> Device:
    return next(device for device in devices.owned_by(ines) if driver.is_of(device))


@pytest.fixture
def device(ines: Person, platform: Platform, driver: Driver) -> Device:
    """Registered, and through with its first check in."""
    driver.register(ticket(ines, platform))
    reach()
    driver.obey()
    return present(ines, driver)


def reach() -> list[object]:
    """The worker's part: wake devices, or hand over what waits for them. What became of each message."""
    found = list(Message.objects.filter(topic="wake").order_by("id"))
    outcomes = tasks.wake([Delivery(one.pk, one.key, one.payload, 1) for one in found])
    Message.objects.filter(id__in=[pk for pk, outcome in outcomes.items() if isinstance(outcome, Done)]).delete()
    return list(outcomes.values())


def ask(device: Device, kind: ActionKind, *, now: datetime | None = None) -> Action:
    actor = factories.actor(device.owner, proved=datetime.now(UTC))
    parameters = Parameters(message="Please call") if kind == ActionKind.LOST else None
    return asking.enqueue(device=device, kind=kind, actor=actor, parameters=parameters, now=now or datetime.now(UTC))


def states(action: Action) -> set[str]:
    return set(action.commands.values_list("state", flat=True))


def harmless(device: Device) -> ActionKind:
    """An action that ends nothing, and that is possible here."""
    found = capabilities.of(device, factories.actor(device.owner))
    return next(kind for kind in (ActionKind.LOCK, ActionKind.CHECK_IN) if kind in found and found[kind].possible)


def release(action: Action) -> None:
    if action.held_until is not None:
        asking.release(action_id=action.id, now=action.held_until)


# What it says of itself


def test_it_is_asked_or_told_and_never_both(platform: Platform) -> None:
    assert isinstance(platform, Asked) != isinstance(platform, Told)
    assert platform.name
    assert platform.title


def test_its_kinds_of_devices_run_its_systems_and_guide_people_with_pictures_that_are_there(platform: Platform) -> None:
    names = {system.name for system in platform.systems}
    for kind in platform.device_kinds:
        assert set(kind.systems) <= names
        assert kind.steps
        for step in kind.steps:
            assert_drawn(step.picture_file, step.picture)
        for words in (kind.one, kind.this, kind.other, kind.heading, kind.how_to_open, kind.wrong_device, kind.button):
            assert str(words).strip()
    assert_shape(platform.example)
    assert_drawn(platform.family.file, platform.family.symbol)


def assert_drawn(file: str, symbol: str) -> None:
    path = finders.find(file)
    assert path, file
    assert f'id="{symbol}"' in Path(path).read_text(encoding="utf-8"), (file, symbol)


def assert_shape(shape: Shape) -> None:
    assert_drawn(shape.file, shape.symbol)
    assert 0 < shape.x < shape.width
    assert 0 < shape.y < shape.height
    assert shape.radius > 0


def test_it_says_who_reads_each_kind_of_configuration_or_why_not(platform: Platform) -> None:
    for reader in platform.readers:
        assert {*reader.fields, *reader.reasons} == set(KINDS)
        assert str(reader.name)


def test_its_addresses_are_served_and_nobody_else_s(platform: Platform) -> None:
    for path, route in platform.routes().items():
        assert routes.ROUTES[path].methods == route.methods
        assert route.body_limit > 0
    with pytest.raises(ValueError, match="registered already"):
        port.register(platform)


def test_the_map_of_a_reader_is_its_own_where_the_browser_runs_on_it(platform: Platform) -> None:
    assert platform.detect("lynx on a teletype") == ""
    assert platform.map_link("lynx on a teletype", latitude="1", longitude="2") == ""


# Registration


def test_a_device_registers_with_what_it_was_promised(ines: Person, platform: Platform, driver: Driver) -> None:
    opened = ticket(ines, platform)
    driver.register(opened)
    found = present(ines, driver)
    assert (found.platform, found.state, found.owner) == (platform.name, Registration.State.ACTIVE, ines)
    assert found.registration is not None
    assert dict(platform.promised(found.registration)) == dict(opened.promise)
    assert platform.may_erase(found.registration)
    opened.refresh_from_db()
    assert opened.used_at is not None


def test_one_that_was_promised_something_else_is_refused_and_nothing_is_kept(
    ines: Person, platform: Platform, driver: Driver
) -> None:
    with pytest.raises(Refused):
        driver.register(ticket(ines, platform), honestly=False)
    assert not Device.objects.exists()
    assert not Registration.objects.exists()


def test_a_personal_device_is_promised_no_erasing_and_says_so(ines: Person, platform: Platform, driver: Driver) -> None:
    driver.register(ticket(ines, platform, Device.Ownership.PERSONAL))
    found = present(ines, driver)
    assert found.registration is not None
    assert not platform.may_erase(found.registration)
    wipe = platform.capabilities(found).get(ActionKind.WIPE)
    assert wipe is None or wipe.reason


def test_it_begins_a_new_life_and_what_waited_in_the_old_one_is_void(
    ines: Person, platform: Platform, driver: Driver, device: Device
) -> None:
    action = ask(device, harmless(device))
    driver.register(ticket(ines, platform))
    assert states(action) == {State.VOID}
    again = present(ines, driver)
    assert (again.id, again.registration_id == device.registration_id) == (device.id, False)


def test_a_renewal_repeats_the_promise(platform: Platform, device: Device) -> None:
    life = device.registration
    assert life is not None
    first, second = (
        platform.document(promise=platform.promised(life), password=password, subject="x", signed=False).content
        for password in ("one", "two")
    )
    again = platform.document(promise=platform.promised(life), password="one", subject="x", signed=False).content
    assert first == again
    assert first != second


# Actions


def test_each_action_is_explained_or_refused_and_planned_accordingly(platform: Platform, device: Device) -> None:
    known = platform.capabilities(device)
    assert ActionKind.CHECK_IN in known
    assert ActionKind.RETIRE in known
    for kind in ACTIONS:
        capability = known.get(kind)
        if capability is None:
            continue
        assert capability.kind == kind
        assert capability.explanation
        if capability.possible and not ACTIONS[kind].is_about_loss:
            assert platform.plan(device, kind, Parameters(message="Please call")).steps
    for kind in (ActionKind.WIPE, ActionKind.RETIRE):
        fates = platform.fates(device, kind)
        assert fates.erased
        assert fates.stays
    with pytest.raises(Unsupported):
        platform.fates(device, ActionKind.CHECK_IN)


def test_its_looks_are_drawn(platform: Platform, device: Device) -> None:
    looks = platform.appearance(device)
    assert looks.noun
    assert_shape(looks.shape)
    assert all(label and value for label, value in platform.facts(device))


def test_an_action_reaches_the_device_and_is_done(platform: Platform, driver: Driver, device: Device) -> None:
    action = ask(device, harmless(device))
    assert states(action) == {State.QUEUED}
    assert all(isinstance(outcome, Done) for outcome in reach())
    assert driver.was_reached()
    assert states(action) == ({State.SENT} if isinstance(platform, Told) else {State.QUEUED})
    assert driver.obey()
    assert states(action) == {State.DONE}
    assert Entry.objects.filter(verb=Verb.ACTION_DONE, action_id=str(action.id)).count() == 1


def test_what_a_device_refuses_has_failed_with_its_reason(driver: Driver, device: Device) -> None:
    action = ask(device, harmless(device))
    reach()
    driver.obey(lambda _request: False)
    failed = action.commands.filter(state=State.FAILED)
    assert failed.exists()
    assert all(command.error for command in failed)
    assert Entry.objects.filter(verb=Verb.ACTION_FAILED, action_id=str(action.id)).count() == 1


def test_what_is_cancelled_in_time_is_never_given(driver: Driver, device: Device) -> None:
    action = ask(device, harmless(device))
    asking.cancel(action=action, actor=factories.actor(device.owner, proved=datetime.now(UTC)))
    reach()
    assert driver.obey() == []
    assert states(action) == {State.CANCELLED}


def test_what_has_expired_is_never_given(driver: Driver, device: Device) -> None:
    kind = ActionKind.CHECK_IN
    long_ago = datetime.now(UTC) - timedelta(days=3)
    action = ask(device, kind, now=long_ago)
    reach()
    assert driver.obey() == []
    queue.expire(now=datetime.now(UTC))
    assert states(action) == {State.EXPIRED}


def test_a_second_one_of_a_kind_waits_for_nobody(device: Device) -> None:
    ask(device, harmless(device))
    with pytest.raises(Conflict):
        ask(device, harmless(device))


def test_what_does_not_reach_the_device_is_tried_again_and_not_lost(driver: Driver, device: Device) -> None:
    driver.cut_off()
    action = ask(device, harmless(device))
    assert any(isinstance(outcome, Retry) for outcome in reach())
    assert states(action) == {State.QUEUED}
    assert Message.objects.filter(topic="wake").exists()


def test_a_report_that_comes_twice_changes_nothing(driver: Driver, device: Device) -> None:
    action = ask(device, harmless(device))
    reach()
    driver.obey()
    command = Command.objects.filter(action=action).latest("id")
    reported = queue.reported(command.pk)
    assert reported is not None
    assert not queue.report(command=reported, outcome=Outcome(State.FAILED, datetime.now(UTC), error="late"))
    assert states(action) == {State.DONE}


@pytest.mark.parametrize(
    ("kind", "state"),
    [(ActionKind.RETIRE, Registration.State.RETIRED), (ActionKind.WIPE, Registration.State.WIPED)],
)
def test_what_takes_waits_out_its_window_and_ends_the_life(
    ines: Person, driver: Driver, device: Device, kind: ActionKind, state: str
) -> None:
    action = ask(device, kind)
    assert states(action) == {State.HELD}
    reach()
    assert driver.obey() == []
    release(action)
    reach()
    driver.obey()
    assert states(action) == {State.DONE}
    assert present(ines, driver).state == state


# Upkeep


def test_a_configuration_comes_and_goes_where_the_platform_takes_any(
    platform: Platform, driver: Driver, device: Device
) -> None:
    boss = factories.actor(factories.administrator())
    clip = WebClip(label="Devices", url="https://devices.example")
    made = configurations.create(actor=boss, name="Devices", values=clip, assignment=EVERYONE)
    comparison.of_device(device.id, now=datetime.now(UTC))
    if platform.ways(device) is None:
        assert not Installation.objects.exists()
        return
    for request_type, state in ((INSTALL, "installed"), (REMOVE, "removed")):
        assert Command.objects.filter(request_type=request_type, state=State.QUEUED).count() == 1
        reach()
        driver.obey()
        assert Installation.objects.get().state == state
        if state == "installed":
            configurations.delete(actor=boss, configuration=made)
            comparison.of_device(device.id, now=datetime.now(UTC))


# Pages


def test_pages_show_it_as_any_other(ines: Person, platform: Platform, device: Device, client: Client) -> None:
    noun = platform.appearance(device).noun
    client.force_login(ines, backend="mydevices.accounts.backends.Passwords")
    for name, arguments in (
        ("portal:devices", []),
        ("portal:device", [device.id]),
        ("portal:lock", [device.id]),
    ):
        answer = client.get(reverse(name, args=arguments))
        assert answer.status_code == 200, name
    assert noun in client.get(reverse("portal:device", args=[device.id])).content.decode()


def test_the_page_that_is_opened_on_a_device_guides_it(ines: Person, platform: Platform, client: Client) -> None:
    opened = ticket(ines, platform)
    page = client.get(reverse("portal:open_ticket", args=[tickets.code_of(opened)])).content.decode()
    kind = platform.device_kinds[0]
    assert str(kind.heading) in page
    assert str(kind.wrong_device) in page
    link = tickets.link_for(ticket=opened)
    assert (link or reverse("portal:profile", args=[tickets.code_of(opened)])) in page
