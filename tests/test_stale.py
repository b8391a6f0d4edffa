"""The session of somebody who has not proved for more than five minutes who they are, at every address there is.

`ACTS` has a valid form for everything that an address changes, and `QUIET` the addresses that change nothing. What a
stale session may do all the same stands in `MAY`, which is written here and not read from the code: an act that is not
named there is asked about, and leaves no entry and no change. An address that stands in no line fails the test.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import email_change, factors, providers
from mydevices.accounts import selectors as accounts_selectors
from mydevices.accounts.models import Group, Membership, Person, Provider, ProviderLink
from mydevices.actions import ActionKind
from mydevices.audit import proof
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, batches
from mydevices.commands.models import Action, Command
from mydevices.configurations.models import Configuration, Installation
from mydevices.devices import services as devices_services
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.errors import NeedsFreshAuthentication
from mydevices.location import services as location
from mydevices.location.models import Position, Reporter
from mydevices.organisation import selectors as organisation
from mydevices.organisation.models import Organisation
from mydevices.outbox.models import Message
from mydevices.platforms.apple.models import AppleRegistration
from mydevices.policies import services as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.models import Policy
from mydevices.protocols.position import Fix
from mydevices.registration import invitations, invitees
from mydevices.registration.models import Invitation, RegistrationPin, Ticket
from tests import factories
from tests.certificates import identities
from tests.confirming import grow_stale, is_asked, send_again
from tests.factories import PASSWORD
from tests.test_authorisation import ALL, CONSOLE, OPEN, OWN, OWNED, Scene, scene
from tests.test_limited import READERS, ending, public_ones, with_an_actor

pytestmark = pytest.mark.django_db

__all__ = ["scene"]

SYSTEM: Final = Actor.system("test")
WHY: Final = "It was left on a train."
Overrides = Mapping[str, Any]


@dataclass(frozen=True)
class Act:
    """One thing that an address changes: a valid form for it, and what must be there before. `before` gives what varies
    in the address, where that is not as in the scene, and `form` may depend on the same."""

    address: str
    form: Callable[[Scene, Overrides], Mapping[str, object]] | Mapping[str, object] = field(default_factory=dict)
    before: Callable[[Scene], Overrides] = lambda _scene: {}
    what: str = ""
    by_get: bool = False
    session: Callable[[Scene, Overrides], Mapping[str, object]] = lambda _scene, _more: {}

    @property
    def name(self) -> str:
        return f"{self.address} {self.what}".strip()

    @property
    def who(self) -> str:
        return "administrator" if self.address in CONSOLE else "owner"


def _own(scene: Scene) -> Device:
    return Device.objects.get(id=str(scene.things["device_id"]))


def another_device(scene: Scene) -> Overrides:
    return {"device_id": factories.device(scene.people["owner"], name="Another iPhone", now=timezone.now()).id}


def unconfirmed_device(scene: Scene) -> Overrides:
    return {"device_id": factories.device(scene.people["owner"], keys_held=True, now=timezone.now()).id}


def lost_device(scene: Scene) -> Overrides:
    """Supervised, lost, and not yet looked for."""
    device = factories.device(scene.people["owner"], name="Lost iPhone", now=timezone.now())
    now = timezone.now()
    AppleRegistration.objects.filter(registration__device=device).update(is_supervised=True)
    devices_services.lost(device_id=device.id, now=now)
    located(scene)
    return {"device_id": device.id}


def supervised_device(scene: Scene) -> Overrides:
    more = another_device(scene)
    AppleRegistration.objects.filter(registration__device=more["device_id"]).update(is_supervised=True)
    return more


def located(scene: Scene) -> Overrides:
    owner = scene.people["owner"]
    location.choose(person=owner, actor=factories.actor(owner), shares=True)
    return {}


def seen_device(scene: Scene) -> Overrides:
    """One whose position is kept."""
    more = lost_device(scene)
    device = Device.objects.select_related("owner", "registration").get(id=more["device_id"])
    now = timezone.now()
    fix = Fix(latitude=52.5, longitude=13.4, accuracy=10, measured_at=now)
    assert location.record(device=device, source=Position.Source.BROWSER, fix=fix, now=now)
    return more


def reporting(scene: Scene) -> Overrides:
    located(scene)
    owner = scene.people["owner"]
    location.make_reporter(device=_own(scene), actor=factories.actor(owner))
    return {}


def paused_reporter(scene: Scene) -> Overrides:
    reporting(scene)
    Reporter.objects.update(paused_at=timezone.now())
    return {}


def locked_mac(scene: Scene) -> Overrides:
    owner = scene.people["owner"]
    mac = factories.mac(owner)
    action = asking.enqueue(device=mac, kind=ActionKind.LOCK, actor=factories.actor(owner))
    Command.objects.filter(action=action).update(state="sent", sent_at=timezone.now())
    return {"device_id": mac.id}


def registers_by_pin(_scene: Scene) -> Overrides:
    rules = RegistrationRules(sign_in="pin", pin_on_request=True)
    policies.create(actor=SYSTEM, name="By PIN", values=rules, assignment=EVERYONE)
    return {}


def has_terms(_scene: Scene) -> Overrides:
    rules = RegistrationRules(terms="Be kind.")
    policy = policies.create(actor=SYSTEM, name="Terms", values=rules, assignment=EVERYONE)
    return {"policy": policy.id}


def waits_for_an_address(scene: Scene) -> Overrides:
    owner = scene.people["owner"]
    email_change.ask(actor=factories.actor(owner), person=owner, email="other@aldermoor.example")
    return {}


def invited(scene: Scene) -> Overrides:
    made = invitations.invite(actor=SYSTEM, email="new@aldermoor.example", name="New Person")
    return {"invitation_id": made.id, "person_id": made.person_id}


def suspended(scene: Scene) -> Overrides:
    Person.objects.filter(id=scene.people["stranger"].id).update(is_active=False)
    return {"person_id": scene.people["stranger"].id}


def in_the_group(scene: Scene) -> Overrides:
    Membership.objects.create(person=scene.people["stranger"], group_id=str(scene.things["group_id"]))
    return {}


def batched(scene: Scene) -> Overrides:
    batch = batches.start(
        batch_id=uuid4(),
        device_ids=[another_device(scene)["device_id"]],
        kind=ActionKind.CHECK_IN,
        actor=factories.actor(scene.people["administrator"]),
        reason=WHY,
    )
    return {"batch_id": batch.id}


def two_policies(scene: Scene) -> Overrides:
    policies.create(actor=SYSTEM, name="A second", values=RegistrationRules(), assignment=EVERYONE)
    second = Policy.objects.get(name="A second")
    return {"policy_id": second.id}


def failed_clip(scene: Scene) -> Overrides:
    clip = Configuration.objects.get(id=str(scene.things["configuration_id"]))
    Installation.objects.create(
        channel=factories.channel(_own(scene)),
        identifier=f"clip.{clip.id}",
        configuration=clip,
        name=clip.name,
        state=Installation.State.FAILED,
        sent_digest="x",
        changed_at=timezone.now(),
    )
    return {}


def has_provider(_scene: Scene) -> Overrides:
    Provider.objects.create(id="aldermoor", name="Aldermoor ID", issuer="https://login.example", client_id="x")
    providers.forget()
    return {"provider_id": "aldermoor"}


def linked(scene: Scene) -> Overrides:
    more = has_provider(scene)
    ProviderLink.objects.create(
        person=scene.people["owner"], provider="aldermoor", issuer="https://login.example", subject="ines"
    )
    return more


def sends_mail(_scene: Scene) -> Overrides:
    Organisation.objects.update_or_create(
        id=1,
        defaults={"mail_host": "mail.example", "mail_port": 465, "mail_encryption": "tls", "mail_from": "a@b.example"},
    )
    return {}


def reads_mail_with_it(scene: Scene) -> Mapping[str, object]:
    """A file for the type of the owner's certificate."""
    owner = scene.people["owner"]
    data = identities.identity_for(owner).exported(identities.PASSWORD)
    return {"file": SimpleUploadedFile("mine.p12", data), "password": identities.PASSWORD, "note": "New"}


