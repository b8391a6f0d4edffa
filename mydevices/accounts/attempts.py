"""What slows somebody who guesses, and cannot be used to lock the owner out.

Failures are counted for an account from one network (a /24, or a /64 and a /48 of IPv6), and for the network by
itself. Nothing refuses an account as such, so guessing from one place leaves its owner free at another. When an account
is tried from many places, or the whole server is, each place gets fewer tries; a place that has not failed yet always
has one.

A browser in which the person has signed in before carries a signed cookie, and is counted by that alone: however many
guess, from wherever, also from behind the same address, it stays free. (OWASP, "Slow Down Online Guessing Attacks with
Device Cookies".)

Codes of a second factor are counted alike (`CodeAttempt`), and for the person as a whole besides: who gets so far knows
the password, and there are only a million codes.

Tries are counted before the password or code is looked at and given back when it was right, so that many at the same
moment gain nothing.
"""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core import signing
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from mydevices.accounts import addresses, selectors
from mydevices.accounts.models import Attempts, Person
from mydevices.errors import TooMany


@dataclass(frozen=True, slots=True)
class Limit:
    """So many within so long; the time begins with the first."""

    most: int
    within: timedelta


HERE: Final = Limit(5, timedelta(minutes=5))
"""Failures for one account from one network."""
NETWORK: Final = Limit(30, timedelta(minutes=5))
"""Failures from one network, for whatever accounts."""
BROWSER: Final = Limit(10, timedelta(minutes=15))
"""Failures for one account in a browser that knows it. After these it counts as any other."""
ACCOUNT: Final = Limit(100, timedelta(hours=1))
"""Failures for one account from everywhere. After these each network has `FEW` tries."""
EVERYWHERE: Final = Limit(1000, timedelta(minutes=10))
"""Failures on the whole server. After these each network has `FEW` tries, whatever the account."""
FEW: Final = 2
WIDER: Final = 4
"""How many times as much a /48 of IPv6 has as one of its 65,536 networks: many a customer is given a whole one."""
SLOWED: Final = Limit(1, HERE.within)
"""Entries of the audit about refused tries."""
NOTED: Final = Limit(5, timedelta(minutes=5))
"""Entries of the audit from one network about what anybody can cause, of one kind: refused passkeys, for example."""
NOTED_EVERYWHERE: Final = Limit(200, timedelta(minutes=10))
"""The same from all networks."""

CODES: Final = Limit(5, timedelta(minutes=5))
"""Wrong codes for one person from one network, or in one browser that knows them."""
CODES_IN_ALL: Final = Limit(30, timedelta(days=1))
"""Wrong codes for one person from everywhere, and in one browser that knows them. After these, what does not know them
has `CODES_THEN`."""
CODES_THEN: Final = Limit(1, timedelta(hours=1))
CODES_NOTED: Final = Limit(1, timedelta(hours=1))
"""Entries of the audit that somebody has to wait who guesses a person's codes."""
CODES_MAILED: Final = Limit(1, timedelta(days=1))
"""Mails to the person about it."""

PINS: Final = Limit(6, timedelta(minutes=10))
"""Wrong registration PINs for one address from one network, or by somebody who is known."""
PINS_NETWORK: Final = Limit(60, timedelta(minutes=10))
"""Wrong registration PINs from one network, for whatever addresses."""
PINS_IN_ALL: Final = Limit(30, timedelta(days=1))
"""Wrong registration PINs for one address from everywhere, and by somebody who is known. After these, whoever is not
known has `PINS_THEN`, all of them together."""
PINS_THEN: Final = Limit(1, timedelta(hours=1))
# The odds, with 31 letters and digits: a PIN is over after 300 wrong tries (`registration.selectors.LOCKED_AFTER`),
# from wherever they come. That is one chance in three million to guess one of six characters (31 ** 6 = 887,503,681),
# and one in 3,000 for the weakest that a policy can have, four characters (923,521). Whoever goes on with each new PIN
# has 54 tries a day for an address, from however many networks (30, and 24 more by the hour): after a year of that one
# chance in 45,000 for six characters, and one in 47 for four.

COOKIE: Final = "browser"
COOKIE_LIFETIME: Final = timedelta(days=365)
COOKIE_SALT: Final = "mydevices.known-browser"
MOST_PEOPLE: Final = 5
"""Who share a browser and are known in it; the one who signed in longest ago is forgotten first."""


