"""Mac: the PIN lock, user accounts with channels of their own, the bootstrap token."""

import contextlib
import plistlib
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.parsers.expat import ExpatError

from simulator.commands import COMMON, Body, optional, required, restart_device
from simulator.connection import Connection
from simulator.device import Answer, Channel, Device, Rule
from simulator.errors import MAC, Refused, SimulatorError, Unreachable, refuse
from simulator.profiles import BOOTSTRAP_TOKEN, PER_USER, Right, load_plist
from simulator.state import Account, Enrolment, Memory, Notice, Push, Screen

USUAL_PASSWORD = "mac-password"  # noqa: S105  (of nobody)
MOST_FAILURES = 5
OBLITERATION = frozenset({"Default", "DoNotObliterate", "ObliterateWithWarning", "Always"})


def new_account(short_name: str, long_name: str, *, network: bool = False) -> Account:
    return Account(short_name, long_name, str(uuid.uuid4()).upper(), USUAL_PASSWORD, network=network)


def device_lock(device: Device, body: Body, _channel: Channel) -> Answer:
    pin = optional(body, "PIN", str) or ""
    notice = Notice(optional(body, "Message", str) or "", optional(body, "PhoneNumber", str) or "")
    if not re.fullmatch(r"[0-9]{6}", pin):
        raise refuse(MAC, 3, "DeviceLock needs a PIN of six digits.")

    def lock() -> None:
        with device.change("Locked with a PIN by the organisation") as memory:
            memory.screen, memory.notice, memory.pin, memory.restarted = Screen.PIN_LOCK, notice, pin, True

    return Answer({"MessageResult": "Success"} if notice.message or notice.phone else {}, effect=lock)


def erase_device(device: Device, body: Body, _channel: Channel) -> Answer:
    behaviour = optional(body, "ObliterationBehavior", str)
    if behaviour is not None and behaviour not in OBLITERATION:
        raise refuse(MAC, 3, f"{behaviour} is not a way to erase a Mac.")
    pin = optional(body, "PIN", str)
    if pin is not None and not re.fullmatch(r"[0-9]{6}", pin):
        raise refuse(MAC, 3, "The PIN of EraseDevice must have six digits.")
    return Answer(effect=device.erase)


def unlock_user_account(device: Device, body: Body, _channel: Channel) -> Answer:
    short_name = required(body, "UserName", str)
    with device.change() as memory:
        found = next((item for item in memory.accounts if item.short_name == short_name), None)
        if found is None:
            raise refuse(MAC, 5, f"There is no user “{short_name}”.")
        found.locked_out, found.failures = False, 0
    device.note(f"{found.long_name} may log in again")
    return Answer()


RULES: Mapping[str, Rule] = {
    **COMMON,
    "DeviceLock": Rule(device_lock, right=Right.LOCK, user_enrolment=False),
    "EraseDevice": Rule(erase_device, right=Right.ERASE, user_enrolment=False),
    "UnlockUserAccount": Rule(unlock_user_account, right=Right.LOCK, user_enrolment=False),
    "RestartDevice": Rule(restart_device, right=Right.LOCK, user_enrolment=False),
}


