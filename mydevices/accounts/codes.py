"""Codes of a second factor: of an authenticator app, and recovery codes. Wherever one is typed, it comes here."""

from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from mydevices.accounts import attempts, services
from mydevices.accounts.attempts import CodeAttempt
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a code: the factor that it belongs to, if it is right. `is_last` where the next one has to wait, and
    `refused_until` where this one was not even looked at."""

    factor: Authenticator | None
    is_last: bool = False
    refused_until: datetime | None = None


def check(
    *, actor: Actor, person: Person, code: str, cookie: str = "", browser: str = "", has_session: bool = False
) -> Answer:
    """Spend a code of this person's. Counted before it is looked at, and recorded where it is wrong; the person is told
    by mail that somebody guesses. `has_session`: they are signed in and only confirm who they are.

    Not inside of a transaction, which could take back the count: raises RuntimeError there."""
    with transaction.atomic(durable=True):
        attempt = CodeAttempt(person=person, address=actor.address, cookie=cookie)
    if attempt.refused_until is not None:
        with transaction.atomic():
            _tell(actor, person, browser, has_session=has_session)
        return Answer(None, is_last=True, refused_until=attempt.refused_until)
    with transaction.atomic():
        factor = _spend(person, code)
        if factor is not None:
            attempt.succeeded()
            _note(actor, person, factor, browser)
            return Answer(factor)
        audit.record(
            Verb.SIGN_IN_FAILED,
            actor=actor,
            person_id=person.id,
            person_name=person.name,
            details={"step": "second factor"},
        )
        if attempt.is_last:
            _tell(actor, person, browser, has_session=has_session)
    return Answer(None, is_last=attempt.is_last)


def _spend(person: Person, code: str) -> Authenticator | None:
    """The factor that this code is of; the code is used up with that."""
    for factor in Authenticator.objects.filter(user=person).exclude(type=Authenticator.Type.WEBAUTHN):
        if factor.wrap().validate_code(code):
            factor.user = person
            return factor
    return None


def _tell(actor: Actor, person: Person, browser: str, *, has_session: bool) -> None:
    """Whose code is guessed is told, for that takes their password or a session of theirs. Once in a while: neither the
    audit nor their mailbox is filled by whoever hammers."""
    whose = str(person.id)
    if attempts.take("codes noted", whose, attempts.CODES_NOTED):
        audit.record(
            Verb.SIGN_IN_SLOWED,
            actor=actor,
            person_id=person.id,
            person_name=person.name,
            details={"step": "second factor"},
        )
    if attempts.take("codes mailed", whose, attempts.CODES_MAILED):
        facts = {**_circumstances(actor, browser), "signed_in": int(has_session)}
        services.notify(person=person, notice=Notice.CODES_GUESSED, facts=facts)


def _note(actor: Actor, person: Person, factor: Authenticator, browser: str) -> None:
    if factor.type != Authenticator.Type.RECOVERY_CODES:
        return
    factor.refresh_from_db()
    left = len(factor.wrap().get_unused_codes())
    audit.record(Verb.RECOVERY_USED, actor=actor, person_id=person.id, person_name=person.name, details={"left": left})
    facts = {**_circumstances(actor, browser), "left": left}
    services.notify(person=person, notice=Notice.RECOVERY_CODE_USED, facts=facts)


def _circumstances(actor: Actor, browser: str) -> dict[str, str | int]:
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "browser": browser,
        "address": actor.address,
    }