def network_of(address: str) -> str:
    """The /24 or /64 that an IP address is of: who has one of its addresses mostly has them all."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known
    return str(ipaddress.ip_network((known, 24 if known.version == 4 else 64), strict=False))


def networks_of(address: str) -> Mapping[str, int]:
    """Every network that tries from this address are counted for, and how many times the limit each of them has."""
    narrow = network_of(address)
    if not narrow.endswith("/64"):
        return {narrow: 1}
    return {narrow: 1, str(ipaddress.ip_network(narrow).supernet(new_prefix=48)): WIDER}


def key_of(*parts: str) -> str:
    return salted_hmac("mydevices.attempts", "\n".join(parts), algorithm="sha256").hexdigest()


@transaction.atomic
def count(key: str, within: timedelta) -> tuple[int, datetime]:
    """Count one more, and give how many there are now and when they are forgotten. Right for many at once: the number
    is raised by the database, and the row is this transaction's until it has been read."""
    now = timezone.now()
    running = Attempts.objects.filter(key=key, ends_at__gt=now)
    if not running.update(number=F("number") + 1):
        Attempts.objects.filter(key=key, ends_at__lte=now).delete()
        Attempts.objects.bulk_create([Attempts(key=key, number=0, ends_at=now + within)], ignore_conflicts=True)
        Attempts.objects.filter(key=key).update(number=F("number") + 1)
    # Nothing is found only where the time has just ended and the worker was there.
    return Attempts.objects.filter(key=key).values_list("number", "ends_at").first() or (1, now + within)


def take(what: str, key: str, limit: Limit) -> bool:
    """Count one more of what may be had so often, such as mails to one address; whether it still may."""
    return count(key_of(what, key), limit.within)[0] <= limit.most


def may_note(what: str, address: str) -> bool:
    """Whether one entry more is written of something that somebody at this IP address, a stranger, has caused."""
    return take(f"noted {what}", network_of(address), NOTED) and take(f"noted {what}", "everywhere", NOTED_EVERYWHERE)


def known_browser(cookie: str) -> Mapping[str, tuple[str, float]]:
    """Who has signed in in this browser: per person's id a name for the browser, and when. Empty for a cookie that is
    missing, forged or old."""
    try:
        read = signing.loads(cookie, salt=COOKIE_SALT, max_age=COOKIE_LIFETIME)
    except signing.BadSignature:
        return {}
    return {str(person): (str(name), float(at)) for person, (name, at) in read.items()}


def knows(cookie: str, person: Person) -> bool:
    """Whether this person signed in here, since they last changed their password."""
    return _name_of_browser(cookie, str(person.id), person.password_changed_at) != ""


def _name_of_browser(cookie: str, person_id: str, since: datetime | None) -> str:
    name, at = known_browser(cookie).get(person_id, ("", 0.0))
    return name if name and (since is None or at >= since.timestamp()) else ""


def renewed_cookie(cookie: str, person: Person) -> str:
    """The cookie for a browser in which this person has just signed in or changed their password."""
    others = {key: entry for key, entry in known_browser(cookie).items() if key != str(person.id)}
    kept = sorted(others.items(), key=lambda item: item[1][1])[-(MOST_PEOPLE - 1) :]
    return signing.dumps(
        {**dict(kept), str(person.id): (secrets.token_urlsafe(16), timezone.now().timestamp())},
        salt=COOKIE_SALT,
        compress=True,
    )


