"""The verbs of configurations. What follows for devices is the worker's, in parts (`comparison`)."""

from datetime import datetime
from typing import TypeGuard

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mydevices.accounts import approvals, rights
from mydevices.accounts.approvals import Matter
from mydevices.accounts.models import Approval, Group
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import types
from mydevices.certificates.models import CertificateType
from mydevices.certificates.types import TypeRules
from mydevices.configurations import approving, comparison, drafts, selectors, shared_files
from mydevices.configurations.drafts import Draft
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, Installation
from mydevices.configurations.shared_files import ExaminedFile
from mydevices.devices.assignment import Assignment, assign
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation
from mydevices.policies.kinds.kind import Kind


def create(
    *,
    actor: Actor,
    name: str,
    values: Kind,
    assignment: Assignment,
    description: str = "",
    icon: bytes | None = None,
    file: ExaminedFile | None = None,
    enabled: bool = True,
    now: datetime | None = None,
) -> Configuration:
    """A new one, sent to the devices that it reaches. An identity certificate for which people bring their own becomes
    a certificate type; one of a single file needs that (`shared_files.examine_file`).

    Raises Invalid for what cannot be kept, Conflict for a name that is taken, Waits where it reaches so many devices
    that another administrator is asked first."""
    rights.require(actor, Right.MANAGE_POLICIES)
    rights.ceiling(actor, groups=Group.objects.filter(id__in=assignment.groups))
    name, now = drafts.checked_name(name, description, values, icon), now or timezone.now()
    draft = Draft(name, description, values, assignment, icon, shared_files.columns(values, file), enabled)
    with transaction.atomic():
        organisation.hold()
        drafts.check(draft, None)
        approval = approving.ask("configuration.create", actor, None, draft, now)
        if approval is None:
            return _create(actor, draft)
    raise approvals.waits(approval)


def change(
    *,
    actor: Actor,
    configuration: Configuration,
    name: str,
    values: Kind,
    assignment: Assignment,
    description: str = "",
    icon: bytes | None = None,
    file: ExaminedFile | None = None,
    enabled: bool = True,
    now: datetime | None = None,
) -> Configuration:
    """Other values, another name, other people: installed, updated or removed on the devices concerned. `icon` is the
    one to have from now on; without a `file` the present one stays. Raises as `create` does, and Conflict when it has
    been deleted, or accounts use it for what it is not for any more."""
    rights.require(actor, Right.MANAGE_POLICIES)
    rights.ceiling(actor, groups=Group.objects.filter(id__in=assignment.groups))
    name, now = drafts.checked_name(name, description, values, icon), now or timezone.now()
    if configuration.kind != values.name():
        raise Invalid(_("A configuration stays of its kind."))
    draft = Draft(name, description, values, assignment, icon, shared_files.columns(values, file), enabled)
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        drafts.check(draft, present)
        approval = approving.ask("configuration.change", actor, present, draft, now)
        if approval is None:
            return _change(actor, present, draft)
    raise approvals.waits(approval)


def _create(actor: Actor, draft: Draft) -> Configuration:
    try:
        with transaction.atomic():
            made = Configuration.objects.create(
                kind=draft.values.name(),
                name=draft.name,
                description=draft.description,
                values=draft.values.stored(),
                icon=draft.icon,
                enabled=draft.enabled,
            )
    except IntegrityError as error:
        raise Conflict(drafts.taken(draft.name)) from error
    assign(made, draft.assignment)
    if _is_type(draft.values):
        types.create(actor=actor, type_id=made.id, rules=_rules(draft.name, draft.values))
    shared_files.keep(made, draft.identity)
    _record(Verb.CONFIGURATION_CREATED, made, actor)
    comparison.of_configuration(made.id)
    return made


def _change(actor: Actor, present: Configuration, draft: Draft) -> Configuration:
    present.name, present.description, present.enabled = draft.name, draft.description, draft.enabled
    present.values, present.icon = draft.values.stored(), draft.icon
    present.revision += 1
    present.save(
        update_fields=["name", "description", "values", "icon", "enabled", "revision", "changed_at"],
    )
    assign(present, draft.assignment)
    if _is_type(draft.values):
        types.change(actor=actor, type_id=present.id, rules=_rules(draft.name, draft.values))
    shared_files.keep(present, draft.identity)
    _record(Verb.CONFIGURATION_CHANGED, present, actor)
    comparison.of_configuration(present.id)
    return present


