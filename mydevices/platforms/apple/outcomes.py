"""What a finished Apple command means: facts to keep, a registration that ends, and the device's reasons in plain
words."""

from collections.abc import Mapping

from django.utils.translation import gettext_noop as _

from mydevices.commands import outcomes
from mydevices.commands.outcomes import Outcome, Reported
from mydevices.commands.states import State
from mydevices.devices import services as devices
from mydevices.devices.models import Registration
from mydevices.devices.services import Introduction
from mydevices.protocols.apple import inventory, models
from mydevices.protocols.apple.reports import DeviceError
from mydevices.registration import services as registration


def register() -> None:
    for request_type, meaning in (
        ("DeviceInformation", _device_information),
        ("SecurityInfo", _security_info),
        ("ProfileList", _profile_list),
        ("CertificateList", _certificate_list),
        ("EraseDevice", _erase_device),
        ("RemoveProfile", _remove_profile),
    ):
        outcomes.on(request_type, meaning)
    outcomes.on("DeviceLock", _device_lock, shown=_what_a_lock_showed)


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
    devices.store_facts(
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
        is_supervised=facts.is_supervised,
        facts={
            "capacity_bytes": facts.capacity_bytes,
            "available_bytes": facts.available_bytes,
            "battery": facts.battery,
            "is_find_my_on": facts.is_find_my_on,
            "is_activation_locked": facts.is_activation_locked,
        },
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
    if answer is not None:
        profiles = [
            {"identifier": profile.identifier, "uuid": profile.uuid, "name": profile.name}
            for profile in inventory.profile_list(answer)
        ]
        _store(command, outcome, {"profiles": profiles})


def _certificate_list(command: Reported, outcome: Outcome) -> None:
    answer = _answer(outcome)
    if answer is not None:
        certificates = [
            {"name": found.common_name, "fingerprint": found.fingerprint, "is_identity": found.is_identity}
            for found in inventory.certificate_list(answer)
        ]
        _store(command, outcome, {"certificates": certificates})


def _store(command: Reported, outcome: Outcome, facts: Mapping[str, object]) -> None:
    devices.store_facts(
        device_id=command.device_id,
        introduction=None,
        is_supervised=None,
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
        registration.wiped(registration=_life(command), now=outcome.at)


def _remove_profile(command: Reported, outcome: Outcome) -> None:
    if outcome.state == State.DONE and command.action_kind:
        life, reason = _life(command), Registration.Ending.ACKNOWLEDGED
        registration.retired(registration=life, reason=reason, now=outcome.at)


def _life(command: Reported) -> Registration:
    return Registration.objects.select_related("device__owner").get(id=command.registration_id)
