"""An account on an Exchange server, by ActiveSync or by Exchange Web Services, as each device speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from mydevices.configurations.kinds import checks
from mydevices.configurations.kinds.account import Account
from mydevices.policies.kinds.kind import Line

PAST_DAYS: Final = (0, 1, 3, 7, 14, 31)
"""How much mail may be on a device; 0: all of it."""
SERVICES: Final = ("mail", "contacts", "calendars", "reminders", "notes")


@dataclass(frozen=True)
class Exchange(Account):
    """`port`, `path` and what begins with `external_` are for Exchange Web Services, the services and past days for
    ActiveSync."""

    host: str = ""
    """May be empty with `oauth`: then the device looks for it."""
    ssl: bool = True
    domain: str = ""
    """Stands before the user name, where the server wants that."""
    user_name: str = "$EMAIL"
    oauth: bool = False
    """Signing in on a web page; the addresses are found by the device where they are empty."""
    oauth_sign_in_url: str = ""
    oauth_token_url: str = ""
    login_identity: str = ""
    """The id of an identity certificate, of any source, that proves who signs in; empty: none."""
    past_days: int = 7
    """One of PAST_DAYS."""
    mail: bool = True
    mail_user_may_switch: bool = True
    contacts: bool = True
    contacts_user_may_switch: bool = True
    calendars: bool = True
    calendars_user_may_switch: bool = True
    reminders: bool = True
    reminders_user_may_switch: bool = True
    notes: bool = True
    notes_user_may_switch: bool = True
    audio_call_application: str = ""
    """The bundle identifier of the application that calls the contacts of this account."""
    port: int | None = None
    path: str = ""
    external_host: str = ""
    external_port: int | None = None
    external_path: str = ""
    external_ssl: bool = True

    @classmethod
    def name(cls) -> str:
        return "exchange"

    @classmethod
    def title(cls) -> str:
        return _("Exchange")

    @property
    def sign_in_name(self) -> str:
        """The user name as the server wants it."""
        return f"{self.domain}\\{self.user_name}" if self.domain else self.user_name

    @property
    def types(self) -> Mapping[str, UUID]:
        """With `login_identity`."""
        named = {"login_identity": UUID(self.login_identity)} if self.login_identity else {}
        return {**super().types, **named}

    def problems(self) -> Mapping[str, str]:
        found = checks.wrong(
            {
                "host": checks.host(self.host, required=not self.oauth or bool(self.oauth_sign_in_url)),
                "domain": checks.text(self.domain),
                "user_name": checks.text(self.user_name, required=True),
                "oauth_sign_in_url": checks.secure(self.oauth_sign_in_url),
                "oauth_token_url": checks.secure(self.oauth_token_url),
                "login_identity": checks.identifier(self.login_identity),
                "audio_call_application": checks.bundle(self.audio_call_application),
                "port": checks.port(self.port),
                "path": checks.text(self.path),
                "external_host": checks.host(self.external_host, required=False),
                "external_port": checks.port(self.external_port),
                "external_path": checks.text(self.external_path),
                "past_days": "" if self.past_days in PAST_DAYS else _("Choose one of the list."),
            }
        )
        if not any(getattr(self, service) for service in SERVICES):
            found = {**found, "mail": _("At least one of mail, contacts, calendars, reminders and notes must be on.")}
        return {**super().problems(), **found}

    def summary(self) -> Sequence[Line]:
        days = {
            0: _("All of it"),
            1: _("One day"),
            3: _("Three days"),
            7: _("One week"),
            14: _("Two weeks"),
            31: _("One month"),
        }
        services = {
            "mail": _("Mail"),
            "contacts": _("Contacts"),
            "calendars": _("Calendars"),
            "reminders": _("Reminders"),
            "notes": _("Notes"),
        }
        on = [title for service, title in services.items() if getattr(self, service)]
        fixed = [title for service, title in services.items() if not getattr(self, f"{service}_user_may_switch")]
        lines = checks.given(
            [
                ("host", _("Server"), self.host),
                ("domain", _("Domain"), self.domain),
                ("user_name", _("User name"), self.user_name),
                ("email_address", _("E-mail address"), self.email_address),
            ]
        )
        lines += checks.said(
            [("ssl", _("Encrypted connection"), self.ssl), ("oauth", _("Signing in on a web page"), self.oauth)]
        )
        lines += checks.given(
            [
                ("oauth_sign_in_url", _("Address for signing in"), self.oauth_sign_in_url),
                ("oauth_token_url", _("Address for tokens"), self.oauth_token_url),
                ("login_identity", _("Certificate for signing in"), self.login_identity),
                ("past_days", _("Mail of the past"), days.get(self.past_days, str(self.past_days))),
                ("mail", _("Services"), _(", ").join(on)),
                ("mail_user_may_switch", _("Not switched by people"), _(", ").join(fixed)),
                ("audio_call_application", _("Application for calls"), self.audio_call_application),
                ("port", _("Port"), self.port),
                ("path", _("Path"), self.path),
                ("external_host", _("External server"), self.external_host),
                ("external_port", _("External port"), self.external_port),
                ("external_path", _("External path"), self.external_path),
            ]
        )
        if self.external_host:
            lines += checks.said(
                [("external_ssl", _("Encrypted connection to the external server"), self.external_ssl)]
            )
        return [*lines, *self.smime_summary(), *self.rules_summary()]