def _batch(scene: Scene, more: Overrides) -> Mapping[str, object]:
    return {"id": [str(more["device_id"])], "number": "1", "batch": str(uuid4()), "reason": WHY, "typed": "1"}


def _crowd(scene: Scene, more: Overrides) -> Mapping[str, object]:
    who = more.get("person_id", scene.people["stranger"].id)
    return {"id": [str(who)], "group": str(scene.things["group_id"])}


def _invitation(do: str) -> Callable[[Scene, Overrides], Mapping[str, object]]:
    return lambda _scene, more: {"do": do, "id": [str(more["invitation_id"])]}


def _looking(_scene: Scene, more: Overrides) -> Mapping[str, object]:
    at = timezone.now().timestamp()
    return {f"looking-{more['device_id']}": {"reason": WHY, "at": at, "told": False}}


def _kind(kind: str) -> Callable[[Callable[[Scene], Overrides]], Callable[[Scene], Overrides]]:
    return lambda before: lambda scene: {**before(scene), "kind": kind}


def _deed(deed: str, before: Callable[[Scene], Overrides] = lambda _scene: {}) -> Callable[[Scene], Overrides]:
    return lambda scene: {**before(scene), "action": deed}


SAID: Final = {"reason": WHY, "message": "Please call.", "typed": "Another iPhone"}
POLICY: Final = {
    "name": "Field staff",
    "enabled": "on",
    "sign_in": "both",
    "pin_length": "8",
    "pin_days": "3",
    "confirm_devices": "everybody",
    "ownership": "company",
    "device_limit": "2",
    "systems": ["iOS", "macOS"],
    "to": "nobody",
}
CLIP: Final = {"name": "Intranet", "enabled": "on", "label": "Intranet", "url": "https://in.example/", "to": "nobody"}
RULES: Final = {
    "minimum_length": "16",
    "classes": "0",
    "history": "0",
    "expires_after_days": "0",
    "idle_minutes": "480",
    "limited_sign_in": "on",
}
PROVIDER: Final = {
    "name": "Aldermoor ID",
    "id": "aldermoor",
    "issuer": "https://login.example",
    "client_id": "mydevices",
}
MAIL: Final = {"host": "mail.example", "encryption": "tls", "mail_from": "a@b.example"}
PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x10" + b"x" * 100
LIST: Final = b"name,email\nNew Person,listed@aldermoor.example\n"


