"""What a finished Apple command means: facts to keep, a registration that ends, and the device's reasons in plain
words."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.utils.translation import gettext_noop as _

from mydevices.actions import ActionKind
from mydevices.applications import services as applications
from mydevices.applications.selectors import App
from mydevices.audit.actor import Actor
from mydevices.commands import asking, queue
from mydevices.commands import selectors as commands_selectors
from mydevices.commands.states import State
from mydevices.configurations import delivery
from mydevices.devices import selectors as devices_selectors
from mydevices.devices import services as devices
from mydevices.devices.models import Channel, Device, Registration
from mydevices.devices.services import Introduction
from mydevices.errors import Conflict, Unsupported
from mydevices.location import selectors as location
from mydevices.location import services as location_services
from mydevices.location.models import Position
from mydevices.platforms.apple import registrations
from mydevices.port.commands import INSTALL, REMOVE, Answered, Outcome, Reported
from mydevices.protocols.apple import inventory, lost_mode, models
from mydevices.protocols.apple.reports import DeviceError
from mydevices.registration import lives


def plain_words(errors: tuple[DeviceError, ...]) -> str:
    """Why the device refused: its own sentence, or ours where it gave only a number."""
    for error in errors:
        text = error.localized or error.us_english
        if text:
            return f"{text} ({error.domain} {error.code})"
    return f"{errors[0].domain} {errors[0].code}" if errors else _("The device gave no reason.")


def _answer(outcome: Outcome) -> Mapping[str, object] | None:
    return outcome.answer if outcome.state == State.DONE else None


def _device_information(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is None:
        return
    facts = inventory.device_information(answer)
    device = devices.store_facts(
        device_id=command.device_id,
        introduction=Introduction(
            hardware_id="",
            name=facts.name or "",
            model=facts.product or "",
            model_name=facts.marketing_name or "",
            os_name=facts.os_name or "",
            os_version=facts.os_version or "",
            serial_number=facts.serial_number or "",
        ),
        facts={
            "capacity_bytes": facts.capacity_bytes,
            "available_bytes": facts.available_bytes,
            "battery": facts.battery,
            "is_find_my_on": facts.is_find_my_on,
            "is_activation_locked": facts.is_activation_locked,
        },
        now=outcome.at,
    )
    if facts.is_supervised is not None:
        registrations.supervised(command.device_id, is_supervised=facts.is_supervised)
    if device is not None and facts.is_lost_mode_on is not None and facts.is_lost_mode_on != device.is_lost:
        _take_at_its_word(command, facts.is_lost_mode_on, outcome.at)


def _take_at_its_word(command: Reported, is_lost: bool, now: datetime) -> None:
    """Whether it is in Lost Mode is the device's to say, but for what it has not been told yet."""
    life = _life(command)
    if is_lost and not commands_selectors.waits_for(life, ActionKind.FOUND):
        devices.lost(device_id=command.device_id, now=now)
    elif not is_lost and not commands_selectors.waits_for(life, ActionKind.LOST):
        devices.found(device_id=command.device_id)


def _enable_lost_mode(command: Reported, outcome: Outcome) -> None:
    """A lost device is asked where it is at once, where that is allowed; one that could not be put into Lost Mode is
    asked how it is instead."""
    device = _life(command).device
    if outcome.state == State.FAILED:
        _ask(device, ActionKind.CHECK_IN, outcome.at)
    elif location.permission_now(device).may_collect:
        _ask(device, ActionKind.LOCATE, outcome.at)


def _disable_lost_mode(command: Reported, outcome: Outcome) -> None:
    """One that says it could not is most likely not lost: it is asked, and what it says then holds."""
    devices.found(device_id=command.device_id)
    if outcome.state == State.FAILED:
        _ask(_life(command).device, ActionKind.CHECK_IN, outcome.at)


def _ask(device: Device, kind: ActionKind, now: datetime) -> None:
    # It is being asked already, or cannot be any more: then its answer, which has come, must be taken all the same.
    with contextlib.suppress(Conflict, Unsupported):
        loaded = devices_selectors.by_id(device.id)
        asking.enqueue(device=loaded, kind=kind, actor=Actor.system("lost mode"), now=now)


