"""The verbs of configurations. What follows for devices is the worker's, in parts (`push`)."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import attempts, rights
from mydevices.accounts.models import Group
from mydevices.accounts.rights import Right
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import types, uploads
from mydevices.certificates.models import CertificateType
from mydevices.certificates.types import TypeRules
from mydevices.configurations import push, resolve, selectors
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.kinds.account import Account
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Configuration, Installation, SharedIdentity
from mydevices.devices.assignment import Assignment, assign
from mydevices.errors import Conflict, Invalid, TooMany
from mydevices.organisation import services as organisation
from mydevices.policies.kinds.kind import UNKEPT, Kind
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
) -> Configuration:
    """A new one, sent to the devices that it reaches. An identity certificate for which people bring their own becomes
    a certificate type; one of a single file needs that (`examine_file`).

    Raises Invalid for what cannot be kept, Conflict for a name that is taken."""
    rights.require(actor, Right.MANAGE_POLICIES)
    rights.ceiling(actor, groups=Group.objects.filter(id__in=assignment.groups))
    name = _checked(name, description, values, icon)
    with transaction.atomic():
        organisation.hold()
        _keep_names_apart(name)
        _check_references(values)
        try:
            with transaction.atomic():
                made = Configuration.objects.create(
                    kind=values.name(),
                    name=name,
                    description=description,
                    values=values.stored(),
                    icon=icon,
                    enabled=enabled,
                )
        except IntegrityError as error:
            raise Conflict(_taken(name)) from error
        assign(made, assignment)
        if _is_type(values):
            types.create(actor=actor, type_id=made.id, rules=_rules(name, values))
        _keep_file(made, values, file)
        _record(Verb.CONFIGURATION_CREATED, made, actor)
        push.of_configuration(made.id)
    return made


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
) -> Configuration:
    """Other values, another name, other people: installed, updated or removed on the devices concerned. `icon` is the
    one to have from now on; without a `file` the present one stays. Raises as `create` does, and Conflict when it has
    been deleted, or accounts use it for what it is not for any more."""
    rights.require(actor, Right.MANAGE_POLICIES)
    rights.ceiling(actor, groups=Group.objects.filter(id__in=assignment.groups))
    name = _checked(name, description, values, icon)
    if configuration.kind != values.name():
        raise Invalid(_("A configuration stays of its kind."))
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        _keep_names_apart(name, present)
        _check_references(values)
        _check_purpose(present, values)
        present.name, present.description, present.enabled = name, description, enabled
        present.values, present.icon = values.stored(), icon
        present.revision += 1
        present.save(
            update_fields=["name", "description", "values", "icon", "enabled", "revision", "changed_at"],
        )
        assign(present, assignment)
        if _is_type(values):
            types.change(actor=actor, type_id=present.id, rules=_rules(name, values))
        _keep_file(present, values, file)
        _record(Verb.CONFIGURATION_CHANGED, present, actor)
        push.of_configuration(present.id)
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
        push.of_configuration(present.id)
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
        macos_all_apps=values.macos_all_apps,
        key_download=values.key_download,
    )


def _keep_file(configuration: Configuration, values: Kind, file: ExaminedFile | None) -> None:
    """The file of an identity certificate that is one for everybody: sealed, in place of the present one."""
    if not isinstance(values, IdentityCertificate) or values.is_user_provided:
        if file is not None:
            raise Invalid(_("Only an identity certificate of the source “single file” has a file."))
        return
    present = SharedIdentity.objects.filter(configuration=configuration).defer("key").first()
    if file is None and present is None:
        raise Invalid(_("Choose the file with the certificate."))
    if file is None:
        return
    if file.purpose != values.purpose:
        raise Conflict(_("The file was checked for another purpose. Upload it again."))
    facts = file.assessment.facts
    SharedIdentity.objects.update_or_create(
        configuration=configuration,
        defaults={
            "der": file.bundle.certificate,
            "chain": [b64encode(one).decode() for one in file.bundle.chain],
            "key": vault.seal(file.bundle.key, **resolve.place_of_key(configuration.id)),
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
        },
    )


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
            device_id=device.id,
            device_name=device.name,
            person_id=device.owner_id,
            person_name=device.owner.name,
            details={"configuration": installation.name},
        )
        push.of_device(device.id, now=timezone.now())


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
        push.of_configuration(present.id)
    return again


def _checked(name: str, description: str, values: Kind, icon: bytes | None) -> str:
    """The name as it is kept."""
    name = " ".join(name.split())
    if UNKEPT.search(name + description):  # a profile could not carry them
        raise Invalid(_("This has characters that cannot be shown. Type it anew."))
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
    lines = selectors.lines(configuration)
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
            "decided": "; ".join(f"{line.label}: {line.text}" for line in lines),
        },
    )
