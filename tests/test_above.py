"""What a role may not do to those who have more: every address of the console and every action, tried by the helpdesk
and an auditor on an administrator's account, device and invitation.

The addresses come from the URL configuration. One that stands in no table below fails the test, so that a new page
cannot be forgotten."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import factors, people, providers
from mydevices.accounts.models import Approval, ApprovalRules, Group, Person
from mydevices.actions import ActionKind
from mydevices.commands import asking, batches
from mydevices.commands.models import Action, Batch
from mydevices.console.views.crowd import CROWD_ACTIONS
from mydevices.devices import services as devices_services
from mydevices.devices.models import Device
from mydevices.errors import Waits
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.port.actions import Parameters
from mydevices.registration import invitations, invitees
from mydevices.registration.invitees import Row
from mydevices.registration.models import Invitation
from tests import factories
from tests.factories import PASSWORD
from tests.test_authorisation import ALL, CONSOLE, written
from tests.test_matrix import decide

pytestmark = pytest.mark.django_db

BELOW: Final = (Person.Role.HELPDESK, Person.Role.AUDITOR)
ABOUT_SOMEBODY: Final = frozenset({"person_id", "device_id", "invitation_id", "action_id", "approval_id"})
"""What varies in an address that concerns one person."""
WHY: Final = "It was left on a train."

OF_NOBODY: Final = frozenset(
    {
        "console:approvals",
        "console:audit",
        "console:audit_export",
        "console:certificates",
        "console:certificates_export",
        "console:configurations",
        "console:devices",
        "console:devices_batch",
        "console:devices_batch_now",
        "console:devices_batch_stop",
        "console:devices_export",
        "console:groups",
        "console:groups_delete",
        "console:groups_new",
        "console:groups_one",
        "console:invitations",
        "console:invitations_mail",
        "console:overview",
        "console:people",
        "console:people_export",
    }
)
"""Addresses that concern nobody in particular. Those of settings, policies and configurations need a right that neither
of the two has, whomever they reach."""
OF_EVERYBODY: Final = ("console:settings", "console:policies", "console:configurations_")

ALLOWED: Final[Mapping[tuple[str, str], str]] = {
    ("console:devices_act", "lock"): "It protects the device, its owner is told, and the reason stands there.",
    ("console:devices_act", "lost"): "The same.",
    ("console:devices_act", "sound"): "Whoever looks for a lost device hears it.",
    ("console:devices_act", "check_in"): "The device says how it is.",
    ("console:devices_bulk", "check_in"): "The same.",
    ("console:devices_confirmation", ""): "Its owner gets a mail, at the address that is kept, and decides.",
    ("console:devices_locate", ""): "Its privacy policy says whether others may, and its owner is told.",
    ("console:devices_where", ""): "The same.",
    ("console:invitations_change", "revoke"): "It only stops a link.",
}
"""What the helpdesk may do to anybody, and why that gives nobody more than they have."""


@dataclass
class Scene:
    """An administrator with a lost phone that waits to be found, another who is invited, and a group that is closed."""

    boss: Person
    device: Device
    action: Action
    approval: Approval
    invited: Person
    invitation: Invitation
    group: Group
    browsers: dict[str, Client] = field(default_factory=dict)


@pytest.fixture
def scene() -> Scene:
    cache.clear()
    for module in (organisation, providers, factors):
        module.forget()
    now, boss = timezone.now(), factories.administrator("Amara Diallo", password=PASSWORD)
    actor = factories.actor(boss, proved=now)
    device = factories.device(boss, name="Amara’s iPhone", now=now)
    AppleRegistration.objects.filter(registration__device=device).update(is_supervised=True)
    action = asking.enqueue(device=device, kind=ActionKind.CHECK_IN, actor=actor)
    invitation = invitations.invite(actor=actor, email="tomas@aldermoor.example", name="Tomas Reiter")
    Person.objects.filter(id=invitation.person_id).update(role=Person.Role.ADMINISTRATOR)
    invitations.resend(invitation_id=invitation.id, actor=actor)
    invited = Person.objects.get(id=invitation.person_id)
    ApprovalRules.objects.create(id=1, from_devices=1)
    with pytest.raises(Waits):
        people.change_role(
            actor=actor, person=factories.person("Lena Brandt"), role=Person.Role.ADMINISTRATOR, now=timezone.now()
        )
    return Scene(
        boss, device, action, Approval.objects.get(), invited, invitation, Group.objects.create(name="Finance")
    )


def signed_in(role: str) -> Client:
    browser, somebody = Client(), factories.person(f"A {role}", role=role, password=PASSWORD)
    assert browser.post(reverse("account_login"), {"login": somebody.email, "password": PASSWORD}).status_code == 302
    return browser


@dataclass(frozen=True, slots=True)
class Try:
    """One form sent to one address; `what` tells apart what an address does by the form or a part of it."""

    name: str
    address: str
    form: Mapping[str, Any]
    what: str = ""


def form_of(scene: Scene) -> dict[str, Any]:
    """What is good enough for any form about one of them."""
    return {
        "reason": WHY,
        "message": "Please call.",
        "typed": scene.device.name,
        "name": "Somebody else",
        "role": Person.Role.PERSON,
        "groups": [str(scene.group.id)],
        "becomes": "personal",
        "decision": "approve",
    }


def _acts(scene: Scene, name: str) -> Iterator[Try]:
    for kind in ActionKind:
        yield Try(name, reverse(name, args=[scene.device.id, kind.value]), form_of(scene), kind.value)


def _batches(scene: Scene, name: str) -> Iterator[Try]:
    for kind in batches.KINDS:
        some = {"id": [str(scene.device.id)], "number": "1", "typed": "1", "batch": str(uuid4())}
        yield Try(name, reverse(name, args=[kind.value]), {**form_of(scene), **some}, kind.value)


def _crowds(scene: Scene, name: str) -> Iterator[Try]:
    for deed in CROWD_ACTIONS:
        some = {"id": [str(scene.boss.id), str(scene.invited.id)], "group": str(scene.group.id)}
        yield Try(name, reverse(name, args=[deed]), {**form_of(scene), **some}, deed)


def _changes(scene: Scene, name: str) -> Iterator[Try]:
    for do in ("resend", "revoke"):
        yield Try(name, reverse(name), {"do": do, "id": [str(scene.invitation.id)]}, do)


def _invites(scene: Scene, name: str) -> Iterator[Try]:
    for email in (scene.boss.email, scene.invited.email, "new@aldermoor.example"):
        yield Try(name, reverse(name), {**form_of(scene), "email": email}, email)


def _lists(scene: Scene, name: str) -> Iterator[Try]:
    rows = [
        Row(1, "Amara", scene.boss.email),
        Row(2, "Tomas", scene.invited.email),
        Row(3, "New", "new@aldermoor.example", groups=(scene.group.name,)),
    ]
    text, chosen = invitees.written(rows), ["1", "2", "3"]
    file = SimpleUploadedFile("people.csv", text.encode())
    yield Try(name, reverse(name), {"list": text, "row": chosen, "change": chosen, "file": file})


BY_FORM: Final[Mapping[str, Callable[[Scene, str], Iterator[Try]]]] = {
    "console:devices_act": _acts,
    "console:devices_bulk": _batches,
    "console:people_crowd": _crowds,
    "console:invitations_change": _changes,
    "console:invitations_new": _invites,
    "console:invitations_list": _lists,
    "console:invitations_send": _lists,
}
"""Addresses that say in a form, too, what is done and to whom."""


def tries(scene: Scene) -> Iterator[Try]:
    """Every form of the console that concerns somebody, about those who are above."""
    given = {
        "person_id": scene.boss.id,
        "device_id": scene.device.id,
        "action_id": scene.action.id,
        "approval_id": scene.approval.id,
        "invitation_id": scene.invitation.id,
    }
    for name in sorted(set(CONSOLE) - OF_NOBODY):
        if name in BY_FORM:
            yield from BY_FORM[name](scene, name)
        elif not name.startswith(OF_EVERYBODY):
            yield Try(name, reverse(name, kwargs={part: given[part] for part in ALL[name]}), form_of(scene))


def state() -> dict[str, list[dict[str, Any]]]:
    """Everything that the product keeps, but for who tried what, and mails."""
    left_out = {"Attempts", "Entry", "Seal", "Message"}
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model.__module__.startswith("mydevices.") and model.__name__ not in left_out
    }


def test_every_address_of_the_console_is_tried_or_concerns_nobody(scene: Scene) -> None:
    tried = {one.name for one in tries(scene)}
    assert tried | OF_NOBODY | {name for name in CONSOLE if name.startswith(OF_EVERYBODY)} == set(CONSOLE)
    assert not tried & OF_NOBODY
    assert not [name for name in OF_NOBODY if ABOUT_SOMEBODY & set(ALL[name])]
    assert {name for name, _what in ALLOWED} <= tried


@pytest.mark.parametrize("role", BELOW)
def test_nothing_is_done_to_those_who_are_above(scene: Scene, subtests: pytest.Subtests, role: str) -> None:
    browser = signed_in(role)
    for one in list(tries(scene)):
        for module in (organisation, providers, factors):
            module.forget()
        with subtests.test(address=one.name, what=one.what), transaction.atomic():
            if role == Person.Role.HELPDESK and (one.name, one.what) in ALLOWED:
                assert browser.post(one.address, one.form).status_code in {200, 303}
            else:
                before, entries = state(), written()
                answer = browser.post(one.address, one.form)
                assert answer.status_code < 500
                batches_run()
                after = state()
                if one.name == "console:devices_bulk":  # that somebody asked is kept, and why nothing was done
                    assert Action.objects.exclude(id=scene.action.id).count() == 0
                    for name in ("Batch", "BatchItem"):
                        before.pop(name), after.pop(name)
                else:
                    assert written() == entries
                assert after == before
            transaction.set_rollback(True)


def batches_run() -> None:
    for batch in Batch.objects.filter(finished_at=None):
        batches.advance(batch_id=batch.id, now=timezone.now())


@pytest.mark.parametrize("owner", Person.Role)
@pytest.mark.parametrize("who", BELOW)
def test_who_may_ask_what_of_whose_device(who: str, owner: str, subtests: pytest.Subtests) -> None:
    """The helpdesk opens no device of somebody with rights that it has not; who is not above is as anybody."""
    cache.clear()
    organisation.forget()
    device = factories.device(factories.person("Its Owner", role=owner), now=timezone.now())
    AppleRegistration.objects.filter(registration__device=device).update(is_supervised=True)
    decide(allows=True)
    browser = signed_in(who)
    protecting = {"lock", "lost", "locate", "sound", "check_in"}
    helped = (
        protecting | {"unlock", "restart", "found"}
        if owner in {Person.Role.PERSON, Person.Role.HELPDESK}
        else protecting
    )
    expected = helped if who == Person.Role.HELPDESK else set()
    for kind in ActionKind:
        with subtests.test(action=kind.value), transaction.atomic():
            if kind in {ActionKind.LOCATE, ActionKind.SOUND, ActionKind.FOUND}:
                devices_services.lost(device_id=device.id, now=timezone.now())
            form = {"reason": WHY, "message": "Please call.", "typed": device.name}
            if kind == ActionKind.LOCATE:
                browser.post(reverse("console:devices_where", args=[device.id]), form)
                browser.post(reverse("console:devices_locate", args=[device.id]))
            else:
                browser.post(reverse("console:devices_act", args=[device.id, kind.value]), form)
            assert Action.objects.filter(device=device).exists() is (kind.value in expected)
            transaction.set_rollback(True)


def test_the_helpdesk_calls_off_what_it_asked_itself_and_nothing_else_of_those_above(scene: Scene) -> None:
    desk, now = factories.person("Desk", role=Person.Role.HELPDESK, password=PASSWORD), timezone.now()
    browser = Client()
    browser.post(reverse("account_login"), {"login": desk.email, "password": PASSWORD})
    own = asking.enqueue(
        device=scene.device,
        kind=ActionKind.LOCK,
        actor=factories.actor(desk, proved=now),
        reason=WHY,
        parameters=Parameters(message="Please call."),
    )
    for action, status in ((scene.action, 403), (own, 303)):
        address = reverse("console:devices_cancel", args=[scene.device.id, action.id])
        assert browser.post(address).status_code == status
    assert list(Action.objects.filter(commands__state="cancelled")) == [own]
