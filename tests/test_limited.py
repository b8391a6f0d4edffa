"""A session that began with a password alone: how it comes to be, all that it opens, and that everything else is shut,
in the pages and in the verbs."""

import ast
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import mydevices
from mydevices.accounts import attempts, email_change, limited, providers, selectors, services, sessions, sign_in_rules
from mydevices.accounts.models import Attempts, Person, Provider, SignInRules
from mydevices.accounts.requests import COOKIE, LIMITED
from mydevices.actions import ACTIONS, ActionKind
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor, Strength
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, capabilities, pins
from mydevices.commands.models import Action, Command
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.errors import LimitedSession
from mydevices.location import services as location
from mydevices.outbox.models import Message
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.port.actions import Parameters
from mydevices.portal.middleware import Limited
from mydevices.registration import tickets
from tests import factories
from tests.codes import code_for
from tests.factories import PASSWORD
from tests.test_authorisation import ALL, Scene, scene

LIMITED_TO = {kind for kind, rules in ACTIONS.items() if rules.limited}

pytestmark = pytest.mark.django_db

__all__ = ["scene"]

OPEN: Final = {
    "account_logout",
    "portal:brand",
    "portal:locate",
    "portal:lock",
    "portal:logo",
    "portal:lost",
    "portal:lost_device",
    "portal:lost_device_now",
    "portal:lost_devices",
    "portal:where",
    "portal:where_now",
}
"""Every page that such a session opens."""
ENTER: Final = "portal:limited_sign_in"
KEY: Final = str(generate_totp_secret())
"""Of the app."""


def factored(name: str = "Kofi Mensah", **more: Any) -> Person:
    """Somebody whose second factor is an app."""
    person = factories.person(name, password=PASSWORD, **more)
    TOTP.activate(person, KEY)
    RecoveryCodes.activate(person)
    return person


@pytest.fixture
def kofi() -> Person:
    return factored()


@pytest.fixture
def phone(kofi: Person) -> Device:
    device = factories.device(kofi, name="Kofi’s iPhone", now=timezone.now())
    AppleRegistration.objects.filter(registration__device=device).update(is_supervised=True)
    return devices.owned(kofi, device.id)


def half_signed_in(person: Person) -> Client:
    """A browser in which the password was given, and the second factor is asked for."""
    browser = Client()
    answer = browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert answer["Location"] == reverse("mfa_authenticate")
    return browser


def entered(person: Person) -> Client:
    browser = half_signed_in(person)
    answer = browser.post(reverse(ENTER))
    assert answer["Location"] == reverse("portal:lost_devices"), answer.content
    return browser


def acting(person: Person) -> Actor:
    """As the session's actor is, but freshly proved, which it never is: not even that would help."""
    return Actor(
        kind="person",
        id=str(person.id),
        name=person.name,
        role=person.role,
        address="127.0.0.1",
        authenticated_at=timezone.now(),
        strength=Strength.LIMITED,
    )


# How it begins


def test_the_password_alone_opens_the_lost_devices_and_says_so_on_each_page(kofi: Person, phone: Device) -> None:
    browser = half_signed_in(kofi)
    assert reverse(ENTER) in browser.get(reverse("mfa_authenticate")).content.decode()
    page = browser.get(reverse(ENTER)).content.decode()
    assert "Lock or find my device" in page
    assert "30 minutes" in page
    assert browser.post(reverse(ENTER))["Location"] == reverse("portal:lost_devices")
    for name, args in (("lost_devices", []), ("lost_device", [phone.id]), ("lost", [phone.id]), ("where", [phone.id])):
        page = browser.get(reverse(f"portal:{name}", args=args)).content.decode()
        assert "Signed in with your password alone" in page, name
        assert reverse("portal:account") not in page, name