def _listed(scene: Scene, _more: Overrides) -> Mapping[str, object]:
    rows = invitees.read(LIST, actor=factories.actor(scene.people["administrator"]))
    return {"list": invitees.written(rows), "row": ["1"]}


def _renamed(scene: Scene, more: Overrides) -> Mapping[str, object]:
    return {"name": "Another Name", "role": "helpdesk", "groups": [str(scene.things["group_id"])]}


ACTS: Final = (
    # A person's own
    Act("provider_unlink", before=linked),
    Act(
        "account_change_password",
        {"oldpassword": PASSWORD, "password1": "granite meadow seventeen", "password2": "granite meadow seventeen"},
    ),
    Act("portal:account", {"name": "Ines Stone"}),
    Act(
        "portal:certificate_add",
        lambda scene, _more: {**reads_mail_with_it(scene), "type": str(scene.things["type_id"])},
    ),
    Act("portal:email", {"email": "ines.stone@aldermoor.example"}),
    Act("portal:history_file", by_get=True),
    Act("portal:keep_email", before=waits_for_an_address),
    Act("portal:location_choice", {"shares": "yes"}, what="on"),
    Act("portal:location_choice", {"shares": "no"}, before=located, what="off"),
    Act("portal:new_pin", before=registers_by_pin),
    Act("portal:notices", {"wanted": []}),
    Act("portal:preferences", {"language": "de", "time_zone": "Europe/Berlin", "theme": "dark"}),
    Act("portal:register", {"which": "phone", "ownership": "personal"}),
    Act("portal:terms", lambda _scene, more: {"policy": str(more["policy"]), "version": "1"}, before=has_terms),
    Act("sessions_end_others"),
    # Of one thing of theirs
    Act("portal:apps", by_get=True),
    Act("portal:cancel"),
    Act("portal:certificate_clear"),
    Act("portal:certificate_delete"),
    Act("portal:certificate_edit", {"note": "For work"}, what="note"),
    Act("portal:certificate_edit", lambda scene, _more: reads_mail_with_it(scene), what="file"),
    Act("portal:certificate_take", {"password": "only mine 7", "again": "only mine 7"}),
    Act("portal:certificate_withdraw"),
    Act("portal:check_in", before=another_device),
    Act("portal:confirm_device", before=unconfirmed_device),
    Act("portal:device_history_file", by_get=True),
    Act("portal:found", before=lost_device),
    Act("portal:locate", before=lost_device),
    Act("portal:lock", before=another_device),
    Act("portal:lost", {"message": "Please call."}, before=supervised_device),
    Act("portal:make_reporter", before=located),
    Act("portal:pins", before=locked_mac),
    Act("portal:remove_reporter", before=reporting),
    Act("portal:resume_reporter", before=paused_reporter),
    Act("portal:retire", before=another_device),
    Act("portal:revoke"),
    Act("portal:share", {"latitude": "52.5", "longitude": "13.4", "accuracy": "10"}, before=located),
    Act("portal:sound", before=lost_device),
    Act("portal:unlock", before=another_device),
    Act("portal:restart", before=supervised_device),
    Act("portal:where", before=seen_device, by_get=True),
    Act("portal:wipe", {"typed": "Another iPhone"}, before=another_device),
    Act("session_end"),
    # The console's
    Act("console:approvals_one", {"decision": "approve", "reason": WHY}, what="approve"),
    Act("console:approvals_one", {"decision": "stop", "reason": WHY}, what="stop"),
    Act("console:audit_export", by_get=True),
    Act("console:certificates_export", by_get=True),
    Act("console:configurations_delete"),
    Act("console:configurations_edit", CLIP),
    Act("console:configurations_new", CLIP),
    Act("console:configurations_portal"),
    Act("console:configurations_retry", before=failed_clip),
    *(
        Act("console:devices_act", SAID, _kind(kind)(before), kind)
        for kind, before in (
            ("lock", another_device),
            ("lost", supervised_device),
            ("sound", lost_device),
            ("found", lost_device),
            ("check_in", another_device),
            ("unlock", another_device),
            ("restart", supervised_device),
            ("retire", another_device),
            ("wipe", another_device),
        )
    ),
    Act("console:devices_batch_stop", before=batched),
    *(
        Act("console:devices_bulk", _batch, _kind(kind)(another_device), kind)
        for kind in ("lock", "check_in", "retire")
    ),
    Act("console:devices_cancel"),
    Act("console:devices_confirmation", before=unconfirmed_device),
    Act("console:devices_export", by_get=True),
    Act("console:devices_locate", before=lost_device, session=_looking),
    Act("console:devices_ownership", {"becomes": "personal", "reason": WHY}),
    Act("console:devices_where", before=seen_device, session=_looking, by_get=True),
    Act("console:devices_wipes_one", {"decision": "approve", "reason": WHY}, what="approve"),
    Act("console:devices_wipes_one", {"decision": "refuse", "reason": WHY}, what="refuse"),
    Act("console:groups_delete"),
    Act("console:groups_new", {"name": "Finance"}),
    Act("console:groups_one", {"name": "Money", "factor": "on"}),
    Act("console:invitations_change", _invitation("resend"), invited, "resend"),
    Act("console:invitations_change", _invitation("revoke"), invited, "revoke"),
    Act("console:invitations_link", before=invited),
    Act("console:invitations_new", {"name": "Somebody New", "email": "somebody@aldermoor.example"}),
    Act("console:invitations_send", _listed),
    Act("console:people_change", _renamed),
    Act("console:people_crowd", _crowd, _deed("join"), "join"),
    Act("console:people_crowd", _crowd, _deed("leave", in_the_group), "leave"),
    Act("console:people_crowd", _crowd, _deed("invite", invited), "invite"),
    Act("console:people_crowd", _crowd, _deed("suspend"), "suspend"),
    Act("console:people_crowd", _crowd, _deed("resume", suspended), "resume"),
    Act("console:people_end_sessions"),
    Act("console:people_export", by_get=True),
    Act("console:people_factors"),
    Act("console:people_resume", before=suspended),
    Act("console:people_suspend"),
    Act("console:policies_delete"),
    Act("console:policies_edit", POLICY),
    Act("console:policies_move", before=two_policies),
    Act("console:policies_new", POLICY),
    Act("console:settings_about", {"name": "Changed"}),
    Act("console:settings_approvals", {"from_devices": "9", "batch_devices": "9", "configuration_devices": "9"}),
    Act("console:settings_brand", {"language": "de"}),
    Act(
        "console:settings_invitations", {"good_for_days": "14", "remind_every_days": "4", "reminders": "2"}, what="set"
    ),
    Act("console:settings_logo", lambda _scene, _more: {"logo": SimpleUploadedFile("logo.png", PNG)}),
    Act("console:settings_mail", MAIL, what="change"),
    Act("console:settings_mail", {"remove": "1"}, sends_mail, "remove"),
    Act("console:settings_provider", {**PROVIDER, "name": "Aldermoor Sign-in"}, has_provider),
    Act("console:settings_provider_new", PROVIDER),
    Act("console:settings_provider_remove", before=has_provider),
    Act("console:settings_platform_file"),
    Act("console:settings_sign_in", RULES),
)

