"""Which server mails leave by, and how that is changed.

Whoever has it reads every link that is mailed: invitations, forgotten passwords, devices to confirm. And where none is
set, nobody hears of what waits for them. So another server, another password for it, with which it may take no mail,
and none, wait for another administrator like whatever loosens a rule; the mail about it goes by the server that is
still there.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.organisation import outgoing
from mydevices.organisation import services as organisation

KIND: Final = "mail_server"
WHAT: Final = "mail_server"


def register() -> None:
    """From the app's `ready`."""
    approvals.register(
        KIND, Matter(right=Right.MANAGE_SETTINGS, title=_title, lines=_lines, carry_out=_carry_out, is_form=True)
    )


def change(
    *,
    actor: Actor,
    host: str,
    port: int | None,
    encryption: str,
    user: str,
    password: str,
    mail_from: str,
    now: datetime | None = None,
) -> None:
    """As `outgoing.change`, and raises what it does; Waits for anything that is another than before."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(now := now or timezone.now())
    with transaction.atomic():
        organisation.hold()
        before = outgoing.written()
        given: dict[str, Any] = {"host": host, "port": port, "encryption": encryption, "user": user}
        after = outgoing.checked(**given, password=password, mail_from=mail_from)
        enclosure = json.dumps({"password": password}).encode() if password else b""
        wanted = Wanted(KIND, WHAT, after["host"], {"before": before, "after": after}, enclosure)
        # A password that is wrong silences mails as none would.
        loosens = before != after or bool(password)
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=loosens, now=now)
        if approval is None:
            outgoing.change(actor=actor, **after, password=password)
            return
    raise approvals.waits(approval)


def remove(*, actor: Actor, now: datetime | None = None) -> None:
    """As `outgoing.remove`, and raises what it does; Waits where there is a server."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(now := now or timezone.now())
    with transaction.atomic():
        organisation.hold()
        before, approval = outgoing.written(), None
        outgoing.require_ours()
        if before["host"]:
            wanted = Wanted(KIND, WHAT, "", {"before": before, "after": None})
            approval = approvals.loosen(actor=actor, wanted=wanted, now=now)
        if approval is None:
            outgoing.remove(actor=actor)
            return
    raise approvals.waits(approval)


def _title(approval: Approval) -> str:
    after = approval.arguments["after"]
    return _("Send mails by %(server)s") % {"server": after["host"]} if after else _("Send no mails")


def _lines(approval: Approval) -> Sequence[Change]:
    labels = {
        "host": _("Server"),
        "port": _("Port"),
        "encryption": _("Encryption"),
        "user": _("User"),
        "mail_from": _("From"),
    }
    before, after = (approval.arguments[when] or {} for when in ("before", "after"))
    lines = [
        Change(label, approvals.said(before.get(name) or ""), approvals.said(after.get(name) or ""))
        for name, label in labels.items()
        if before.get(name) != after.get(name)
    ]
    return [*lines, Change(_("Password"), "", "••••")] if approval.enclosure else lines


def _carry_out(approval: Approval, actor: Actor, _now: datetime) -> None:
    approvals.check_unchanged(outgoing.written(), approval)
    after, enclosed = approval.arguments["after"], approvals.enclosed(approval)
    if after is None:
        outgoing.remove(actor=actor)
    else:
        outgoing.change(actor=actor, **after, password=json.loads(enclosed)["password"] if enclosed else "")
