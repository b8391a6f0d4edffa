"""Every action x who asks x what policies say x where it is asked: the same verdict with the same reason.

Each edge is asked as its people use it: the portal and the console by HTTP, the command line as a command. What the
verb itself says is the measure. The portal is for owners and the console for those with a role: whoever else comes
there is refused before the verb is asked, which `CLOSED` says for each edge."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from io import StringIO
from typing import Any, Final
from uuid import UUID

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.commands import asking
from mydevices.commands.models import Action
from mydevices.devices import selectors as devices
from mydevices.devices import services as devices_services
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import ForbiddenByPolicy, MyDevicesError, NeedsFreshAuthentication, NotAllowed, Unsupported
from mydevices.organisation import selectors as organisation
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds import privacy
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.port.actions import Parameters
from tests import confirming, factories
from tests.confirming import grow_stale

pytestmark = pytest.mark.django_db

WHO: Final = ("owner", "other", "administrator", "signed out", "owner, stale", "administrator, stale")
"""The stale have not proved for six minutes who they are."""
STALE: Final = ", stale"
OF_THE_LOST: Final = frozenset({ActionKind.LOCATE, ActionKind.SOUND, ActionKind.FOUND})
"""What can be asked of a device that is lost, and of no other."""
WHY: Final = "It was left on a train."
MESSAGE: Final = "Please call."
FORBIDDEN: Final[Mapping[str, frozenset[ActionKind]]] = {
    "owner": frozenset(ActionKind) - {ActionKind.FOUND},
    "administrator": frozenset({ActionKind.WIPE, ActionKind.LOCATE}),
}
"""What the strictest policies keep whom from. Who has found a device may always say so; nobody keeps administrators
from locking what was stolen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`asked`, or refused with what was read: the verb's sentence, or a whole page."""

    asked: bool
    said: str = ""
    status: int = 0

    def gives(self, reason: str) -> bool:
        return reason in self.said or escape(reason) in self.said


@dataclass
class Stage:
    """A supervised company iPhone of somebody, and who comes for it."""

    device: Device
    people: Mapping[str, Person]
    browsers: dict[str, Client] = field(default_factory=dict)

    def person(self, who: str) -> Person | None:
        return self.people.get(who.removesuffix(STALE))

    def browser(self, who: str) -> Client:
        if who not in self.browsers:
            browser, person = Client(), self.person(who)
            if person is not None:
                form = {"login": person.email, "password": factories.PASSWORD}
                assert browser.post(reverse("account_login"), form).status_code == 302
            self.browsers[who] = grow_stale(browser) if who.endswith(STALE) else browser
        return self.browsers[who]


@pytest.fixture
def stage() -> Stage:
    cache.clear()
    people = {
        "owner": factories.person("Ines Okafor", password=factories.PASSWORD),
        "other": factories.person("A Stranger", password=factories.PASSWORD),
        "administrator": factories.administrator("Amara Diallo", password=factories.PASSWORD),
    }
    device = factories.device(people["owner"], now=timezone.now())
    AppleRegistration.objects.filter(registration__device=device).update(is_supervised=True)
    return Stage(device, people)


def decide(*, allows: bool) -> None:
    system = Actor.system("test")
    rules = SelfServiceRules(helpdesk_phone="4321")
    strict: dict[str, Any] = {} if allows else {"administrators_may_wipe": False, "administrators_may_locate": False}
    for name, values in (
        ("Eyes", Privacy(location=privacy.ON, **strict)),
        ("Hands", rules if allows else replace(rules, allowed=())),
    ):
        policies.create(actor=system, name=name, values=values, assignment=EVERYONE)


@contextmanager
def undone() -> Iterator[None]:
    """What is asked here is as if it had not been: the next edge finds the device as it was."""
    organisation.forget()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# The verb, and the edges