def test_it_locks_marks_lost_and_shows_where(kofi: Person, phone: Device) -> None:
    location.choose(person=kofi, actor=factories.actor(kofi), shares=True)
    browser = entered(kofi)
    home = reverse("portal:lost_device", args=[phone.id])
    assert browser.post(reverse("portal:lock", args=[phone.id]), {"message": "Call me"})["Location"] == home
    answer = browser.post(reverse("portal:lost", args=[phone.id]), {"message": "Call me"})
    assert answer["Location"] == home
    Command.objects.filter(action__kind=ActionKind.LOST).update(state="sent", sent_at=timezone.now())
    Command.objects.filter(action__kind=ActionKind.LOST).update(state="done", finished_at=timezone.now())
    browser.post(reverse("portal:locate", args=[phone.id]))
    assert {action.kind for action in Action.objects.all()} == {"lock", "lost", "locate"}
    asked = Entry.objects.filter(verb=Verb.ACTION_REQUESTED)
    assert [entry.details["limited"] for entry in asked] == [True, True, True]
    page = browser.get(reverse("portal:where", args=[phone.id])).content.decode()
    for button in ("I found it", "Play a sound", "Switch location off", "OwnTracks"):
        assert button not in page


def test_it_is_recorded_and_mailed_at_once_and_is_no_sign_in_like_others(kofi: Person) -> None:
    browser = half_signed_in(kofi)
    before = browser.session.session_key
    browser.post(reverse(ENTER))
    entry = Entry.objects.get(verb=Verb.SIGNED_IN_LIMITED)
    assert entry.person_id == str(kofi.id)
    assert not Entry.objects.filter(verb=Verb.SIGNED_IN).exists()
    mail = Message.objects.get(topic="mail")
    assert mail.payload["notice"] == "limited_sign_in"
    assert mail.payload["to"] == kofi.email
    # Another key, nothing of the old session, no proof for what asks for one, and no browser that is known from now on.
    session = browser.session
    assert session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()
    kept = list(session.keys())
    assert not [name for name in kept if name.startswith("account_")]
    assert COOKIE not in browser.cookies
    kofi.refresh_from_db()
    assert kofi.signed_in_at is None
    assert UserSession.objects.get(user=kofi).data == {LIMITED: True}


def test_nobody_comes_in_who_does_not_stand_at_the_second_step(kofi: Person) -> None:
    plain = factories.person("Sam Stone", password=PASSWORD)
    for browser in (Client(), _signed_in_without_factor(plain)):
        for answer in (browser.get(reverse(ENTER)), browser.post(reverse(ENTER))):
            assert answer.status_code == 303
            assert LIMITED not in browser.session
    assert Client().post(reverse(ENTER))["Location"].startswith(reverse("account_login"))
    assert not Entry.objects.filter(verb=Verb.SIGNED_IN_LIMITED).exists()
    browser = half_signed_in(kofi)
    assert browser.put(reverse(ENTER)).status_code == 405


def _signed_in_without_factor(person: Person) -> Client:
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def test_the_password_is_good_for_a_quarter_of_an_hour(kofi: Person) -> None:
    browser = half_signed_in(kofi)
    session = browser.session
    session["account_login"]["initiated_at"] -= 15 * 60 + 1
    session.save()
    assert browser.post(reverse(ENTER))["Location"].startswith(reverse("account_login"))
    assert LIMITED not in browser.session


def test_a_password_of_an_earlier_attempt_is_none_of_this_one(kofi: Person) -> None:
    """As where somebody went on with a provider in the same browser: what is pending began after the password."""
    browser = half_signed_in(kofi)
    session = browser.session
    session["account_login"]["initiated_at"] += 60
    session.save()
    assert browser.post(reverse(ENTER)).status_code == 403
    assert LIMITED not in browser.session


@pytest.mark.parametrize("role", ["helpdesk", "auditor", "administrator"])
def test_it_is_never_for_those_who_see_more_than_their_own(role: str) -> None:
    browser = half_signed_in(factored(role=role))
    page = browser.get(reverse(ENTER)).content.decode()
    assert "Your role sees more" in page
    assert "Lock or find my device" not in page
    assert browser.post(reverse(ENTER)).status_code == 403
    assert LIMITED not in browser.session


