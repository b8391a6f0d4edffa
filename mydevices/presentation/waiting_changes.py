"""Changes that wait for another administrator, as pages show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mydevices.accounts import approvals
from mydevices.accounts.approvals import Change
from mydevices.accounts.models import Approval
from mydevices.presentation import moments

_PAGES: Final = {
    "policy": "console:policies_edit",
    "account": "console:people_person",
    "role": "console:people_person",
    "factors": "console:people_person",
    "group": "console:groups_one",
    "configuration": "console:configurations_one",
    "batch": "console:devices_batch",
    "provider": "console:settings_provider",
    "sign_in_rules": "console:settings_sign_in",
    "invitation_rules": "console:settings_invitations",
    "approval_rules": "console:settings_approvals",
    "mail_server": "console:settings_mail",
}
"""By the first part of `Approval.what`: the page of what would change. The second part is its id, where it has one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One of them. `until` says what happens when; `page` is that of what would change, empty where there is none."""

    approval: Approval
    title: str
    asked: SafeString
    until: SafeString
    url: str
    page: str
    lines: Sequence[Change]
    is_form: bool
    """Whether what is stricter in it waits as well."""


def shown(approval: Approval, now: datetime) -> Waiting:
    when = moments.at(approval.ends_at, now)
    goes = approvals.MATTERS[approval.kind].goes
    text = (
        _("It takes effect {when}, unless somebody stops it.")
        if goes
        else _("If nobody decides, it is dropped {when}.")
    )
    return Waiting(
        approval=approval,
        title=approvals.title(approval),
        asked=moments.ago(approval.asked_at, now),
        until=format_html(text, when=when),
        url=approvals.page(approval),
        page=_page(approval),
        lines=approvals.lines(approval),
        is_form=approvals.MATTERS[approval.kind].is_form,
    )


def of(*what: str) -> list[Waiting]:
    """What waits to be done to these things, for their own pages."""
    now = timezone.now()
    return [shown(approval, now) for approval in approvals.of(*what)]


def things(found: Iterable[Approval]) -> set[str]:
    """The names of the things that something waits to be done to."""
    return {approval.what for approval in found}


def _page(approval: Approval) -> str:
    thing, *ids = approval.what.split(":")
    if thing not in _PAGES or len(ids) > 1:
        return ""
    return reverse(_PAGES[thing], args=ids)
