"""Every place in which something is sealed, filled by the product's own verbs, comes under the new master key.

What is sealed is found by its first bytes, in every column of every table, so that a place that nobody has named for
the rotation cannot hide. A new caller of `vault.seal` fails the first test until `fill` reaches it.
"""

import ast
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts import codes, post, providers, set_aside
from mydevices.accounts.models import ApprovalRules, Person, Provider
from mydevices.actions import ActionKind
from mydevices.applications import services as applications
from mydevices.applications.selectors import App
from mydevices.audit import chain
from mydevices.audit.models import ChainKey
from mydevices.certificates import services as certificates
from mydevices.commands import asking
from mydevices.configurations import services as configurations
from mydevices.configurations import shared_files
from mydevices.configurations.kinds.identity_certificate import SINGLE_FILE, IdentityCertificate
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import Waits
from mydevices.location import services as location
from mydevices.location.models import Position
from mydevices.organisation import outgoing
from mydevices.outbox.models import Message
from mydevices.outbox.registry import Delivery
from mydevices.platforms.apple import push_certificate, registrations
from mydevices.policies import services as policies
from mydevices.policies.kinds.privacy import ALL_APPS, Privacy
from mydevices.policies.kinds.registration import BOTH, RegistrationRules
from mydevices.protocols.position import Fix
from mydevices.registration import invitations, pins, tickets
from mydevices.vault import registry, services
from tests import factories
from tests.certificates import identities
from tests.conftest import without_triggers

pytestmark = pytest.mark.django_db

OLD, NEW = bytes([1]) * 32, bytes([2]) * 32


@pytest.fixture(autouse=True)
def _nothing_sealed_yet(db: None) -> None:
    """The audit's key is made with the database, under another master key than these tests'."""
    with without_triggers(connection):
        ChainKey.objects.all().delete()


@pytest.fixture(autouse=True)
def _can_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")


def _factor(ines: Person) -> None:
    TOTP.activate(ines, generate_totp_secret())
    other, now = factories.person(), timezone.now()
    TOTP.activate(other, generate_totp_secret())
    set_aside.put_aside(person=other, since=now, now=now)
    codes.make(ines)


def _provider(ines: Person) -> None:
    boss = factories.actor(factories.administrator(), proved=timezone.now())
    one = Provider(id="okta", name="Okta", issuer="https://okta.example", client_id="mydevices")
    providers.save(actor=boss, provider=one, secret="between us", is_new=True)


def _mail_server(ines: Person) -> None:
    boss = factories.actor(factories.administrator(), proved=timezone.now())
    outgoing.change(
        actor=boss,
        host="mail.example",
        port=None,
        encryption="tls",
        user="us",
        password="them",
        mail_from="a@b.example",
    )


def _device(ines: Person) -> None:
    iphone, mac = factories.device(ines), factories.mac(ines)
    registrations.keep_bootstrap_token(factories.life(mac), b"bootstrap")
    actor = factories.actor(ines, proved=timezone.now())
    asking.enqueue(device=mac, kind=ActionKind.LOCK, actor=actor)
    asking.enqueue(device=iphone, kind=ActionKind.LOCK, actor=actor)


def _ticket(ines: Person) -> None:
    tickets.open_ticket(
        person=ines,
        ownership=Device.Ownership.PERSONAL,
        intended="phone",
        actor=factories.actor(ines, proved=timezone.now()),
    )


def _pin_and_mail(ines: Person) -> None:
    boss = factories.actor(factories.administrator("Amara Diallo"), proved=timezone.now())
    policies.create(actor=boss, name="PIN", values=RegistrationRules(sign_in=BOTH), assignment=EVERYONE)
    pins.issue(person=ines, actor=boss)


def _invitation(_ines: Person) -> None:
    invitations.invite(actor=factories.actor(factories.administrator("Ben")), email="new@a.example", name="New")


def _push_certificate(_ines: Person) -> None:
    push_certificate.request(
        actor=factories.actor(factories.administrator("Cem"), proved=timezone.now()), organisation_name="A"
    )


def _certificate(ines: Person) -> None:
    identities.uploaded(ines, identities.type_for())


def _shared_identity(ines: Person) -> None:
    boss = factories.actor(factories.administrator("Dana"), proved=timezone.now())
    file = shared_files.examine_file(
        actor=boss,
        purpose="both",
        data=identities.identity_for(ines).exported(identities.PASSWORD),
        password=identities.PASSWORD,
    )
    values = IdentityCertificate(source=SINGLE_FILE)
    configurations.create(actor=boss, name="File", values=values, assignment=EVERYONE, file=file)


def _position(ines: Person) -> None:
    location.choose(person=ines, actor=factories.actor(ines), shares=True)
    now = timezone.now()
    fix = Fix(latitude=51.5072, longitude=-0.1276, accuracy=35.0, measured_at=now)
    assert location.record(device=factories.device(ines), source=Position.Source.LOST_MODE, fix=fix, now=now)


