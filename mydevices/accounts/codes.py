"""Codes of a second factor: of an authenticator app, and recovery codes. Wherever one is typed, it comes here.

An app's code is good in its half minute and the next one, and once. A recovery code is good once; what is kept of it is
a salted Argon2id hash, sealed.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt, encrypt
from argon2.low_level import Type, hash_secret_raw
from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher
from django.db import transaction
from django.utils import timezone

from mydevices.accounts import attempts, services
from mydevices.accounts.attempts import CodeAttempt
from mydevices.accounts.models import FactorCounter, Person
from mydevices.accounts.notices import Notice
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb

HASHES: Final = "hashes"
"""The key of a recovery factor's data that holds the hashes, sealed."""
_NUMBER, _DIGITS = 10, 8
"""Recovery codes: how many, and of how many digits."""


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
    fitting = list(_fitting(person, code))  # before the transaction: hashing takes its time
    with transaction.atomic():
        for factor, mark in fitting:
            if _spend(factor, mark):
                factor.user = person
                attempt.succeeded()
                _note(actor, person, factor, browser)
                return Answer(factor)
        audit.record(
            Verb.SIGN_IN_FAILED,
            actor=actor,
            person=person,
            details={"step": "second factor"},
        )
        if attempt.is_last:
            _tell(actor, person, browser, has_session=has_session)
    return Answer(None, is_last=attempt.is_last)


def _fitting(person: Person, code: str) -> Iterator[tuple[Authenticator, int | str]]:
    """The factors that this code is of, each with what marks it as used."""
    digits = plain(code)
    own = Authenticator.objects.filter(user=person).exclude(type=Authenticator.Type.WEBAUTHN)
    for factor in own.order_by("type"):
        if factor.type == Authenticator.Type.TOTP:
            step = step_of(decrypt(factor.data["secret"]), digits)
            if step is not None:
                yield factor, step
        elif len(digits) == _DIGITS:
            kept = _Kept.of(factor)
            mark = kept.hashed(digits)
            if kept.has(mark):
                yield factor, mark


def _spend(factor: Authenticator, mark: int | str) -> bool:
    """Whether it was still to be had. Of several at once one gets it."""
    if isinstance(mark, int):
        return FactorCounter.raise_to(factor.pk, mark)
    row = Authenticator.objects.select_for_update().filter(pk=factor.pk).first()
    if row is None or HASHES not in row.data:
        return False
    kept = _Kept.of(row)
    if not kept.has(mark):
        return False
    kept.without(mark).save(row)
    return True


def plain(code: str) -> str:
    """What was typed, without the spaces and hyphens that people put between digits."""
    return "".join(sign for sign in code if sign not in "-\u2013" and not sign.isspace())


# Apps


def present_step() -> int:
    """How many half minutes there have been: what an app counts by (RFC 6238)."""
    return int(timezone.now().timestamp()) // int(app_settings.TOTP_PERIOD)


def step_of(secret: str, code: str) -> int | None:
    """The half minute that a code is of: the present one or the one before, for it takes a while to type; None for
    every other. Not the next one: no clock has to be ahead."""
    present = present_step()
    found = None
    for step in (present - 1, present):
        if hmac.compare_digest(format_hotp_value(hotp_value(secret, step)).encode(), code.encode()):
            found = step
    return found


