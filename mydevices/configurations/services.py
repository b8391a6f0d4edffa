"""The verbs of configurations. What follows for devices is the worker's, in parts (`comparison`)."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeGuard
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices import names
from mydevices.accounts import approvals, attempts, rights
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.models import Approval, Group
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import types, uploads
from mydevices.certificates.models import CertificateType
from mydevices.certificates.types import TypeRules
from mydevices.configurations import comparison, enclosing, resolve, selectors
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, Installation, SharedIdentity
from mydevices.devices import assignment as assignment_of
from mydevices.devices.assignment import Assignment, assign
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, TooMany
from mydevices.organisation import services as organisation
from mydevices.policies.kinds.kind import Kind
from mydevices.protocols.pki.pkcs12 import Bundle
from mydevices.protocols.pki.smime import Assessment, Caution, Purpose
from mydevices.vault import services as vault

LARGEST_ICON: Final = 1024 * 1024
"""Bytes."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A file for everybody that was opened and found good for its purpose."""

    purpose: str
    bundle: Bundle = field(repr=False)
    assessment: Assessment


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
    a certificate type; one of a single file needs that (`examine_file`).

    Raises Invalid for what cannot be kept, Conflict for a name that is taken, Waits where it reaches so many devices
    that another administrator is asked first."""
    rights.require(actor, Right.MANAGE_POLICIES)
    rights.ceiling(actor, groups=Group.objects.filter(id__in=assignment.groups))
    name, now = _checked(name, description, values, icon), now or timezone.now()
    given = _Given(name, description, values, assignment, icon, _identity(values, file), enabled)
    with transaction.atomic():
        organisation.hold()
        _check(given, None)
        approval = _ask("configuration.create", actor, None, given, now)
        if approval is None:
            return _create(actor, given)
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
    name, now = _checked(name, description, values, icon), now or timezone.now()
    if configuration.kind != values.name():
        raise Invalid(_("A configuration stays of its kind."))
    given = _Given(name, description, values, assignment, icon, _identity(values, file), enabled)
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        _check(given, present)
        approval = _ask("configuration.change", actor, present, given, now)
        if approval is None:
            return _change(actor, present, given)
    raise approvals.waits(approval)


@dataclass(frozen=True, slots=True)
class _Given:
    """All that a configuration is made of. `identity` are the columns of a `SharedIdentity`, its key in the clear."""

    name: str
    description: str
    values: Kind
    assignment: Assignment
    icon: bytes | None = field(repr=False)
    identity: Mapping[str, Any] | None = field(repr=False)
    enabled: bool


def _check(given: _Given, present: Configuration | None) -> None:
    _keep_names_apart(given.name, present)
    _check_references(given.values)
    if present is not None:
        _check_purpose(present, given.values)
    _check_file(present, given)


def _create(actor: Actor, given: _Given) -> Configuration:
    try:
        with transaction.atomic():
            made = Configuration.objects.create(
                kind=given.values.name(),
                name=given.name,
                description=given.description,
                values=given.values.stored(),
                icon=given.icon,
                enabled=given.enabled,
            )
    except IntegrityError as error:
        raise Conflict(_taken(given.name)) from error
    assign(made, given.assignment)
    if _is_type(given.values):
        types.create(actor=actor, type_id=made.id, rules=_rules(given.name, given.values))
    _keep_file(made, given)
    _record(Verb.CONFIGURATION_CREATED, made, actor)
    comparison.of_configuration(made.id)
    return made


def _change(actor: Actor, present: Configuration, given: _Given) -> Configuration:
    present.name, present.description, present.enabled = given.name, given.description, given.enabled
    present.values, present.icon = given.values.stored(), given.icon
    present.revision += 1
    present.save(
        update_fields=["name", "description", "values", "icon", "enabled", "revision", "changed_at"],
    )
    assign(present, given.assignment)
    if _is_type(given.values):
        types.change(actor=actor, type_id=present.id, rules=_rules(given.name, given.values))
    _keep_file(present, given)
    _record(Verb.CONFIGURATION_CHANGED, present, actor)
    comparison.of_configuration(present.id)
    return present


# What waits for another administrator


def register() -> None:
    """From the app's `ready`."""
    for name, title, carry_out in (
        ("create", _title_of_create, _carry_out_create),
        ("change", _title_of_change, _carry_out_change),
    ):
        matter = Matter(right=Right.MANAGE_POLICIES, title=title, lines=_lines, carry_out=carry_out)
        approvals.register(f"configuration.{name}", matter)


