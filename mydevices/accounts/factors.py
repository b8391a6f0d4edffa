"""Second factors: how django-allauth's passkeys, authenticator apps and recovery codes behave here.

Their secrets are sealed; what happens to them is recorded and mailed; a group can demand one.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import segno
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Max, Model, QuerySet
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mydevices.accounts import approvals, codes, rights, services
from mydevices.accounts.approvals import Change, Matter, Wanted
from mydevices.accounts.browsers import described
from mydevices.accounts.models import Approval, Group, Membership, Person, SetAsideFactor
from mydevices.accounts.notices import Notice
from mydevices.accounts.requests import actor_of, address_of
from mydevices.accounts.rights import Right
from mydevices.audit import selectors as audit_selectors
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from mydevices.remembered import Remembered
from mydevices.vault import registry
from mydevices.vault import services as vault

KINDS: Final = {
    Authenticator.Type.WEBAUTHN: gettext_lazy("Passkey"),
    Authenticator.Type.TOTP: gettext_lazy("Authenticator app"),
    Authenticator.Type.RECOVERY_CODES: gettext_lazy("Recovery codes"),
}
_SEALED: Final = ("secret", "seed", codes.HASHES)
"""The keys of `Authenticator.data` that hold a sealed value, as text: of an app, of recovery codes (those from before
they were hashed, and all others)."""
# The library seals before it knows whose it is, so these are not bound to a row.
_PLACE: Final = vault.Place("mfa_authenticator", "data", row="", owner="")


class Factors(DefaultMFAAdapter):  # type: ignore[misc]  # allauth carries no types
    error_messages: Final[dict[str, str | Promise]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy("That code is not right, or it has been used. Wait for the next one."),
    }

    def encrypt(self, text: str) -> str:
        return base64.b64encode(vault.seal(text.encode(), _PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return vault.open_sealed(base64.b64decode(encrypted_text), _PLACE).decode()

    def get_totp_issuer(self) -> str:
        return str(organisation.current().name)

    def build_totp_svg(self, url: str) -> str:
        picture = io.BytesIO()
        segno.make(url, error="m", micro=False).save(
            picture, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, nl=False, omitsize=True
        )
        return picture.getvalue().decode()

    def generate_authenticator_name(self, *_user_and_type: Any, **_named: Any) -> str:
        """The name of a passkey that its owner gave none: where it was made."""
        request: HttpRequest = context.request
        return described(request.headers.get("User-Agent", ""))

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": str(organisation.current().name)}


def connect() -> None:
    """Register what the library's signals and the vault's rotation call. From the app's `ready`."""
    # Not the library's own signals of these: they come after the commit, where an entry could be lost.
    post_save.connect(_saved, sender=Authenticator, dispatch_uid="accounts.factor_saved")
    post_delete.connect(_deleted, sender=Authenticator, dispatch_uid="accounts.factor_deleted")
    for model in (Authenticator, SetAsideFactor):
        table = model._meta.db_table  # noqa: SLF001  Django's documented way to it
        values, move = partial(_sealed_values, model), partial(_move, model)
        registry.elsewhere(registry.Elsewhere(f"{model.__name__}.data", table, values, move))


def register() -> None:
    """What waits for another administrator. From the app's `ready`."""
    matter = Matter(
        right=Right.MANAGE_PEOPLE,
        title=lambda approval: _("Take away the second factors of %(name)s") % {"name": approval.subject},
        lines=_lines,
        carry_out=_carry_out,
    )
    approvals.register(TAKE_AWAY, matter)


def _saved(*, instance: Authenticator, created: bool, **_signal: Any) -> None:
    if created:
        _tell(Verb.FACTOR_ADDED, Notice.FACTOR_ADDED, instance)


def _deleted(*, instance: Authenticator, **_signal: Any) -> None:
    if instance.type != Authenticator.Type.RECOVERY_CODES:  # they go with the last factor, or make room for new ones
        _tell(Verb.FACTOR_REMOVED, Notice.FACTOR_REMOVED, instance)


def _tell(verb: Verb, notice: Notice, authenticator: Authenticator) -> None:
    """Record and mail what a person did to a factor of their own. What others do, `take_away`, tells for itself."""
    request: HttpRequest | None = context.request
    user = authenticator.user
    if request is None or request.user != user or not isinstance(user, Person):
        return
    kind = str(KINDS[authenticator.type])
    with transaction.atomic():
        audit.record(
            verb,
            actor=actor_of(request),
            person=user,
            details={"factor": str(authenticator.type)},
        )
        # The first codes come with another factor, of which there is a mail already.
        match = request.resolver_match
        by_the_way = authenticator.type == Authenticator.Type.RECOVERY_CODES and (
            match is None or match.url_name != "mfa_generate_recovery_codes"
        )
        if not by_the_way:
            services.notify(person=user, notice=notice, facts={"factor": kind, **_circumstances(request)})


def _circumstances(request: HttpRequest) -> dict[str, str | int]:
    """When, by which browser and from where, as mails tell it."""
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "browser": described(request.headers.get("User-Agent", "")),
        "address": address_of(request),
    }


def _sealed_values(model: type[Model]) -> Iterable[tuple[object, bytes]]:
    for pk, data in model._default_manager.values_list("pk", "data").iterator():  # noqa: SLF001  Django's documented way
        for name in _SEALED:
            if name in data:
                yield (pk, name), base64.b64decode(data[name])


