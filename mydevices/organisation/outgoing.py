"""Where mails leave: the server's environment says it, or else an administrator does in the console."""

import re
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.environment import MAIL_PORTS, MailServer, is_sender
from mydevices.errors import Conflict, Invalid
from mydevices.lines import is_one_line
from mydevices.organisation import selectors, services
from mydevices.organisation.models import Organisation
from mydevices.vault import services as vault

_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}", re.ASCII)
_PLACE: Final = {"table": "organisation_organisation", "column": "mail_password", "row": "1", "owner": "server"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail server, and the address that mails come from, alone or as `Name <address>`."""

    server: MailServer
    sender: str


def is_of_environment() -> bool:
    """Whether the environment decides, and the console cannot."""
    return settings.ENVIRONMENT.mail_server is not None


def is_set() -> bool:
    """Whether there is any. Opens no secret."""
    return is_of_environment() or bool(selectors.current().mail_host)


def sender() -> str:
    """Whom mails come from; empty where nobody has said."""
    return settings.ENVIRONMENT.mail_from if is_of_environment() else selectors.current().mail_from


def current() -> Outgoing | None:
    """Where mails leave now; None: nowhere. What was changed elsewhere is known within seconds. Raises CannotOpen when
    the password was sealed with a master key that is not given."""
    given = settings.ENVIRONMENT.mail_server
    if given is not None:
        return Outgoing(given, settings.ENVIRONMENT.mail_from)
    kept = selectors.current()
    if not kept.mail_host or kept.mail_port is None:
        return None
    password = vault.open_sealed(kept.mail_password, **_PLACE).decode() if kept.mail_password else ""
    return Outgoing(
        MailServer(kept.mail_host, kept.mail_port, kept.mail_user, password, kept.mail_encryption), kept.mail_from
    )


@transaction.atomic
def change(
    *, actor: Actor, host: str, port: int | None, encryption: str, user: str, password: str, mail_from: str
) -> None:
    """Send mails through this server from now on. Without a port the usual one is taken; an empty password keeps the
    present one for the same user at the same host. `encryption` is a key of `MAIL_PORTS`.

    Raises NotAllowed, Invalid, NeedsFreshAuthentication, and Conflict where the environment decides."""
    services.require_administrator(actor)
    actor.require_fresh(timezone.now())
    _require_ours()
    host, user, mail_from = host.strip(), user.strip(), mail_from.strip()
    services.hold()
    kept = Organisation.objects.get(id=1)
    is_same = (user, host) == (kept.mail_user, kept.mail_host)
    stays = bytes(kept.mail_password) if is_same and kept.mail_password else None
    sealed = vault.seal(password.encode(), **_PLACE) if password else stays
    _check(host, port, encryption, user, mail_from, has_password=bool(sealed))
    kept.mail_host, kept.mail_user, kept.mail_from = host, user, mail_from
    kept.mail_port, kept.mail_encryption = port or MAIL_PORTS[encryption], encryption
    kept.mail_password = sealed if user else None
    kept.save()
    transaction.on_commit(selectors.forget)
    details = {"mail_server": f"{host}:{kept.mail_port}", "encryption": encryption, "user": user, "from": mail_from}
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details=details)


@transaction.atomic
def remove(*, actor: Actor) -> None:
    """Send no mails. Those that wait go on waiting. Raises as `change` does."""
    services.require_administrator(actor)
    actor.require_fresh(timezone.now())
    _require_ours()
    services.hold()
    Organisation.objects.filter(id=1).update(
        mail_host="", mail_port=None, mail_encryption="", mail_user="", mail_password=None, mail_from=""
    )
    transaction.on_commit(selectors.forget)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"mail_server": ""})


def _require_ours() -> None:
    if is_of_environment():
        raise Conflict(_("The server’s environment decides it (MYDEVICES_SMTP_URL)."))


def _check(host: str, port: int | None, encryption: str, user: str, mail_from: str, *, has_password: bool) -> None:
    if not _HOST.fullmatch(host):
        raise Invalid(_("This is not the name of a server: no https:// before it, no path and no port after it."))
    if port is not None and not 0 < port < 65536:
        raise Invalid(_("A port is a number from 1 to 65535."))
    if encryption not in MAIL_PORTS:
        raise Invalid(_("Choose how the connection is encrypted."))
    if len(user) > 254 or not user.isprintable():
        raise Invalid(_("The user name is too long, or cannot be read."))
    wanted = MailServer(host, port or 1, user, "given" if has_password else "", encryption)
    if wanted.has_half_a_login:
        raise Invalid(_("Give both a user and a password, or neither."))
    if wanted.shows_its_password:
        raise Invalid(_("The password would go over the network unencrypted. Choose an encryption."))
    if wanted.is_unencrypted and not settings.ENVIRONMENT.allow_unencrypted:
        raise Invalid(
            _(
                "Mails, with their links and PINs, would go over the network unencrypted. Choose an encryption. "
                "Whoever runs the server can allow it (MYDEVICES_ALLOW_UNENCRYPTED)."
            )
        )
    if not is_sender(mail_from) or not is_one_line(mail_from) or len(mail_from) > 320:
        raise Invalid(_("Mails come from an e-mail address, alone or as Name <address>."))
