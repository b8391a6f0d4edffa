"""What slows somebody who guesses, and cannot be used to lock the owner out.

Failures are counted for an account from one network (a /24, or a /64 of IPv6), and for the network by itself. Nothing
refuses an account as such, so guessing from one place leaves its owner free at another. When an account is tried from
many places, or the whole server is, each place gets fewer tries; a place that has not failed yet always has one.

A browser in which the person has signed in before carries a signed cookie, and is counted by that alone: however many
guess, from wherever, also from behind the same address, it stays free. (OWASP, "Slow Down Online Guessing Attacks with
Device Cookies".)

Tries are counted before the password is looked at and given back when it was right, so that many at the same moment
gain nothing.
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
SLOWED: Final = Limit(1, HERE.within)
"""Entries of the audit about refused tries."""

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
    mapped = getattr(known, "ipv4_mapped", None)
    known = mapped or known
    return str(ipaddress.ip_network((known, 24 if known.version == 4 else 64), strict=False))


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
        {**dict(kept), str(person.id): (secrets.token_urlsafe(12), timezone.now().timestamp())},
        salt=COOKIE_SALT,
        compress=True,
    )


class Attempt:
    """One try at signing in. Raises TooMany where there were too many; `succeeded` gives the tries back."""

    def __init__(self, *, email: str, address: str, cookie: str) -> None:
        account, network = addresses.counted_as(email), network_of(address)
        # The same question for addresses that nobody has, so that an answer takes as long.
        person = selectors.with_address(email).values_list("id", "password_changed_at").first()
        browser = _name_of_browser(cookie, str(person[0]), person[1]) if person else ""
        self.counted: list[str] = []
        if browser and self._is_within("browser", f"{browser}\n{account}", BROWSER):
            return
        everywhere = self._number("everywhere", "", EVERYWHERE) > EVERYWHERE.most
        besieged = self._number("account", account, ACCOUNT) > ACCOUNT.most
        here = Limit(FEW, HERE.within) if besieged else HERE
        network_limit = Limit(FEW, NETWORK.within) if everywhere else NETWORK
        of_account, ends_at = self._count("here", f"{account}\n{network}", here)
        of_network, network_ends_at = self._count("network", network, network_limit)
        if of_account > here.most or of_network > network_limit.most:
            self.succeeded()  # what is refused is no try
            raise refusal(ends_at if of_account > here.most else network_ends_at)

    def _count(self, what: str, key: str, limit: Limit) -> tuple[int, datetime]:
        place = key_of("sign-in", what, key)
        self.counted.append(place)
        return count(place, limit.within)

    def _number(self, what: str, key: str, limit: Limit) -> int:
        return self._count(what, key, limit)[0]

    def _is_within(self, what: str, key: str, limit: Limit) -> bool:
        return self._number(what, key, limit) <= limit.most

    def succeeded(self) -> None:
        """The password was right: nothing was tried, so to speak. Only this one is given back, or somebody could clear
        the count of their guesses by signing in themselves."""
        for key in self.counted:  # one by one, in the order in which they were counted: so nobody waits for each other
            Attempts.objects.filter(key=key, number__gt=0).update(number=F("number") - 1)
        self.counted = []


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