def delete(*, actor: Actor, configuration: Configuration, with_certificates: bool = False) -> None:
    """Take it away, from the devices too. Raises Conflict when it is gone, while accounts name it, and while people
    have uploaded certificates for it, unless these are meant."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        _check_unused(present)
        if CertificateType.objects.filter(id=present.id).exists():
            types.delete(actor=actor, type_id=present.id, with_certificates=with_certificates)
        _record(Verb.CONFIGURATION_DELETED, present, actor)
        approvals.replace(actor=actor, what=approving.what(present.id), now=timezone.now())
        comparison.of_configuration(present.id)
        present.delete()


def _check_unused(present: Configuration) -> None:
    accounts = [one.name for one in selectors.used_by(present.id)]
    if accounts:
        named = _(", ").join(f"“{name}”" for name in accounts)
        raise Conflict(_("It is used by %(accounts)s. Change or delete that first.") % {"accounts": named})


def _is_type(values: Kind) -> TypeGuard[IdentityCertificate]:
    return isinstance(values, IdentityCertificate) and values.is_user_provided


def _rules(name: str, values: IdentityCertificate) -> TypeRules:
    return TypeRules(
        label=name,
        purpose=values.purpose,
        delete_key_after=values.delete_key_after,
        all_apps=values.all_apps,
        key_download=values.key_download,
    )


def retry(*, actor: Actor, installation: Installation) -> None:
    """Send again what a device refused. Raises Conflict when it has not failed, or is not wanted there any more."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        again = Installation.objects.filter(
            id=installation.pk, state=Installation.State.FAILED, configuration__isnull=False
        ).update(state=Installation.State.PENDING, reason="", changed_at=timezone.now())
        if not again:
            raise Conflict(_("This has not failed, or is not for this device any more."))
        device = installation.channel.registration.device
        audit.record(
            Verb.INSTALLATION_RETRIED,
            actor=actor,
            device=device,
            details={"configuration": installation.name},
        )
        comparison.of_device(device.id, now=timezone.now())


def retry_all(*, actor: Actor, configuration: Configuration) -> int:
    """Send it again to every device that refused it; their number. What follows for devices is the worker's, in parts.
    Raises Conflict when none has, or the configuration is gone."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        present = _present(configuration)
        again = (
            selectors.of_configuration(present)
            .filter(state=Installation.State.FAILED)
            .order_by()
            .update(state=Installation.State.PENDING, reason="", changed_at=timezone.now())
        )
        if not again:
            raise Conflict(_("Nothing has failed, or it is not for this device any more."))
        audit.record(
            Verb.INSTALLATION_RETRIED,
            actor=actor,
            details={"configuration": present.name, "configuration_id": str(present.id), "devices": again},
        )
        comparison.of_configuration(present.id)
    return again


def _present(configuration: Configuration) -> Configuration:
    present = Configuration.objects.filter(id=configuration.id).first()
    if present is None:
        raise Conflict(_("This configuration has been deleted."))
    return present


def _record(verb: Verb, configuration: Configuration, actor: Actor) -> None:
    """With the values in words: what was sent must be readable when the configuration is gone."""
    # The audit speaks one language, whoever decided.
    with translation.override(settings.LANGUAGE_CODE):
        decided = "; ".join(f"{line.label}: {line.text}" for line in selectors.lines(configuration))
    audit.record(
        verb,
        actor=actor,
        details={
            "kind": configuration.kind,
            "configuration": configuration.name,
            "configuration_id": str(configuration.id),
            "enabled": configuration.enabled,
            "revision": configuration.revision,
            "assigned_to": configuration.assigned_to,
            "groups": ", ".join(sorted(group.name for group in configuration.groups.all())),
            "decided": decided,
        },
    )


# --- what another administrator has allowed


def register() -> None:
    """From the app's `ready`."""
    for name, title, carry_out in (
        ("create", approving.title_of_create, _carry_out_create),
        ("change", approving.title_of_change, _carry_out_change),
    ):
        matter = Matter(right=Right.MANAGE_POLICIES, title=title, lines=approving.lines, carry_out=carry_out)
        approvals.register(f"configuration.{name}", matter)


def _carry_out_create(approval: Approval, actor: Actor, _now: datetime) -> None:
    draft = drafts.read(approval)
    drafts.check(draft, None)
    approving.check_reach(approval, None, draft)
    _create(actor, draft)


def _carry_out_change(approval: Approval, actor: Actor, _now: datetime) -> None:
    draft = drafts.read(approval)
    present = Configuration.objects.filter(id=approval.arguments["configuration"]).first()
    if present is None:
        raise Conflict(_("This configuration has been deleted."))
    if present.revision != approval.arguments["revision"]:
        raise Conflict(_("It has been changed meanwhile. Look at it again."))
    drafts.check(draft, present)
    approving.check_reach(approval, present, draft)
    _change(actor, present, draft)
