"""Somebody signs in at the provider, and comes back to the product."""

from typing import Any, Final

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import providers
from mydevices.accounts.models import Provider
from tests import factories
from tests.identity.people import CLIENT, SECRET
from tests.identity.running import Identity

HOST: Final = "http://testserver"
WITH: Final = "/sign-in/with/aldermoor"
AGAIN: Final = "/sign-in/again/with/aldermoor"
OTHER: Final = "/sign-in/with/birchwood"
BACK: Final = f"{HOST}{WITH}/back\n{HOST}{OTHER}/back"
DOMAIN: Final = "aldermoor.example"


def keep(issuer: str, *, of: str = "aldermoor", **changes: object) -> Provider:
    """A provider as an administrator sets it."""
    values = {"name": "Aldermoor ID", "client_id": CLIENT, "groups_claim": "groups", "domains": [DOMAIN], **changes}
    boss = factories.actor(factories.administrator(), proved=timezone.now())
    saved = providers.save(actor=boss, provider=Provider(id=of, issuer=issuer, **values), secret=SECRET, is_new=True)
    providers.forget()
    return saved


def arrive(identity: Identity, username: str, client: Client | None = None, at: str = WITH) -> tuple[Client, Any]:
    """Somebody signs in at the provider and comes back; their browser, and what the product answered."""
    browser = client or Client()
    left = browser.get(at)
    assert left.status_code == 302, left.content
    back = identity.sign_in(identity.browser(), left["Location"], username)
    return browser, browser.get(back)


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("portal:devices")).status_code == 200


def make_stale(browser: Client) -> None:
    """Their last proof of who they are was longer ago than five minutes."""
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()