def what(configuration_id: UUID) -> str:
    """How an approval names a configuration."""
    return f"configuration:{configuration_id}"


def reached(present: Configuration | None, given: _Given) -> "QuerySet[Device]":
    """The devices that would be told something new: those that it is new for, or all of them where it says something
    else than before, with those of the accounts that carry it. Taking it from devices tells them nothing; a name is a
    name. Devices of people who are suspended count: else whoever suspends everybody changes it for nobody, and then
    lets them in again."""
    says_else = present is not None and _says_something_else(present, given)
    found = Device.objects.none()
    if given.enabled:
        found = assignment_of.devices(given.assignment, suspended=True)
        if present is not None and present.enabled and not says_else:
            before = assignment_of.devices(present.assignment, suspended=True)
            found = found.exclude(id__in=before.values("id"))
    if present is None or not says_else:
        return found
    told = Q(id__in=found.values("id"))
    for account in selectors.used_by(present.id):
        if account.enabled:
            told |= Q(id__in=assignment_of.devices(account.assignment, suspended=True).values("id"))
    return Device.objects.filter(told)


def _says_something_else(present: Configuration, given: _Given) -> bool:
    icon = bytes(present.icon) if present.icon is not None else None
    return (
        KINDS[present.kind].read(present.values).stored() != given.values.stored()
        or icon != given.icon
        or given.identity is not None
    )


def _ask(kind: str, actor: Actor, present: Configuration | None, given: _Given, now: datetime) -> Approval | None:
    """After `organisation.hold`. Another change of the same thing replaces what waits."""
    # A few letters become longer in lower case.
    thing = what(present.id) if present is not None else f"configuration:new:{given.name.casefold()}"[:200]
    number = reached(present, given).count() if approvals.must_wait(actor) else 0
    if number <= approvals.rules().configuration_devices and (
        not number
        or approvals.may_reach(
            actor=actor, device_ids=list(reached(present, given).values_list("id", flat=True)), now=now
        )
    ):
        approvals.replace(actor=actor, what=thing, now=now)
        return None
    arguments = {
        "kind": given.values.name(),
        "devices": number,
        "configuration": str(present.id) if present is not None else "",
        "revision": present.revision if present is not None else 0,
        "before": _stored(_of_row(present)) if present is not None else {},
        "after": _stored(given),
        "icon": given.icon is not None,
        "file": given.identity["subject"] if given.identity is not None else "",
    }
    enclosure = enclosing.written(icon=given.icon, identity=given.identity)
    wanted = Wanted(kind, thing, present.name if present is not None else given.name, arguments, enclosure)
    return approvals.hold(actor=actor, wanted=wanted, now=now)


def _of_row(present: Configuration) -> _Given:
    values = KINDS[present.kind].read(present.values)
    return _Given(present.name, present.description, values, present.assignment, None, None, present.enabled)


def _stored(given: _Given) -> dict[str, Any]:
    return {
        "name": given.name,
        "description": given.description,
        "values": given.values.stored(),
        "assignment": given.assignment.stored(),
        "enabled": given.enabled,
    }


def _given(approval: Approval) -> _Given:
    after, enclosed = approval.arguments["after"], enclosing.read(approvals.enclosed(approval))
    return _Given(
        name=after["name"],
        description=after["description"],
        values=KINDS[approval.arguments["kind"]].read(after["values"]),
        assignment=Assignment.read(after["assignment"]),
        icon=enclosed.icon,
        identity=enclosed.identity,
        enabled=after["enabled"],
    )


def _carry_out_create(approval: Approval, actor: Actor, _now: datetime) -> None:
    given = _given(approval)
    _check(given, None)
    _check_reach(approval, None, given)
    _create(actor, given)