GUARDED: Final = frozenset(
    {
        "console:settings_mail_trial",  # talks to the mail server, and changes nothing here
        "console:settings_platform",  # takes a certificate that Apple has signed
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_deactivate_totp",
        "mfa_generate_recovery_codes",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
    }
)
"""Where a valid form takes more than a form (their own tests have them): asked about before anything is looked at."""

PROVING: Final = frozenset(
    {"mfa_reauthenticate", "mfa_reauthenticate_webauthn", "portal:qr", "provider_again", "provider_link"}
)
"""Pages that lead to a proof first: the ways to give one, the way to a provider whose account is to be linked, and the
picture of the code of a registration that was opened in another session."""

QUIET: Final = frozenset(
    {
        "account_reauthenticate",
        "confirmed",
        "console:approvals",
        "console:audit",
        "console:certificates",
        "console:configurations",
        "console:configurations_icon",
        "console:configurations_now",
        "console:configurations_one",
        "console:configurations_reach",
        "console:devices",
        "console:devices_apps",
        "console:devices_batch",
        "console:devices_batch_now",
        "console:devices_now",
        "console:devices_one",
        "console:devices_where_now",
        "console:groups",
        "console:invitations",
        "console:invitations_list",
        "console:invitations_mail",
        "console:invitations_one",
        "console:overview",
        "console:people",
        "console:people_person",
        "console:policies",
        "console:policies_reach",
        "console:policies_who",
        "console:settings",
        "mfa_index",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "portal:certificate_file",
        "portal:certificates",
        "portal:certificates_now",
        "portal:device",
        "portal:device_history",
        "portal:device_now",
        "portal:devices",
        "portal:devices_now",
        "portal:history",
        "portal:lost_device",
        "portal:lost_device_now",
        "portal:lost_devices",
        "portal:qr",
        "portal:secure",  # puts it off, in the session alone
        "portal:strength",
        "portal:ticket",
        "portal:ticket_now",
        "portal:where_now",
        "provider_again",
        "provider_link",  # leads to the provider; the way back is tested with it
        "usersessions_list",
    }
)
"""Pages that change nothing: no entry is written by them."""