def _apps(ines: Person) -> None:
    boss = factories.actor(factories.administrator("Eve"), proved=timezone.now())
    policies.create(actor=boss, name="Apps", values=Privacy(app_inventory=ALL_APPS), assignment=EVERYONE)
    apps, now = [App("Chess", "org.example.chess", "12.4", 58_720_256)], timezone.now()
    assert applications.store(device_id=factories.device(ines).id, scope="all", apps=apps, now=now)


def _change_that_waits(ines: Person) -> None:
    factories.device(ines)
    ApprovalRules.objects.create(id=1, from_devices=0, configuration_devices=0)
    factories.administrator("Gus")
    boss = factories.actor(factories.administrator("Fay"), proved=timezone.now())
    file = shared_files.examine_file(
        actor=boss,
        purpose="both",
        data=identities.identity_for(ines).exported(identities.PASSWORD),
        password=identities.PASSWORD,
    )
    values = IdentityCertificate(source=SINGLE_FILE)
    with pytest.raises(Waits):
        configurations.create(actor=boss, name="Waits", values=values, assignment=EVERYONE, file=file)
    ApprovalRules.objects.all().delete()


def _authority(_ines: Person) -> None:
    certificates.ensure_authority()


def _chain(_ines: Person) -> None:
    chain.begin()


FILL: Final[dict[str, Callable[[Person], None]]] = {
    "registration/tickets.py": _ticket,
    "applications/services.py": _apps,
    "audit/chain.py": _chain,
    "accounts/approvals.py": _change_that_waits,
    "accounts/factors.py": _factor,
    "accounts/providers.py": _provider,
    "accounts/services.py": _pin_and_mail,
    "platforms/apple/push_certificate.py": _push_certificate,
    "platforms/apple/registrations.py": _device,
    "certificates/services.py": _authority,
    "certificates/uploads.py": _certificate,
    "commands/pins.py": _device,
    "configurations/shared_files.py": _shared_identity,
    "location/services.py": _position,
    "organisation/outgoing.py": _mail_server,
    "registration/invitations.py": _invitation,
    "registration/pins.py": _pin_and_mail,
}
"""Who seals something, and what makes them do it: a ticket first, before a policy asks for a PIN."""


def callers() -> set[str]:
    """The files with a call of `vault.seal`."""
    base = Path(django_settings.BASE)
    return {
        str(file.relative_to(base))
        for file in base.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "vault.seal"
    }


def fill() -> None:
    ines = factories.person()
    for maker in dict.fromkeys(FILL.values()):
        maker(ines)


def sealed_with(key: bytes) -> set[str]:
    """The columns of the database that hold something sealed with this master key, as bytes or as text."""
    head = bytes([services.VERSION]) + services.identify(key)
    as_text = base64.b64encode(head).decode()  # nine bytes are twelve letters, whatever follows
    found = set()
    for model in apps.get_models(include_auto_created=True):
        fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
        rows: Any = model._base_manager.values_list(*(field.attname for field in fields))
        for row in rows:
            for field, value in zip(fields, row, strict=True):
                is_bytes = isinstance(value, bytes | memoryview)
                if (head in bytes(value)) if is_bytes else (as_text in str(value)):
                    found.add(f"{model.__name__}.{field.attname}")
    return found


def registered() -> set[str]:
    columns = {f"{column.model.__name__}.{column.field}" for column in registry.columns()}
    return columns | {place.name for place in registry.places()}


def test_everybody_who_seals_something_is_made_to() -> None:
    assert callers() == set(FILL)


def test_every_place_with_something_sealed_is_named_for_the_rotation(settings: Settings) -> None:
    settings.MASTER_KEYS = [OLD]
    fill()
    assert sealed_with(OLD) == registered()


def written_down() -> dict[str, Callable[[Any], services.Place]]:
    """To which place the value of a row is bound. What servers have sealed opens with these parts alone, so a line here
    changes only together with something that seals anew what is there."""
    place = services.Place
    return {
        "Action.secret": lambda row: place("commands_action", "secret", row=row.id, owner=row.device_id),
        "AppleChannel.unlock_token": lambda row: place(
            "apple",
            "unlock_token",
            row=f"{row.channel.registration_id}/{row.channel.user_id}",
            owner=row.channel.registration_id,
        ),
        "AppleRegistration.bootstrap_token": lambda row: place(
            "apple", "bootstrap_token", row=f"{row.registration_id}/", owner=row.registration_id
        ),
        "Approval.enclosure": lambda row: place("accounts_approval", "enclosure", row=row.id, owner=row.asker_id),
        "Authority.key": lambda _row: place("certificates_authority", "key", row="1", owner="server"),
        "Certificate.key": lambda row: place("certificates_certificate", "key", row=row.id, owner=row.person_id),
        "ChainKey.sealed": lambda row: place("audit_chainkey", "sealed", row=row.number, owner="audit"),
        "Invitation.token": lambda row: place("registration_invitation", "token", row=row.id, owner=row.person_id),
        "Listing.content": lambda row: place("applications_listing", "content", row=row.device_id, owner=row.device_id),
        "Organisation.mail_password": lambda _row: place(
            "organisation_organisation", "mail_password", row="1", owner="server"
        ),
        "Position.place": lambda row: place("location_position", "place", row=row.id, owner=row.device_id),
        "Provider.client_secret": lambda row: place(
            "accounts_provider", "client_secret", row=row.id, owner="organisation"
        ),
        "PushCertificate.key": lambda row: place("apple_pushcertificate", "key", row=row.id, owner="organisation"),
        "RegistrationPin.digest": lambda row: place(
            "registration_registrationpin", "digest", row=row.id, owner=row.person_id
        ),
        "SharedIdentity.key": lambda row: place(
            "configurations_sharedidentity", "key", row=row.configuration_id, owner=row.configuration_id
        ),
        "Ticket.code": lambda row: place("registration_ticket", "code", row=row.id, owner=row.person_id),
    }