def _device_location(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is not None:
        location_services.record(
            device=_life(command).device,
            source=Position.Source.LOST_MODE,
            fix=lost_mode.fix(answer),
            now=outcome.at,
        )


def _security_info(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is None:
        return
    facts = inventory.security_info(answer)
    _store(
        command,
        outcome,
        {
            "has_passcode": facts.has_passcode,
            "is_passcode_compliant": facts.is_passcode_compliant,
            "is_encrypted": facts.is_encrypted,
        },
    )


def _profile_list(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is None:
        return
    profiles = [
        {"identifier": profile.identifier, "uuid": profile.uuid, "name": profile.name}
        for profile in inventory.profile_list(answer)
    ]
    channel_id = _asked(command)
    delivery.listed(
        registration_id=command.registration_id,
        profiles={profile["identifier"] or "": profile["uuid"] or "" for profile in profiles},
        now=outcome.at,
        channel_id=channel_id,
        is_confirmation=_confirms(command),
    )
    if channel_id is None:
        _store(command, outcome, {"profiles": profiles})
        if models.kind(command.device_model) == "mac":
            _ask_users(command, outcome.at)


def _certificate_list(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is None:
        return
    found = inventory.certificate_list(answer)
    channel_id = _asked(command)
    delivery.certificates_listed(
        registration_id=command.registration_id,
        fingerprints={one.fingerprint for one in found if one.is_identity},
        now=outcome.at,
        channel_id=channel_id,
        is_confirmation=_confirms(command),
    )
    if channel_id is None:
        certificates = [
            {"name": one.common_name, "fingerprint": one.fingerprint, "is_identity": one.is_identity} for one in found
        ]
        _store(command, outcome, {"certificates": certificates})


def _asked(command: Reported) -> int | None:
    """The channel whose list it is; None for the one of a check in, which asks the device itself."""
    channel_id = command.parameters.get("channel")
    return channel_id if isinstance(channel_id, int) else None


def _confirms(command: Reported) -> bool:
    """Whether the list was asked for because the device said that it had installed something."""
    return command.parameters.get("confirms") is True


def _list(channel: Channel, request_type: str, now: datetime, *, confirms: bool) -> None:
    """Ask a channel for a list, once: it waits behind everything that is to be installed there."""
    queue.upkeep(
        channel=channel,
        request_type=request_type,
        parameters={"channel": channel.pk, "confirms": confirms},
        exclusive=f"{request_type} of channel {channel.pk}",
        now=now,
    )


def _ask_users(command: Reported, now: datetime) -> None:
    """A Mac that is checked in is asked for what it has for its users, too: there the configurations are."""
    users = Channel.objects.filter(registration=command.registration_id, kind=Channel.Kind.USER)
    for channel in users.filter(installations__isnull=False).distinct():
        for request_type in ("ProfileList", "CertificateList"):
            _list(channel, request_type, now, confirms=False)


def _installed_applications(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is not None:
        apps = [
            App(found.name or found.identifier or "", found.identifier or "", found.version or "", found.size)
            for found in inventory.installed_application_list(answer)
        ]
        scope = str(command.parameters.get("scope", ""))
        applications.store(device_id=command.device_id, scope=scope, apps=apps, now=outcome.at)


def _store(command: Reported, outcome: Outcome, facts: Mapping[str, object]) -> None:
    devices.store_facts(
        device_id=command.device_id,
        introduction=None,
        facts=facts,
        now=outcome.at,
    )


def _device_lock(command: Reported, outcome: Outcome) -> None:
    if outcome.state == State.DONE and models.kind(command.device_model) == "mac":
        devices.pin_locked(device_id=command.device_id, now=outcome.at)


def _what_a_lock_showed(outcome: Outcome) -> Mapping[str, object] | None:
    """MessageResult tells whether the message could be shown (device.lock.yaml)."""
    result = (_answer(outcome) or {}).get("MessageResult")
    return {"message_result": result} if isinstance(result, str) else None


def _erase_device(command: Reported, outcome: Outcome) -> None:
    if outcome.state == State.DONE:
        lives.wiped(registration=_life(command), now=outcome.at)


def _configuration(command: Reported, outcome: Outcome) -> None:
    """Its profile was installed, or removed."""
    installation = command.parameters["installation"]
    if not isinstance(installation, int):
        raise TypeError(installation)
    installed = delivery.answered(
        installation_id=installation,
        request_type=command.request_type,
        outcome=outcome.state,
        reason=outcome.error,
        now=outcome.at,
    )
    if installed is not None:
        # Identities are known by what they are; the rest by the UUID of its profile.
        request_type = "CertificateList" if installed.carried else "ProfileList"
        _list(installed.channel, request_type, outcome.at, confirms=True)


def _end_of_management(command: Reported, outcome: Outcome) -> None:
    if outcome.state == State.DONE:
        life, reason = _life(command), Registration.Ending.ACKNOWLEDGED
        lives.retired(registration=life, reason=reason, now=outcome.at)


def _life(command: Reported) -> Registration:
    return Registration.objects.select_related("device__owner").get(id=command.registration_id)


OUTCOMES: Final[Mapping[str, Answered]] = {
    "DeviceInformation": Answered(_device_information),
    "SecurityInfo": Answered(_security_info),
    "ProfileList": Answered(_profile_list),
    "CertificateList": Answered(_certificate_list),
    "InstalledApplicationList": Answered(_installed_applications),
    "EnableLostMode": Answered(_enable_lost_mode),
    "DisableLostMode": Answered(_disable_lost_mode),
    "DeviceLocation": Answered(_device_location),
    "DeviceLock": Answered(_device_lock, shown=_what_a_lock_showed),
    "EraseDevice": Answered(_erase_device),
    "RemoveProfile": Answered(_end_of_management),
    INSTALL: Answered(_configuration),
    REMOVE: Answered(_configuration),
}
"""By request type."""
