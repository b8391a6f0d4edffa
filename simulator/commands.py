"""The commands that iPhone, iPad and Mac have in common: a function each, called when the rules allow it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from simulator import inventory
from simulator.device import Answer, Channel, Device, Rule
from simulator.errors import INSTALLATION, MDM, Fault, Malformed, Refused, Unreachable, refuse
from simulator.hardware import Kind
from simulator.profiles import Right
from simulator.scep import ScepError

T = TypeVar("T")
Body = Mapping[str, Any]


def required(body: Body, key: str, kind: type[T]) -> T:
    """A key the schema requires. Raises Malformed."""
    value = optional(body, key, kind)
    if value is None:
        raise Malformed(f"{body.get('RequestType')} needs {key}.")
    return value


def optional(body: Body, key: str, kind: type[T]) -> T | None:
    """A key that may be missing, but not of another type. Raises Malformed."""
    value = body.get(key)
    if value is not None and not isinstance(value, kind):
        raise Malformed(f"{key} of {body.get('RequestType')} is of the wrong type.")
    return value


def device_information(device: Device, body: Body, channel: Channel) -> Answer:
    queries = required(body, "Queries", list)
    management = device.enrolment.management
    answers = inventory.device_information(
        device.memory,
        [query for query in queries if isinstance(query, str)],
        rights=management.rights,
        user_enrolment=management.is_user_enrolment,
        user_channel=channel.account is not None,
    )
    return Answer({"QueryResponses": answers})


def security_info(device: Device, _body: Body, _channel: Channel) -> Answer:
    user_enrolment = device.enrolment.management.is_user_enrolment
    return Answer({"SecurityInfo": inventory.security_info(device.memory, user_enrolment=user_enrolment)})


def profile_list(device: Device, body: Body, channel: Channel) -> Answer:
    managed_only = optional(body, "ManagedOnly", bool) or device.enrolment.management.is_user_enrolment
    entries = [
        entry
        for entry in device.memory.profiles
        if entry.user_id == channel.user_id and (entry.managed or not managed_only)
    ]
    return Answer({"ProfileList": inventory.profile_list(entries, device.memory)})


def certificate_list(device: Device, body: Body, channel: Channel) -> Answer:
    managed_only = optional(body, "ManagedOnly", bool) or device.enrolment.management.is_user_enrolment
    entries = [
        entry
        for entry in device.memory.profiles
        if entry.user_id == channel.user_id and (entry.managed or not managed_only)
    ]
    return Answer({"CertificateList": inventory.certificate_list(entries)})


def installed_applications(device: Device, body: Body, _channel: Channel) -> Answer:
    managed_only = optional(body, "ManagedAppsOnly", bool) or device.enrolment.management.is_user_enrolment
    found = inventory.applications(
        device.kind,
        optional(body, "Identifiers", list),
        managed_only=managed_only,
        items=optional(body, "Items", list) if device.kind is not Kind.MAC else None,
    )
    return Answer({"InstalledApplicationList": found})


def install_profile(device: Device, body: Body, channel: Channel) -> Answer:
    data = required(body, "Payload", bytes)
    try:
        device.install_profile(data, channel)
    except (ScepError, Unreachable) as error:
        raise Refused(
            Fault(INSTALLATION, 4001, "The profile could not be installed."),
            Fault("MCSCEPErrorDomain", 22013, f"The SCEP request failed. {error}"),
        ) from error
    return Answer()


def remove_profile(device: Device, body: Body, channel: Channel) -> Answer:
    identifier = required(body, "Identifier", str)
    if channel.account is None and identifier == device.enrolment.profile_identifier:
        # The identity goes with the profile, so the acknowledgement usually never arrives; CheckOut says it.
        return Answer(effect=device.leave, reported=device.behaviour.acknowledge_removal)
    found = device.find_profile(identifier, channel)
    if found is None:
        raise device.profile_not_found(identifier)
    if not found.managed and not device.memory.supervised:
        raise refuse(MDM, 12013, f"The profile “{identifier}” is not managed by this server.")
    device.remove_profile(identifier, channel)
    device.note(f"Removed “{found.display_name or identifier}”")
    return Answer()


def restart_device(device: Device, body: Body, _channel: Channel) -> Answer:
    if optional(body, "NotifyUser", bool):
        device.note("Asked its user to restart")
        return Answer()
    return Answer(effect=device.restart)


def settings(device: Device, body: Body, _channel: Channel) -> Answer:
    """Only the device's name can be set here; every other item is answered with an error of its own."""
    results = []
    for item in required(body, "Settings", list):
        if not isinstance(item, dict) or not isinstance(item.get("Item"), str):
            raise Malformed("An item of Settings has no name.")
        if item["Item"] == "DeviceName" and isinstance(item.get("DeviceName"), str) and device.may_be_renamed:
            with device.change(f"Renamed to {item['DeviceName']}") as memory:
                memory.name = item["DeviceName"]
            results.append({"Item": item["Item"], "Status": "Acknowledged"})
        else:
            text = f"The setting “{item['Item']}” cannot be changed on this device."
            fault = {
                "ErrorDomain": "MCSettingsErrorDomain",
                "ErrorCode": 28000,
                "LocalizedDescription": text,
                "USEnglishDescription": text,
            }
            results.append({"Item": item["Item"], "Status": "Error", "ErrorChain": [fault]})
    return Answer({"Settings": results})


COMMON: Mapping[str, Rule] = {
    # DeviceInformation has no right of its own: each query has one.
    "DeviceInformation": Rule(device_information, user_channel=True),
    "SecurityInfo": Rule(security_info, right=Right.SECURITY),
    "ProfileList": Rule(profile_list, right=Right.INSPECT_PROFILES, user_channel=True),
    "CertificateList": Rule(certificate_list, right=Right.INSPECT_PROFILES, user_channel=True, waits_for_unlock=True),
    "InstalledApplicationList": Rule(installed_applications, right=Right.APPLICATIONS, user_channel=True),
    "InstallProfile": Rule(install_profile, right=Right.INSTALL_PROFILES, user_channel=True, waits_for_unlock=True),
    "RemoveProfile": Rule(remove_profile, right=Right.INSTALL_PROFILES, user_channel=True, waits_for_unlock=True),
    "Settings": Rule(settings, right=Right.SETTINGS),
}
