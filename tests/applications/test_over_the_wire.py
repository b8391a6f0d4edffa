"""A simulated device is asked for its apps, and tells them: from the policy to the row, through the device plane."""

from dataclasses import replace

import pytest
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.applications import selectors, services
from mydevices.applications.models import Listing
from mydevices.audit.actor import Actor
from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices.assignment import EVERYONE
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.models import Policy
from simulator.device import Device as Simulated
from tests.platforms.apple.conftest import Registers, present

pytestmark = pytest.mark.django_db


def decide(what: str) -> Policy:
    return policies.create(
        actor=Actor.system("test"), name="Apps", values=Privacy(app_inventory=what), assignment=EVERYONE
    )


def told(owner: Person, simulated: Simulated) -> dict[str, str]:
    """What is kept of its apps: versions by name."""
    return {app.name: app.version for app in selectors.kept(present(owner, simulated))[1]}


def ready(owner: Person, register: Registers, kind: str) -> Simulated:
    simulated, _device = register(owner, kind)
    simulated.poll()
    return simulated


@pytest.mark.parametrize("kind", ["iphone", "ipad", "mac"])
def test_a_device_tells_all_its_apps_or_those_of_the_organisation(
    owner: Person, register: Registers, kind: str
) -> None:
    simulated = ready(owner, register, kind)
    policy = decide(privacy.MANAGED_APPS)
    assert services.sweep(now=timezone.now()) == 1
    simulated.poll()
    managed = told(owner, simulated)
    assert managed["Timesheet"] == "4.8.2"
    Policy.objects.filter(id=policy.id).update(values=Privacy(app_inventory=privacy.ALL_APPS).stored())
    services.sweep(now=timezone.now())
    simulated.poll()
    everything = told(owner, simulated)
    assert managed.items() < everything.items()
    assert all(app.size for app in selectors.kept(present(owner, simulated))[1])


def test_what_is_forbidden_while_the_question_waits_is_not_asked(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "iphone")
    policy = decide(privacy.ALL_APPS)
    services.sweep(now=timezone.now())
    Policy.objects.filter(id=policy.id).update(values=Privacy(app_inventory=privacy.MANAGED_APPS).stored())
    simulated.poll()
    command = Command.objects.get(request_type="InstalledApplicationList")
    assert (command.state, command.sent_at) == (State.VOID, None)
    assert not Listing.objects.exclude(content=None).exists()


def test_an_old_iphone_is_asked_for_every_key(owner: Person, register: Registers) -> None:
    simulated = ready(owner, register, "iphone")
    with simulated.change() as memory:
        memory.hardware = replace(memory.hardware, os_version="13.7")
    present(owner, simulated).__class__.objects.update(os_version="13.7")
    decide(privacy.ALL_APPS)
    services.sweep(now=timezone.now())
    simulated.poll()
    assert "Chess" in told(owner, simulated)
