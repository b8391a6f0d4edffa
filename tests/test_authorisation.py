"""Who gets which page and verb: every address there is, tried as everybody.

The addresses come from the URL configuration. One that stands in no line of the tables below fails the test, so that a
new page cannot be forgotten.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import BACKEND_SESSION_KEY
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from mydevices.accounts import factors, providers, rights, sign_in_rules
from mydevices.accounts.models import Approval, Group, Person
from mydevices.accounts.rights import Right
from mydevices.actions import ActionKind
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking
from mydevices.commands.models import Action
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Installation
from mydevices.configurations.selectors import identifier
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple import push_certificate
from mydevices.policies import services as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests import factories, passkeys
from tests.certificates import identities
from tests.factories import PASSWORD
from tests.journeys.pages import LOOKS, NO_PAGE, PAGES

pytestmark = pytest.mark.django_db

WHO: Final = ("visitor", "owner", "stranger", "helpdesk", "auditor", "administrator")

OPEN: Final = frozenset(
    {
        # The way in, and what is reached by a secret in the address.
        "account_login",
        "account_logout",
        "account_inactive",
        "mfa_login_webauthn",
        "mfa_authenticate",
        "openid_connect_login",
        "openid_connect_callback",
        "provider_adopt",
        "portal:ask_pin",
        "portal:brand",
        "portal:confirm_by_link",
        "portal:confirm_email",
        "portal:forgotten",
        "portal:invitation",
        "portal:invitation_strength",
        "portal:limited_sign_in",
        "portal:logo",
        "portal:lost_signed_out",
        "portal:old_sign_in",
        "portal:owntracks",
        "portal:open_ticket",
        "portal:profile",
        "portal:register_by_pin",
        "portal:register_by_pin_device",
        "portal:reset",
        "portal:reset_strength",
        "portal:restore_email",
        "portal:restore_strength",
        "portal:setup",
        "portal:setup_strength",
    }
)
"""For everybody. What they need, and refuse without it, their own tests know."""

OWN: Final = frozenset(
    {
        "account_change_password",
        "account_reauthenticate",
        "confirmed",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_deactivate_totp",
        "mfa_generate_recovery_codes",
        "mfa_index",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_view_recovery_codes",
        "portal:account",
        "portal:certificate_add",
        "portal:certificates",
        "portal:certificates_now",
        "portal:devices",
        "portal:devices_now",
        "portal:email",
        "portal:history",
        "portal:history_file",
        "portal:keep_email",
        "portal:location_choice",
        "portal:lost_devices",
        "portal:new_pin",
        "portal:notices",
        "portal:preferences",
        "portal:register",
        "portal:secure",
        "portal:strength",
        "portal:terms",
        "provider_again",
        "provider_link",
        "provider_unlink",
        "sessions_end_others",
        "usersessions_list",
    }
)
"""For whoever is signed in, about nobody but themselves."""

OWNED: Final = frozenset(
    {
        "mfa_remove_webauthn",
        "portal:apps",
        "portal:cancel",
        "portal:certificate_clear",
        "portal:certificate_delete",
        "portal:certificate_edit",
        "portal:certificate_file",
        "portal:certificate_take",
        "portal:certificate_withdraw",
        "portal:check_in",
        "portal:confirm_device",
        "portal:device",
        "portal:device_history",
        "portal:device_history_file",
        "portal:device_now",
        "portal:found",
        "portal:locate",
        "portal:lock",
        "portal:lost",
        "portal:lost_device",
        "portal:lost_device_now",
        "portal:make_reporter",
        "portal:pins",
        "portal:qr",
        "portal:remove_reporter",
        "portal:resume_reporter",
        "portal:retire",
        "portal:revoke",
        "portal:share",
        "portal:sound",
        "portal:ticket",
        "portal:ticket_now",
        "portal:restart",
        "portal:unlock",
        "portal:where",
        "portal:where_now",
        "portal:wipe",
        "session_end",
    }
)
"""About one thing of the owner's: for everybody else it is not there, whatever their role."""