MAY: Final = frozenset(
    {
        # The form has the present password in it.
        "account_change_password",
        # One device of one's own.
        "portal:lock",
        "portal:lost",
        "portal:locate",
        "portal:sound",
        "portal:found",
        "portal:check_in",
        "portal:where",
        # What only stops or protects.
        "portal:cancel",
        "portal:keep_email",
        "portal:location_choice off",
        "portal:remove_reporter",
        "portal:revoke",
        "session_end",
        "sessions_end_others",
        "console:approvals_one stop",
        "console:devices_batch_stop",
        "console:devices_cancel",
        "console:devices_wipes_one refuse",
        "console:invitations_change revoke",
        "console:people_end_sessions",
        # Notes, language, look; reading.
        "portal:certificate_edit note",
        "portal:preferences",
        "portal:apps",
        # The helpdesk's, of one device of somebody else, with a reason.
        "console:devices_act lock",
        "console:devices_act lost",
        "console:devices_act sound",
        "console:devices_act found",
        "console:devices_act check_in",
    }
)
"""Everything that a stale session may do."""


def test_every_address_stands_in_one_line() -> None:
    changing = {act.address for act in ACTS}
    assert changing | GUARDED | QUIET | OPEN == set(ALL)
    assert len(changing) + len(GUARDED) + len(QUIET) + len(OPEN) == len(ALL)
    assert set(OWN) | set(OWNED) | set(CONSOLE) == changing | GUARDED | QUIET
    names = [act.name for act in ACTS]
    assert len(names) == len(set(names))
    assert set(names) >= MAY


