"""Registration over the wire, from the profile to the first check in, and the rules that keep a life to its device."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.commands import asking
from mydevices.commands.models import Command
from mydevices.commands.selectors import actions_of, progress
from mydevices.commands.states import State
from mydevices.devices import services as devices
from mydevices.devices.models import Channel, Device, Registration
from mydevices.registration import renewal, tickets
from mydevices.registration.models import Ticket
from simulator import fleet
from simulator.errors import SimulatorError
from simulator.scep import OLD, Manner
from tests import factories
from tests.platforms.apple.conftest import Registers, fresh, present, profile_for, send, ticket_for


def test_an_iphone_registers_and_its_name_and_model_are_known(owner: Person, register: Registers) -> None:
    simulated, device = register(owner, supervised=True)
    assert device.is_registered
    assert device.registration is not None
    assert device.registration.apple.access_rights == 8191
    assert Ticket.objects.get(person=owner).device == device
    simulated.poll()
    device = present(owner, simulated)
    assert device.name == simulated.memory.name
    assert device.model == simulated.hardware.model.product
    assert device.model_name.startswith("iPhone")
    assert device.registration is not None
    assert device.registration.apple.is_supervised is True
    assert device.inventory.capacity_bytes
    assert device.inventory.has_passcode is True
    assert [progress(action).state for action in actions_of(device)] == [State.DONE]


def test_a_mac_registers_with_a_channel_for_its_user(owner: Person, register: Registers) -> None:
    _simulated, device = register(owner, "mac")
    kinds = Channel.objects.filter(registration=device.registration_id).values_list("kind", flat=True)
    assert sorted(kinds) == ["device", "user"]
    assert device.registration is not None
    assert device.registration.apple.bootstrap_token


def test_a_personal_device_registers_without_the_right_to_erase(owner: Person, register: Registers) -> None:
    _simulated, device = register(owner, ownership=Device.Ownership.PERSONAL)
    assert device.registration is not None
    assert device.registration.apple.access_rights == 8183


def test_an_unsigned_profile_registers_as_well(owner: Person, register: Registers) -> None:
    _simulated, device = register(owner, signed=False)
    assert device.is_registered


def test_an_old_client_with_single_des_and_sha1_registers_while_the_switch_allows_it(
    owner: Person, register: Registers
) -> None:
    simulated = fleet.new_device("iphone", send=send, manner=OLD)
    _simulated, device = register(owner, simulated=simulated)
    assert device.is_registered


def test_a_client_that_signs_its_request_with_a_throwaway_key_registers_and_obeys(
    owner: Person, register: Registers
) -> None:
    simulated = fleet.new_device("iphone", send=send, manner=Manner(throwaway=True))
    _simulated, device = register(owner, simulated=simulated)
    assert device.is_registered
    assert simulated.poll().commands


def test_a_profile_serves_one_device(owner: Person, register: Registers) -> None:
    profile = profile_for(owner)
    first, second = (fleet.new_device("iphone", send=send) for _number in range(2))
    first.register(profile)
    with pytest.raises(SimulatorError):
        second.register(profile)
    assert Device.objects.filter(owner=owner).count() == 1


def test_an_expired_or_revoked_ticket_registers_nothing(owner: Person, server: None) -> None:
    expired, revoked = ticket_for(owner), ticket_for(owner)
    documents = [tickets.document_for(ticket=ticket).content for ticket in (expired, revoked)]
    Challenge.objects.filter(id=expired.challenge_id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    tickets.revoke(ticket=revoked, actor=fresh(owner))
    for document in documents:
        with pytest.raises(SimulatorError):
            fleet.new_device("iphone", send=send).register(document)
    assert not Device.objects.filter(owner=owner).exists()


def test_the_same_key_asking_again_gets_the_same_certificate(owner: Person, server: None) -> None:
    profile = profile_for(owner)
    simulated = fleet.new_device("iphone", send=send)
    simulated.behaviour.fail_next = False
    simulated.register(profile)
    assert DeviceCertificate.objects.count() == 1
    identity = simulated.identity
    assert identity is not None
    again = fleet.new_device("iphone", send=send, key=identity.key)
    again.memory.hardware = simulated.memory.hardware
    again.register(profile)
    assert DeviceCertificate.objects.count() == 1
    assert Registration.objects.count() == 1


def test_whoever_only_knows_a_udid_cannot_take_a_device_over(owner: Person, register: Registers) -> None:
    victim, device = register(owner)
    thief = factories.person("A Thief")
    impostor = fleet.new_device("iphone", send=send)
    impostor.behaviour.act_as = victim.udid
    impostor.register(profile_for(thief))
    assert Device.objects.get(owner=thief).id != device.id
    assert present(owner, victim).registration_id == device.registration_id
    assert present(owner, victim).is_registered
    asking.enqueue(device=present(owner, victim), kind=ActionKind.LOCK, actor=fresh(owner))
    session = impostor.poll()
    assert "DeviceLock" not in [kind for kind, _status in session.commands]


def test_a_valid_certificate_of_one_device_does_not_speak_for_another(owner: Person, register: Registers) -> None:
    victim, _device = register(owner)
    other, _other = register(owner)
    asking.enqueue(device=present(owner, victim), kind=ActionKind.LOCK, actor=fresh(owner))
    other.behaviour.act_as = victim.udid
    session = other.poll()
    assert session.ended == "unreachable"
    assert not session.commands
    assert Command.objects.get(request_type="DeviceLock").state == State.QUEUED


def test_registering_anew_under_the_same_person_keeps_the_history_and_voids_what_waited(
    owner: Person, register: Registers
) -> None:
    simulated, device = register(owner)
    action = asking.enqueue(device=present(owner, simulated), kind=ActionKind.WIPE, actor=fresh(owner))
    simulated.erase()
    simulated.set_up()
    _simulated, again = register(owner, simulated=simulated)
    assert again.id == device.id
    assert again.registration_id != device.registration_id
    assert Command.objects.get(action=action).state == State.VOID
    assert simulated.poll().ended == "empty"
    assert simulated.is_registered


def test_registering_under_another_person_is_another_device(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    simulated.erase()
    simulated.set_up()
    heir = factories.person("The Heir")
    _simulated, theirs = register(heir, simulated=simulated)
    assert theirs.id != device.id
    old = Device.objects.get(id=device.id)
    assert (old.owner_id, old.registration_id) == (owner.id, device.registration_id)


def test_a_repeated_authenticate_is_not_a_new_life(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    asking.enqueue(device=present(owner, simulated), kind=ActionKind.LOCK, actor=fresh(owner))
    simulated.repeat_authenticate()
    assert Registration.objects.filter(device=device).count() == 1
    assert Command.objects.get(request_type="DeviceLock").state == State.QUEUED
    assert present(owner, simulated).is_registered


@pytest.mark.parametrize("quiet", [False, True])
def test_renewal_is_not_a_new_life(owner: Person, register: Registers, quiet: bool) -> None:
    simulated, device = register(owner)
    simulated.behaviour.quiet_renewal = quiet
    simulated.poll()
    old = DeviceCertificate.objects.get(registration=device.registration_id)
    lock = asking.enqueue(device=present(owner, simulated), kind=ActionKind.LOCK, actor=fresh(owner))
    now = datetime.now(UTC)
    assert renewal.renew_due(now=now) == 0
    assert renewal.renew_due(now=now + timedelta(days=336)) == 1
    assert renewal.renew_due(now=now + timedelta(days=336)) == 0
    simulated.poll()
    assert Command.objects.get(request_type="RENEW").state == State.DONE
    simulated.poll()
    certificates = {
        c.fingerprint: c.state for c in DeviceCertificate.objects.filter(registration=device.registration_id)
    }
    assert len(certificates) == 2
    assert certificates[old.fingerprint] == DeviceCertificate.State.SUPERSEDED
    assert Registration.objects.filter(device=device).count() == 1
    assert Command.objects.get(action=lock).state == State.DONE
    assert present(owner, simulated).is_registered


def test_the_old_certificate_works_until_the_new_one_has_been_used(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    old_identity = simulated.identity
    simulated.behaviour.quiet_renewal = True
    renewal.renew_due(now=datetime.now(UTC) + timedelta(days=336))
    issued_at_most = DeviceCertificate.objects.filter(registration=device.registration_id)
    assert issued_at_most.count() == 1
    simulated.poll()
    simulated.identity = old_identity
    assert simulated.poll().ended == "unreachable"


def test_a_mac_user_who_logs_in_over_the_network_is_declined(owner: Person, server: None) -> None:
    simulated = fleet.new_device("mac", send=send, network_user=("guest", "Guest User"))
    simulated.register(profile_for(owner))
    users = Channel.objects.filter(kind=Channel.Kind.USER).values_list("user_name", flat=True)
    assert "guest" not in users


def test_removing_the_profile_by_hand_retires_the_device(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    simulated.leave()
    assert Registration.objects.get(device=device).state == Registration.State.RETIRED
    assert not present(owner, simulated).is_registered


def test_dead_devices_hold_up_nobody_s_renewal(owner: Person, register: Registers) -> None:
    now = datetime.now(UTC)
    _simulated, _device = register(owner)
    healthy, _other = register(owner)
    DeviceCertificate.objects.filter(registration__device__hardware_id=healthy.udid).update(
        not_after=now + timedelta(days=10)
    )
    DeviceCertificate.objects.exclude(registration__device__hardware_id=healthy.udid).update(
        not_after=now - timedelta(days=10)
    )
    assert renewal.renew_due(now=now, limit=1) == 1
    command = Command.objects.get(request_type="RENEW")
    assert command.channel.registration.device.hardware_id == healthy.udid


def test_a_device_that_refuses_a_new_certificate_is_left_alone_for_a_day(owner: Person, register: Registers) -> None:
    simulated, _device = register(owner)
    simulated.poll()
    soon = datetime.now(UTC) + timedelta(days=336)
    assert renewal.renew_due(now=soon) == 1
    simulated.behaviour.fail_next = True
    simulated.poll()
    Command.objects.filter(request_type="RENEW").update(finished_at=soon)
    assert renewal.renew_due(now=soon + timedelta(hours=1)) == 0
    assert renewal.renew_due(now=soon + timedelta(days=1, minutes=1)) == 1


def test_a_late_description_does_not_bring_an_old_life_back(owner: Person, register: Registers) -> None:
    simulated, device = register(owner)
    stale = Device.objects.get(id=device.id)
    simulated.erase()
    simulated.set_up()
    _simulated, again = register(owner, simulated=simulated)
    stale.name = "An old name"
    devices.save_description(device=stale)
    assert present(owner, simulated).registration_id == again.registration_id


def test_a_profile_that_was_given_out_before_the_secret_key_changed_still_registers(
    owner: Person, settings: Settings
) -> None:
    early, late = profile_for(owner), profile_for(owner)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a newer key", [settings.SECRET_KEY]
    simulated = fleet.new_device("iphone", send=send)
    simulated.register(early)
    assert simulated.is_registered
    simulated = fleet.new_device("iphone", send=send)
    simulated.register(profile_for(owner))
    assert simulated.is_registered
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(SimulatorError):
        fleet.new_device("iphone", send=send).register(late)