def by_verb(stage: Stage, who: str, kind: ActionKind) -> MyDevicesError | NeedsFreshAuthentication | None:
    """The refusal, if it is one."""
    person, now = stage.person(who), timezone.now()
    assert person is not None
    actor = factories.actor(person, proved=now - confirming.STALE if who.endswith(STALE) else now)
    try:
        with undone():
            asking.enqueue(
                device=devices.by_id(stage.device.id),
                kind=kind,
                actor=actor,
                reason=WHY,
                parameters=Parameters(message=MESSAGE) if kind in {ActionKind.LOCK, ActionKind.LOST} else None,
            )
    except (MyDevicesError, NeedsFreshAuthentication) as refusal:
        return refusal
    return None


def was_asked(before: set[UUID]) -> bool:
    return bool(set(Action.objects.values_list("id", flat=True)) - before)


def read(answer: Any, before: set[UUID]) -> Verdict:
    return Verdict(was_asked(before), answer.content.decode(), answer.status_code)


def by_portal(stage: Stage, who: str, kind: ActionKind) -> Verdict:
    forms = {ActionKind.LOST: {"message": MESSAGE}, ActionKind.WIPE: {"typed": stage.device.name}}
    before = set(Action.objects.values_list("id", flat=True))
    address = reverse(f"portal:{kind.value}", args=[stage.device.id])
    return read(stage.browser(who).post(address, forms.get(kind, {}), follow=True), before)


def by_console(stage: Stage, who: str, kind: ActionKind) -> Verdict:
    browser, before = stage.browser(who), set(Action.objects.values_list("id", flat=True))
    if kind == ActionKind.LOCATE:
        browser.post(reverse("console:devices_where", args=[stage.device.id]), {"reason": WHY})
        address = reverse("console:devices_locate", args=[stage.device.id])
    else:
        address = reverse("console:devices_act", args=[stage.device.id, kind.value])
    form = {"reason": WHY, "message": MESSAGE, "typed": stage.device.name}
    return read(browser.post(address, form, follow=True), before)


def by_command(stage: Stage, who: str, kind: ActionKind) -> Verdict:
    before = set(Action.objects.values_list("id", flat=True))
    arguments = [kind.value, str(stage.device.id), "--reason", WHY]
    if kind in {ActionKind.LOCK, ActionKind.LOST}:
        arguments += ["--message", MESSAGE]
    person = stage.person(who)
    if person is not None:
        arguments += ["--as", person.email]
    try:
        call_command("device", *arguments, stdout=StringIO())
    except CommandError as refusal:
        return Verdict(was_asked(before), str(refusal))
    return Verdict(was_asked(before))


EDGES: Final[Mapping[str, Callable[[Stage, str, ActionKind], Verdict]]] = {
    "portal": by_portal,
    "console": by_console,
    "command line": by_command,
}
CLOSED: Final[Mapping[tuple[str, str], tuple[int, str]]] = {
    ("owner", "console"): (403, "Your role does not allow this."),
    ("other", "portal"): (404, "There is no such device here."),
    ("other", "console"): (403, "Your role does not allow this."),
    ("other", "command line"): (0, "There is no such device here."),
    ("administrator", "portal"): (404, "There is no such device here."),
    ("owner, stale", "console"): (403, "Your role does not allow this."),
    ("administrator, stale", "portal"): (404, "There is no such device here."),
    ("signed out", "portal"): (200, "Sign in to your devices"),
    ("signed out", "console"): (200, "Sign in to your devices"),
    ("signed out", "command line"): (0, "the following arguments are required: --as"),
}
"""Where an edge is not for somebody: the status and the words with which it refuses them, whatever they ask."""


def test_the_edges_and_their_visitors_are_all_here() -> None:
    carried = {(who, edge) for who in WHO for edge in EDGES} - set(CLOSED)
    assert carried == {
        ("owner", "portal"),
        ("owner", "command line"),
        ("administrator", "console"),
        ("administrator", "command line"),
        ("owner, stale", "portal"),
        ("owner, stale", "command line"),
        ("administrator, stale", "console"),
        ("administrator, stale", "command line"),
    }


