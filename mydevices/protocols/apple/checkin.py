"""Check-in messages: a device that registers, tells where to push, leaves, or asks for something.

Schema: mdm/checkin/*.yaml. Keys that the schema requires but nothing here needs may be missing: refusing a message
keeps the device repeating it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import plist
from mydevices.protocols.apple.fields import Fields, data, dictionary, flag, required, text
from mydevices.protocols.apple.identity import Identity, identity

MAX_TOPIC = 255
MAX_PUSH_MAGIC = 200
MAX_TOKEN = 64 * 1024
"""Bytes of a push, unlock or bootstrap token. Real ones have up to some thousand; what is kept must have an end."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A device starts to register, or has renewed its certificate. Each description is None when it was not said."""

    identity: Identity
    topic: str
    device_name: str | None = None
    model: str | None = None
    model_name: str | None = None
    product_name: str | None = None
    """The identifier of the product, such as iPhone17,1."""
    os_version: str | None = None
    build_version: str | None = None
    serial_number: str | None = None
    imei: str | None = None
    meid: str | None = None


@dataclass(frozen=True, slots=True)
class TokenUpdate:
    """How to push to this channel from now on. The first one ends the registration."""

    identity: Identity
    topic: str
    push_magic: str
    token: bytes
    """Of any length, and not unique across devices."""
    unlock_token: bytes | None = field(default=None, repr=False)
    """What clears the passcode; not on Macs, nor in a User Enrolment. Keep the last one that was given."""
    awaiting_configuration: bool = False
    not_on_console: bool = False


@dataclass(frozen=True, slots=True)
class CheckOut:
    """The device has removed its enrolment profile. Sent once, and perhaps never."""

    identity: Identity
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class UserAuthenticate:
    """A Mac asks whether this network user is managed. The second one carries the answer to a challenge."""

    identity: Identity
    digest_response: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SetBootstrapToken:
    """A Mac leaves its bootstrap token for safe keeping; without one, what is kept is to be forgotten."""

    identity: Identity
    token: bytes | None = field(default=None, repr=False)
    awaiting_configuration: bool = False


@dataclass(frozen=True, slots=True)
class GetBootstrapToken:
    """A Mac wants its bootstrap token back: answer with `bootstrap_token_response`."""

    identity: Identity
    awaiting_configuration: bool = False


@dataclass(frozen=True, slots=True)
class DeclarativeManagement:
    """Declarative management: `endpoint` is tokens, declaration-items, status or declaration/TYPE/ID; `data` is
    JSON."""

    identity: Identity
    endpoint: str
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GetToken:
    """A device wants a token for a service, such as com.apple.maid."""

    identity: Identity
    service_type: str
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)


CheckIn = (
    Authenticate
    | TokenUpdate
    | CheckOut
    | UserAuthenticate
    | SetBootstrapToken
    | GetBootstrapToken
    | DeclarativeManagement
    | GetToken
)


def _authenticate(message: Fields) -> Authenticate:
    return Authenticate(
        identity=identity(message),
        topic=required(message, "Topic", MAX_TOPIC),
        device_name=text(message, "DeviceName", 200),
        model=text(message, "Model", 64),
        model_name=text(message, "ModelName", 64),
        product_name=text(message, "ProductName", 64),
        os_version=text(message, "OSVersion", 32),
        build_version=text(message, "BuildVersion", 32),
        serial_number=text(message, "SerialNumber", 64),
        imei=text(message, "IMEI", 32),
        meid=text(message, "MEID", 32),
    )


def _token(message: Fields, key: str) -> bytes | None:
    token = data(message, key)
    if token is not None and len(token) > MAX_TOKEN:
        raise ProtocolError(f"{key} is too long.")
    return token


def _token_update(message: Fields) -> TokenUpdate:
    token = _token(message, "Token")
    if token is None:
        raise ProtocolError("Token is missing.")
    return TokenUpdate(
        identity=identity(message),
        topic=required(message, "Topic", MAX_TOPIC),
        push_magic=required(message, "PushMagic", MAX_PUSH_MAGIC),
        token=token,
        unlock_token=_token(message, "UnlockToken"),
        awaiting_configuration=flag(message, "AwaitingConfiguration") or False,
        not_on_console=flag(message, "NotOnConsole") or False,
    )


def _check_out(message: Fields) -> CheckOut:
    return CheckOut(identity=identity(message), topic=text(message, "Topic", MAX_TOPIC))


def _user_authenticate(message: Fields) -> UserAuthenticate:
    return UserAuthenticate(identity=identity(message), digest_response=text(message, "DigestResponse", 4096))


def _set_bootstrap_token(message: Fields) -> SetBootstrapToken:
    return SetBootstrapToken(
        identity=identity(message),
        token=_token(message, "BootstrapToken"),
        awaiting_configuration=flag(message, "AwaitingConfiguration") or False,
    )


def _get_bootstrap_token(message: Fields) -> GetBootstrapToken:
    return GetBootstrapToken(
        identity=identity(message), awaiting_configuration=flag(message, "AwaitingConfiguration") or False
    )


def _declarative_management(message: Fields) -> DeclarativeManagement:
    return DeclarativeManagement(
        identity=identity(message), endpoint=required(message, "Endpoint", 1024), data=data(message, "Data")
    )


def _get_token(message: Fields) -> GetToken:
    return GetToken(
        identity=identity(message),
        service_type=required(message, "TokenServiceType"),
        parameters=dictionary(message, "TokenParameters"),
    )


_READERS: Mapping[str, Callable[[Fields], CheckIn]] = {
    "Authenticate": _authenticate,
    "TokenUpdate": _token_update,
    "CheckOut": _check_out,
    "UserAuthenticate": _user_authenticate,
    "SetBootstrapToken": _set_bootstrap_token,
    "GetBootstrapToken": _get_bootstrap_token,
    "DeclarativeManagement": _declarative_management,
    "GetToken": _get_token,
}


def parse(body: bytes) -> CheckIn:
    """The message in the body of a check-in request. Raises ProtocolError for anything else."""
    message = plist.loads(body)
    reader = _READERS.get(required(message, "MessageType"))
    if reader is None:
        raise ProtocolError("This kind of check-in message is not known.")
    return reader(message)


def bootstrap_token_response(token: bytes | None) -> bytes:
    """The answer to GetBootstrapToken: the token (getbootstraptoken.yaml), or nothing at all where none is kept, as
    clients know it from other servers."""
    return plist.dumps({"BootstrapToken": token}) if token else b""
