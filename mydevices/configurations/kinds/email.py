"""An account on mail servers: IMAP or POP for what comes, SMTP for what goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from mydevices.configurations.kinds import checks
from mydevices.configurations.kinds.account import Account
from mydevices.policies.kinds.kind import Line

IMAP: Final = "imap"
POP: Final = "pop"
AUTHENTICATIONS: Final = ("none", "password", "cram_md5", "ntlm", "http_md5")


@dataclass(frozen=True)
class Email(Account):
    """Without a port the device takes the usual ones."""

    protocol: str = IMAP
    """IMAP or POP."""
    description: str = ""
    """What Mail calls the account; empty: the name of the configuration."""
    full_name: str = "$FULLNAME"
    """The name in the mail that is sent."""
    imap_path_prefix: str = ""
    incoming_host: str = ""
    incoming_port: int | None = None
    incoming_ssl: bool = True
    incoming_user_name: str = "$EMAIL"
    incoming_authentication: str = "password"
    """One of AUTHENTICATIONS."""
    outgoing_host: str = ""
    outgoing_port: int | None = None
    outgoing_ssl: bool = True
    outgoing_user_name: str = "$EMAIL"
    outgoing_authentication: str = "password"
    """One of AUTHENTICATIONS."""

    @classmethod
    def name(cls) -> str:
        return "email"

    @classmethod
    def title(cls) -> str:
        return _("E-mail")

    def problems(self) -> Mapping[str, str]:
        one_of_list = _("Choose one of the list.")
        found = checks.wrong(
            {
                "protocol": "" if self.protocol in {IMAP, POP} else one_of_list,
                "description": checks.text(self.description),
                "full_name": checks.text(self.full_name),
                "imap_path_prefix": checks.text(self.imap_path_prefix),
                "incoming_host": checks.host(self.incoming_host, required=True),
                "incoming_port": checks.port(self.incoming_port),
                "incoming_user_name": checks.text(self.incoming_user_name),
                "incoming_authentication": "" if self.incoming_authentication in AUTHENTICATIONS else one_of_list,
                "outgoing_host": checks.host(self.outgoing_host, required=True),
                "outgoing_port": checks.port(self.outgoing_port),
                "outgoing_user_name": checks.text(self.outgoing_user_name),
                "outgoing_authentication": "" if self.outgoing_authentication in AUTHENTICATIONS else one_of_list,
            }
        )
        return {**super().problems(), **found}

    def summary(self) -> Sequence[Line]:
        ways = {
            "none": _("None"),
            "password": _("Password"),
            "cram_md5": "CRAM-MD5",
            "ntlm": "NTLM",
            "http_md5": "HTTP MD5",
        }
        lines = checks.given(
            [
                ("protocol", _("Kind of account"), "POP" if self.protocol == POP else "IMAP"),
                ("description", _("Name of the account"), self.description),
                ("full_name", _("Full name"), self.full_name),
                ("email_address", _("E-mail address"), self.email_address),
                ("incoming_host", _("Server for incoming mail"), self.incoming_host),
                ("incoming_port", _("Port for incoming mail"), self.incoming_port),
                ("incoming_user_name", _("User name for incoming mail"), self.incoming_user_name),
                (
                    "incoming_authentication",
                    _("Signing in for incoming mail"),
                    ways.get(self.incoming_authentication, self.incoming_authentication),
                ),
                ("imap_path_prefix", _("IMAP path prefix"), self.imap_path_prefix),
                ("outgoing_host", _("Server for outgoing mail"), self.outgoing_host),
                ("outgoing_port", _("Port for outgoing mail"), self.outgoing_port),
                ("outgoing_user_name", _("User name for outgoing mail"), self.outgoing_user_name),
                (
                    "outgoing_authentication",
                    _("Signing in for outgoing mail"),
                    ways.get(self.outgoing_authentication, self.outgoing_authentication),
                ),
            ]
        )
        lines += checks.said(
            [
                ("incoming_ssl", _("Encrypted connection for incoming mail"), self.incoming_ssl),
                ("outgoing_ssl", _("Encrypted connection for outgoing mail"), self.outgoing_ssl),
            ]
        )
        return [*lines, *self.smime_summary(), *self.rules_summary()]