CONSOLE: Final[Mapping[str, Right]] = {
    "console:invitations": Right.SEE_PEOPLE,
    "console:invitations_change": Right.INVITE,
    "console:invitations_link": Right.INVITE,
    "console:invitations_list": Right.INVITE,
    "console:invitations_mail": Right.INVITE,
    "console:invitations_new": Right.INVITE,
    "console:invitations_one": Right.SEE_PEOPLE,
    "console:invitations_send": Right.INVITE,
    "console:certificates": Right.SEE_PEOPLE,
    "console:certificates_export": Right.EXPORT,
    "console:audit": Right.SEE_AUDIT,
    "console:audit_export": Right.EXPORT,
    "console:devices": Right.SEE_DEVICES,
    "console:devices_act": Right.ASSIST,
    "console:devices_apps": Right.ASSIST,
    "console:devices_batch": Right.SEE_DEVICES,
    "console:devices_batch_now": Right.SEE_DEVICES,
    "console:devices_batch_stop": Right.ASSIST,
    "console:devices_bulk": Right.ASSIST,
    "console:devices_cancel": Right.ASSIST,
    "console:devices_confirmation": Right.ASSIST,
    "console:devices_export": Right.EXPORT,
    "console:devices_where": Right.ASSIST,
    "console:devices_where_now": Right.ASSIST,
    "console:devices_locate": Right.ASSIST,
    "console:devices_one": Right.SEE_DEVICES,
    "console:devices_now": Right.SEE_DEVICES,
    "console:devices_ownership": Right.MANAGE_DEVICES,
    "console:approvals": Right.SEE_DEVICES,
    "console:approvals_one": Right.SEE_SETTINGS,
    "console:devices_wipes_one": Right.MANAGE_DEVICES,
    "console:groups": Right.SEE_PEOPLE,
    "console:groups_delete": Right.MANAGE_PEOPLE,
    "console:groups_new": Right.MANAGE_PEOPLE,
    "console:groups_one": Right.MANAGE_PEOPLE,
    "console:overview": Right.SEE_DEVICES,
    "console:people": Right.SEE_PEOPLE,
    "console:people_crowd": Right.INVITE,
    "console:people_change": Right.MANAGE_PEOPLE,
    "console:people_end_sessions": Right.MANAGE_PEOPLE,
    "console:people_export": Right.EXPORT,
    "console:people_factors": Right.MANAGE_PEOPLE,
    "console:people_person": Right.SEE_PEOPLE,
    "console:people_resume": Right.MANAGE_PEOPLE,
    "console:people_suspend": Right.MANAGE_PEOPLE,
    "console:policies": Right.SEE_SETTINGS,
    "console:policies_delete": Right.MANAGE_POLICIES,
    "console:policies_edit": Right.SEE_SETTINGS,
    "console:policies_move": Right.MANAGE_POLICIES,
    "console:policies_new": Right.MANAGE_POLICIES,
    "console:policies_reach": Right.MANAGE_POLICIES,
    "console:policies_who": Right.SEE_SETTINGS,
    "console:settings": Right.SEE_SETTINGS,
    "console:settings_about": Right.SEE_SETTINGS,
    "console:configurations": Right.SEE_SETTINGS,
    "console:configurations_one": Right.SEE_SETTINGS,
    "console:configurations_now": Right.SEE_SETTINGS,
    "console:configurations_icon": Right.SEE_SETTINGS,
    "console:configurations_new": Right.MANAGE_POLICIES,
    "console:configurations_edit": Right.MANAGE_POLICIES,
    "console:configurations_reach": Right.MANAGE_POLICIES,
    "console:configurations_portal": Right.MANAGE_POLICIES,
    "console:configurations_retry": Right.MANAGE_POLICIES,
    "console:configurations_delete": Right.MANAGE_POLICIES,
    "console:settings_mail": Right.SEE_SETTINGS,
    "console:settings_mail_trial": Right.MANAGE_SETTINGS,
    "console:settings_approvals": Right.SEE_SETTINGS,
    "console:settings_brand": Right.SEE_SETTINGS,
    "console:settings_invitations": Right.SEE_SETTINGS,
    "console:settings_logo": Right.SEE_SETTINGS,
    "console:settings_sign_in": Right.SEE_SETTINGS,
    "console:settings_provider": Right.MANAGE_SETTINGS,
    "console:settings_provider_new": Right.MANAGE_SETTINGS,
    "console:settings_provider_remove": Right.MANAGE_SETTINGS,
    "console:settings_platform": Right.SEE_SETTINGS,
    "console:settings_platform_file": Right.SEE_SETTINGS,
}
"""The right without which a page of the console does not open. What it changes needs what `CHANGES` says."""