def test_what_is_sealed_opens_at_the_places_that_are_written_down(settings: Settings) -> None:
    settings.MASTER_KEYS = [OLD]
    fill()
    places = written_down()
    assert {f"{column.model.__name__}.{column.field}" for column in registry.columns()} == set(places)
    for column in registry.columns():
        kept = list(column.model._base_manager.exclude(**{column.field: None}))
        assert kept
        for row in kept:
            services.open_sealed(getattr(row, column.field), places[f"{column.model.__name__}.{column.field}"](row))
    for message in Message.objects.filter(topic="mail"):
        place = services.Place("outbox_message", "payload", row=str(message.key), owner=message.payload["to"])
        for name, fact in message.payload["facts"].items():
            assert not name.startswith("secret_") or services.open_sealed(base64.b64decode(fact), place)
    factors = [place for place in registry.places() if place.name != "Message.payload"]
    assert len(factors) == 2
    for factor in factors:
        for _where, sealed in factor.values():
            assert services.open_sealed(sealed, services.Place("mfa_authenticator", "data", row="", owner=""))


def test_after_a_rotation_nothing_anywhere_needs_the_old_key(settings: Settings) -> None:
    settings.MASTER_KEYS = [OLD]
    fill()
    settings.MASTER_KEYS = [NEW, OLD]
    call_command("rotate_master_key")
    assert sealed_with(OLD) == set()
    assert sealed_with(NEW) == registered()
    settings.MASTER_KEYS = [NEW]
    opened = [services.rewrap(value) for place in registry.places() for _where, value in place.values()]
    for column in registry.columns():
        kept = column.model._base_manager.exclude(**{column.field: None})
        opened += [services.rewrap(value) for value in kept.values_list(column.field, flat=True)]
    assert len(opened) >= len(registered())


# Mails that wait


def mail_text() -> str:
    """What the mail that waits would say, opened with the keys that are given."""
    message = Message.objects.get(topic="mail", payload__notice="registration_pin")
    delivery = Delivery(message.id, message.key, message.payload, 1)
    return post._message(delivery, message.payload["to"], [], sender="a@b.example").as_string()


def waiting(settings: Settings) -> str:
    """A mail with a PIN in it, sealed with the old key; the PIN."""
    settings.MASTER_KEYS = [OLD]
    ines = factories.person()
    boss = factories.actor(factories.administrator(), proved=timezone.now())
    policies.create(actor=boss, name="PIN", values=RegistrationRules(sign_in=BOTH), assignment=EVERYONE)
    return pins.readable(pins.issue(person=ines, actor=boss))


@pytest.mark.parametrize("state", Message.State)
def test_a_mail_is_readable_with_the_new_key_alone(settings: Settings, state: Message.State) -> None:
    pin = waiting(settings)
    token = factories.person("Somebody else").id if state == Message.State.LEASED else None
    Message.objects.filter(topic="mail").update(state=state, lease_token=token)
    settings.MASTER_KEYS = [NEW, OLD]
    call_command("rotate_master_key")
    settings.MASTER_KEYS = [NEW]
    assert pin in mail_text()
    row = Message.objects.get(topic="mail", payload__notice="registration_pin")
    assert (row.state, row.lease_token) == (state, token)


def test_a_mail_that_went_meanwhile_is_no_trouble(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(settings)
    settings.MASTER_KEYS = [NEW, OLD]
    rewrap = services.rewrap
    in_mails = {sealed for place in registry.places() for _where, sealed in place.values()}

    def slowly(sealed: bytes | memoryview) -> bytes:
        if bytes(sealed) in in_mails:
            Message.objects.filter(topic="mail").delete()
        return rewrap(sealed)

    monkeypatch.setattr(services, "rewrap", slowly)
    with pytest.raises(CommandError, match="run this again"):
        call_command("rotate_master_key")
    monkeypatch.undo()
    call_command("rotate_master_key")
    assert sealed_with(OLD) == set()
