"""iPhone and iPad: passcode, lock screen with a message, Lost Mode."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulator.commands import COMMON, Body, optional, required, restart_device
from simulator.device import Answer, Channel, Device, Rule
from simulator.errors import MDM, PASSCODE, SimulatorError, refuse
from simulator.profiles import Management, Right
from simulator.state import Memory, Notice, Screen

USUAL_PASSCODE = "2580"


def device_lock(device: Device, body: Body, _channel: Channel) -> Answer:
    message, phone = optional(body, "Message", str) or "", optional(body, "PhoneNumber", str) or ""
    wants_words = bool(message or phone)
    with device.change() as memory:
        if memory.screen is Screen.LOST:
            result = "DeviceInLostMode"
        elif memory.passcode is None:
            memory.screen, memory.notice, result = Screen.LOCKED, Notice(), "NoPasscodeSet"
        else:
            memory.screen, memory.notice, result = Screen.LOCKED, Notice(message, phone), "Success"
    device.note("Locked by the organisation")
    return Answer({"MessageResult": result} if wants_words else {})


def clear_passcode(device: Device, body: Body, _channel: Channel) -> Answer:
    token = required(body, "UnlockToken", bytes)
    expected = device.enrolment.unlock_token
    if expected is None or not secrets.compare_digest(token, expected):
        raise refuse(PASSCODE, 5013, "The passcode could not be cleared.")
    with device.change("The organisation removed the passcode") as memory:
        memory.passcode = None
        if memory.screen is Screen.LOCKED:
            memory.notice = Notice()
    return Answer()


def erase_device(device: Device, body: Body, _channel: Channel) -> Answer:
    for key in ("PreserveDataPlan", "DisallowProximitySetup"):
        optional(body, key, bool)
    return Answer(effect=device.erase)


def enable_lost_mode(device: Device, body: Body, _channel: Channel) -> Answer:
    notice = Notice(
        optional(body, "Message", str) or "",
        optional(body, "PhoneNumber", str) or "",
        optional(body, "Footnote", str) or "",
    )
    if not notice.message and not notice.phone:
        raise refuse(MDM, 12066, "Lost Mode needs a message or a phone number.")
    with device.change("Marked as lost") as memory:
        memory.screen, memory.notice = Screen.LOST, notice
    return Answer()


def _check_lost(device: Device) -> None:
    if device.memory.screen is not Screen.LOST:
        raise refuse(MDM, 12067, "The device is not in Lost Mode.")


def disable_lost_mode(device: Device, _body: Body, _channel: Channel) -> Answer:
    _check_lost(device)
    with device.change("No longer lost") as memory:
        memory.screen, memory.notice, memory.sound = Screen.LOCKED, Notice(), False
    return Answer()


def device_location(device: Device, _body: Body, _channel: Channel) -> Answer:
    _check_lost(device)
    place = device.memory.position
    result: dict[str, Any] = {
        "Latitude": place.latitude,
        "Longitude": place.longitude,
        "HorizontalAccuracy": place.accuracy,
        "VerticalAccuracy": 8.0,
        "Altitude": place.altitude,
        "Speed": -1.0,
        "Course": -1.0,
        "Timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    device.note("Told the organisation where it is")
    return Answer(result)


def play_lost_mode_sound(device: Device, _body: Body, _channel: Channel) -> Answer:
    _check_lost(device)
    with device.change("Plays a sound") as memory:
        memory.sound = True
    return Answer()


RULES: Mapping[str, Rule] = {
    **COMMON,
    "DeviceLock": Rule(device_lock, right=Right.LOCK),
    "ClearPasscode": Rule(clear_passcode, right=Right.LOCK, user_enrolment=False),
    "EraseDevice": Rule(erase_device, right=Right.ERASE, user_enrolment=False),
    "RestartDevice": Rule(restart_device, right=Right.LOCK, supervised=True, user_enrolment=False),
    "EnableLostMode": Rule(enable_lost_mode, supervised=True, user_enrolment=False),
    "DisableLostMode": Rule(disable_lost_mode, supervised=True, user_enrolment=False),
    "DeviceLocation": Rule(device_location, supervised=True, user_enrolment=False),
    "PlayLostModeSound": Rule(play_lost_mode_sound, supervised=True, user_enrolment=False),
}


class IPhone(Device):
    """An iPhone or an iPad."""

    rules = RULES

    @property
    def may_be_renamed(self) -> bool:
        return self.memory.supervised

    def _new_unlock_token(self, management: Management) -> bytes | None:
        """Some 2 kB that mean nothing to anyone else, as a real one's escrow keybag."""
        if not management.rights & Right.LOCK or management.is_user_enrolment:
            return None
        return secrets.token_bytes(2048)

    def _furnish(self, memory: Memory) -> None:
        memory.passcode = USUAL_PASSCODE

    def unlock(self, code: str = "") -> None:
        """Enter the passcode; without one, swipe. Raises SimulatorError."""
        with self._lock:
            if self.memory.screen is Screen.LOST:
                raise SimulatorError("A lost device cannot be unlocked by hand.")
            if self.memory.screen is not Screen.LOCKED:
                raise SimulatorError("The device is not locked.")
            if self.memory.passcode is not None and not secrets.compare_digest(
                self.memory.passcode.encode(), code.encode()
            ):
                raise SimulatorError("Wrong passcode.")
        with self.change("Unlocked") as memory:
            memory.screen, memory.notice, memory.restarted = Screen.HOME, Notice(), False
        self._unlocked()

    def set_passcode(self, passcode: str | None) -> None:
        with self.change("Set a passcode" if passcode else "Turned the passcode off") as memory:
            memory.passcode = passcode
