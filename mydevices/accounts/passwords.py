"""Which passwords will do, and how hard one is to guess. The same judgement is made when a password is set and when its
strength is shown, so that the meter never promises what the form then refuses.

The measure counts what somebody who guesses would try first: passwords of breaches, the person's own words, repeats,
rows of keys, years. A password is as strong as its cheapest reading.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.accounts import breached, selectors
from mydevices.accounts.models import Person, SignInRules, normalised
from mydevices.organisation import selectors as organisation

ENOUGH: Final = 30.0
"""Bits: fewer, and the limits on guessing over the network alone would not hold for years."""
STEPS: Final = (ENOUGH, 42.0, 56.0, 70.0)
READ: Final = 96
"""Characters that are read closely; whatever follows can only make a password stronger."""

_LONGEST_KNOWN: Final = 24
_KNOWN_BITS: Final = 17.4  # the list has 170 000
_OWN_BITS: Final = 3.0
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiopü",
    "yxcvbnm",
    "azertyuiop",
    "1234567890",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "!@#$%^&*()",
    '!"§$%&/()=',
)
_RUNS: Final = tuple(row for forth in _ROWS for row in (forth, forth[::-1]))
_LEET: Final = str.maketrans("@431!05$7", "aaeiiosst")
_WORD: Final = re.compile(r"[^\W_]{4,}")


@dataclass(frozen=True, slots=True)
class Strength:
    """How hard a password is to guess: 0 (too easy) to 4 (strong), and how much of it is the person's own words."""

    bits: float
    level: int
    own: float
    """The share of its characters that name the person, the organisation or this product."""

    @property
    def label(self) -> str:
        return [_("Too easy to guess"), _("Weak"), _("Fair"), _("Good"), _("Strong")][self.level]


def own_words(person: Person | None) -> frozenset[str]:
    """What somebody who knows the person tries first: their name, address, organisation, and this product's name."""
    texts = ["mydevices", organisation.current().name]
    if person is not None:
        texts += [person.name, person.email, person.email.partition("@")[0]]
    words = set()
    for text in texts:
        folded = normalised(text).casefold()
        words |= {folded.replace(" ", ""), folded} | set(_WORD.findall(folded))
    return frozenset(word for word in words if len(word) >= breached.SHORTEST)