# Recovery codes


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a set of recovery codes: hashes with one salt for all, so that a code is hashed once to be found.
    They have 26 bits, hence Argon2id, at the cost at which the set was made (OWASP ASVS 5.0, 6.5.2)."""

    salt: str
    cost: tuple[int, int, int]
    """Passes, KiB, lanes."""
    hashes: Sequence[str]

    @classmethod
    def made_of(cls, codes: Iterable[str]) -> "_Kept":
        hasher = get_hasher()
        if not isinstance(hasher, Argon2PasswordHasher):
            raise TypeError(hasher)
        cost = (int(hasher.time_cost), int(hasher.memory_cost), int(hasher.parallelism))
        empty = cls(secrets.token_hex(16), cost, ())
        return cls(empty.salt, cost, [empty.hashed(code) for code in codes])

    @classmethod
    def of(cls, factor: Authenticator) -> "_Kept":
        """Those of a factor; a set from before they were hashed is hashed first."""
        data: dict[str, Any] = factor.data if HASHES in factor.data else hash_old(factor)
        kept = json.loads(decrypt(data[HASHES]))
        return cls(kept["salt"], tuple(kept["cost"]), kept["hashes"])

    def hashed(self, code: str) -> str:
        passes, memory, lanes = self.cost
        made = hash_secret_raw(code.encode(), bytes.fromhex(self.salt), passes, memory, lanes, 32, Type.ID)
        return base64.b64encode(made).decode()

    def has(self, mark: str) -> bool:
        """Compared with each, so that it takes as long wherever it stands."""
        return sum(hmac.compare_digest(mark, one) for one in self.hashes) > 0

    def without(self, mark: str) -> "_Kept":
        return _Kept(self.salt, self.cost, [one for one in self.hashes if one != mark])

    def data(self) -> dict[str, str]:
        return {HASHES: encrypt(json.dumps({"salt": self.salt, "cost": self.cost, "hashes": list(self.hashes)}))}

    def save(self, factor: Authenticator) -> None:
        factor.data = self.data()
        factor.save(update_fields=["data"])


def make(person: Person) -> list[str]:
    """New recovery codes, to be shown now and never again; the old ones stop working."""
    codes: set[str] = set()
    while len(codes) < _NUMBER:
        codes.add(f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}")
    shown = list(codes)
    secrets.SystemRandom().shuffle(shown)
    data = _Kept.made_of(shown).data()
    with transaction.atomic():
        Person.objects.select_for_update().get(pk=person.pk)  # two who make some at once: the later ones count
        Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
        Authenticator(user=person, type=Authenticator.Type.RECOVERY_CODES, data=data).save()
    return shown


def left(factor: Authenticator) -> int:
    """How many recovery codes can still be used."""
    if HASHES not in factor.data:
        return len(factor.wrap().get_unused_codes())
    return len(_Kept.of(factor).hashes)


def hash_old(factor: Authenticator) -> dict[str, Any]:
    """Hash a set of which the library kept the seed, so that they go on working and can no longer be read. What is kept
    now."""
    before = factor.data
    after = _Kept.made_of(RecoveryCodes(factor).get_unused_codes()).data()
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=factor.pk).first()
        if row is not None and row.data == before:
            row.data = after
            row.save(update_fields=["data"])
    factor.data = row.data if row is not None else after  # gone meanwhile: whoever asks finds out when it is spent
    return hash_old(factor) if HASHES not in factor.data else dict(factor.data)


def hash_all_old(*, limit: int = 20) -> int:
    """The same for some of those that nobody has used since; how many. Done by the worker."""
    old = Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES).exclude(data__has_key=HASHES)
    done = 0
    for factor in old.order_by("pk")[:limit]:
        hash_old(factor)
        done += 1
    return done


def _tell(actor: Actor, person: Person, browser: str, *, has_session: bool) -> None:
    """Whose code is guessed is told, for that takes their password or a session of theirs. Once in a while: neither the
    audit nor their mailbox is filled by whoever hammers."""
    whose = str(person.id)
    if attempts.take("codes noted", whose, attempts.CODES_NOTED):
        audit.record(
            Verb.SIGN_IN_SLOWED,
            actor=actor,
            person=person,
            details={"step": "second factor"},
        )
    if attempts.take("codes mailed", whose, attempts.CODES_MAILED):
        facts = {**_circumstances(actor, browser), "signed_in": int(has_session)}
        services.notify(person=person, notice=Notice.CODES_GUESSED, facts=facts)


def _note(actor: Actor, person: Person, factor: Authenticator, browser: str) -> None:
    if factor.type != Authenticator.Type.RECOVERY_CODES:
        return
    factor.refresh_from_db()
    factor.user = person
    number = left(factor)
    audit.record(Verb.RECOVERY_USED, actor=actor, person=person, details={"left": number})
    facts = {**_circumstances(actor, browser), "left": number}
    services.notify(person=person, notice=Notice.RECOVERY_CODE_USED, facts=facts)


def _circumstances(actor: Actor, browser: str) -> dict[str, str | int]:
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "browser": browser,
        "address": actor.address,
    }
