"""A second administrator, over HTTP: what loosens a rule waits for another one's word."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import approval_decisions, approvals, factors, people, services
from mydevices.accounts.models import Approval, Group, Membership, Person, SignInRules
from mydevices.accounts.notices import Notice
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.console.views import approvals as approvals_view
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.errors import NotAllowed
from mydevices.outbox import services as outbox
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker
from mydevices.policies import services as policies
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.policies.models import Policy
from mydevices.registration import invitation_rules
from tests import factories
from tests.approving import carry_out_due
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

SIGN_IN: Final[dict[str, Any]] = {
    "minimum_length": 15,
    "classes": 0,
    "history": 0,
    "expires_after_days": 0,
    "idle_minutes": 480,
    "limited_sign_in": "on",
    "console_factor": "on",
}
SHORTER: Final = {**SIGN_IN, "minimum_length": 8}
RULES: Final = "console:settings_sign_in"
DAY: Final = timedelta(hours=24, seconds=1)


def browser_of(person: Person) -> Client:
    browser = Client()
    assert browser.post("/sign-in", {"login": person.email, "password": PASSWORD}).status_code == 302
    return browser


def waits() -> Approval:
    return Approval.objects.get(state="waiting")


def one(approval: Approval) -> str:
    return reverse("console:approvals_one", args=[approval.id])


def length() -> int:
    found = SignInRules.objects.filter(id=1).first()
    return found.minimum_length if found else 15


def mails(notice: Notice) -> list[dict[str, Any]]:
    return [message.payload for message in Message.objects.filter(topic="mail") if message.payload["notice"] == notice]


def told(notice: Notice) -> set[str]:
    return {mail["person"] for mail in mails(notice)}


def decide(browser: Client, approval: Approval, decision: str, reason: str = "So it is.") -> Any:
    return browser.post(one(approval), {"decision": decision, "reason": reason})


def text(browser: Client, address: str) -> str:
    return browser.get(address).content.decode()


# When it waits


def test_with_two_administrators_shorter_passwords_wait_and_every_administrator_is_mailed(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser = browser_of(amara)
    answer = browser.post(reverse(RULES), SHORTER)
    approval = waits()
    assert (answer.status_code, answer["Location"]) == (303, one(approval))
    assert length() == 15
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    mail = mails(Notice.CHANGE_WAITS)[0]["facts"]
    assert mail["by"] == "Amara Diallo"
    assert "15 → 8" in mail["details"]
    assert mail["page"] == one(approval)
    assert mail["goes"] == approval.ends_at.isoformat(timespec="seconds")
    assert approval.ends_at - approval.asked_at == timedelta(hours=24)
    page = text(browser, reverse(RULES))
    assert "waits for another administrator" in page
    assert "1 change waits for an administrator" in text(browser, reverse("console:overview"))
    assert one(approval) in text(browser, reverse("console:approvals"))
    entry = Entry.objects.get(verb=Verb.CHANGE_WAITS)
    assert (entry.actor_id, "15 → 8" in entry.details["decided"]) == (str(amara.id), True)


def test_with_one_administrator_it_takes_effect_at_once_and_is_mailed(amara: Person, enough: None) -> None:
    factories.person("Sam Stone", role=Person.Role.HELPDESK)
    suspended = factories.administrator("Kofi Mensah")
    Person.objects.filter(id=suspended.id).update(is_active=False)
    assert browser_of(amara).post(reverse(RULES), SHORTER)["Location"] == reverse("console:settings")
    assert length() == 8
    assert told(Notice.CHANGE_MADE) == {str(amara.id)}
    assert not Approval.objects.exists()


def test_while_few_devices_are_registered_it_takes_effect_at_once_and_is_mailed(amara: Person, tomas: Person) -> None:
    factories.device(amara)
    browser_of(amara).post(reverse(RULES), SHORTER)
    assert length() == 8
    assert told(Notice.CHANGE_MADE) == {str(amara.id), str(tomas.id)}


def test_what_is_stricter_takes_effect_at_once_and_is_not_mailed(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), {**SIGN_IN, "minimum_length": 20, "idle_minutes": 30})
    assert length() == 20
    assert not Approval.objects.exists()
    assert not Message.objects.filter(topic="mail", payload__notice__startswith="change").exists()


def test_what_is_both_waits_as_a_whole(amara: Person, tomas: Person, enough: None) -> None:
    browser = browser_of(amara)
    browser.post(reverse(RULES), {**SIGN_IN, "minimum_length": 20, "idle_minutes": 0})
    assert length() == 15
    assert "with whatever in it is stricter" in text(browser, one(waits()))


def test_the_number_of_devices_is_not_raised_without_another_one(amara: Person, tomas: Person, enough: None) -> None:
    numbers = {"from_devices": 500, "batch_devices": 10, "configuration_devices": 10}
    answer = browser_of(amara).post(reverse("console:settings_approvals"), numbers)
    assert answer["Location"] == one(waits())
    assert approvals.rules().from_devices == 2
    decide(browser_of(tomas), waits(), "approve")
    assert approvals.rules().from_devices == 500


def test_the_command_line_needs_no_second_word_and_is_mailed_and_recorded(
    amara: Person, tomas: Person, enough: None
) -> None:
    policies.create(
        actor=Actor.system("command line"),
        name="Watched",
        values=Privacy(location="on"),
        assignment=EVERYONE,
    )
    assert Policy.objects.exists()
    assert told(Notice.CHANGE_MADE) == {str(amara.id), str(tomas.id)}
    assert "by" not in mails(Notice.CHANGE_MADE)[0]["facts"]
    assert Entry.objects.get(verb=Verb.POLICY_CREATED).actor_kind == "system"


# Who decides


def test_another_administrator_allows_it_and_it_takes_effect_under_their_name(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval = waits()
    other = browser_of(tomas)
    assert "Allow change" in text(other, one(approval))
    answer = decide(other, approval, "approve", "Agreed on Monday.")
    assert answer["Location"] == reverse("console:approvals")
    assert length() == 8
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by, approval.reason) == ("done", "Tomas Reiter", "Agreed on Monday.")
    assert Entry.objects.get(verb=Verb.SIGN_IN_RULES_CHANGED).actor_id == str(tomas.id)
    assert Entry.objects.get(verb=Verb.CHANGE_APPROVED).details["asked_by"] == "Amara Diallo"
    assert told(Notice.CHANGE_APPROVED) == {str(amara.id)}
    assert "Nothing is waiting" in text(other, reverse("console:approvals"))


def test_the_list_offers_a_decision_to_those_who_have_it_and_leads_to_the_rules(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    auditor = factories.person("Vera Lind", role="auditor", password=PASSWORD)
    own, others, seen = (text(browser_of(one), reverse("console:approvals")) for one in (amara, tomas, auditor))
    assert ("You asked for it" in own, "Decide…" in own) == (True, False)
    assert ("Amara Diallo</bdi> asked for it" in others, "Decide…" in others) == (True, True)
    assert ("Amara Diallo</bdi> asked for it" in seen, "Decide…" in seen) == (True, False)
    for page in (own, others, seen):
        assert reverse("console:settings_approvals") in page


def test_the_list_says_where_more_wait_than_it_shows(
    amara: Person, tomas: Person, lena: Person, enough: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals_view, "SHOWN", 1)
    browser, more = browser_of(amara), "There are more. They appear here when these are decided."
    browser.post(reverse(RULES), SHORTER)
    assert more not in text(browser, reverse("console:approvals"))
    address, form = change(lena, role="administrator")
    browser.post(address, form)
    assert approvals.waiting().count() == 2
    assert more in text(browser, reverse("console:approvals"))


def test_nobody_allows_what_they_asked_for_while_there_is_another(amara: Person, tomas: Person, enough: None) -> None:
    browser = browser_of(amara)
    browser.post(reverse(RULES), SHORTER)
    page = text(browser, one(waits()))
    assert "You asked for this yourself" in page
    assert "Allow change" not in page
    assert decide(browser, waits(), "approve").status_code == 403
    assert length() == 15


def test_who_has_become_the_only_one_decides_on_their_own(amara: Person, tomas: Person, enough: None) -> None:
    browser = browser_of(amara)
    browser.post(reverse(RULES), SHORTER)
    Person.objects.filter(id=tomas.id).update(is_active=False)
    assert decide(browser, waits(), "approve").status_code == 303
    assert length() == 8


def test_an_administrator_of_less_than_a_day_stops_but_does_not_allow(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    Person.objects.filter(id=tomas.id).update(role_since=timezone.now() - timedelta(hours=23, minutes=50))
    other = browser_of(tomas)
    page = text(other, one(waits()))
    assert "less than a day" in page
    assert "Allow change" not in page
    assert decide(other, waits(), "approve").status_code == 403
    assert decide(other, waits(), "stop").status_code == 303
    assert length() == 15
    assert not approvals.waiting().exists()


def test_who_was_given_the_role_by_the_asker_does_not_allow(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    Person.objects.filter(id=tomas.id).update(role_given_by=str(amara.id))
    other = browser_of(tomas)
    assert "gave you your role" in text(other, one(waits()))
    assert decide(other, waits(), "approve").status_code == 403
    assert length() == 15
    Person.objects.filter(id=tomas.id).update(role_given_by=str(tomas.id))
    assert decide(other, waits(), "approve").status_code == 303
    assert length() == 8


def since(person: Person, ago: timedelta, *, given_by: str = "") -> None:
    Person.objects.filter(id=person.id).update(role_since=timezone.now() - ago, role_given_by=given_by)


HOUR: Final = timedelta(hours=1)


def test_where_nobody_has_had_the_role_for_a_day_another_one_allows(amara: Person, tomas: Person, enough: None) -> None:
    """A new server's administrators need not wait for their first day to end."""
    since(amara, HOUR)
    since(tomas, HOUR)
    browser_of(amara).post(reverse(RULES), SHORTER)
    other = browser_of(tomas)
    assert "Allow change" in text(other, one(waits()))
    assert decide(other, waits(), "approve").status_code == 303
    assert length() == 8