@contextmanager
def apart() -> Iterator[None]:
    """What is done here is undone, and nothing is remembered of it."""
    for module in (organisation, providers, factors):
        module.forget()
    accounts_selectors.forget_rules()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def entries() -> set[int]:
    return set(Entry.objects.exclude(verb__startswith="sign_").values_list("id", flat=True))


def state() -> Mapping[str, object]:
    """As much as can be compared at once of what stale sessions must not change."""
    return {
        model.__name__: sorted(map(repr, model.objects.order_by("pk").values_list()))
        for model in (
            Action,
            Authenticator,
            Configuration,
            Group,
            Invitation,
            Membership,
            Message,
            Person,
            Policy,
            Provider,
            RegistrationPin,
            Ticket,
        )
    }


@dataclass(frozen=True)
class Done:
    answer: Any
    written: tuple[Entry, ...]
    browser: Client
    changed: bool


def do(scene: Scene, act: Act, *, stale: bool) -> Done:
    """The act, in a browser whose proof is of just now or of six minutes ago."""
    more = act.before(scene)
    browser = scene.browser(act.who)
    if stale:
        grow_stale(browser)
    session = browser.session
    session.update(act.session(scene, more))
    session.save()
    address = Scene(scene.people, {**_unspecific(scene, act.address), **more}).address(act.address)
    form = act.form(scene, more) if callable(act.form) else act.form
    before, was = entries(), state()
    answer = browser.get(address) if act.by_get else browser.post(address, form)
    if getattr(answer, "streaming", False):
        answer.getvalue()
    return Done(answer, tuple(Entry.objects.filter(id__in=entries() - before).order_by("id")), browser, state() != was)


def _unspecific(scene: Scene, address: str) -> dict[str, object]:
    """The scene's things, with those that are for this address alone under their plain names."""
    things = {name: value for name, value in scene.things.items() if "." not in name}
    prefix = f"{address}."
    things |= {name.removeprefix(prefix): value for name, value in scene.things.items() if name.startswith(prefix)}
    return things


SILENT: Final = frozenset({"portal:history_file", "portal:device_history_file", "portal:apps"})
"""What leaves no entry: a person reads their own."""


def is_refused(answer: Any, act: Act) -> bool:
    if act.by_get:
        return bool(
            answer.status_code == 303 and answer["Location"].partition("?")[0] == reverse("account_reauthenticate")
        )
    return is_asked(answer)