def _carry_out_change(approval: Approval, actor: Actor, _now: datetime) -> None:
    given = _given(approval)
    present = Configuration.objects.filter(id=approval.arguments["configuration"]).first()
    if present is None:
        raise Conflict(_("This configuration has been deleted."))
    if present.revision != approval.arguments["revision"]:
        raise Conflict(_("It has been changed meanwhile. Look at it again."))
    _check(given, present)
    _check_reach(approval, present, given)
    _change(actor, present, given)


def _check_reach(approval: Approval, present: Configuration | None, given: _Given) -> None:
    """Raises Conflict where many more devices would be told than whoever allows it has read: somebody may have filled
    its groups meanwhile. A few that came by themselves do not matter."""
    number = reached(present, given).count()
    if number > approval.arguments["devices"] + approvals.rules().configuration_devices:
        raise Conflict(_("It would reach %(number)d devices by now. Look at it again.") % {"number": number})


def _title_of_create(approval: Approval) -> str:
    number = approval.arguments["devices"]
    return ngettext(
        "Make the configuration “%(name)s” for %(number)d device",
        "Make the configuration “%(name)s” for %(number)d devices",
        number,
    ) % {"name": approval.subject, "number": number}


def _title_of_change(approval: Approval) -> str:
    number = approval.arguments["devices"]
    return ngettext(
        "Change the configuration “%(name)s”, new to %(number)d device",
        "Change the configuration “%(name)s”, new to %(number)d devices",
        number,
    ) % {"name": approval.subject, "number": number}


def _lines(approval: Approval) -> Sequence[Change]:
    kind = approval.arguments["kind"]
    before, after = (_in_words(kind, approval.arguments[when]) for when in ("before", "after"))
    found = [
        Change(label, before.get(label, ""), after.get(label, ""))
        for label in dict.fromkeys([*before, *after])
        if before.get(label, "") != after.get(label, "")
    ]
    if approval.arguments["file"]:
        found.append(Change(_("File"), "", approval.arguments["file"]))
    return found


