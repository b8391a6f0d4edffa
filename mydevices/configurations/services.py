"""The verbs of configurations. What follows for devices is the worker's, in parts (`push`)."""

from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import rights
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.configurations import push
from mydevices.configurations.kinds import KINDS
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices.assignment import Assignment, assign
from mydevices.errors import Conflict, Invalid
from mydevices.organisation import services as organisation
from mydevices.policies.kinds.kind import Kind

LARGEST_ICON: Final = 1024 * 1024
"""Bytes."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def create(
    *,
    actor: Actor,
    name: str,
    values: Kind,
    assignment: Assignment,
    description: str = "",
    icon: bytes | None = None,
    enabled: bool = True,
) -> Configuration:
    """A new one, sent to the devices that it reaches. Raises Invalid for what cannot be kept, Conflict for a name that
    is taken."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name = _checked(name, description, values, icon)
    with transaction.atomic():
        organisation.hold()
        _keep_names_apart(name)
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
    enabled: bool = True,
) -> Configuration:
    """Other values, another name, other people: installed, updated or removed on the devices concerned. `icon` is the
    one to have from now on. Raises as `create` does, and Conflict when it has been deleted."""
    rights.require(actor, Right.MANAGE_POLICIES)
    name = _checked(name, description, values, icon)
    if configuration.kind != values.name():
        raise Invalid(_("A configuration stays of its kind."))
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        _keep_names_apart(name, present)
        present.name, present.description, present.enabled = name, description, enabled
        present.values, present.icon = values.stored(), icon
        present.revision += 1
        present.save(
            update_fields=["name", "description", "values", "icon", "enabled", "revision", "changed_at"],
        )
        assign(present, assignment)
        _record(Verb.CONFIGURATION_CHANGED, present, actor)
        push.of_configuration(present.id)
    return present


def delete(*, actor: Actor, configuration: Configuration) -> None:
    """Take it away, from the devices too. Raises Conflict when it is gone."""
    rights.require(actor, Right.MANAGE_POLICIES)
    with transaction.atomic():
        organisation.hold()
        present = _present(configuration)
        _record(Verb.CONFIGURATION_DELETED, present, actor)
        push.of_configuration(present.id)
        present.delete()


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


def _checked(name: str, description: str, values: Kind, icon: bytes | None) -> str:
    """The name as it is kept."""
    name = " ".join(name.split())
    if not name or len(name) > 120 or "\0" in name:
        raise Invalid(_("A configuration needs a name of at most 120 characters."))
    if len(description) > 500 or "\0" in description:
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
    lines = KINDS[configuration.kind].read(configuration.values).summary()
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
