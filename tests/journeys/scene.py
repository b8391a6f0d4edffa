"""What pages need that the demo does not have of itself: made once, beside the running portal."""

import json
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from playwright.sync_api import StorageState

from tests.journeys.stack import Account, Stack

FACTORED: Final = Account("Kofi Mensah", "kofi@aldermoor.example", "granite meadow seventeen")
"""Has an authenticator app and recovery codes."""
BOUND: Final = Account("Lena Brandt", "lena@aldermoor.example", "granite meadow eighteen")
"""A policy asks a PIN of her, and her consent to terms of service."""
TAKEN_OVER: Final = Account("Noor Haddad", "noor@aldermoor.example", "granite meadow nineteen")
"""Somebody changes her address, and has added an app of their own."""

_MAKE: Final = f"""
import json
from datetime import timedelta
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import transaction
from django.utils import timezone
from mydevices.accounts import codes, email_change, groups, memberships, providers, services, sign_in_rules
from mydevices.accounts.models import ApprovalRules, Group, Person, Provider
from mydevices.audit.actor import Actor
from mydevices.certificates.models import CertificateType
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.models import Installation
from mydevices.configurations.selectors import identifier
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.commands import asking as commands_asking
from mydevices.errors import Waits
from mydevices.policies import services as policies
from mydevices.actions import ActionKind
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.policies.kinds.registration import BOTH, RegistrationRules
from mydevices.policies.models import Policy
from mydevices.registration import confirmations, invitations, pins
from mydevices.registration.models import Invitation
from tests import factories
from tests.certificates import identities

amara = Person.objects.get(role="administrator")
now = timezone.now()
actor = Actor("person", str(amara.id), amara.name, amara.role, "127.0.0.1", now)
kofi, lena, noor = (
    services.create_person(actor=actor, email=email, name=name, password=password)
    for name, email, password in {[astuple(one) for one in (FACTORED, BOUND, TAKEN_OVER)]!r}
)
TOTP.activate(kofi, generate_totp_secret())
codes.make(kofi)
TOTP.activate(noor, generate_totp_secret())
hers = Actor("person", str(noor.id), noor.name, noor.role, "127.0.0.1", now)
email_change.ask(actor=hers, person=noor, email="noor@elsewhere.example")
group = groups.save_group(actor=actor, group=Group(name="Field"), demands_factor=False)
memberships.put_in_groups(actor=actor, person=lena, groups=[group.id])
policy = policies.create(
    actor=actor,
    name="Field devices",
    values=RegistrationRules(sign_in=BOTH, terms="Keep it charged.", device_limit=2),
    assignment=Assignment(to=To.GROUPS, groups=frozenset([group.id])),
)
policies.move(actor=actor, policy=policy, direction=-1)
# Each wipe of hers waits for an administrator.
policies.create(
    actor=actor,
    name="Field wipes",
    values=SelfServiceRules(person_wipes=0),
    assignment=Assignment(to=To.GROUPS, groups=frozenset([group.id])),
)
for wipes in Policy.objects.filter(kind="self_service", name="Field wipes"):
    policies.move(actor=actor, policy=wipes, direction=-1)
# What waits for Kofi’s word, with a certificate that goes to it afterwards.
unconfirmed = factories.device(kofi, name="Kofi’s iPhone", keys_held=True, now=now)
with transaction.atomic():
    confirmations.begin(registration=unconfirmed.registration, person=kofi, address="192.0.2.7", now=now)
tablet = factories.device(lena, name="Field iPad", model="iPad14,8", now=now)
wipe = commands_asking.enqueue(
    device=tablet,
    kind=ActionKind.WIPE,
    actor=Actor("person", str(lena.id), lena.name, lena.role, "127.0.0.1", now),
)
provider = Provider(id="entra", name="Aldermoor Entra", issuer="http://127.0.0.1:9", client_id="mydevices")
providers.save(actor=actor, provider=provider, secret="unused", is_new=True)
invitation = invitations.invite(actor=actor, email="sun.wei@aldermoor.example", name="Sun Wei", groups=[group])
own = Actor("person", str(lena.id), lena.name, lena.role, "127.0.0.1", now)
email_change.ask(actor=own, person=lena, email="lena.b@aldermoor.example")
of = configurations.create(
    actor=actor, name="Both certificate", values=IdentityCertificate(key_download=True), assignment=Assignment()
)
kept = identities.uploaded(lena, CertificateType.objects.get(id=of.id)).certificate
identities.uploaded(kofi, CertificateType.objects.get(id=of.id))
private = Device.objects.get(name="Private iPhone")
# What Ines had for it is deleted here, and still on her phone.
Installation.objects.create(
    channel=private.registration.channels.get(kind="device"),
    identifier=identifier(of.id, of.id),
    name=of.name,
    state=Installation.State.INSTALLED,
    sent_digest="x",
    carried={{str(of.id): "ab" * 32}},
    changed_at=now,
)
# Tomas wants shorter passwords, which waits for Amara's word; and he is gone before anything else has to wait for his.
Person.objects.filter(id=amara.id).update(role_since=now - timedelta(days=300))
tomas = services.create_person(
    actor=Actor.system("test"), email="tomas@aldermoor.example", name="Tomas Reiter", role="administrator"
)
ApprovalRules.objects.update_or_create(id=1, defaults={{"from_devices": 0}})
asking = Actor("person", str(tomas.id), tomas.name, tomas.role, "127.0.0.1", now)
try:
    sign_in_rules.change(
        actor=asking, minimum_length=8, classes=0, history=0, expires_after_days=0, idle_minutes=0,
        limited_sign_in=True, console_factor=False,
    )
except Waits as waits:
    change_that_waits = waits.approval
ApprovalRules.objects.all().delete()
Person.objects.filter(id=tomas.id).update(is_active=False)
print(json.dumps({{
    "change_that_waits": str(change_that_waits),
    "person": str(private.owner_id),
    "lena": str(lena.id),
    "kofi": str(kofi.id),
    "group": str(group.id),
    "policy": str(policy.id),
    "wipe_that_waits": str(wipe.id),
    "invitation": str(invitation.id),
    "certificate": str(kept.id),
    "type": str(of.id),
    "iphone": str(private.id),
    "unconfirmed": str(unconfirmed.id),
    "pin": pins.issue(person=lena, actor=actor, mail=False),
}}))
"""