CHANGES: Final[Mapping[str, Right]] = {
    "console:approvals_one": Right.MANAGE_SETTINGS,
    "console:settings_approvals": Right.MANAGE_SETTINGS,
    "console:devices_cancel": Right.MANAGE_DEVICES,  # the action that waits in the scene is a wipe
    "console:policies_edit": Right.MANAGE_POLICIES,
    "console:settings_about": Right.MANAGE_SETTINGS,
    "console:settings_mail": Right.MANAGE_SETTINGS,
    "console:settings_brand": Right.MANAGE_SETTINGS,
    "console:settings_invitations": Right.MANAGE_SETTINGS,
    "console:settings_logo": Right.MANAGE_SETTINGS,
    "console:settings_sign_in": Right.MANAGE_SETTINGS,
    "console:settings_platform": Right.MANAGE_SETTINGS,
    "console:settings_platform_file": Right.MANAGE_SETTINGS,
}
"""Pages that more people may look at than may change what is on them."""

FORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "console:settings_about": {"name": "Changed"},
    "console:settings_approvals": {"from_devices": "10", "batch_devices": "10", "configuration_devices": "10"},
    "console:settings_mail": {"host": "mail.example.org", "encryption": "tls", "mail_from": "a@b.example"},
    "console:settings_brand": {"language": "en-gb"},
    "console:settings_invitations": {"good_for_days": "14", "remind_every_days": "4", "reminders": "2"},
    "console:settings_logo": {"remove": "1"},
    "console:settings_sign_in": {
        "minimum_length": "15",
        "classes": "0",
        "history": "0",
        "expires_after_days": "0",
        "idle_minutes": "480",
        "limited_sign_in": "on",
        "console_factor": "on",
    },
}
"""What is sent where an empty form would be refused before anybody is asked for their rights."""