@pytest.mark.parametrize("allows", [True, False], ids=["policies allow", "policies forbid"])
@pytest.mark.parametrize("who", WHO)
def test_every_edge_gives_the_verbs_verdict_and_its_reason(
    stage: Stage, subtests: pytest.Subtests, who: str, allows: bool
) -> None:
    decide(allows=allows)
    stage.browser(who)
    for kind in ActionKind:
        with undone():
            if kind in OF_THE_LOST:
                devices_services.lost(device_id=stage.device.id, now=timezone.now())
            fresh = by_verb(stage, who.removesuffix(STALE), kind) if stage.person(who) else NotAllowed("")
            session = by_verb(stage, who, kind) if stage.person(who) else fresh
            for edge, ask in EDGES.items():
                with subtests.test(action=kind.value, edge=edge), undone():
                    verdict = ask(stage, who, kind)
                    # Whoever has a shell on the server is as fresh as can be.
                    refusal = fresh if edge == "command line" else session
                    if isinstance(session, NeedsFreshAuthentication) and verdict.gives("Confirm that it’s you"):
                        # Some pages ask before they say that there is nothing here for them.
                        assert (verdict.asked, verdict.status) == (False, 403)
                    elif (who, edge) in CLOSED:
                        status, words = CLOSED[who, edge]
                        assert (verdict.asked, verdict.status) == (False, status)
                        assert verdict.gives(words)
                    else:
                        assert verdict.asked is (refusal is None), verdict.said[-3000:]
                        assert refusal is None or verdict.gives(refusal.message), refusal


@pytest.mark.parametrize(
    ("who", "asked"),
    [
        ("owner, stale", {"lock", "lost", "locate", "sound", "found", "check_in"}),
        ("administrator, stale", {"lock", "lost", "sound", "found", "check_in"}),
    ],
)
def test_without_a_fresh_proof_only_what_protects_one_device_is_asked(stage: Stage, who: str, asked: set[str]) -> None:
    decide(allows=True)
    found = set()
    for kind in ActionKind:
        with undone():
            if kind in OF_THE_LOST:
                devices_services.lost(device_id=stage.device.id, now=timezone.now())
            refusal = by_verb(stage, who, kind)
            assert refusal is None or isinstance(refusal, NeedsFreshAuthentication)
            found |= {kind.value} if refusal is None else set()
    assert found == asked


@pytest.mark.parametrize("who", ["owner", "administrator"])
@pytest.mark.parametrize("kind", ActionKind)
def test_the_verb_forbids_what_the_strictest_policies_say_and_nothing_else(
    stage: Stage, who: str, kind: ActionKind
) -> None:
    for allows in (True, False):
        with undone():
            decide(allows=allows)
            if kind in OF_THE_LOST:
                devices_services.lost(device_id=stage.device.id, now=timezone.now())
            refusal = by_verb(stage, who, kind)
            if allows or kind not in FORBIDDEN[who]:
                assert refusal is None, refusal
            else:
                assert isinstance(refusal, ForbiddenByPolicy), refusal
                assert "4321" in refusal.message


@pytest.mark.parametrize("who", ["owner", "administrator"])
def test_what_a_device_cannot_do_is_said_alike_on_every_edge(stage: Stage, subtests: pytest.Subtests, who: str) -> None:
    """An iPhone that nobody supervises has no Lost Mode, and one without an unlock token cannot be unlocked."""
    AppleRegistration.objects.filter(registration__device=stage.device).update(is_supervised=False)
    stage.browser(who)
    edge = "portal" if who == "owner" else "console"
    for kind in (ActionKind.LOST, ActionKind.SOUND, ActionKind.LOCATE):
        refusal = by_verb(stage, who, kind)
        assert isinstance(refusal, Unsupported)
        for name in (edge, "command line"):
            with subtests.test(action=kind.value, edge=name), undone():
                verdict = EDGES[name](stage, who, kind)
                assert not verdict.asked
                assert verdict.gives(refusal.message), refusal.message