def _move(model: type[Model], where: object, old: bytes, new: bytes) -> bool:
    if not isinstance(where, tuple):
        raise TypeError(where)
    pk, name = where
    with transaction.atomic():
        row: Any = model._default_manager.select_for_update().filter(pk=pk).first()  # noqa: SLF001  the same
        if row is None or base64.b64decode(row.data.get(name, "")) != old:
            return False
        row.data[name] = base64.b64encode(new).decode()
        row.save(update_fields=["data"])
    return True


def of(person: Person) -> "QuerySet[Authenticator]":
    """All that somebody has, recovery codes included, in the order in which they came."""
    own: QuerySet[Authenticator] = Authenticator.objects.filter(user=person).order_by("created_at")
    return own


def besides_codes(person: Person) -> "QuerySet[Authenticator]":
    """Those that stand by themselves, in the order in which they came."""
    return of(person).exclude(type=Authenticator.Type.RECOVERY_CODES)


def recovery_codes_of(person: Person) -> Authenticator | None:
    return Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).first()


def has_one(person: Person) -> bool:
    """Whether this person has a second factor that stands by itself: recovery codes do not."""
    own = Authenticator.objects.filter(user=person, type__in=[Authenticator.Type.WEBAUTHN, Authenticator.Type.TOTP])
    return bool(own.exists())


LATELY: Final = timedelta(days=7)
"""For how long somebody who has lost their second factors still counts as one who has one, where that protects them."""


def has_had_one(person: Person, now: datetime) -> bool:
    """Whether this person has a second factor, or lost the last one a short time ago, by whatever hand: whoever wants
    to pass by it must not take it away first."""
    if has_one(person) or person.set_aside_factors.exists():
        return True
    return audit_selectors.happened_to(person.id, Verb.FACTOR_REMOVED, since=now - LATELY)


def named(factor: Authenticator | SetAsideFactor) -> str:
    """What its owner calls it: a passkey by its name, everything else by its kind."""
    kind = str(KINDS[Authenticator.Type(factor.type)])
    name = str(factor.data.get("name", "")) if factor.type == Authenticator.Type.WEBAUTHN else ""
    return _("Passkey “%(name)s”") % {"name": name} if name else kind


GRACE: Final = timedelta(days=7)
"""How long a member of a group that demands a second factor may go on without one."""


_demanded: Final = Remembered(lambda: Group.objects.filter(second_factor_since__isnull=False).exists())
forget: Final = _demanded.forget


def demanded() -> bool:
    """Whether any group demands a second factor; at most five seconds old."""
    return _demanded()


def due(person: Person) -> datetime | None:
    """Until when this person must have a second factor because of a group of theirs; None where no group demands it, or
    they have one, or sign in with a provider alone, whose matter it is. The time runs from the demand, or from when
    they joined the group."""
    demands: dict[str, datetime | None] = Membership.objects.filter(
        person=person, group__second_factor_since__isnull=False
    ).aggregate(demanded=Max("group__second_factor_since"), joined=Max("since"))
    if person.proves_elsewhere:
        return None
    demanded, joined = demands["demanded"], demands["joined"]
    if demanded is None or joined is None or has_one(person):
        return None
    return max(demanded, joined) + GRACE


def take_away(*, actor: Actor, person: Person, now: datetime | None = None) -> int:
    """Remove every factor of somebody who has lost theirs, recovery codes included, so that they can sign in with their
    password and add another. The number removed.

    Raises NotAllowed without the right to manage people, NeedsFreshAuthentication, Conflict where there is none; Waits
    for an administrator's, unless there is nobody to ask."""
    now = now or timezone.now()
    rights.require(actor, Right.MANAGE_PEOPLE)
    rights.ceiling(actor, person=person)
    actor.require_fresh(now)
    with transaction.atomic():
        organisation_services.hold()
        present = _all_of(person)
        if person.is_administrator and not present:
            raise Conflict(_("%(name)s has no second factor.") % {"name": person.name})
        wanted = Wanted(TAKE_AWAY, f"factors:{person.id}", person.name, {"person": str(person.id), "before": present})
        approval = approvals.ask(actor=actor, wanted=wanted, loosens=person.is_administrator, now=now)
        if approval is None:
            return _take_away(actor, person, now)
    raise approvals.waits(approval)


def _take_away(actor: Actor, person: Person, now: datetime) -> int:
    _rows, by_model = Authenticator.objects.filter(user=person).delete()
    removed = by_model.get(Authenticator._meta.label, 0)  # noqa: SLF001  Django's documented way to it
    removed += person.set_aside_factors.all().delete()[0]
    if not removed:
        raise Conflict(_("%(name)s has no second factor.") % {"name": person.name})
    audit.record(Verb.FACTOR_REMOVED, actor=actor, person=person, details={"factor": "all"})
    facts = {"factor": _("Everything that you sign in with beside your password"), "at": now.isoformat()}
    by = {"by": actor.name} if actor.kind == "person" else {}
    services.notify(person=person, notice=Notice.FACTOR_REMOVED, facts={**facts, **by})
    return int(removed)


TAKE_AWAY: Final = "person.factors"


def _all_of(person: Person) -> list[str]:
    """The factors somebody has, as an approval keeps them."""
    return sorted(Authenticator.objects.filter(user=person).values_list("type", flat=True))


def _lines(approval: Approval) -> Sequence[Change]:
    here = ", ".join(str(KINDS[kind]) for kind in approval.arguments["before"])
    return [Change(_("Second factors"), here, _("None"))]


def _carry_out(approval: Approval, actor: Actor, now: datetime) -> None:
    """Also what they have added meanwhile."""
    person = Person.objects.filter(id=approval.arguments["person"]).first()
    if person is None:
        raise Conflict(_("There is no such person."))
    _take_away(actor, person, now)