def test_an_administrator_switches_it_off_and_those_that_run_end(kofi: Person, phone: Device) -> None:
    running = entered(kofi)
    assert running.get(reverse("portal:lost_devices")).status_code == 200
    waiting = half_signed_in(kofi)
    boss = _signed_in_without_factor(factories.administrator(password=PASSWORD))
    form = {"minimum_length": 15, "classes": 0, "history": 0, "expires_after_days": 0, "idle_minutes": 480}
    assert boss.post(reverse("console:settings_sign_in"), form).status_code == 303
    assert SignInRules.objects.get().limited_sign_in is False
    selectors.forget_rules()
    assert waiting.post(reverse(ENTER)).status_code == 403
    assert "asks for the second factor here, too" in waiting.get(reverse(ENTER)).content.decode()
    assert reverse("account_login") in running.get(reverse("portal:lost_devices"))["Location"]
    assert "second factor" not in Client().get(reverse("portal:lost_signed_out")).content.decode().lower()
    assert running.post(reverse("portal:lock", args=[phone.id]))["Location"].startswith(reverse("account_login"))


def test_who_is_kept_by_a_provider_is_sent_to_the_helpdesk() -> None:
    Provider.objects.create(id="entra", name="Aldermoor Entra", issuer="https://login.example", client_id="x")
    providers.forget()
    person = factored()
    Person.objects.filter(id=person.id).update(provider="entra")
    browser = half_signed_in(person)
    assert "You sign in with Aldermoor Entra" in browser.get(reverse(ENTER)).content.decode()
    assert browser.post(reverse(ENTER)).status_code == 403


def test_it_begins_five_times_an_hour_at_most(kofi: Person) -> None:
    for _time in range(limited.OFTEN.most):
        entered(kofi)
    browser = half_signed_in(kofi)
    assert browser.post(reverse(ENTER)).status_code == 429
    assert LIMITED not in browser.session
    assert Entry.objects.filter(verb=Verb.SIGNED_IN_LIMITED).count() == limited.OFTEN.most
    assert Attempts.objects.filter(key=attempts.key_of("limited session", str(kofi.id))).exists()


def test_the_page_before_sign_in_is_the_same_for_everybody_and_leads_to_sign_in(kofi: Person) -> None:
    assert reverse("portal:lost_signed_out") in Client().get(reverse("account_login")).content.decode()
    page = Client().get(reverse("portal:lost_signed_out")).content.decode()
    assert f"{reverse('account_login')}?next={reverse('portal:lost_devices')}" in page
    assert _signed_in_without_factor(factories.person(password=PASSWORD)).get(reverse("portal:lost_signed_out"))[
        "Location"
    ] == reverse("portal:lost_devices")
    assert Client().post(reverse("portal:lost_signed_out")).status_code == 405
    assert half_signed_in(kofi).get(reverse("portal:lost_signed_out")).content.decode().count("todo") == page.count(
        "todo"
    )


# How it ends