def _in_words(kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    if not given:
        return {}
    said = selectors.lines(Configuration(kind=kind, values=given["values"]))
    return {
        _("Name"): given["name"],
        _("Description"): given["description"],
        _("In use"): _("Yes") if given["enabled"] else _("No"),
        _("For"): Assignment.read(given["assignment"]).described(),
        **{line.label: line.text for line in said},
    }


# The pieces


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
        approvals.replace(actor=actor, what=what(present.id), now=timezone.now())
        comparison.of_configuration(present.id)
        present.delete()


def examine_file(*, actor: Actor, purpose: Purpose, data: bytes, password: str) -> ExaminedFile:
    """Open an administrator's PKCS #12 with the password that goes with it, and judge it as a person's is. Before the
    transaction that keeps it: it takes a process, and up to seconds.

    Raises `certificates.wording.NotTaken` (an Invalid that says what to correct), TooMany. Neither file nor password is
    kept anywhere."""
    rights.require(actor, Right.MANAGE_POLICIES)
    proof.require(actor, Verb.CONFIGURATION_CHANGED, None, timezone.now())
    if purpose not in CertificateType.Purpose.values:
        raise Invalid(_("A certificate is for signing, for encryption, or for both."))
    if not attempts.take("certificate upload", actor.id, uploads.LIMIT):
        raise TooMany(_("You have uploaded many files within a few minutes. Try again in ten minutes."))
    bundle, assessment = uploads.assessed(data, password, purpose=purpose, addresses=())
    return ExaminedFile(purpose, bundle, assessment)


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


def _identity(values: Kind, file: ExaminedFile | None) -> Mapping[str, Any] | None:
    """The columns of a `SharedIdentity`, its key in the clear. Raises Conflict for a file that was checked for another
    purpose."""
    if file is None:
        return None
    if isinstance(values, IdentityCertificate) and file.purpose != values.purpose:
        raise Conflict(_("The file was checked for another purpose. Upload it again."))
    facts = file.assessment.facts
    return {
        "der": file.bundle.certificate,
        "chain": [b64encode(one).decode() for one in file.bundle.chain],
        "key": file.bundle.key,
        "issuer": facts.issued_by,
        "subject": facts.subject,
        "serial": f"{facts.serial:x}"[:64],
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "fingerprint": facts.fingerprint,
        "addresses": list(facts.addresses),
        "key_algorithm": facts.key[:32],
        "cautions": [one.code for one in file.assessment.cautions if one is not Caution.OTHER_ADDRESS],
        "uploaded_at": timezone.now(),
    }


def _check_file(present: Configuration | None, given: _Given) -> None:
    """An identity certificate that is one for everybody has a file, and nothing else has."""
    if not isinstance(given.values, IdentityCertificate) or given.values.is_user_provided:
        if given.identity is not None:
            raise Invalid(_("Only an identity certificate of the source “single file” has a file."))
        return
    has_one = present is not None and SharedIdentity.objects.filter(configuration=present).exists()
    if given.identity is None and not has_one:
        raise Invalid(_("Choose the file with the certificate."))


def _keep_file(configuration: Configuration, given: _Given) -> None:
    """The file of an identity certificate that is one for everybody: sealed, in place of the present one."""
    if given.identity is not None:
        key = vault.seal(given.identity["key"], resolve.place_of_key(configuration.id))
        SharedIdentity.objects.update_or_create(configuration=configuration, defaults={**given.identity, "key": key})


def _check_references(values: Kind) -> None:
    """What an account names must be there, and be made for what it is named for."""
    if not isinstance(values, Account):
        return
    for name, type_id in values.types.items():
        named = Configuration.objects.filter(id=type_id, kind=IdentityCertificate.name()).first()
        rules = IdentityCertificate.read(named.values) if named else None
        if rules is None:
            raise Invalid(_("One of these certificates is gone. Choose anew."))
        if name in _PURPOSES and not (rules.is_user_provided and rules.fits(_PURPOSES[name])):
            raise Invalid(_("“%(name)s” is not for this purpose. Choose another one.") % {"name": named})


_PURPOSES: Final = {
    "signing_type": CertificateType.Purpose.SIGNING,
    "encryption_type": CertificateType.Purpose.ENCRYPTION,
}


def _check_purpose(present: Configuration, values: Kind) -> None:
    """An identity certificate keeps its source, and the purposes that accounts name it for."""
    if not isinstance(values, IdentityCertificate):
        return
    before = IdentityCertificate.read(present.values)
    if before.source != values.source:
        raise Invalid(_("An identity certificate keeps its source. Make a new one instead."))
    for account in selectors.used_by(present.id):
        named = KINDS[account.kind].read(account.values)
        wanted = named.types if isinstance(named, Account) else {}
        if any(wanted.get(name) == present.id and not values.fits(purpose) for name, purpose in _PURPOSES.items()):
            raise Conflict(_("“%(name)s” uses it for another purpose. Change that first.") % {"name": account})


def _check_unused(present: Configuration) -> None:
    accounts = [one.name for one in selectors.used_by(present.id)]
    if accounts:
        named = _(", ").join(f"“{name}”" for name in accounts)
        raise Conflict(_("It is used by %(accounts)s. Change or delete that first.") % {"accounts": named})


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


def _checked(name: str, description: str, values: Kind, icon: bytes | None) -> str:
    """The name as it is kept."""
    # A profile could not carry control characters either.
    name, description = " ".join(names.checked(name).split()), names.checked(description)
    if not name or len(name) > 120:
        raise Invalid(_("A configuration needs a name of at most 120 characters."))
    if len(description) > 500:
        raise Invalid(_("A description has at most 500 characters."))
    if values.name() not in KINDS:
        raise Invalid(_("There is no such kind of configuration."))
    problems = values.problems()
    if problems:
        raise Invalid(" ".join(problems.values()))
    if icon is not None and not icon.startswith(_PNG):
        raise Invalid(_("The icon must be a PNG picture."))
    if icon is not None and len(icon) > LARGEST_ICON:
        raise Invalid(_("The icon is larger than 1 MB."))
    return name


def _keep_names_apart(name: str, present: Configuration | None = None) -> None:
    others = Configuration.objects.filter(name__iexact=name)
    if (others.exclude(id=present.id) if present else others).exists():
        raise Conflict(_taken(name))


def _taken(name: str) -> str:
    return _("There is another configuration called “%(name)s”.") % {"name": name}


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
