"""A simulated device: it enrols, is woken, obeys what it is allowed to obey, and shows the effect.

Two locks: `_session` is held while the device talks to its server, one conversation at a time; `_lock` guards what it
remembers, and is never held while it talks.
"""

import contextlib
import plistlib
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import browser, inventory, payloads, profiles, scep
from simulator.connection import COMMAND, Behaviour, Connection, Dismissed, Outgoing
from simulator.errors import MDM, Deferred, Fault, Malformed, Refused, SimulatorError, Unreachable, refuse
from simulator.hardware import Hardware, Kind
from simulator.identity import Identity, new_key
from simulator.installation import describe, install
from simulator.profiles import Management, Profile, Right
from simulator.state import Account, Enrolment, Event, InstalledProfile, Memory, Notice, Push, Screen
from simulator.transport import Transport

REMEMBERED_EVENTS = 60
LONGEST_SESSION = 200  # commands; a server that repeats itself for ever is cut off


@dataclass(frozen=True)
class Channel:
    """Whom a message speaks for: the device, or one user of a Mac."""

    account: Account | None = None

    @property
    def user_id(self) -> str | None:
        return self.account.guid if self.account else None


DEVICE = Channel()


@dataclass(frozen=True)
class Answer:
    """What a command gave: the result's own keys, and what happens once it was reported (or, unreported, at once)."""

    result: Mapping[str, Any] = field(default_factory=dict)
    effect: Callable[[], None] | None = None
    reported: bool = True


@dataclass(frozen=True)
class Rule:
    """When a command is obeyed, from the supportedOS part of its schema, and by which function."""

    obey: Callable[["Device", Mapping[str, Any], Channel], Answer]
    right: Right | None = None
    supervised: bool = False
    user_channel: bool = False
    user_enrolment: bool = True
    waits_for_unlock: bool = False


@dataclass
class Session:
    """What happened between a device's Idle and the end: (RequestType, Status) of each command, and how it ended.

    `ended` is "empty" (the server had nothing more), "unreachable", "lost" (a reply was lost on purpose),
    "dismissed" (the server threw the device out), "gone" (erased, locked by PIN or unenrolled) or "off".
    """

    commands: list[tuple[str, str]] = field(default_factory=list)
    ended: str = "empty"
    problem: str = ""