def addresses() -> Iterator[tuple[str, list[str]]]:
    """The name of every address, with the names of what varies in it."""

    def walk(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[tuple[str, list[str]]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
                yield from walk(pattern.url_patterns, inner)
            else:
                yield f"{space}{pattern.name}", list(pattern.pattern.converters)

    yield from walk(get_resolver().url_patterns, "")


ALL: Final = dict(addresses())


def test_every_address_stands_in_one_line_of_the_tables() -> None:
    lines = [*OPEN, *OWN, *OWNED, *CONSOLE]
    assert sorted(lines) == sorted(ALL)
    assert set(CHANGES) <= set(CONSOLE)


def test_every_page_is_looked_at_for_its_accessibility_or_is_none() -> None:
    looked_at = {*PAGES.values(), *(look.address for look in LOOKS)}
    assert looked_at | set(NO_PAGE) == set(ALL)
    assert not looked_at & set(NO_PAGE)


@dataclass
class Scene:
    """Everybody, signed in, and things of the owner's."""

    people: Mapping[str, Person]
    things: Mapping[str, object]

    def browser(self, who: str) -> Client:
        client = Client()
        if who != "visitor":
            client.force_login(self.people[who], backend="mydevices.accounts.backends.Passwords")
            session = client.session
            # As allauth notes a password that has just been given.
            session["account_authentication_methods"] = [{"method": "password", "at": timezone.now().timestamp()}]
            session["account_authentication_methods_user"] = str(self.people[who].id)
            assert BACKEND_SESSION_KEY in session
            session.save()
        return client

    def address(self, name: str) -> str:
        return reverse(name, kwargs={part: self.things.get(f"{name}.{part}", self.things[part]) for part in ALL[name]})


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")
    cache.clear()
    for module in (organisation, providers, factors):
        module.forget()
    people = {
        "owner": factories.person("Ines Okafor", password=PASSWORD),
        "stranger": factories.person("Sam Stone", password=PASSWORD),
        **{role: factories.person(role, role=role, password=PASSWORD) for role in WHO[3:]},
    }
    owner = people["owner"]
    now = timezone.now()
    device = factories.device(owner, now=now)
    acting = factories.actor(owner, proved=now)
    action: Action = asking.enqueue(device=device, kind=ActionKind.WIPE, actor=acting)
    second = asking.enqueue(device=factories.device(owner, now=now), kind=ActionKind.WIPE, actor=acting)
    ticket: Ticket = tickets.open_ticket(
        person=owner, ownership=Device.Ownership.PERSONAL, intended="phone", actor=acting
    )
    key = Authenticator.objects.create(
        user=owner, type="webauthn", data={"name": "Key", "credential": passkeys.credential()}
    )
    elsewhere = Client()
    elsewhere.force_login(owner, backend="mydevices.accounts.backends.Passwords")
    row = UserSession.objects.create(
        user=owner, ip="127.0.0.1", session_key=elsewhere.session.session_key, user_agent="a browser"
    )
    boss = factories.actor(people["administrator"], proved=now)
    certificate = identities.uploaded(owner, identities.type_for(key_download=True)).certificate
    Installation.objects.create(
        channel=factories.channel(device),
        identifier=identifier(certificate.type_id),
        state=Installation.State.INSTALLED,
        sent_digest="x",
        carried={str(certificate.type_id): certificate.fingerprint},
        changed_at=now,
    )
    policy = policies.create(
        actor=boss, name="For everybody", values=RegistrationRules(), assignment=Assignment(to=To.NOBODY)
    )
    clip = configurations.create(
        actor=boss,
        name="The portal",
        values=WebClip(label="Devices", url="https://devices.example"),
        assignment=Assignment(to=To.NOBODY),
        icon=b"\x89PNG\r\n\x1a\n",
    )
    approval = Approval.objects.create(
        kind=sign_in_rules.KIND,
        what=sign_in_rules.WHAT,
        arguments={"before": {"minimum_length": 15}, "after": {"minimum_length": 8}},
        asker_id=boss.id,
        asker_name=boss.name,
        asked_at=now,
        ends_at=now + timedelta(days=1),
    )
    things = {
        "action_id": action.id,
        "approval_id": approval.id,
        "accent": "123456",
        "certificate_id": certificate.id,
        "configuration_id": clip.id,
        "console:configurations_new.kind": "web_clip",
        "code": tickets.code_of(ticket),
        "platform": "apple",
        "device_id": device.id,
        "direction": "up",
        "invitation_id": uuid4(),
        "fingerprint": certificate.fingerprint,
        "group_id": Group.objects.create(name="Everybody").id,
        "kind": "registration",
        "batch_id": uuid4(),
        "action": "invite",
        "console:devices_act.kind": "check_in",
        "console:devices_wipes_one.action_id": second.id,  # beyond the limit of a person
        "console:devices_bulk.kind": "check_in",
        "person_id": owner.id,
        "pk": key.pk,
        "policy_id": policy.id,
        "provider_id": "nobody",
        "session_id": row.pk,
        "ticket_id": ticket.id,
        "token": "no-such-token",
        "type_id": certificate.type_id,
        "version": "0123456789ab",
    }
    return Scene(people, things)


GONE: Final = {403, 404}


def to_sign_in(answer: Any) -> bool:
    return answer.status_code in {302, 303} and answer["Location"].partition("?")[0] == reverse("account_login")


def tried(scene: Scene, who: str, name: str) -> list[tuple[str, Any]]:
    browser, address = scene.browser(who), scene.address(name)
    form: dict[str, Any] = dict(FORMS.get(name, {}))
    if name == "console:settings_platform":
        form["certificate"] = SimpleUploadedFile("push.pem", b"no certificate")
    return [("get", browser.get(address)), ("post", browser.post(address, form))]


def written() -> int:
    """Entries of the audit: whoever may not do a thing leaves none of it, but that they were refused."""
    return Entry.objects.exclude(verb__startswith="sign_").exclude(verb=Verb.ACCESS_REFUSED).count()


@contextmanager
def each(subtests: pytest.Subtests, name: str) -> Iterator[None]:
    """One address of the many that a scene is made for: what is done there is undone."""
    for module in (organisation, providers, factors):
        module.forget()
    with subtests.test(address=name), transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_what_is_open_asks_nobody_to_sign_in(scene: Scene, subtests: pytest.Subtests) -> None:
    # There is nothing to go on with for somebody who has not begun to sign in, or has no session to end.
    back = {"mfa_authenticate", "account_logout", "mfa_login_webauthn", "portal:limited_sign_in", "portal:old_sign_in"}
    for name in sorted(OPEN):
        with each(subtests, name):
            for method, answer in tried(scene, "visitor", name):
                assert answer.status_code < 500, method
                assert name in back or not to_sign_in(answer), method


@pytest.mark.parametrize("table", ["OWN", "OWNED", "CONSOLE"])
def test_a_visitor_gets_nothing_but_the_way_to_sign_in(scene: Scene, subtests: pytest.Subtests, table: str) -> None:
    for name in sorted({"OWN": OWN, "OWNED": OWNED, "CONSOLE": CONSOLE}[table]):
        with each(subtests, name):
            before = written()
            for method, answer in tried(scene, "visitor", name):
                assert to_sign_in(answer) or answer.status_code == 405, (method, answer.status_code)
            assert written() == before


@pytest.mark.parametrize("who", WHO[1:])
def test_what_is_ones_own_is_for_everybody_who_is_signed_in(scene: Scene, subtests: pytest.Subtests, who: str) -> None:
    for name in sorted(OWN):
        with each(subtests, name):
            for method, answer in tried(scene, who, name):
                assert answer.status_code < 500, method
                assert not to_sign_in(answer), method
                assert answer.status_code != 403, method


def test_what_somebody_owns_is_there_for_them(scene: Scene, subtests: pytest.Subtests) -> None:
    for name in sorted(OWNED):
        with each(subtests, name):
            for method, answer in tried(scene, "owner", name):
                assert answer.status_code < 500, method
                assert answer.status_code not in GONE, method


@pytest.mark.parametrize("who", WHO[2:])
def test_what_somebody_owns_is_not_there_for_others_whatever_their_role(
    scene: Scene, subtests: pytest.Subtests, who: str
) -> None:
    for name in sorted(OWNED):
        with each(subtests, name):
            before = written()
            for method, answer in tried(scene, who, name):
                assert answer.status_code in {404, 405}, (method, answer.status_code)
            assert written() == before


@pytest.mark.parametrize("who", WHO[1:])
def test_a_page_of_the_console_opens_by_right(scene: Scene, subtests: pytest.Subtests, who: str) -> None:
    held = rights.BY_ROLE[scene.people[who].role]
    for name in sorted(CONSOLE):
        may_open, may_change = CONSOLE[name] in held, CHANGES.get(name, CONSOLE[name]) in held
        with each(subtests, name):
            before = written()
            for method, answer in tried(scene, who, name):
                assert answer.status_code < 500, method
                if not (may_open if method == "get" else may_change):
                    assert answer.status_code in {403, 405}, (method, answer.status_code)
                else:
                    assert answer.status_code != 403, method
            if not may_change:
                assert written() == before