def test_it_ends_by_itself_even_if_it_is_used(kofi: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = entered(kofi)
    row = Session.objects.get(session_key=browser.session.session_key)
    assert timedelta(minutes=29) < row.expire_date - timezone.now() <= limited.LASTS
    browser.get(reverse("portal:lost_devices"))
    assert Session.objects.get(session_key=row.session_key).expire_date == row.expire_date
    # Should the session outlive its time, the mark in it does not.
    session = browser.session
    session[LIMITED] = int(timezone.now().timestamp()) - 1
    session.set_expiry(3600)
    session.save()
    assert browser.get(reverse("portal:lost_devices"))["Location"].startswith(reverse("account_login"))
    assert not Session.objects.filter(session_key=row.session_key).exists()
    assert not UserSession.objects.filter(user=kofi).exists()


def test_it_ends_with_a_role_with_suspension_with_sign_out_and_with_a_new_password(kofi: Person) -> None:
    browser = entered(kofi)
    Person.objects.filter(id=kofi.id).update(role="helpdesk")
    assert browser.get(reverse("portal:lost_devices"))["Location"].startswith(reverse("account_login"))
    Person.objects.filter(id=kofi.id).update(role="person")
    browser = entered(kofi)
    assert browser.post(reverse("account_logout"), {"next": reverse("account_login")}).status_code == 302
    assert browser.get(reverse("portal:lost_devices")).status_code == 302
    browser = entered(kofi)
    services.change_password(actor=factories.actor(kofi), person=kofi, password="granite meadow seventeen")
    assert browser.get(reverse("portal:lost_devices")).status_code == 302
    person = factored("Lena Brandt")
    browser = entered(person)
    Person.objects.filter(id=person.id).update(is_active=False)
    assert browser.get(reverse("portal:lost_devices")).status_code == 302


def test_an_expired_password_does_not_keep_anybody_from_locking(kofi: Person, phone: Device) -> None:
    SignInRules.objects.update_or_create(id=1, defaults={"expires_after_days": 1})
    Person.objects.filter(id=kofi.id).update(password_changed_at=timezone.now() - timedelta(days=3))
    selectors.forget_rules()
    browser = entered(kofi)
    assert browser.get(reverse("portal:lost_device", args=[phone.id])).status_code == 200
    assert browser.get(reverse("account_change_password")).status_code == 403


def test_the_second_factor_makes_a_whole_session_of_another_key(kofi: Person) -> None:
    browser = entered(kofi)
    before = browser.session.session_key
    page = browser.get(reverse("portal:account")).content.decode()
    assert "Not with your password alone" in page
    assert f'value="{reverse("account_login")}"' in page
    browser.post(reverse("account_logout"), {"next": reverse("account_login")})
    assert not Session.objects.filter(session_key=before).exists()
    browser.post(reverse("account_login"), {"login": kofi.email, "password": PASSWORD})
    answer = browser.post(reverse("mfa_authenticate"), {"code": code_for(KEY)})
    assert answer.status_code == 302, answer.content
    assert browser.session.session_key != before
    assert LIMITED not in browser.session
    assert browser.session.get_expiry_age() > limited.LASTS.total_seconds()
    assert browser.get(reverse("portal:account")).status_code == 200


def test_a_password_once_more_does_not_make_it_whole(kofi: Person) -> None:
    browser = entered(kofi)
    for name in ("account_reauthenticate", "mfa_reauthenticate", "account_login", "mfa_authenticate"):
        answer = browser.post(
            reverse(name), {"login": kofi.email, "password": PASSWORD, "next": reverse("portal:account")}
        )
        assert answer.status_code == 403, name
    assert LIMITED in browser.session
    assert browser.get(reverse("portal:account")).status_code == 403


def test_a_whole_session_shows_that_one_and_ends_it(kofi: Person) -> None:
    browser = entered(kofi)
    whole = Client()
    whole.force_login(kofi, backend=limited.BACKEND)
    page = whole.get(reverse("usersessions_list")).content.decode()
    assert "Password alone" in page
    row = UserSession.objects.get(session_key=browser.session.session_key)
    whole.post(reverse("session_end", args=[row.pk]))
    assert browser.get(reverse("portal:lost_devices")).status_code == 302


# Pages: everything that is not named is shut


def test_the_table_is_the_middleware_s() -> None:
    assert OPEN == Limited.OPEN
    assert set(ALL) >= OPEN


def limit(browser: Client) -> Client:
    """This session, as if it had begun with a password alone, and as fresh as can be."""
    session = browser.session
    session[LIMITED] = int((timezone.now() + limited.LASTS).timestamp())
    session.save()
    return browser


@pytest.mark.parametrize("who", ["owner", "stranger"])
def test_every_page_but_those_named_is_refused_and_changes_nothing(
    scene: Scene, subtests: pytest.Subtests, who: str
) -> None:
    browser = limit(scene.browser(who))
    before = Entry.objects.count()
    for name in sorted(ALL.keys() - OPEN):
        with subtests.test(address=name), transaction.atomic():
            for method in ("get", "post", "put", "delete"):
                answer = getattr(browser, method)(scene.address(name))
                assert answer.status_code == 403, method
                assert "Not with your password alone" in answer.content.decode(), method
            transaction.set_rollback(True)
    assert Entry.objects.count() == before


@pytest.mark.parametrize("who", ["helpdesk", "auditor", "administrator"])
def test_who_sees_more_than_their_own_is_signed_out_wherever_they_go(
    scene: Scene, subtests: pytest.Subtests, who: str
) -> None:
    for name in ("portal:lost_devices", "console:overview", "portal:account"):
        with subtests.test(address=name):
            answer = limit(scene.browser(who)).get(scene.address(name))
            assert answer["Location"].partition("?")[0] == reverse("account_login")


def test_those_named_are_open_to_the_owner_and_to_nobody_else(scene: Scene, subtests: pytest.Subtests) -> None:
    for name in sorted(OPEN - {"account_logout"}):
        with subtests.test(address=name), transaction.atomic():
            own = limit(scene.browser("owner")).get(scene.address(name))
            assert own.status_code != 403, own.status_code
            if "device_id" in ALL[name]:
                for method in ("get", "post"):
                    other = getattr(limit(scene.browser("stranger")), method)(scene.address(name))
                    assert other.status_code in {404, 405}, method
            transaction.set_rollback(True)


# Verbs: everything that is not named is refused by itself


def test_nothing_is_recorded_of_a_limited_actor_but_what_is_named(kofi: Person) -> None:
    named = {Verb.SIGNED_IN_LIMITED, Verb.SIGNED_OUT, Verb.ACCESS_REFUSED, Verb.POSITION_SEEN, Verb.ACTION_REQUESTED}
    for verb in set(Verb) - named:
        with pytest.raises(LimitedSession):
            audit.record(verb, actor=acting(kofi))
    for action in set(ActionKind) - {ActionKind.LOCK, ActionKind.LOST, ActionKind.LOCATE}:
        with pytest.raises(LimitedSession):
            audit.record(Verb.ACTION_REQUESTED, actor=acting(kofi), details={"action": action.value})
    with pytest.raises(LimitedSession):
        audit.record(Verb.ACTION_REQUESTED, actor=acting(kofi))
    assert not Entry.objects.exists()
    assert {ActionKind.LOCK, ActionKind.LOST, ActionKind.LOCATE} == LIMITED_TO


@pytest.mark.parametrize("kind", sorted(set(ActionKind) - LIMITED_TO))
def test_no_other_action_is_possible_or_offered(kofi: Person, phone: Device, kind: ActionKind) -> None:
    capability = capabilities.of(phone, acting(kofi))[kind]
    assert "password alone" in capability.reason
    with pytest.raises(LimitedSession):
        asking.enqueue(device=phone, kind=kind, actor=acting(kofi), parameters=Parameters(message="x"))
    assert not Action.objects.exists()


VERBS: Final[dict[str, Callable[[Actor, Person, Device], object]]] = {
    "cancel a lock": lambda actor, person, device: asking.cancel(
        action=asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(person)), actor=actor
    ),
    "show PINs": lambda actor, _person, device: pins.reveal_pins(device=device, actor=actor),
    "end a session": lambda actor, person, _device: sessions.end(
        actor=actor,
        person=person,
        session_id=UserSession.objects.create(user=person, ip="127.0.0.1", session_key="1", user_agent="x").pk,
    ),
    "change the name": lambda actor, person, _device: services.change_name(actor=actor, person=person, name="K"),
    "change the password": lambda actor, person, _device: services.change_password(
        actor=actor, person=person, password="granite meadow seventeen"
    ),
    "change how pages look": lambda actor, person, _device: services.change_preferences(
        actor=actor, person=person, language="de", time_zone="", theme=""
    ),
    "change the mails": lambda actor, person, _device: services.change_notices(actor=actor, person=person, unwanted=[]),
    "change the address": lambda actor, person, _device: email_change.ask(
        actor=actor, person=person, email="k@aldermoor.example"
    ),
    "switch location on": lambda actor, person, _device: location.choose(person=person, actor=actor, shares=True),
    "share a position": lambda actor, person, device: (
        location.choose(person=person, actor=factories.actor(person), shares=True),
        location.share(device=device, actor=actor, latitude=1, longitude=1, accuracy=1),
    ),
    "make an app's password": lambda actor, person, device: (
        location.choose(person=person, actor=factories.actor(person), shares=True),
        location.make_reporter(device=device, actor=actor),
    ),
    "register a device": lambda actor, person, _device: tickets.open_ticket(
        person=person, ownership="personal", intended="phone", actor=actor
    ),
    "change the rules": lambda actor, _person, _device: sign_in_rules.change(
        actor=actor,
        minimum_length=15,
        classes=0,
        history=0,
        expires_after_days=0,
        idle_minutes=0,
        limited_sign_in=True,
        console_factor=True,
    ),
}


