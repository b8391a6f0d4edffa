"""Who has an account at the provider, and the client that the product is there."""

from dataclasses import dataclass
from typing import Final

CLIENT: Final = "mydevices"
SECRET: Final = "a secret between the two"
PASSWORD: Final = "orchard-signal-58"


@dataclass(frozen=True, slots=True)
class There:
    """Somebody as the provider knows them."""

    username: str
    email: str
    first_name: str = "Noor"
    last_name: str = "Haddad"
    groups: tuple[str, ...] = ()
    is_verified: bool = True


PEOPLE: Final = (
    There("noor", "noor.haddad@aldermoor.example", groups=("finance", "Everybody", "unknown here")),
    There("lena", "lena.brandt@aldermoor.example", "Lena", "Brandt"),
    There("unverified", "amara.diallo@aldermoor.example", "Not", "Amara", is_verified=False),
    There("silent", "silent@aldermoor.example", "Silent", "Clock"),
    There("stale", "stale@aldermoor.example", "Stale", "Session"),
    There("alike", "ıvy@aldermoor.example", "Not", "Ivy"),
    There("two", "two@aldermoor.example", "Two", "Faces"),
)