def test_a_new_administrator_does_not_make_the_old_one_vanish_and_then_decide(
    amara: Person, tomas: Person, enough: None
) -> None:
    """Whoever has stolen a fresh account cannot become the only one, nor the oldest, by themselves."""
    since(tomas, HOUR)
    kofi = factories.administrator("Kofi Mensah", password=PASSWORD)
    since(kofi, HOUR)
    his, another = browser_of(tomas), browser_of(kofi)
    for deed in (_suspend, _demote):
        his.post(*deed(amara))
        assert decide(his, waits(), "approve").status_code == 403
        assert decide(another, waits(), "approve").status_code == 403
        decide(browser_of(amara), waits(), "stop", "No.")
    his.post(reverse("console:people_end_sessions", args=[amara.id]))
    his.post(reverse(RULES), SHORTER)
    assert decide(another, waits(), "approve").status_code == 403
    assert (length(), _state(amara)[:2]) == (15, ("administrator", True))


def test_the_only_administrator_decides_on_their_first_day_and_not_beside_an_older_one(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    since(tomas, HOUR)
    other = browser_of(tomas)
    assert decide(other, waits(), "approve").status_code == 403
    Person.objects.filter(id=amara.id).update(role=Person.Role.PERSON)
    assert decide(other, waits(), "approve").status_code == 303
    assert Approval.objects.get().state == "failed", "who asked may not ask any more"
    assert length() == 15
    other.post(reverse(RULES), SHORTER)
    assert length() == 8


def test_who_has_lately_made_an_administrator_does_not_allow_what_that_one_asks(
    amara: Person, tomas: Person, lena: Person, enough: None
) -> None:
    """The two may be one: an account that its maker asks by is no second word."""
    Person.objects.filter(id=lena.id).update(role=Person.Role.ADMINISTRATOR)
    since(lena, timedelta(days=6), given_by=str(amara.id))
    browser_of(lena).post(reverse(RULES), SHORTER)
    browser = browser_of(amara)
    assert "less than a week ago" in text(browser, one(waits()))
    assert decide(browser, waits(), "approve").status_code == 403
    assert length() == 15
    since(lena, timedelta(days=8), given_by=str(amara.id))
    assert decide(browser, waits(), "approve").status_code == 303
    assert length() == 8


def test_who_has_just_been_let_in_again_decides_nothing_yet(amara: Person, tomas: Person, enough: None) -> None:
    kofi = factories.administrator("Kofi Mensah", password=PASSWORD)
    Person.objects.filter(id=kofi.id).update(is_active=False)
    browser = browser_of(amara)
    browser.post(reverse("console:people_resume", args=[kofi.id]))
    decide(browser_of(tomas), waits(), "approve")
    browser.post(reverse(RULES), SHORTER)
    assert decide(browser_of(kofi), waits(), "approve").status_code == 403
    assert length() == 15


def test_a_role_that_ended_while_somebody_decided_allows_nothing(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    seen = factories.actor(tomas)  # as the request found them
    Person.objects.filter(id=tomas.id).update(role=Person.Role.PERSON)
    with pytest.raises(NotAllowed):
        approval_decisions.approve(approval_id=waits().id, actor=seen)
    assert length() == 15


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR])
def test_a_lesser_role_neither_allows_nor_stops(amara: Person, tomas: Person, enough: None, role: str) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    browser = browser_of(factories.person("Sam Stone", role=role, password=PASSWORD))
    for decision in ("approve", "stop"):
        assert decide(browser, waits(), decision).status_code == 403
    assert browser.get(one(waits())).status_code == (200 if role == Person.Role.AUDITOR else 403)
    assert length() == 15


