"""Where mails leave: the server's environment says it, or else an administrator does in the console."""

import re
from dataclasses import dataclass
from typing import Any, Final

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
_PLACE: Final = vault.Place("organisation_organisation", "mail_password", row="1", owner="server")


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
    password = vault.open_sealed(kept.mail_password, _PLACE).decode() if kept.mail_password else ""
    return Outgoing(
        MailServer(kept.mail_host, kept.mail_port, kept.mail_user, password, kept.mail_encryption), kept.mail_from
    )


def written() -> dict[str, Any]:
    """What the console keeps, but for the password. Read anew."""
    kept = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    return {
        "host": kept.mail_host,
        "port": kept.mail_port,
        "encryption": kept.mail_encryption,
        "user": kept.mail_user,
        "mail_from": kept.mail_from,
    }


def checked(
    *, host: str, port: int | None, encryption: str, user: str, password: str, mail_from: str
) -> dict[str, Any]:
    """What would be kept, as `written`. Raises Invalid, and Conflict where the environment decides."""
    require_ours()
    host, user, mail_from = host.strip(), user.strip(), mail_from.strip()
    kept = Organisation.objects.filter(id=1).first() or Organisation(id=1)
    _check(host, port, encryption, user, mail_from, has_password=bool(password or _stays(kept, host, user)))
    return {
        "host": host,
        "port": port or MAIL_PORTS[encryption],
        "encryption": encryption,
        "user": user,
        "mail_from": mail_from,
    }


def _stays(kept: Organisation, host: str, user: str) -> bytes | None:
    """The password that is there, if it is that of this user at this host."""
    is_same = (user, host) == (kept.mail_user, kept.mail_host)
    return bytes(kept.mail_password) if is_same and kept.mail_password else None


@transaction.atomic
def change(
    *, actor: Actor, host: str, port: int | None, encryption: str, user: str, password: str, mail_from: str
) -> None:
    """Send mails through this server from now on. Without a port the usual one is taken; an empty password keeps the
    present one for the same user at the same host. `encryption` is a key of `MAIL_PORTS`. People ask
    `accounts.mail_server`, where it may have to wait.

    Raises NotAllowed, Invalid, NeedsFreshAuthentication, and Conflict where the environment decides."""
    services.require_administrator(actor)
    actor.require_fresh(timezone.now())
    services.hold()
    given = checked(host=host, port=port, encryption=encryption, user=user, password=password, mail_from=mail_from)
    kept = Organisation.objects.get(id=1)
    sealed = vault.seal(password.encode(), _PLACE) if password else _stays(kept, host.strip(), user.strip())
    for name, value in given.items():
        setattr(kept, name if name == "mail_from" else f"mail_{name}", value)
    kept.mail_password = sealed if kept.mail_user else None
    kept.save()
    transaction.on_commit(selectors.forget)
    details = {
        "mail_server": f"{kept.mail_host}:{kept.mail_port}",
        "encryption": encryption,
        "user": kept.mail_user,
        "from": kept.mail_from,
    }
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details=details)


@transaction.atomic
def remove(*, actor: Actor) -> None:
    """Send no mails. Those that wait go on waiting. Raises as `change` does."""
    services.require_administrator(actor)
    actor.require_fresh(timezone.now())
    require_ours()
    services.hold()
    Organisation.objects.filter(id=1).update(
        mail_host="", mail_port=None, mail_encryption="", mail_user="", mail_password=None, mail_from=""
    )
    transaction.on_commit(selectors.forget)
    audit.record(Verb.SETTINGS_CHANGED, actor=actor, details={"mail_server": ""})


def require_ours() -> None:
    """Raises Conflict where the environment decides."""
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