@pytest.mark.parametrize("what", VERBS)
def test_a_verb_refuses_a_limited_actor_and_leaves_nothing_behind(
    kofi: Person, phone: Device, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mydevices.platforms.apple.push_certificate.topic", lambda: "com.apple.mgmt.External.test")
    before = Person.objects.values().get(id=kofi.id)
    with pytest.raises(LimitedSession), transaction.atomic():
        VERBS[what](acting(kofi), kofi, phone)
    assert Person.objects.values().get(id=kofi.id) == before
    assert not Entry.objects.exclude(actor_name="").filter(details__has_key="limited").exists()


READERS: Final = {
    *("accounts/rights.py: of", "audit/proof.py: is_excepted", "commands/capabilities.py: of"),
    *("commands/wipes.py: obstacle", "commands/limits.py: exceeded"),
    *("commands/limits.py: asked_lately", "commands/limits.py: check_retired"),
    *("accounts/approvals.py: must_wait", "accounts/approvals.py: name_of", "accounts/approvals.py: tell_asker"),
    *("accounts/approval_decisions.py: obstacle", "commands/batches.py: must_wait"),
    *("accounts/rights.py: ceiling", "accounts/rights.py: is_above", "accounts/rights.py: may_fill"),
    "registration/invitees.py: check",
    "registration/pins.py: ask",  # of somebody without a session: the worker answers, and records
}
"""Take an actor and change nothing."""
ENDS: Final = re.compile(r"\b_?record\(|rights\.require\(|\.require_fresh\(|\.require_full\(|actor\.is_administrator")


def test_every_verb_there_is_ends_where_a_limited_actor_is_refused() -> None:
    """Each function with an actor records, asks for a right or a fresh proof, or hands its actor to one that does."""
    verbs = with_an_actor()
    assert len(verbs) > 80
    assert public_ones(verbs) - ending(verbs, ENDS) == READERS


def with_an_actor() -> dict[str, ast.FunctionDef]:
    """Every function there is that takes an actor, but for those of pages."""
    verbs: dict[str, ast.FunctionDef] = {}
    root = Path(mydevices.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if {"views", "migrations"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_asked_of_others = isinstance(node, ast.FunctionDef) and "abstractmethod" in map(
                ast.unparse, node.decorator_list
            )
            if isinstance(node, ast.FunctionDef) and node.name != "record" and not is_asked_of_others:
                taken = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
                if "actor" in taken:
                    verbs[f"{path.relative_to(root)}: {node.name}"] = node
    return verbs


def public_ones(verbs: Mapping[str, ast.FunctionDef]) -> set[str]:
    return {name for name in verbs if ": _" not in name}


def ending(verbs: Mapping[str, ast.FunctionDef], ends_with: re.Pattern[str]) -> set[str]:
    """Those that come to one of these ends, or hand their actor to one that does."""
    guarded = {name for name, node in verbs.items() if ends_with.search(ast.unparse(node))}
    while True:
        ends = {name.rpartition(" ")[2] for name in guarded}
        left = {name: node for name, node in verbs.items() if name not in guarded}
        more = {name for name, node in left.items() if any(_hands_on(node, end) for end in ends)}
        if not more:
            return guarded
        guarded |= more


def _hands_on(node: ast.FunctionDef, name: str) -> bool:
    """Whether it calls a function of this name with its actor."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            if called == name and any(ast.unparse(one) in {"actor", "actor.through_link()"} for one in given):
                return True
    return False
