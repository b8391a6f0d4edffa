"""The environment variables that MyDevices reads: typed, checked once at start, failing loudly.

Every variable also has a `_FILE` form that names a file with the value, for secrets that must not stand in the
environment.
"""

import os
from dataclasses import dataclass
from dataclasses import field as part
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class FileVariants(PydanticBaseSettingsSource):
    """`NAME_FILE=/path` gives the content of that file for `NAME`, less a trailing line end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = str(field.validation_alias or f"MYDEVICES_{field_name.upper()}")
        path = os.environ.get(f"{name}_FILE")
        if path is None:
            return None, field_name, False
        if name in os.environ:
            raise SystemExit(f"Both {name} and {name}_FILE are set. Keep one of them.")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as error:
            raise SystemExit(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[str(field.validation_alias or field_name)] = value
        return found


MAIL_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""The usual port for each way of encryption."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail leaves: `smtp://user:password@host:port?tls=starttls|tls|none`."""

    host: str
    port: int
    user: str
    password: str = part(repr=False)
    tls: str
    """"starttls": asked for after the greeting, and insisted on; "tls": from the first byte; "none"."""

    @classmethod
    def parse(cls, url: str) -> "MailServer":
        """Raises ValueError, without the password, for an address that is none."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        tls = options.pop("tls", "starttls")
        if parts.scheme != "smtp" or not parts.hostname or parts.path.strip("/") or options or tls not in MAIL_PORTS:
            raise ValueError("must be like smtp://user:password@mail.example.org:587?tls=starttls (or tls, or none)")
        try:
            port = parts.port or MAIL_PORTS[tls]
        except ValueError:
            raise ValueError("has a port that is no port") from None
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        server = cls(parts.hostname, port, user, password, tls)
        if server.has_half_a_login:
            raise ValueError("must have both a user and a password, or none")
        if server.shows_its_password:
            raise ValueError("would send the password unencrypted: use tls=starttls or tls=tls")
        return server

    @property
    def has_half_a_login(self) -> bool:
        return bool(self.user) != bool(self.password)

    @property
    def is_unencrypted(self) -> bool:
        """Whether mails, with their links and PINs, would go over a network unencrypted."""
        return self.tls == "none" and not is_this_machine(self.host)

    @property
    def shows_its_password(self) -> bool:
        """Whether it would go over a network unencrypted."""
        return self.is_unencrypted and bool(self.user)


def is_sender(text: str) -> bool:
    """Whether mails can come from this: an address, alone or as `Name <address>`."""
    _name, address = parseaddr(text)
    box, at, domain = address.rpartition("@")
    return bool(box and at and domain) and not any(sign.isspace() for sign in address) and text.isprintable()


def is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_protected_database(url: str) -> bool:
    """Whether nobody on the way to the database can read or change what is said: it is on this machine, or its
    certificate is checked. libpq's own default takes whatever the other side offers, and no encryption if it offers
    none."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if options.get("sslmode") == "verify-full":
        return True
    # What libpq would take for the host, wherever it stands; none is a socket of this machine.
    given = (parts.hostname, options.get("host"), options.get("hostaddr"), os.environ.get("PGHOST"))
    hosts = [unquote(host) for host in given if host]
    several = "," in parts.netloc or "service" in options
    return not several and all(host.startswith("/") or is_this_machine(host) for host in hosts)


WITHOUT_TLS: Final = (
    "is on another machine, and its certificate is not checked: add sslmode=verify-full and "
    "sslrootcert=/path/to/ca.pem (or sslrootcert=system), or, where the network between the two is protected "
    "otherwise, set MYDEVICES_ALLOW_UNENCRYPTED=true"
)