def measure(password: str, own: frozenset[str]) -> Strength:
    """The cheapest way to read it as pieces that somebody would try."""
    text = normalised(password)[:READ]
    folded = text.casefold()[:READ]
    if len(folded) != len(text):
        text = folded
    best = [0.0] + [math.inf] * len(text)
    named = [0] * (len(text) + 1)
    run = 0
    for end in range(1, len(text) + 1):
        run = run + 1 if end > 1 and text[end - 1].isalpha() and text[end - 2].isalpha() else 1
        options = [(best[end - 1] + _single(text[end - 1], run), named[end - 1])]
        for start in range(max(0, end - _LONGEST_KNOWN), end - 2):
            bits, is_own = _piece(folded[start:end], own)
            if bits is not None:
                capitals = 0.0 if text[start:end] == folded[start:end] else 1.0
                options.append((best[start] + bits + capitals, named[start] + (end - start if is_own else 0)))
        options += [
            (best[end - size] + 1.0, named[end - size])  # once more the same
            for size in range(1, end // 2 + 1)
            if folded[end - size : end] == folded[end - 2 * size : end - size]
        ]
        best[end], named[end] = min(options, key=lambda option: option[0])
    bits = 0.0 if breached.holds(normalised(password)) else best[-1]
    return Strength(bits, sum(bits >= step for step in STEPS), named[-1] / max(1, len(text)))


def _single(character: str, run: int) -> float:
    """Bits of one more character. In a run of letters the later ones follow from the earlier: words have few."""
    if character.isdigit():
        return 3.3
    if not character.isalpha():
        return 5.0
    return 4.7 if run <= 4 else 2.5


def _piece(text: str, own: frozenset[str]) -> tuple[float | None, bool]:
    """Bits of a piece of at least three small letters, and whether it is the person's own; None for an unknown one."""
    if text in own:
        return _OWN_BITS, True
    if any(text in row for row in _RUNS):
        return 5.0 + math.log2(len(text)), False
    if len(text) == 4 and _YEAR.fullmatch(text):
        return 6.6, False
    if breached.holds(text):
        return _KNOWN_BITS, False
    plain = text.translate(_LEET)
    if plain != text and (plain in own or breached.holds(plain)):
        return (_OWN_BITS if plain in own else _KNOWN_BITS) + 2.0, plain in own
    return None, False


def classes_of(password: str) -> int:
    """How many of small letters, capital letters, digits and others it has."""
    kinds = {
        "small" if one.islower() else "capital" if one.isupper() else "digit" if one.isdigit() else "other"
        for one in password
    }
    return len(kinds)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a password, in sentences (nothing: it will do), and how hard it is to guess."""

    faults: Sequence[str]
    strength: Strength


def judge(password: str, *, person: Person | None, rules: SignInRules) -> Judgement:
    """By the rules that need no hashing."""
    password = normalised(password)
    strength = measure(password, own_words(person))
    faults = []
    if len(password) < rules.minimum_length:
        text = ngettext(
            "It needs at least %(number)d character.", "It needs at least %(number)d characters.", rules.minimum_length
        )
        faults.append(text % {"number": rules.minimum_length})
    if len(password) > SignInRules.LONGEST:
        faults.append(_("It can have %(number)d characters at most.") % {"number": SignInRules.LONGEST})
    if classes_of(password) < rules.classes:
        faults.append(
            _("It needs %(number)d of these: small letters, capital letters, digits, other characters.")
            % {"number": rules.classes}
        )
    if breached.holds(password):
        faults.append(_("It is known from breaches and would be tried first."))
    elif strength.level == 0 and not faults:
        faults.append(
            _("It has little besides your name, your address or your organisation. Add words that say nothing of you.")
            if strength.own >= 0.4
            else _("It is too easy to guess: common passwords, repeats or rows of keys. Add words of your own.")
        )
    return Judgement(faults, strength)


def is_former(password: str, *, person: Person, rules: SignInRules) -> bool:
    """Whether it is the present one or one of those before, as far back as the rules remember. One hash each."""
    if not rules.history or person._state.adding:  # noqa: SLF001  Django's documented way to ask
        return False
    former = person.former_passwords.order_by("-id").values_list("password", flat=True)[: rules.history - 1]
    return any(check_password(normalised(password), known) for known in (person.password, *former))


def is_expired(person: Person, *, rules: SignInRules, now: datetime) -> bool:
    """Whether it is older than the rules allow. Who has none, or a provider, has none that could be."""
    if not rules.expires_after_days or person.provider or not person.has_usable_password():
        return False
    return now - (person.password_changed_at or person.joined_at) >= timedelta(days=rules.expires_after_days)


class Rules:
    """Django's and django-allauth's way to the rules: wherever a password is set, they ask this."""

    def validate(self, password: str, user: Person | None = None) -> None:
        rules = selectors.sign_in_rules()
        faults = list(judge(password, person=user, rules=rules).faults)
        if not faults and user is not None and is_former(password, person=user, rules=rules):
            faults = [_("You had this password before. Choose another.")]
        if faults:
            raise ValidationError(faults)

    def get_help_text(self) -> str:
        return described(selectors.sign_in_rules())


def described(rules: SignInRules) -> str:
    """The rules in a sentence or two, for below the field."""
    number = rules.minimum_length
    text = _("At least %(number)d characters; a few words that do not belong together are good.") % {"number": number}
    if rules.classes:
        text += " " + _("With %(number)d of small letters, capital letters, digits and other characters.") % {
            "number": rules.classes
        }
    return text