class _Counted:
    """What was counted for one try, and until when it has to wait."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.counted: list[str] = []
        self.refused_until: datetime | None = None

    def _count(self, what: str, key: str, limit: Limit) -> tuple[int, datetime]:
        place = key_of(self.purpose, what, key)
        self.counted.append(place)
        return count(place, limit.within)

    def _number(self, what: str, key: str, limit: Limit) -> int:
        return self._count(what, key, limit)[0]

    def _within(self, what: str, key: str, limit: Limit) -> int:
        """The number, with this one, of those that a limit allows; refused beyond it."""
        number, ends_at = self._count(what, key, limit)
        if number > limit.most:
            self.refused_until = max(ends_at, self.refused_until or ends_at)
        return number

    def _give_back_if_refused(self) -> None:
        if self.refused_until is not None:
            self.succeeded()  # what is refused is no try

    def succeeded(self) -> None:
        """It was right: nothing was tried, so to speak. Only this one is given back, or somebody could clear the count
        of their guesses by signing in themselves."""
        for key in self.counted:  # one by one, in the order in which they were counted: so nobody waits for each other
            Attempts.objects.filter(key=key, number__gt=0).update(number=F("number") - 1)
        self.counted = []


class Attempt(_Counted):
    """One try at signing in. Raises TooMany where there were too many; `succeeded` gives the tries back."""

    def __init__(self, *, email: str, address: str, cookie: str) -> None:
        super().__init__("sign-in")
        account = addresses.counted_as(email)
        # The same question for addresses that nobody has, so that an answer takes as long.
        person = selectors.with_address(email).values_list("id", "password_changed_at").first()
        browser = _name_of_browser(cookie, str(person[0]), person[1]) if person else ""
        if browser and self._number("browser", f"{browser}\n{account}", BROWSER) <= BROWSER.most:
            return
        everywhere = self._number("everywhere", "", EVERYWHERE) > EVERYWHERE.most
        besieged = self._number("account", account, ACCOUNT) > ACCOUNT.most
        here = Limit(FEW, HERE.within) if besieged else HERE
        network_limit = Limit(FEW, NETWORK.within) if everywhere else NETWORK
        for network, times in networks_of(address).items():
            self._within("here", f"{account}\n{network}", Limit(here.most * times, here.within))
            self._within("network", network, Limit(network_limit.most * times, network_limit.within))
        if self.refused_until is not None:
            until = self.refused_until
            self._give_back_if_refused()
            raise refusal(until)


class CodeAttempt(_Counted):
    """One try at a code of a person's second factor, by whoever knows their password or has a session of theirs.

    Refused is who has tried too often: `refused_until` says how long. `is_last` where the next one would be refused.
    `succeeded` gives the tries back. Nothing is raised, so that what was counted stays counted."""

    def __init__(self, *, person: Person, address: str, cookie: str) -> None:
        super().__init__("code")
        whose = str(person.id)
        in_all = self._number("in all", whose, CODES_IN_ALL)
        self.is_last = False
        if self._is_known(whose, _name_of_browser(cookie, whose, person.password_changed_at)):
            self._give_back_if_refused()
            return
        for network, times in networks_of(address).items():
            most = CODES.most * times
            self.is_last |= self._within("here", f"{whose}\n{network}", Limit(most, CODES.within)) >= most
        if in_all > CODES_IN_ALL.most:
            self._within("then", whose, CODES_THEN)
        self.is_last |= in_all >= CODES_IN_ALL.most
        self._give_back_if_refused()

    def _is_known(self, whose: str, browser: str) -> bool:
        """Whether the browser knows the person and is counted by itself: until it has had its own share of a day."""
        place = f"{browser}\n{whose}"
        if not browser or self._number("browser in all", place, CODES_IN_ALL) > CODES_IN_ALL.most:
            return False
        self.is_last = self._within("browser", place, CODES) >= CODES.most
        return True


class PinAttempt(_Counted):
    """One try at a registration PIN. Raises TooMany where there were too many; `succeeded` gives the tries back.

    Whoever is known, by a browser in which the person has signed in or by a session of theirs (`signed_in`), is counted
    by that alone: others behind the same address neither use up their tries nor stop them."""

    def __init__(
        self, *, email: str, person: Person | None, address: str, cookie: str, signed_in: bool = False
    ) -> None:
        super().__init__("registration PIN")
        account = addresses.counted_as(email)
        known = "session" if signed_in else ""
        if person is not None and not known:
            known = _name_of_browser(cookie, str(person.id), person.password_changed_at)
        in_all = self._number("in all", account, PINS_IN_ALL)
        if not self._is_known(account, known):
            for network, times in networks_of(address).items():
                self._within("here", f"{account}\n{network}", Limit(PINS.most * times, PINS.within))
                self._within("network", network, Limit(PINS_NETWORK.most * times, PINS_NETWORK.within))
            if in_all > PINS_IN_ALL.most:
                self._within("then", account, PINS_THEN)
        if self.refused_until is not None:
            until = self.refused_until
            self._give_back_if_refused()
            raise refusal(until)

    def _is_known(self, account: str, known: str) -> bool:
        """Whether they are counted by themselves: until they have had their own share of a day."""
        place = f"{known}\n{account}"
        if not known or self._number("known in all", place, PINS_IN_ALL) > PINS_IN_ALL.most:
            return False
        self._within("known", place, PINS)
        return True


def refusal(until: datetime) -> TooMany:
    minutes = max(1, -(-int((until - timezone.now()).total_seconds()) // 60))
    text = ngettext(
        "That was tried too often from here. Wait %(minutes)d minute.",
        "That was tried too often from here. Wait %(minutes)d minutes.",
        minutes,
    )
    return TooMany(text % {"minutes": minutes})


def clear() -> None:
    """Forget what no longer counts. Done by the worker."""
    Attempts.objects.filter(ends_at__lte=timezone.now()).delete()