def test_every_act_is_valid_with_a_fresh_proof_and_without_one_only_what_is_named(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    for act in ACTS:
        with subtests.test(act=act.name):
            with apart():
                fresh = do(scene, act, stale=False)
                assert not is_refused(fresh.answer, act)
                assert fresh.answer.status_code < 400, fresh.answer.content[-3000:]
                assert fresh.written or act.address in SILENT, (fresh.answer.status_code, fresh.answer.content[-3000:])
            with apart():
                old = do(scene, act, stale=True)
                if act.name in MAY:
                    assert not is_refused(old.answer, act)
                    assert [entry.verb for entry in old.written] == [entry.verb for entry in fresh.written]
                else:
                    assert is_refused(old.answer, act), (old.answer.status_code, old.answer.content[-3000:])
                    assert not old.written
                    assert not old.changed


def test_what_was_asked_about_is_done_once_the_password_is_given(scene: Scene, subtests: pytest.Subtests) -> None:
    """Nothing that was typed is lost, whatever the form."""
    for act in ACTS:
        if act.name in MAY or act.by_get:
            continue
        with subtests.test(act=act.name):
            with apart():
                fresh = do(scene, act, stale=False)
            with apart():
                old = do(scene, act, stale=True)
                before = entries()
                answer = send_again(old.browser, old.answer)
                assert answer.status_code == fresh.answer.status_code, answer.content[-3000:]
                written = Entry.objects.filter(id__in=entries() - before)
                assert sorted(entry.verb for entry in written) == sorted(entry.verb for entry in fresh.written)


def test_what_takes_more_than_a_form_is_asked_about_first(scene: Scene, subtests: pytest.Subtests) -> None:
    for name in sorted(GUARDED):
        with subtests.test(address=name), apart():
            browser = grow_stale(scene.browser("administrator" if name in CONSOLE else "owner"))
            if name == "console:settings_mail_trial":
                sends_mail(scene)
            before, was = entries(), state()
            form = {"certificate": SimpleUploadedFile("push.pem", b"x")} if name == "console:settings_platform" else {}
            assert is_asked(browser.post(scene.address(name), form))
            assert (entries(), state()) == (before, was)


def test_what_is_quiet_writes_nothing_and_stays_open(scene: Scene, subtests: pytest.Subtests) -> None:
    for name in sorted(QUIET):
        with subtests.test(address=name), apart():
            browser = grow_stale(scene.browser("administrator" if name in CONSOLE else "owner"))
            before, was = entries(), state()
            for answer in (browser.get(scene.address(name)), browser.post(scene.address(name))):
                assert answer.status_code < 500
                assert not is_asked(answer)
                # Some are the ways to prove it, and lead to one another.
                again = answer.headers.get("Location", "").partition("?")[0] == reverse("account_reauthenticate")
                assert not again or name in PROVING
            assert (entries(), state()) == (before, was)


def test_what_is_open_to_everybody_writes_nothing_for_a_stale_session(scene: Scene, subtests: pytest.Subtests) -> None:
    """It has a proof of its own, and without it refuses."""
    for name in sorted(OPEN - {"account_logout"}):
        with subtests.test(address=name), apart():
            browser = grow_stale(scene.browser("owner"))
            before = entries()
            browser.post(scene.address(name))
            assert entries() == before


# Verbs


RECORDS: Final = re.compile(r"audit\.record\(|\b_?record\(|proof\.require\(|\.require_fresh\(")
GUARDS: Final = frozenset(
    {
        "accounts/rights.py: require",
        "organisation/services.py: require_administrator",
        "location/services.py: require_looker",
    }
)
"""Take an actor and change nothing, beside `test_limited.READERS`: they say whether somebody may."""


def test_every_verb_there_is_comes_to_where_a_fresh_proof_is_asked_for() -> None:
    """It records, asks for the proof itself, or hands its actor to one that does: what changed something without an
    entry would pass by."""
    verbs = with_an_actor()
    del verbs["audit/proof.py: require"]  # of one name with what asks for a right
    assert public_ones(verbs) - ending(verbs, RECORDS) - READERS == GUARDS


@pytest.mark.parametrize("verb", Verb)
def test_every_verb_is_an_exception_with_a_reason_or_needs_a_fresh_proof(verb: Verb) -> None:
    person = factories.person()
    stale = factories.actor(person, proved=None)
    if verb not in proof.EXCEPTIONS:
        with pytest.raises(NeedsFreshAuthentication), transaction.atomic():
            audit.record(verb, actor=stale, person=audit.Mention(person.id))
        assert not Entry.objects.exists()
        return
    assert len(proof.EXCEPTIONS[verb].split()) > 3
    if verb not in proof.ONLY:
        audit.record(verb, actor=stale, person=audit.Mention(person.id))
        assert Entry.objects.filter(verb=verb).exists()


@pytest.mark.parametrize("verb", sorted(proof.ONLY))
def test_where_an_exception_holds_in_some_cases_there_is_one_in_which_it_does_not(verb: Verb) -> None:
    person, other = factories.person(), factories.person()
    stale = factories.actor(person, proved=None)
    details = {"action": "lock", "off": "", "reason": ""}
    assert proof.is_excepted(stale, verb, details, person_id=person.id)
    worse = {**details, "off": "certificate_expires"}
    assert not proof.is_excepted(stale, verb, worse, person_id=other.id)