_ENTER: Final = """
import json
from django.conf import settings
from django.test import Client
from django.utils import timezone
from mydevices.accounts.models import Person

person = Person.objects.get(email={email!r})
client = Client()
client.force_login(person, backend="mydevices.accounts.backends.Passwords")
session = client.session
session["account_authentication_methods"] = [{{"method": "password", "at": timezone.now().timestamp() - {ago}}}]
session["account_authentication_methods_user"] = str(person.id)
session.save()
print(json.dumps([settings.SESSION_COOKIE_NAME, session.session_key]))
"""

_FORGOTTEN: Final = """
from mydevices.accounts.models import Person
from mydevices.accounts.password_reset import link_for

print(link_for(Person.objects.get(email={email!r})))
"""

_BROKEN: Final = """
from django.test import RequestFactory
from django.views.defaults import server_error

print(server_error(RequestFactory().get("/")).content.decode())
"""


@dataclass
class Scene:
    """People, a policy, a provider and an invitation, and what leads to pages about them."""

    stack: Stack
    things: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.things = self._ask(_MAKE)

    def __getitem__(self, name: str) -> str:
        return self.things[name]

    def _ask(self, code: str) -> Any:
        return json.loads(self.stack.do(code))

    def enter(self, email: str, *, ago: int = 0) -> StorageState:
        """The cookies of somebody who has proved a moment ago who they are, or so many seconds ago."""
        name, key = self._ask(_ENTER.format(email=email, ago=ago))
        cookie: Any = {"name": name, "value": key, "domain": "localhost", "path": "/", "httpOnly": True}
        cookie |= {"secure": False, "sameSite": "Lax", "expires": -1}
        return {"cookies": [cookie], "origins": []}

    def forgotten(self, email: str) -> str:
        """The path that a mail about a forgotten password leads to, at this moment."""
        return self.stack.do(_FORGOTTEN.format(email=email)).strip()

    def broken(self) -> str:
        """The page that stands where the server failed."""
        return self.stack.do(_BROKEN)