def _stale(browser: Client) -> None:
    session = browser.session
    for method in session["account_authentication_methods"]:
        method["at"] = (timezone.now() - timedelta(minutes=10)).timestamp()
    session.save()


def test_allowing_asks_for_a_fresh_proof_and_stopping_does_not(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    other = browser_of(tomas)
    _stale(other)
    approval = waits()
    decide(other, approval, "approve")
    assert (length(), waits().id) == (15, approval.id)
    assert decide(other, approval, "stop").status_code == 303
    assert not approvals.waiting().exists()


def test_loosening_asks_for_a_fresh_proof(amara: Person, enough: None) -> None:
    browser = browser_of(amara)
    _stale(browser)
    browser.post(reverse(RULES), SHORTER)
    assert length() == 15
    assert not Approval.objects.exists()


# Stopping, and time


def test_one_who_stops_it_says_why_and_the_asker_is_mailed(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval, other = waits(), browser_of(tomas)
    assert decide(other, approval, "stop", " ").status_code == 400
    assert decide(other, approval, "stop", "Ring me first.").status_code == 303
    assert "Ring me first." in text(other, one(approval))
    assert mails(Notice.CHANGE_STOPPED)[0]["facts"]["reason"] == "Ring me first."
    assert told(Notice.CHANGE_STOPPED) == {str(amara.id)}
    assert carry_out_due(now=approval.ends_at + DAY) == 0
    assert length() == 15
    assert Entry.objects.get(verb=Verb.CHANGE_STOPPED).actor_id == str(tomas.id)


@pytest.mark.parametrize(
    "reason", ["Not before Monday \U0001f469\u200d\U0001f4bb", "\u0646\u0645\u06cc\u200c\u0634\u0648\u062f"]
)
def test_a_reason_has_whatever_joins_letters_and_pictures(
    amara: Person, tomas: Person, enough: None, reason: str
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    assert decide(browser_of(tomas), waits(), "stop", reason).status_code == 303
    assert mails(Notice.CHANGE_STOPPED)[0]["facts"]["reason"] == reason


@pytest.mark.parametrize("reason", ["Fine.\n\nYour password has expired.", "Fine.\u202eon", "Fine.\u2028No."])
def test_a_reason_is_one_line_that_can_be_shown(amara: Person, tomas: Person, enough: None, reason: str) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    assert decide(browser_of(tomas), waits(), "stop", reason).status_code == 400
    assert waits().reason == ""


def test_who_asked_takes_it_back_without_a_reason(amara: Person, tomas: Person, enough: None) -> None:
    browser = browser_of(amara)
    browser.post(reverse(RULES), SHORTER)
    assert "Take it back" in text(browser, one(waits()))
    assert decide(browser, waits(), "stop", "").status_code == 303
    assert not approvals.waiting().exists()


def test_after_a_day_it_takes_effect_once_in_the_servers_name(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval = waits()
    assert carry_out_due(now=approval.asked_at + timedelta(hours=23, minutes=59)) == 0
    assert length() == 15
    assert carry_out_due(now=approval.asked_at + DAY) == 1
    assert carry_out_due(now=approval.asked_at + DAY) == 0
    assert length() == 8
    assert Entry.objects.get(verb=Verb.SIGN_IN_RULES_CHANGED).actor_kind == "system"
    assert Entry.objects.filter(verb=Verb.CHANGE_DUE).count() == 1
    assert "by" not in mails(Notice.CHANGE_APPROVED)[0]["facts"]


def test_one_that_cannot_be_read_any_more_keeps_no_other_from_its_time(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval = waits()
    broken = _of_an_earlier_version(approval)
    broken.save(force_insert=True)
    then = timezone.now() - timedelta(minutes=1)
    for late in (broken, approval):
        Approval.objects.filter(id=late.id).update(ends_at=then)
        outbox.post(approvals.TOPIC, {"approval": str(late.id)}, key=str(late.id), not_before=then, alone=True)
    Worker(threading.Event()).drain()
    assert length() == 8
    assert waits().id == broken.id
    message = Message.objects.get(topic=approvals.TOPIC)
    assert (message.key, message.state, message.last_error) == (str(broken.id), "waiting", "KeyError: 'after'")


def _of_an_earlier_version(approval: Approval) -> Approval:
    """One that waits beside this one, and whose arguments nobody can read any more."""
    old = Approval.objects.get(id=approval.id)
    old.id, old.what, old.arguments = uuid4(), "an earlier version's", {}
    return old


def test_one_that_cannot_be_read_any_more_is_shown_by_its_name_and_can_be_stopped(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    old = _of_an_earlier_version(waits())
    old.kind, old.subject = people.ROLE, "Somebody of an earlier version"
    old.save(force_insert=True)
    browser = browser_of(tomas)
    for address in (reverse("console:approvals"), one(old)):
        assert "Somebody of an earlier version" in text(browser, address)
    assert decide(browser, old, "stop", "Nobody knows what it is.").status_code == 303
    assert waits().id != old.id


def test_of_two_who_decide_the_second_is_told(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval, other = waits(), browser_of(tomas)
    decide(other, approval, "stop")
    answer = other.post(one(approval), {"decision": "approve", "reason": ""}, follow=True)
    assert "decided already" in answer.content.decode()
    assert length() == 15


def test_another_change_of_the_same_replaces_what_waits(amara: Person, tomas: Person, enough: None) -> None:
    browser, other = browser_of(amara), browser_of(tomas)
    browser.post(reverse(RULES), SHORTER)
    first = waits()
    other.post(reverse(RULES), {**SIGN_IN, "minimum_length": 10})
    assert waits().id != first.id
    assert waits().arguments["after"]["minimum_length"] == 10
    assert told(Notice.CHANGE_STOPPED) == {str(amara.id)}
    browser.post(reverse(RULES), {**SIGN_IN, "minimum_length": 30})
    assert not approvals.waiting().exists()
    assert carry_out_due(now=timezone.now() + 3 * DAY) == 0
    assert length() == 30
    assert Entry.objects.filter(verb=Verb.CHANGE_REPLACED).count() == 2


def test_what_a_suspended_administrator_asked_for_does_not_happen(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    approval = waits()
    Person.objects.filter(id=amara.id).update(is_active=False)
    answer = browser_of(tomas).post(one(approval), {"decision": "approve", "reason": ""}, follow=True)
    assert "may not do it any more" in answer.content.decode()
    approval.refresh_from_db()
    assert (approval.state, length()) == ("failed", 15)
    assert Entry.objects.filter(verb=Verb.CHANGE_FAILED).exists()


def test_what_was_changed_meanwhile_in_another_way_is_not_overwritten(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    SignInRules.objects.update_or_create(id=1, defaults={"minimum_length": 40})
    decide(browser_of(tomas), waits(), "approve")
    assert Approval.objects.get().state == "failed"
    assert length() == 40


@pytest.mark.parametrize(
    "form", [{}, {"decision": "perhaps"}, {"decision": "stop", "reason": "x" * 301}, {"decision": "stop"}]
)
def test_what_cannot_be_read_decides_nothing(amara: Person, tomas: Person, enough: None, form: dict[str, str]) -> None:
    browser_of(amara).post(reverse(RULES), SHORTER)
    assert browser_of(tomas).post(one(waits()), form).status_code == 400
    assert waits().state == "waiting"


# Policies


def form_of(policy: Policy, **changed: Any) -> dict[str, Any]:
    """What the console's form of a self-service policy sends."""
    stored = SelfServiceRules.read(policy.values).stored() | changed
    form = {name: "" if value is None else value for name, value in stored.items() if value is not False}
    return {"name": policy.name, "enabled": "on", "to": "everyone", **form}


@pytest.fixture
def strict() -> Policy:
    """Each wipe waits for an administrator."""
    values = SelfServiceRules(person_wipes=0, organisation_wipes=0, undo_seconds=30)
    return policies.create(actor=Actor.system("test"), name="Strict", values=values, assignment=EVERYONE)


def limit() -> int:
    return int(Policy.objects.get(name="Strict").values["organisation_wipes"])


def test_who_waits_for_a_wipe_does_not_switch_the_limit_off(
    amara: Person, tomas: Person, strict: Policy, enough: None
) -> None:
    """M3: an administrator's wipes waited until they raised the limit themselves."""
    browser = browser_of(amara)
    devices = [factories.device(amara, name=f"iPad {number}", now=timezone.now()) for number in range(2)]
    wipe = {"typed": "iPad 0"}
    browser.post(reverse("portal:wipe", args=[devices[0].id]), wipe)
    assert devices[0].actions.get().approval == "waiting"
    edit = reverse("console:policies_edit", args=[strict.id])
    answer = browser.post(edit, form_of(strict, person_wipes=9999, organisation_wipes=9999))
    assert answer["Location"] == one(waits())
    assert limit() == 0
    # Nor do they get there by another way.
    for address, form in (
        (reverse("console:policies_delete", args=[strict.id]), {}),
        (edit, {**form_of(strict), "enabled": ""}),
        (edit, {**form_of(strict), "to": "nobody"}),
    ):
        answer = browser.post(address, form)
        assert answer["Location"] == one(waits()), answer.content
    browser.post(reverse("portal:wipe", args=[devices[1].id]), {"typed": "iPad 1"})
    assert devices[1].actions.get().approval == "waiting"
    assert decide(browser, waits(), "approve").status_code == 403
    assert limit() == 0


def test_a_stricter_policy_takes_effect_at_once(amara: Person, tomas: Person, strict: Policy, enough: None) -> None:
    edit = reverse("console:policies_edit", args=[strict.id])
    answer = browser_of(amara).post(edit, form_of(strict, undo_seconds=600, lock_message="Call us."))
    assert answer["Location"] == reverse("console:policies")
    assert Policy.objects.get(name="Strict").values["undo_seconds"] == 600


def test_a_looser_policy_is_allowed_in_words_and_takes_effect(
    amara: Person, tomas: Person, strict: Policy, enough: None
) -> None:
    edit = reverse("console:policies_edit", args=[strict.id])
    browser, other = browser_of(amara), browser_of(tomas)
    browser.post(edit, form_of(strict, undo_seconds=0))
    page = text(other, one(waits()))
    for words in ("Change the policy “Strict” (Self-service)", "Undo window", "30 seconds", "0 seconds"):
        assert words in page
    assert "waits for another administrator" in text(other, edit)
    assert "A change waits" in text(other, reverse("console:policies"))
    decide(other, waits(), "approve")
    assert Policy.objects.get(name="Strict").values["undo_seconds"] == 0
    assert Entry.objects.filter(verb=Verb.POLICY_CHANGED).latest("id").actor_id == str(tomas.id)


def test_a_looser_policy_before_a_stricter_one_waits_and_so_does_moving_it_there(
    amara: Person, tomas: Person, strict: Policy, enough: None
) -> None:
    """Behind the strict one nothing becomes looser by it; before it, it does."""
    browser, other = browser_of(amara), browser_of(tomas)
    new = reverse("console:policies_new", args=["self_service"])
    loose = {**form_of(strict, person_wipes=50, organisation_wipes=50), "name": "Loose"}
    assert browser.post(new, loose)["Location"] == reverse("console:policies")
    made = Policy.objects.get(name="Loose")
    answer = browser.post(reverse("console:policies_move", args=[made.id, "up"]))
    assert answer["Location"] == one(waits())
    assert Policy.objects.get(name="Loose").precedence == 2
    answer = browser.post(reverse("console:policies_move", args=[strict.id, "down"]))
    assert Approval.objects.filter(state="waiting").count() == 2
    decide(other, approvals.of(policies.what(made.id)).get(), "approve")
    assert Policy.objects.get(name="Loose").precedence == 1
    # The other one asked for the same step; now it would be another.
    decide(other, waits(), "approve")
    assert Approval.objects.filter(state="failed").count() == 1
    assert Policy.objects.get(name="Strict").precedence == 2


@pytest.mark.parametrize("step", ["delete", "change", "move"])
def test_a_policy_that_another_hides_is_not_exchanged_while_that_one_waits_to_go(
    amara: Person, tomas: Person, strict: Policy, enough: None, step: str
) -> None:
    """Nobody is under it, so changing it does not wait; once the one before it is gone, everybody is."""
    browser, edit = browser_of(amara), reverse("console:policies_edit", args=[strict.id])
    new = reverse("console:policies_new", args=["self_service"])
    browser.post(new, {**form_of(strict, person_wipes=1), "name": "Hidden"})
    hidden = Policy.objects.get(name="Hidden")
    match step:
        case "delete":
            browser.post(reverse("console:policies_delete", args=[strict.id]))
        case "change":
            browser.post(edit, {**form_of(strict), "enabled": ""})
        case "move":
            browser.post(reverse("console:policies_move", args=[strict.id, "down"]))
    approval = waits()
    exchanged = {**form_of(hidden, person_wipes=9999, organisation_wipes=9999), "name": "Hidden"}
    browser.post(reverse("console:policies_edit", args=[hidden.id]), exchanged)
    hidden.refresh_from_db()
    assert hidden.values["person_wipes"] == 9999
    decide(browser_of(tomas), approval, "approve")
    approval.refresh_from_db()
    assert approval.state == "failed"
    strict.refresh_from_db()
    assert (strict.enabled, strict.precedence) == (True, 1)


def test_a_looser_policy_for_a_group_waits_be_nobody_in_it_yet(amara: Person, tomas: Person, enough: None) -> None:
    group = Group.objects.create(name="Empty")
    new = reverse("console:policies_new", args=["privacy"])
    form = {
        "name": "Watched",
        "enabled": "on",
        "to": "groups",
        "groups": [str(group.id)],
        "location": "on",
        "position_days": 7,
        "app_inventory": "off",
        "administrators_may_wipe": "on",
        "administrators_may_locate": "on",
    }
    browser = browser_of(amara)
    assert browser.post(new, form)["Location"] == one(waits())
    assert not Policy.objects.exists()
    decide(browser_of(tomas), waits(), "approve")
    made = Policy.objects.get()
    assert (made.name, made.assignment.groups) == ("Watched", frozenset({group.id}))
    assert browser.post(new, {**form, "name": "Not watched", "location": "off"})["Location"] == reverse(
        "console:policies"
    )


def test_a_policy_for_some_devices_is_compared_with_what_holds_for_them(
    amara: Person, tomas: Person, enough: None
) -> None:
    """What is for company devices alone changes nothing for people's own, and the other way round."""
    actor, browser = Actor.system("test"), browser_of(amara)
    company, personal = (Assignment(to=To.EVERYONE, ownerships=frozenset({one})) for one in ("company", "personal"))
    policies.create(actor=actor, name="Company", values=Privacy(location="on"), assignment=company)
    unneeded = policies.create(actor=actor, name="Again", values=Privacy(location="off"), assignment=company)
    needed = policies.create(actor=actor, name="Own", values=Privacy(location="off"), assignment=personal)
    assert browser.post(reverse("console:policies_delete", args=[unneeded.id])).status_code == 303
    assert not approvals.waiting().exists()
    answer = browser.post(reverse("console:policies_delete", args=[needed.id]))
    assert answer["Location"] == one(waits())


def test_invitations_that_are_good_for_longer_wait_and_so_does_the_environment(
    amara: Person, tomas: Person, enough: None
) -> None:
    browser, address = browser_of(amara), reverse("console:settings_invitations")
    rules = {"good_for_days": 3, "remind_every_days": 1, "reminders": 1}
    assert browser.post(address, rules)["Location"] == reverse("console:settings")
    assert browser.post(address, {**rules, "good_for_days": 300})["Location"] == one(waits())
    assert browser.post(address, {"environment": "1"})["Location"] == one(waits())
    assert invitation_rules.current().good_for_days == 3
    assert "waits for another administrator" in text(browser, address)
    decide(browser_of(tomas), waits(), "approve")
    assert not invitation_rules.are_set_here()


# What is done to administrators, and groups


@pytest.fixture
def lena() -> Person:
    return factories.person("Lena Brandt", password=PASSWORD)


def change(person: Person, **values: Any) -> tuple[str, dict[str, Any]]:
    return reverse("console:people_change", args=[person.id]), {"name": person.name, **values}


def fresh(person: Person) -> Person:
    return Person.objects.get(id=person.id)


def test_making_an_administrator_waits_and_who_asked_gave_the_role(
    amara: Person, tomas: Person, lena: Person, enough: None
) -> None:
    group = Group.objects.create(name="Sales")
    browser, other = browser_of(amara), browser_of(tomas)
    address, form = change(lena, role="administrator", groups=[str(group.id)], name="Lena B.")
    assert browser.post(address, form)["Location"] == one(waits())
    # What need not wait is done: name and groups.
    assert (fresh(lena).role, fresh(lena).name, list(fresh(lena).groups.all())) == ("person", "Lena B.", [group])
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    page = text(other, reverse("console:people_person", args=[lena.id]))
    assert "Make Lena B. an administrator" in page
    decide(other, waits(), "approve")
    made = fresh(lena)
    assert (made.role, made.role_given_by) == ("administrator", str(amara.id))
    assert timezone.now() - made.role_since < timedelta(minutes=1)
    assert Entry.objects.get(verb=Verb.ROLE_CHANGED).actor_id == str(tomas.id)
    # She decides on nothing yet, and on nothing of Amara's ever.
    browser.post(reverse(RULES), SHORTER)
    hers = browser_of(lena)
    assert decide(hers, waits(), "approve").status_code == 403
    Person.objects.filter(id=lena.id).update(role_since=timezone.now() - DAY)
    assert decide(hers, waits(), "approve").status_code == 403
    browser_of(tomas).post(reverse(RULES), {**SIGN_IN, "minimum_length": 9})
    assert decide(hers, waits(), "approve").status_code == 303
    assert length() == 9


def test_making_the_second_administrator_takes_effect_at_once(amara: Person, lena: Person, enough: None) -> None:
    browser_of(amara).post(*change(lena, role="administrator"))
    assert (fresh(lena).role, fresh(lena).role_given_by) == ("administrator", str(amara.id))
    assert str(amara.id) in told(Notice.CHANGE_MADE)


def test_other_roles_are_given_at_once(amara: Person, tomas: Person, lena: Person, enough: None) -> None:
    browser_of(amara).post(*change(lena, role="helpdesk"))
    assert fresh(lena).role == "helpdesk"


def _suspend(person: Person) -> tuple[str, dict[str, Any]]:
    return reverse("console:people_suspend", args=[person.id]), {}


def _demote(person: Person) -> tuple[str, dict[str, Any]]:
    return change(person, role="person")


def _take_factors(person: Person) -> tuple[str, dict[str, Any]]:
    return reverse("console:people_factors", args=[person.id]), {}


def _state(person: Person) -> tuple[str, bool, bool]:
    found = fresh(person)
    return found.role, found.is_active, factors.has_one(found)


UNTOUCHED: Final = ("administrator", True, True)
Deed = Callable[[Person], tuple[str, dict[str, Any]]]
AGAINST: Final[dict[Deed, tuple[str, bool, bool]]] = {
    _suspend: ("administrator", False, True),
    _demote: ("person", True, True),
    _take_factors: ("administrator", True, False),
}


@pytest.mark.parametrize("deed", AGAINST)
@pytest.mark.parametrize("way", ["approved", "stopped", "after a day"])
def test_what_is_done_to_an_administrator_waits(
    amara: Person, tomas: Person, enough: None, deed: Deed, way: str
) -> None:
    kofi = factories.administrator("Kofi Mensah", password=PASSWORD)
    his = browser_of(kofi)
    TOTP.activate(kofi, generate_totp_secret())
    browser, other = browser_of(amara), browser_of(tomas)
    answer = browser.post(*deed(kofi))
    approval = waits()
    assert answer["Location"] == one(approval)
    assert _state(kofi) == UNTOUCHED
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id), str(kofi.id)}
    assert one(approval) in text(other, reverse("console:people_person", args=[kofi.id]))
    assert decide(browser, approval, "approve").status_code == 403
    match way:
        case "stopped":  # by whom it is about
            decide(his, approval, "stop", "I am no intruder.")
            assert _state(kofi) == UNTOUCHED
            assert carry_out_due(now=approval.ends_at + DAY) == 0
        case "approved":
            decide(other, approval, "approve")
            assert _state(kofi) == AGAINST[deed]
        case _:
            carry_out_due(now=approval.ends_at)
            assert _state(kofi) == AGAINST[deed]
    assert carry_out_due(now=approval.ends_at + DAY) == 0


def test_of_two_administrators_neither_disposes_of_the_other(amara: Person, tomas: Person, enough: None) -> None:
    """A stolen session would begin with that: whoever is alone waits for nobody."""
    browser = browser_of(amara)
    TOTP.activate(tomas, generate_totp_secret())
    for deed in (_demote, _suspend, _take_factors):
        browser.post(*deed(tomas))
        assert _state(tomas) == UNTOUCHED
    crowd = reverse("console:people_crowd", args=["suspend"])
    answer = browser.post(crowd, {"id": [str(tomas.id)]}, follow=True)
    assert "Another administrator is asked first" in answer.content.decode()
    assert _state(tomas) == UNTOUCHED
    browser.post(reverse(RULES), SHORTER)
    assert length() == 15


def test_a_suspended_administrator_is_not_let_in_again_by_one_alone(amara: Person, tomas: Person, enough: None) -> None:
    kofi = factories.administrator("Kofi Mensah", password=PASSWORD)
    Person.objects.filter(id=kofi.id).update(is_active=False)
    address = reverse("console:people_resume", args=[kofi.id])
    assert browser_of(amara).post(address)["Location"] == one(waits())
    assert not fresh(kofi).is_active
    decide(browser_of(tomas), waits(), "approve")
    assert fresh(kofi).is_active


def test_what_is_done_to_others_takes_effect_at_once(amara: Person, tomas: Person, lena: Person, enough: None) -> None:
    TOTP.activate(lena, generate_totp_secret())
    browser = browser_of(amara)
    browser.post(*_take_factors(lena))
    browser.post(*_suspend(lena))
    assert _state(lena) == ("person", False, False)
    browser.post(reverse("console:people_resume", args=[lena.id]))
    assert fresh(lena).is_active
    assert not Approval.objects.exists()


def test_the_last_administrator_is_not_demoted_by_what_waited(amara: Person, tomas: Person, enough: None) -> None:
    browser_of(amara).post(*_demote(tomas))
    Person.objects.filter(id=amara.id).update(role_since=timezone.now())
    approval = waits()
    Person.objects.filter(id=amara.id).update(is_active=False)
    carry_out_due(now=approval.ends_at)
    approval.refresh_from_db()
    assert (approval.state, fresh(tomas).role) == ("failed", "administrator")


def test_a_second_factor_that_a_group_demands_is_not_let_off_by_one_alone(
    amara: Person, tomas: Person, enough: None
) -> None:
    group = Group.objects.create(name="Sales", second_factor_since=timezone.now())
    browser, other = browser_of(amara), browser_of(tomas)
    edit, delete = (reverse(f"console:groups_{name}", args=[group.id]) for name in ("one", "delete"))
    assert browser.post(edit, {"name": "Sales", "description": ""})["Location"] == one(waits())
    assert browser.post(delete)["Location"] == one(waits())
    assert Group.objects.get().second_factor_since is not None
    assert browser.post(edit, {"name": "Sales team", "description": "", "factor": "on"}).status_code == 303
    assert not approvals.waiting().exists()
    browser.post(edit, {"name": "Sales", "description": "New", "factor": ""})
    assert "Needs a second factor" in text(other, one(waits()))
    decide(other, waits(), "approve")
    assert (Group.objects.get().second_factor_since, Group.objects.get().description) == (None, "New")


@pytest.mark.parametrize("strict", ["second factor", "policy", "nothing"])
def test_a_group_that_a_claim_fills_is_not_given_another_name_by_one_alone_where_it_demands_something(
    amara: Person, tomas: Person, lena: Person, enough: None, strict: str
) -> None:
    """The claim says the old name: whoever it brought would go out of the group as they next sign in."""
    group = Group.objects.create(
        name="Sales", second_factor_since=timezone.now() if strict == "second factor" else None
    )
    Membership.objects.create(group=group, person=lena, provider="aldermoor")
    if strict == "policy":
        whom = Assignment(to=To.GROUPS, groups=frozenset({group.id}))
        rules = SelfServiceRules(person_wipes=0)
        policies.create(actor=Actor.system("test"), name="Strict", values=rules, assignment=whom)
    form = {"description": "", "factor": "on" if strict == "second factor" else ""}
    edit, browser = reverse("console:groups_one", args=[group.id]), browser_of(amara)
    assert browser.post(edit, {**form, "name": "SALES"}).status_code == 303
    assert not approvals.waiting().exists(), "it is the same name to a claim"
    answer = browser.post(edit, {**form, "name": "Sales of before"})
    if strict == "nothing":
        assert Group.objects.get().name == "Sales of before"
        return
    assert answer["Location"] == one(waits())
    assert Group.objects.get().name == "SALES"
    decide(browser_of(tomas), waits(), "approve")
    assert Group.objects.get().name == "Sales of before"


def test_a_group_with_a_stricter_policy_is_not_deleted_by_one_alone(
    amara: Person, tomas: Person, lena: Person, enough: None
) -> None:
    group, free = Group.objects.create(name="Watched"), Group.objects.create(name="Free")
    for name, to, values in (
        ("Strict", group, SelfServiceRules(person_wipes=0)),
        ("As by default", free, SelfServiceRules()),
    ):
        whom = Assignment(to=To.GROUPS, groups=frozenset({to.id}))
        policies.create(actor=Actor.system("test"), name=name, values=values, assignment=whom)
    browser = browser_of(amara)
    assert browser.post(reverse("console:groups_delete", args=[group.id]))["Location"] == one(waits())
    assert Group.objects.filter(id=group.id).exists()
    assert browser.post(reverse("console:groups_delete", args=[free.id]))["Location"] == reverse("console:groups")
    decide(browser_of(tomas), waits(), "approve")
    assert not Group.objects.exists()


def test_a_person_makes_no_administrator_out_of_nothing(amara: Person) -> None:
    with pytest.raises(NotAllowed):
        services.create_person(
            actor=factories.actor(amara), email="new@aldermoor.example", name="New", role=Person.Role.ADMINISTRATOR
        )


def test_an_administrator_made_on_the_command_line_is_mailed_to_the_others(amara: Person) -> None:
    services.create_person(
        actor=Actor.system("command line"), email="new@aldermoor.example", name="New", role=Person.Role.ADMINISTRATOR
    )
    assert str(amara.id) in told(Notice.CHANGE_MADE)


def test_everything_that_can_wait_has_a_title_and_lines_and_a_page(
    amara: Person, tomas: Person, strict: Policy, enough: None
) -> None:
    browser = browser_of(amara)
    TOTP.activate(tomas, generate_totp_secret())
    group = Group.objects.create(name="Sales", second_factor_since=timezone.now())
    asking: list[Callable[[], Any]] = [
        lambda: browser.post(reverse(RULES), SHORTER),
        lambda: browser.post(reverse("console:policies_delete", args=[strict.id])),
        lambda: browser.post(*_suspend(tomas)),
        lambda: browser.post(*_demote(tomas)),
        lambda: browser.post(*_take_factors(tomas)),
        lambda: browser.post(reverse("console:groups_delete", args=[group.id])),
    ]
    for ask in asking:
        ask()
    for approval in approvals.waiting():
        page = text(browser, one(approval))
        assert approvals.title(approval) in page
        assert approvals.lines(approval)
