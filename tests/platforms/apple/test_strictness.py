"""What would go unnoticed if a check were gone: each of these fails without the one line that it is about."""

import plistlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.certificates.models import DeviceCertificate
from mydevices.commands import asking
from mydevices.commands.models import Command
from mydevices.commands.queue import LoopReader
from mydevices.commands.states import State
from mydevices.configurations.models import Installation
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Channel, Device, Registration
from mydevices.errors import NotAllowed
from mydevices.registration import renewal, tickets
from mydevices.registration.models import Ticket
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.errors import SimulatorError
from simulator.transport import Reply
from tests import factories
from tests.configurations.test_web_clip import changed, labels, made, registered, work
from tests.platforms.apple import conftest
from tests.platforms.apple.conftest import TOPIC, Registers, fresh, present, send, ticket_for

CHECKIN = "https://localhost/mdm/apple/checkin"


@pytest.fixture(autouse=True, params=conftest.WAYS)
def way(request: pytest.FixtureRequest, beside: LoopReader, monkeypatch: pytest.MonkeyPatch) -> str:
    """On the event loop as in a thread."""
    chosen: str = request.param
    monkeypatch.setattr(conftest, "way", chosen)
    return chosen


def token_update(sender: Simulated, *, udid: str) -> Reply:
    """A check-in that `sender` signs and that names a device."""
    message = {"MessageType": "TokenUpdate", "UDID": udid, "Topic": TOPIC, "Token": b"another", "PushMagic": "another"}
    signed = sender.signed_request(plistlib.dumps(message))
    return send("PUT", CHECKIN, signed.headers, signed.body)


def tokens() -> set[bytes]:
    return {bytes(token) for token in Channel.objects.values_list("push_token", flat=True) if token}


def test_a_check_in_that_names_another_device_changes_neither(owner: Person, register: Registers) -> None:
    (victim, _device), (sender, _other) = register(owner), register(owner)
    before = tokens()
    assert token_update(sender, udid=victim.udid)[0] == 400
    assert tokens() == before


def test_a_check_in_with_a_superseded_certificate_is_refused(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner)
    simulated.poll()
    old = simulated.identity
    renewal.renew_due(now=datetime.now(UTC) + timedelta(days=336))
    simulated.poll()
    simulated.poll()
    assert DeviceCertificate.objects.filter(state=DeviceCertificate.State.SUPERSEDED).count() == 1
    new, before = simulated.identity, tokens()
    simulated.identity = old
    assert token_update(simulated, udid=simulated.udid)[0] == 400
    assert tokens() == before
    simulated.identity = new
    assert token_update(simulated, udid=simulated.udid)[0] == 200


def test_a_command_whose_time_is_over_is_not_given_even_before_the_sweep(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner)
    simulated.poll()
    action = asking.enqueue(device=present(owner, simulated), kind=ActionKind.UNLOCK, actor=fresh(owner))
    Command.objects.filter(action=action).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert simulated.poll().commands == []
    assert set(Command.objects.filter(action=action).values_list("state", flat=True)) == {State.QUEUED}


def test_a_configuration_that_is_wanted_again_is_not_removed(owner: Person, register: Registers) -> None:
    """The removal was queued, and the device asks for it at the moment when the answer has become another one."""
    simulated, _device = registered(owner, register)
    configuration = made()
    work()
    simulated.poll()
    changed(configuration, assignment=Assignment(to=To.NOBODY))
    work()
    removal = Command.objects.get(request_type="REMOVE", state=State.QUEUED)
    Installation.objects.update(state=Installation.State.INSTALLED)
    simulated.poll()
    removal.refresh_from_db()
    assert removal.state != State.DONE
    assert len(labels(simulated)) == 1


def test_no_certificate_is_renewed_for_a_life_that_has_ended(owner: Person, register: Registers) -> None:
    """It ends between the profile, which the device has already, and its request for a certificate."""
    ended: list[str] = []

    def transport(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if (
            urlsplit(url).path.endswith("/scep")
            and Registration.objects.filter(state=Registration.State.ACTIVE).exists()
        ):
            Registration.objects.update(state=Registration.State.RETIRED)
            ended.append(url)
        return send(method, url, headers, body)

    simulated, device = register(owner)
    simulated.poll()
    renewal.renew_due(now=datetime.now(UTC) + timedelta(days=336))
    simulated._send = transport
    simulated.poll()
    assert ended
    assert DeviceCertificate.objects.filter(registration=device.registration_id).count() == 1


def test_the_ticket_of_a_suspended_person_registers_nothing(owner: Person, client: Client) -> None:
    ticket = ticket_for(owner)
    addresses = [reverse(name, args=[tickets.code_of(ticket)]) for name in ("portal:open_ticket", "portal:profile")]
    profile = tickets.document_for(ticket=ticket).content
    assert [client.get(address).status_code for address in addresses] == [200, 200]
    Person.objects.filter(id=owner.id).update(is_active=False)
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(profile)
    assert not Device.objects.exists()


def test_a_repeated_authenticate_of_other_hardware_is_refused(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    simulated.behaviour.act_as = "00008140-AAAAAAAAAAAAAAAA"
    with pytest.raises(SimulatorError):
        simulated.repeat_authenticate()
    simulated.behaviour.act_as = ""
    assert present(owner, simulated).hardware_id == device.hardware_id
    assert Device.objects.count() == 1


def test_a_stranger_revokes_nobody_elses_ticket(owner: Person) -> None:
    ticket = ticket_for(owner)
    for role in (Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR):
        with pytest.raises(NotAllowed):
            tickets.revoke(ticket=ticket, actor=fresh(factories.person("A Stranger", role=role)))
    assert Ticket.objects.get(id=ticket.id).revoked_at is None
    tickets.revoke(ticket=ticket, actor=fresh(owner))
    assert Ticket.objects.get(id=ticket.id).revoked_at is not None