class Device:
    """What iPhone, iPad and Mac have in common. Make one with `fleet.new_device` or a subclass's `new`."""

    rules: ClassVar[Mapping[str, Rule]] = {}

    def __init__(
        self,
        memory: Memory,
        *,
        send: Transport,
        identity: Identity | None = None,
        key: rsa.RSAPrivateKey | None = None,
        manner: scep.Manner = scep.CURRENT,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`key` is used for every enrolment instead of a fresh one (for load tests only); `clock` answers in UTC."""
        self.memory = memory
        self.identity = identity
        self.behaviour = Behaviour()
        self.on_change: Callable[[Device], None] | None = None
        self.on_ready: Callable[[Device, Channel], None] | None = None
        self.manner = manner
        self._send = send
        self._shared_key = key
        self._clock = clock or (lambda: datetime.now(UTC))
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._lock = threading.RLock()
        self._session = threading.RLock()
        self._put_off: dict[str | None, Channel] = {}

    # What it is

    @property
    def udid(self) -> str:
        return self.memory.hardware.udid

    @property
    def kind(self) -> Kind:
        return self.memory.hardware.kind

    @property
    def hardware(self) -> Hardware:
        return self.memory.hardware

    @property
    def is_registered(self) -> bool:
        return self.memory.enrolment is not None

    @property
    def is_reachable(self) -> bool:
        """A device that is off the network, erased, or a Mac that waits for its PIN, hears no push."""
        return self.memory.online and self.memory.screen not in {Screen.WIPED, Screen.PIN_LOCK}

    @property
    def enrolment(self) -> Enrolment:
        if self.memory.enrolment is None:
            raise SimulatorError(f"{self.memory.name} is not registered.")
        return self.memory.enrolment

    def has_right(self, right: Right) -> bool:
        return bool(self.enrolment.management.rights & right)

    def pushes(self) -> dict[bytes, tuple[str, Channel]]:
        """The live push tokens: magic and channel of each."""
        with self._lock:
            enrolment = self.memory.enrolment
            if enrolment is None:
                return {}
            found = {enrolment.push.token: (enrolment.push.magic, DEVICE)}
            for account in self.memory.accounts:
                if push := enrolment.users.get(account.guid):
                    found[push.token] = (push.magic, Channel(account))
            return found

    @contextlib.contextmanager
    def change(self, event: str = "") -> Iterator[Memory]:
        """Change what the device remembers, and tell whoever keeps or shows it. Nothing is kept when it raises."""
        with self._lock:
            yield self.memory
            if event:
                at = self._clock().isoformat(timespec="seconds")
                self.memory.events = [*self.memory.events[1 - REMEMBERED_EVENTS :], Event(at, event)]
            if self.on_change is not None:
                self.on_change(self)

    def note(self, event: str) -> None:
        with self.change(event):
            pass

    # Enrolment

    def open(self, url: str) -> None:
        """Do what a person does with a registration address: open it, take the profile, install it."""
        self.register(browser.fetch_profile(url, send=self._send, kind=self.kind))

    def register(self, data: bytes) -> None:
        """Install an enrolment profile and enrol. Raises Refused, ScepError, Unreachable; then nothing has changed."""
        with self._session:
            if self.memory.enrolment is not None:
                raise refuse(MDM, 12001, "This device is already managed.")
            if not self.memory.online:
                raise Unreachable("This device is offline.")
            profile = profiles.parse(data)
            management = profiles.management(profile)
            if management is None:
                raise SimulatorError("The profile does not enrol a device: it has no MDM payload.")
            payloads.check(profile, kind=self.kind, user=False)
            if self.memory.screen is Screen.WIPED:
                self.set_up()
            identity = self.obtain_identity(profile, management.identity_uuid)
            self._enrol(profile, management, identity)

    def _enrol(self, profile: Profile, management: Management, identity: Identity) -> None:
        connection = self._connection(management, identity)
        enrolment = Enrolment(
            profile_identifier=profile.identifier,
            organisation=profile.organisation,
            management=management,
            push=_new_push(),
            unlock_token=self._new_unlock_token(management),
            enrolment_id=str(uuid.uuid4()).upper() if management.is_user_enrolment else None,
        )
        installed = install(profile, kind=self.kind, identities={management.identity_uuid: identity}, managed=True)
        before = list(self.memory.profiles)
        connection.check_in(self._authenticate(enrolment))
        with self.change():
            # Set before the token is sent: the server may push the moment it has it.
            self.memory.enrolment, self.identity = enrolment, identity
            self.memory.profiles = [*before, installed]
        try:
            connection.check_in(self._token_update(enrolment))
        except (Unreachable, Dismissed):
            with self.change():
                self.memory.enrolment, self.identity, self.memory.profiles = None, None, before
            raise
        self._keys.clear()
        self.note(f"Registered with {profile.organisation or management.server_url}")
        try:
            self._after_enrolment(connection)
        except Unreachable as error:
            self.note(f"Registered, but not with everything: {error}")

    def _after_enrolment(self, connection: Connection) -> None:
        """What a platform says after TokenUpdate."""

    def _new_unlock_token(self, management: Management) -> bytes | None:  # noqa: ARG002  (for those that have one)
        """What the server needs to clear the passcode; devices without one have None."""
        return None

    def obtain_identity(self, profile: Profile, identity_uuid: str) -> Identity:
        """A new identity through the SCEP payload with that UUID. The same profile asked again uses the same key."""
        payload = next((payload for payload in profile.payloads if payload.uuid == identity_uuid), None)
        if payload is None or payload.kind != profiles.SCEP_PAYLOAD:
            raise refuse(MDM, 12016, "The identity of the device must come from a SCEP payload.")
        order = profiles.order(payload)
        key = self._shared_key or self._keys.get(identity_uuid)
        if key is None:
            key = self._keys[identity_uuid] = new_key(order.key_size)
        return scep.enrol(order, key=key, send=self._send, now=self._clock(), manner=self.manner)

    def renew(self, profile: Profile, management: Management) -> None:
        """The enrolment profile again: same management, new identity. Raises Refused, ScepError, Unreachable."""
        enrolment = self.enrolment
        if profile.identifier != enrolment.profile_identifier:
            raise refuse(MDM, 12001, "A device can have one MDM payload only.")
        profiles.check_replacement(enrolment.management, management)
        payloads.check(profile, kind=self.kind, user=False)
        identity = self.obtain_identity(profile, management.identity_uuid)
        renewed = replace(enrolment, management=management, organisation=profile.organisation)
        connection = self._connection(management, identity)
        if not self.behaviour.quiet_renewal:
            connection.check_in(self._authenticate(renewed))
            connection.check_in(self._token_update(renewed))
        installed = install(profile, kind=self.kind, identities={management.identity_uuid: identity}, managed=True)
        with self.change("Renewed its certificate"):
            self.memory.enrolment, self.identity = renewed, identity
            others = [item for item in self.memory.profiles if item.identifier != profile.identifier]
            self.memory.profiles = [*others, installed]

    def repeat_authenticate(self) -> None:
        """Say Authenticate again with the present identity, as devices do now and then."""
        with self._session:
            self._present_connection().check_in(self._authenticate(self.enrolment))

    def update_token(self) -> None:
        """A new push token, as Apple's service hands out now and then."""
        with self._session:
            with self.change("Got a new push token"):
                self.memory.enrolment = replace(self.enrolment, push=_new_push())
            self._present_connection().check_in(self._token_update(self.enrolment))

    def leave(self, *, check_out: bool = True) -> None:
        """Remove the enrolment profile and all that came with it; say CheckOut once, if the profile asks for it."""
        with self._session:
            enrolment = self.enrolment
            if check_out and enrolment.management.check_out_when_removed and self.memory.online:
                message = {"MessageType": "CheckOut", "Topic": enrolment.management.topic}
                # Best effort, never repeated.
                with contextlib.suppress(Unreachable, Dismissed):
                    self._present_connection().check_in({**message, **self.ids(DEVICE)})
            with self.change("Left management") as memory:
                memory.enrolment = None
                self.identity = None
                memory.profiles = [item for item in memory.profiles if not item.managed]
                if memory.screen is Screen.LOST:
                    memory.screen, memory.notice, memory.sound = Screen.LOCKED, Notice(), False

    # Messages

    def ids(self, channel: Channel) -> dict[str, Any]:
        """The keys that say who speaks."""
        enrolment = self.memory.enrolment
        found: dict[str, Any]
        if enrolment is not None and enrolment.enrolment_id is not None:
            found = {"EnrollmentID": enrolment.enrolment_id}
        else:
            found = {"UDID": self.udid}
        if channel.account is not None:
            found |= {
                "UserID": channel.account.guid,
                "UserShortName": channel.account.short_name,
                "UserLongName": channel.account.long_name,
                "NotOnConsole": False,
            }
        return found

    def _authenticate(self, enrolment: Enrolment) -> dict[str, Any]:
        message = {"MessageType": "Authenticate", "Topic": enrolment.management.topic}
        if enrolment.enrolment_id is not None:
            return {**message, "EnrollmentID": enrolment.enrolment_id, **self._described(enrolment, personal=True)}
        return {**message, "UDID": self.udid, **self._described(enrolment, personal=False)}

    def _described(self, enrolment: Enrolment, *, personal: bool) -> dict[str, Any]:
        """The describing keys of Authenticate: what the rights allow, and nothing that identifies a personal device."""
        if not enrolment.management.rights & Right.DEVICE_INFORMATION:
            return {}
        hardware = self.hardware
        found = {
            "OSVersion": hardware.os_version,
            "BuildVersion": hardware.build,
            "ProductName": hardware.product,
        }
        if not personal:
            found["SerialNumber"] = hardware.serial
            if hardware.imei is not None:
                found["IMEI"] = hardware.imei
        return found

    def _token_update(self, enrolment: Enrolment) -> dict[str, Any]:
        message: dict[str, Any] = {
            "MessageType": "TokenUpdate",
            "Topic": enrolment.management.topic,
            "Token": enrolment.push.token,
            "PushMagic": enrolment.push.magic,
            "AwaitingConfiguration": False,
        }
        if enrolment.unlock_token is not None:
            message["UnlockToken"] = enrolment.unlock_token
        if enrolment.enrolment_id is not None:
            return {**message, "EnrollmentID": enrolment.enrolment_id}
        return {**message, "UDID": self.udid}

    def _connection(self, management: Management, identity: Identity) -> Connection:
        return Connection(management, identity, self._send, self._clock, self.behaviour)

    def _present_connection(self) -> Connection:
        if self.identity is None:
            raise SimulatorError(f"{self.memory.name} has no identity.")
        return self._connection(self.enrolment.management, self.identity)

    def idle_body(self, channel: Channel = DEVICE) -> bytes:
        """The body of a poll."""
        return plistlib.dumps({**self.ids(channel), "Status": "Idle"})

    def signed_request(self, body: bytes) -> Outgoing:
        """A request to the command address with that body, signed now: (method, url, headers, body)."""
        return self._present_connection().request(self.enrolment.management.server_url, COMMAND, body)

    # Conversation

    def poll(self, channel: Channel = DEVICE) -> Session:
        """Ask for commands and obey them until there are no more. Network trouble ends the session; it never raises."""
        with self._session:
            session = Session()
            if not self.is_reachable or self.memory.enrolment is None:
                session.ended = "off"
                return session
            try:
                self._converse(channel, session)
            except Unreachable as error:
                session.ended, session.problem = "unreachable", str(error)
                self.note(f"Could not finish talking to the server: {error}")
            except Dismissed as error:
                session.ended, session.problem = "dismissed", str(error)
                self.leave(check_out=False)
            return session

    def _converse(self, channel: Channel, session: Session) -> None:
        command = self._present_connection().report({**self.ids(channel), "Status": "Idle"})
        for _turn in range(LONGEST_SESSION):
            if command is None:
                return
            report, answer = self._obey(command, channel)
            kind = str(report.get("RequestType", ""))
            session.commands.append((kind, report["Status"]))
            if report["Status"] == "NotNow":
                self._put_off[channel.user_id] = channel
            command = self._deliver(report, answer, session)
            if session.ended != "empty":
                return
        session.ended, session.problem = "unreachable", "The server sends commands without end."

    def _deliver(self, report: dict[str, Any], answer: Answer, session: Session) -> dict[str, Any] | None:
        """Report, let the effect happen, and return the next command. Says in `session` when it is over."""
        following = None
        if self.behaviour.delay:
            time.sleep(self.behaviour.delay)
        if answer.reported:
            if self.behaviour.lose_next_report:
                self.behaviour.lose_next_report = False
                session.ended = "lost"
            else:
                following = self._present_connection().report(report)
                if self.behaviour.lose_next_answer:
                    self.behaviour.lose_next_answer = False
                    session.ended = "lost"
        if answer.effect is not None:
            answer.effect()
        if self.memory.enrolment is None or not self.is_reachable:
            session.ended = "gone"
        return following

    def _obey(self, command: Mapping[str, Any], channel: Channel) -> tuple[dict[str, Any], Answer]:
        kind, body = _request(command)
        report = {**self.ids(channel), "CommandUUID": command.get("CommandUUID", ""), "RequestType": kind}
        answer = Answer()
        try:
            answer = self._execute(kind, body, channel)
            report |= {**answer.result, "Status": "Acknowledged"}
        except Malformed as error:
            report["Status"] = "CommandFormatError"
            self.note(f"Could not read a command: {error}")
        except Deferred as error:
            report["Status"] = "NotNow"
            self.note(f"{kind}: not now. {error}")
        except SimulatorError as error:
            faults = error.faults if isinstance(error, Refused) else (Fault(MDM, 12011, str(error)),)
            report |= {"Status": "Error", "ErrorChain": [_link(fault) for fault in faults]}
            self.note(f"{kind}: refused. {error}")
        return report, answer

    def _execute(self, kind: str, body: Mapping[str, Any], channel: Channel) -> Answer:
        if not kind:
            raise Malformed("It has no RequestType.")
        rule = self.rules.get(kind)
        if rule is None or (channel.account is not None and not rule.user_channel):
            raise self.unknown_command(kind)
        if rule.supervised and not self.memory.supervised:
            raise self.unknown_command(kind)
        if self.enrolment.management.is_user_enrolment and not rule.user_enrolment:
            raise self.unknown_command(kind)
        if rule.right is not None and not self.has_right(rule.right):
            raise refuse(MDM, 12007, "The management service is not authorised to do this.")
        if self.behaviour.fail_next:
            self.behaviour.fail_next = False
            raise refuse(MDM, 12010, "An internal error occurred.")
        if rule.waits_for_unlock and (self.behaviour.busy or self.waits_for_first_unlock):
            raise Deferred("The device has not been unlocked since it started.")
        return rule.obey(self, body, channel)

    @property
    def waits_for_first_unlock(self) -> bool:
        return self.memory.restarted and self.memory.passcode is not None

    @property
    def may_be_renamed(self) -> bool:
        """Whether the server may change the device's name."""
        return False

    def profile_not_found(self, identifier: str) -> Refused:
        """What this platform reports when a profile to be removed is not there."""
        return refuse(MDM, 12075, f"The profile “{identifier}” is not installed.")

    def unknown_command(self, kind: str) -> Refused:
        """What this platform reports for a command it does not have, or not in its present state."""
        return refuse(MDM, 12021, f"“{kind}” is not a valid request type.")

    # Profiles and effects that every platform has

    def install_profile(self, data: bytes, channel: Channel) -> None:
        """Raises Refused, ScepError or Unreachable."""
        profile = profiles.parse(data, identities=[self.identity] if self.identity else [])
        management = profiles.management(profile)
        if management is not None:
            if channel.account is not None:
                raise refuse(MDM, 12001, "The MDM payload belongs to the device, not to a user.")
            self.renew(profile, management)
            return
        if channel.account is None and profile.identifier == self.enrolment.profile_identifier:
            raise refuse(MDM, 12009, "The replacement of the enrolment profile has no MDM payload.")
        payloads.check(profile, kind=self.kind, user=channel.account is not None)
        identities = {
            payload.uuid: self.obtain_identity(profile, payload.uuid)
            for payload in profile.of_kind(profiles.SCEP_PAYLOAD)
        }
        installed = install(profile, kind=self.kind, identities=identities, managed=True, user_id=channel.user_id)
        self._keys.clear()
        with self.change(f"Installed “{describe(installed)}”") as memory:
            others = [item for item in memory.profiles if not _same(item, installed.identifier, channel)]
            memory.profiles = [*others, installed]

    def find_profile(self, identifier: str, channel: Channel) -> InstalledProfile | None:
        with self._lock:
            return next((item for item in self.memory.profiles if _same(item, identifier, channel)), None)

    def remove_profile(self, identifier: str, channel: Channel) -> None:
        with self.change() as memory:
            memory.profiles = [item for item in memory.profiles if not _same(item, identifier, channel)]

    def erase(self) -> None:
        """Everything is gone: keys, profiles, names. Nobody is told."""
        if self.behaviour.ignore_erase:
            self.note("Did not erase itself")
            return
        with self.change("Erased") as memory:
            self.identity = None
            self._keys.clear()
            self.memory = Memory(
                hardware=memory.hardware,
                name=memory.hardware.model.model_name,
                supervised=memory.supervised,
                screen=Screen.WIPED,
                position=memory.position,
                events=memory.events,
            )

    def set_up(self) -> None:
        """Go through the setup assistant after erasing."""
        with self.change("Set up anew") as memory:
            memory.screen = Screen.HOME
            self._furnish(memory)

    def _furnish(self, memory: Memory) -> None:
        """What a person chooses in the setup assistant."""

    def restart(self) -> None:
        """Off and on again: locked until somebody unlocks it. A lost device stays lost, a Mac's PIN lock stays."""
        with self.change("Restarted") as memory:
            memory.restarted = True
            if memory.screen is Screen.HOME:
                memory.screen, memory.notice = Screen.LOCKED, Notice()

    def lock_screen(self) -> None:
        """What the side button or closing the lid does."""
        with self.change() as memory:
            if memory.screen is Screen.HOME:
                memory.screen, memory.notice = Screen.LOCKED, Notice()

    def unlock(self, code: str = "") -> None:
        """Do as the person at the device does. Raises SimulatorError when the code is wrong or none helps."""
        raise SimulatorError(f"{self.memory.name} cannot be unlocked with {len(code)} characters.")

    def _unlocked(self) -> None:
        """Whoever said "not now" asks by themselves, once they can."""
        with self._lock:
            put_off, self._put_off = self._put_off, {}
        for channel in put_off.values():
            if self.on_ready is not None:
                self.on_ready(self, channel)

    def set_online(self, online: bool) -> None:
        with self.change("Back online" if online else "Went offline") as memory:
            memory.online = online

    def snapshot(self) -> dict[str, Any]:
        """What can be seen of the device, as JSON values."""
        with self._lock:
            return inventory.snapshot(self.memory, reachable=self.is_reachable)


def _request(command: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The RequestType and the keys of a command; empty where it has none."""
    body = command.get("Command")
    if not isinstance(body, dict):
        return "", {}
    kind = body.get("RequestType")
    return kind if isinstance(kind, str) else "", body


def _new_push() -> Push:
    return Push(secrets.token_bytes(32), str(uuid.uuid4()).upper())


def _same(item: InstalledProfile, identifier: str, channel: Channel) -> bool:
    return item.identifier == identifier and item.user_id == channel.user_id


def _link(fault: Fault) -> dict[str, Any]:
    return {
        "ErrorDomain": fault.domain,
        "ErrorCode": fault.code,
        "LocalizedDescription": fault.text,
        "USEnglishDescription": fault.text,
    }
