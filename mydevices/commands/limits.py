"""How many devices may be wiped without an administrator's word. A stolen session, or a slip, then costs one device and
not all of them."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import ngettext

from mydevices.accounts import approvals
from mydevices.accounts import services as accounts
from mydevices.accounts.notices import Notice
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.commands import selectors
from mydevices.commands.models import Action, BatchItem, Command
from mydevices.commands.states import PENDING, State
from mydevices.devices.models import Device
from mydevices.errors import Conflict
from mydevices.policies import selectors as policies
from mydevices.policies.kinds.self_service import SelfServiceRules

DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)


def exceeded(*, device: Device, actor: Actor, now: datetime) -> Action.Limit | None:
    """The limit that one more wipe, of this device by this actor, goes beyond; None where an administrator need not be
    asked. One statement.

    Whoever decides by it holds the organisation's row (`organisation.services.hold`), so that of two wipes at the same
    moment the second counts the first. What waits for an administrator itself, was called off, or failed, counts for
    nothing; a device that is wiped a second time is no second device."""
    if actor.kind == "system":
        return None
    rules = policies.of_device(device, SelfServiceRules).values
    wiped = _wipes(device, now).aggregate(
        own=Count("device", distinct=True, filter=Q(actor_id=actor.id, device__owner_id=device.owner_id)),
        of_all=Count("device", distinct=True, filter=Q(requested_at__gt=now - HOUR)),
    )
    if actor.id == str(device.owner_id) and wiped["own"] >= rules.person_wipes:
        return Action.Limit.PERSON
    return Action.Limit.ORGANISATION if wiped["of_all"] >= rules.organisation_wipes else None


def _wipes(device: Device, now: datetime) -> QuerySet[Action]:
    """The wipes of other devices in the last 24 hours that go, or went, through."""
    counted = Command.objects.filter(action=OuterRef("pk"), state__in=(State.HELD, *PENDING, State.DONE))
    return Action.objects.filter(
        Exists(counted), kind=ActionKind.WIPE, requested_at__gt=now - DAY
    ).exclude(approval=Action.Approval.WAITING).exclude(device=device)  # fmt: skip


def asked_lately(*, actor: Actor, kind: ActionKind, now: datetime) -> set[UUID]:
    """The devices of which this person has asked this within a day. In batches, whether or not their turn has come, but
    not those that wait for another administrator; one by one of devices of others, but not what was called off."""
    held = approvals.waiting().filter(kind=f"batch.{kind.value}").values_list("arguments", flat=True)
    batched = BatchItem.objects.filter(
        batch__kind=kind,
        batch__actor_id=actor.id,
        batch__started_at__gt=now - DAY,
        state__in=(BatchItem.State.WAITING, BatchItem.State.ASKED),
    ).exclude(batch_id__in=[UUID(arguments["batch"]) for arguments in held])
    counted = Command.objects.filter(action=OuterRef("pk"), state__in=(State.HELD, *PENDING, State.DONE))
    singly = Action.objects.filter(Exists(counted), kind=kind, actor_id=actor.id, requested_at__gt=now - DAY)
    of_others = singly.exclude(device__owner=UUID(actor.id))
    return {*batched.values_list("device_id", flat=True), *of_others.values_list("device_id", flat=True)}


def check_retired(*, device: Device, actor: Actor, now: datetime) -> None:
    """Raises Conflict for one more device of somebody else than one person may retire within a day: a list that is gone
    through by hand is a list, and asks another administrator first. In the line of `organisation.services.hold`."""
    if not approvals.must_wait(actor):
        return
    most = approvals.rules().batch_devices
    if len(asked_lately(actor=actor, kind=ActionKind.RETIRE, now=now) - {device.id}) >= most:
        raise Conflict(
            ngettext(
                "You have retired %(number)d device within a day. Choose further ones in the list of devices: another "
                "administrator is asked first.",
                "You have retired %(number)d devices within a day. Choose further ones in the list of devices: another "
                "administrator is asked first.",
                most,
            )
            % {"number": most}
        )


def waiting() -> QuerySet[Action]:
    """The wipes that wait for an administrator's decision, oldest first."""
    held = Action.objects.filter(approval=Action.Approval.WAITING, commands__state=State.HELD)
    return selectors.with_device(held).order_by("requested_at", "id")


def tell(*, action: Action, now: datetime) -> None:
    """Mail those who may decide that a wipe waits, in the transaction that asks for it. Once an hour is enough, however
    many follow and whatever has become of them."""
    told = Action.objects.filter(kind=ActionKind.WIPE, requested_at__gt=now - HOUR).exclude(limit="")
    if told.exclude(id=action.id).exists():
        return
    words = facts(action, action.actor_name, now) | {"owner": action.device.owner.name}
    accounts.tell_administrators(notice=Notice.WIPE_WAITS, facts=lambda: words)


def facts(action: Action, by: str, now: datetime) -> dict[str, str]:
    """What mails about such a wipe tell; `by` is empty where nobody did what they tell of."""
    device = action.device
    told = {
        "device": device.known_as,
        "at": now.isoformat(timespec="seconds"),
    }
    return told | ({"by": by} if by else {})