class Environment(BaseSettings):
    """What an operator decides from outside. Defaults make a working server on one machine."""

    model_config = SettingsConfigDict(env_prefix="MYDEVICES_", extra="ignore", populate_by_name=True)

    # Django's `settings` asks each value for this. Pydantic takes 4 microseconds to say that it has no such thing, and
    # the device plane asks for settings in every poll.
    _mask_wrapped: ClassVar[bool] = True

    data: Path = ROOT / "data"
    """Folder of the database, the keys and the caches."""

    allow_unencrypted: bool = False
    """Reach a database or mail server on another machine, and be reached by a reverse proxy on another one, without
    TLS: for networks that are protected otherwise. Stands before what is checked by it."""

    database_url: str = Field(default="", validation_alias="DATABASE_URL", repr=False)
    """PostgreSQL as `postgresql://…`; empty means SQLite in the data folder."""

    database_owner_url: str = Field(default="", repr=False)
    """The same PostgreSQL database as `DATABASE_URL`, by a role that owns its tables: for migrations. The server then
    runs under a role that can neither change the tables nor rewrite the audit."""

    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = ""
    """Where people and devices reach this server: `https://devices.example.org`, without a path."""

    secret_key: str = ""
    """Signs sessions, links and the challenges of registrations: newest first, older ones that still verify after it,
    separated by commas. Empty: made at first start and kept in the data folder."""

    master_key: str = ""
    """Seals private keys and tokens: base64 of 32 bytes, newest first, separated by commas. Empty: a file in the data
    folder."""

    trusted_proxies: int = Field(default=0, ge=0, le=8)
    """How many reverse proxies in front append to X-Forwarded-For."""

    client_certificate_header: str = ""
    """The header in which the reverse proxy passes on the certificate that a device has proved itself with in TLS. The
    proxy must set or remove it on every request."""

    allowed_hosts: Annotated[list[str], NoDecode] = []
    """Further host names that this server answers to, separated by commas."""

    apple_push_url: str = "https://api.push.apple.com"
    apple_push_ca: Path | None = None
    """A file of certificates to trust for the push service instead of the system's, for a gateway of one's own."""

    sign_profiles: bool = True
    """Sign profiles. Some clients read unsigned ones only."""

    encrypt_for_users: bool = True
    """Encrypt profiles with private keys also for the users of a computer, to the computer's own certificate."""

    allow_weak_scep: bool = True
    """Accept single DES, 3DES and SHA-1 in certificate requests (SCEP). Never sent."""

    allow_sha1_signatures: bool = True
    """Accept SHA-1 in the signatures of devices' requests (Mdm-Signature). The console shows which send it."""

    erase_personal_devices: bool = False
    """Register personal devices with the right to erase them."""

    undo_seconds: int = Field(default=30, ge=0, le=3600)
    """How long a wipe or retire waits for an undo."""

    silent_days: int = Field(default=14, ge=1, le=365)
    """A retire, or a wipe that was given, which the device never answers counts as done after so many days of
    silence."""

    map_tiles: str = ""
    """Where a map gets its pictures, such as `https://tiles.example.org/{z}/{x}/{y}.png`. Empty: an outline of the
    world that this server has."""

    map_attribution: str = ""
    """Whose map it is, as the tiles' makers want it said."""

    smtp_url: str = Field(default="", repr=False)
    """Where mail leaves: `smtp://user:password@host:587?tls=starttls|tls|none`. Empty: no mail is sent."""

    smtp_ca: Path | None = None
    """A file of certificates to trust for the mail server instead of the system's."""

    mail_from: str = Field(default="", validate_default=True)
    """The address that mails come from, alone or as `Name <address>`."""

    invitation_days: int = Field(default=14, ge=1, le=365)
    """How long an invitation is good."""

    reminder_days: int = Field(default=4, ge=0, le=365)
    """How long after an invitation, and after each reminder, the next reminder goes; 0: none."""

    reminders: int = Field(default=2, ge=0, le=10)
    """How many reminders at most."""

    oidc_issuer: str = ""
    """An OpenID Connect provider to sign in with, by its address: `https://login.example.org`. More are set in the
    console."""

    oidc_client_id: str = Field(default="", validate_default=True)
    oidc_client_secret: str = ""
    oidc_name: str = "your organisation"
    """Stands on the button: “Continue with ...”."""

    oidc_groups_claim: str = ""
    """The claim that lists a person's groups."""

    oidc_makes_people: bool = True
    """Whoever signs in there gets an account here."""

    oidc_vouches_for_addresses: bool = False
    """Its addresses are its people's own, even where it does not say `email_verified`."""

    oidc_domains: Annotated[list[str], NoDecode] = []
    """Domains whose addresses are the provider's to give, separated by commas: whoever has such an address can be given
    an account that is here already."""

    provider_hosts: Annotated[list[str], NoDecode] = []
    """Further hosts that sign-in providers may have this server speak to, separated by commas. A provider's own need
    not be named, nor what large ones are known to have beside it."""

    oidc_required: bool = False
    """Everybody signs in there; passwords are for local administrators."""

    keep_actions_days: int = Field(default=365, ge=1, le=36500)
    """How many days a finished action is kept. The history that people read stays."""

    hsts_subdomains: bool = False
    """Tell browsers to reach every name below this server's by https only, too."""

    audit_head_to: str = Field(default="", validate_default=True)
    """The address that the head of the audit's chain is mailed to once a day."""

    audit_head_log: Path | None = None
    """The file that it is appended to once a day."""

    debug: bool = False

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _database(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("allow_unencrypted") and not is_protected_database(value):
            raise ValueError(WITHOUT_TLS)
        return value

    @field_validator("database_owner_url")
    @classmethod
    def _owner(cls, value: str, info: ValidationInfo) -> str:
        # Not told of one that was refused itself.
        if value and info.data.get("database_url") == "":
            raise ValueError("needs DATABASE_URL beside it: SQLite has no roles")
        return value

    @field_validator("client_certificate_header")
    @classmethod
    def _behind_a_proxy(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("trusted_proxies"):
            raise ValueError("needs MYDEVICES_TRUSTED_PROXIES: without a proxy in front, anybody sets this header")
        return value

    @field_validator("audit_head_to")
    @classmethod
    def _head_to(cls, value: str) -> str:
        if value and (not is_sender(value) or parseaddr(value)[1] != value):
            raise ValueError("must be an e-mail address, without a name")
        return value

    @field_validator("allowed_hosts", "oidc_domains", "provider_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("apple_push_url")
    @classmethod
    def _push_service(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname or "")):
            raise ValueError("must begin with https://: plain http is for this machine itself only")
        return value

    @field_validator("map_tiles")
    @classmethod
    def _tile_server(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            has_places = all(f"{{{name}}}" in parts.path for name in "zxy")
            if parts.scheme != "https" or not parts.hostname or "{" in parts.netloc or not has_places:
                raise ValueError("must be an https address of one server, with {z}, {x} and {y} in its path")
        return value

    @property
    def map_origin(self) -> str:
        """The server that the tiles come from, for the Content-Security-Policy; empty where there is none."""
        parts = urlsplit(self.map_tiles)
        return f"{parts.scheme}://{parts.netloc}" if self.map_tiles else ""

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: str, info: ValidationInfo) -> str:
        if value and MailServer.parse(value).is_unencrypted and not info.data.get("allow_unencrypted"):
            raise ValueError(
                "would send mails over the network unencrypted: use tls=starttls or tls=tls, or, where that network "
                "is protected otherwise, set MYDEVICES_ALLOW_UNENCRYPTED=true"
            )
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            if info.data.get("smtp_url"):
                raise ValueError("must be set where MYDEVICES_SMTP_URL is: the address that mails come from")
            return value
        if not is_sender(value):
            raise ValueError("must be an e-mail address, alone or as Name <address>")
        return value

    @property
    def mail_server(self) -> MailServer | None:
        """Where mail leaves; None where it does not."""
        return MailServer.parse(self.smtp_url) if self.smtp_url else None

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        value = value.rstrip("/").removesuffix("/.well-known/openid-configuration")
        parts = urlsplit(value)
        if value and parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("must begin with https://")
        return value

    @field_validator("oidc_client_id")
    @classmethod
    def _whole_provider(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("oidc_issuer") and not value:
            raise ValueError("is needed beside MYDEVICES_OIDC_ISSUER")
        return value

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.rstrip("/")
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
            raise ValueError("must be an address like https://devices.example.org, without a path")
        if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("must be https: plain http is for this machine itself only")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileVariants(settings_cls)


def read() -> Environment:
    """Read and check the environment. A wrong value ends the program with the variable's name and what is wrong with
    it."""
    try:
        return Environment()
    except ValidationError as error:
        # A name of its own (`DATABASE_URL`) stands there as it is.
        named = [(".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors()]
        lines = [f"  {name if name.isupper() else f'MYDEVICES_{name.upper()}'}: {why}" for name, why in named]
        raise SystemExit("The environment has settings that cannot be used:\n" + "\n".join(lines)) from error