class Mac(Device):
    """A Mac with Apple silicon."""

    rules = RULES

    @property
    def may_be_renamed(self) -> bool:
        return True

    def unknown_command(self, kind: str) -> Refused:
        return refuse(MAC, 91, f"Unknown command: {kind}")

    def profile_not_found(self, identifier: str) -> Refused:
        return refuse(MAC, 89, f"Profile with identifier “{identifier}” not found.")

    @property
    def waits_for_first_unlock(self) -> bool:
        """A Mac's disk is open once it has started."""
        return False

    def _described(self, enrolment: Enrolment, *, personal: bool) -> dict[str, Any]:
        model = self.hardware.model
        names = {"DeviceName": self.memory.name, "ModelName": model.model_name, "Model": model.product}
        return names | super()._described(enrolment, personal=personal)

    def _after_enrolment(self, connection: Connection) -> None:
        """The user channels and the bootstrap token, where the server offers to handle them."""
        capabilities = connection.management.capabilities
        if BOOTSTRAP_TOKEN in capabilities and not connection.management.is_user_enrolment:
            token = secrets.token_bytes(32)
            message = {"MessageType": "SetBootstrapToken", "BootstrapToken": token, "AwaitingConfiguration": False}
            connection.check_in({**message, **self.ids(Channel())})
            with self.change() as memory:
                memory.enrolment = replace(self.enrolment, bootstrap_token=token)
        if PER_USER in capabilities:
            for account in list(self.memory.accounts):
                self.log_in(account.short_name)

    def log_in(self, short_name: str) -> bool:
        """A user's channel: for a network user UserAuthenticate first, then TokenUpdate. False when declined."""
        account = self.account(short_name)
        channel = Channel(account)
        with self._session:
            connection = self._present_connection()
            if account.network and not self._authenticate_user(connection, channel):
                self.note(f"The server does not manage {short_name}")
                return False
            push = self.enrolment.users.get(account.guid) or Push(secrets.token_bytes(32), str(uuid.uuid4()).upper())
            with self.change() as memory:
                memory.enrolment = replace(self.enrolment, users={**self.enrolment.users, account.guid: push})
            message = {
                "MessageType": "TokenUpdate",
                "Topic": self.enrolment.management.topic,
                "Token": push.token,
                "PushMagic": push.magic,
            }
            connection.check_in({**message, **self.ids(channel)})
            return True

    def _authenticate_user(self, connection: Connection, channel: Channel) -> bool:
        """410 declines the user; no challenge, or an empty one, accepts them without a digest."""
        message = {"MessageType": "UserAuthenticate", **self.ids(channel)}
        try:
            body = connection.check_in(message)
            challenge = load_plist(body).get("DigestChallenge", "") if body else ""
            if challenge:
                connection.check_in({**message, "DigestResponse": "no directory, no digest"})
        except Unreachable as error:
            if error.status == 410:
                return False
            raise
        except ValueError as error:
            raise Unreachable("The answer to UserAuthenticate is not a property list.") from error
        return True

    def get_bootstrap_token(self) -> bytes | None:
        """Ask the server for the token it keeps, as a Mac does before it needs it."""
        with self._session:
            body = self._present_connection().check_in({"MessageType": "GetBootstrapToken", **self.ids(Channel())})
        token = None
        with contextlib.suppress(ExpatError, plistlib.InvalidFileException, ValueError):
            token = load_plist(body).get("BootstrapToken")
        return token if isinstance(token, bytes) and token else None

    def account(self, short_name: str) -> Account:
        found = next((item for item in self.memory.accounts if item.short_name == short_name), None)
        if found is None:
            raise SimulatorError(f"There is no user {short_name} on {self.memory.name}.")
        return found

    def _furnish(self, memory: Memory) -> None:
        memory.accounts = [new_account("user", "New User")]

    def unlock(self, code: str = "") -> None:
        """Enter the PIN of a locked Mac, or the first user's password at the login window. Raises SimulatorError."""
        if self.memory.screen is Screen.PIN_LOCK:
            self._enter_pin(code)
        elif self.memory.screen is Screen.LOCKED:
            self._enter_password(code)
        else:
            raise SimulatorError("The Mac is not locked.")

    def _enter_pin(self, pin: str) -> None:
        if not secrets.compare_digest((self.memory.pin or "").encode(), pin.encode()):
            raise SimulatorError("Wrong PIN.")
        with self.change("Unlocked with its PIN") as memory:
            memory.screen, memory.notice, memory.pin, memory.restarted = Screen.LOCKED, Notice(), None, True

    def _enter_password(self, password: str) -> None:
        with self._lock:
            if not self.memory.accounts:
                raise SimulatorError("There is no user on this Mac.")
            account = self.memory.accounts[0]
        if account.locked_out:
            raise SimulatorError("This account is locked after too many wrong passwords.")
        if not secrets.compare_digest(account.password.encode(), password.encode()):
            with self.change() as memory:
                account.failures += 1
                account.locked_out = account.failures >= MOST_FAILURES
                locked_out = account.locked_out
                name = memory.name
            if locked_out:
                self.note(f"{account.long_name} is locked out of {name}")
            raise SimulatorError("Wrong password.")
        with self.change("Logged in") as memory:
            account.failures = 0
            memory.screen, memory.notice, memory.restarted = Screen.HOME, Notice(), False
        self._unlocked()
