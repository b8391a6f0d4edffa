"""The console's policies: who sees and changes them, their order and forms, whom they reach, and who gets what."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Group, Membership
from mydevices.audit.actor import Actor
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.policies import selectors, services
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.models import Policy
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

INDEX, WHO = reverse("console:policies"), reverse("console:policies_who")
NEW, REACH = (reverse(f"console:policies_{name}", args=["registration"]) for name in ("new", "reach"))
FORM = {
    "name": "Field staff",
    "enabled": "on",
    "sign_in": "both",
    "pin_length": "8",
    "pin_days": "3",
    "confirm_devices": "everybody",
    "ownership": "company",
    "device_limit": "2",
    "systems": ["iOS", "macOS"],
    "minimum_ios": "17.4",
    "terms": "Be kind.\r\nAlways.",
    "to": "everyone",
}


def text(answer: HttpResponseBase) -> str:
    assert isinstance(answer, HttpResponse)
    return answer.content.decode()


@pytest.fixture
def policy() -> Policy:
    return made("Everyone", device_limit=5)


def made(name: str, **values: Any) -> Policy:
    return services.create(
        actor=Actor.system("test"), name=name, values=RegistrationRules(**values), assignment=EVERYONE
    )


def page(name: str, policy: Policy, *more: str) -> str:
    return reverse(f"console:policies_{name}", args=[policy.id, *more])


def test_an_administrator_makes_a_policy_with_every_field(administrator: Client) -> None:
    assert administrator.get(NEW).status_code == 200
    answer = administrator.post(NEW, FORM)
    assert (answer.status_code, answer["Location"]) == (303, INDEX)
    made = Policy.objects.get()
    assert (made.name, made.enabled, made.assigned_to) == ("Field staff", True, "everyone")
    assert RegistrationRules.read(made.values) == RegistrationRules(
        sign_in="both",
        pin_length=8,
        pin_days=3,
        pin_on_request=False,
        confirm_devices="everybody",
        ownership="company",
        device_limit=2,
        company_devices_count=False,
        terms="Be kind.\nAlways.",
        terms_version=1,
        systems=("iOS", "macOS"),
        minimums={"iOS": "17.4"},
    )
    assert "Field staff" in text(administrator.get(INDEX))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"pin_length": "3"}, "4 to 12 characters"),
        ({"pin_days": "31"}, "1 to 30 days"),
        ({"device_limit": "101"}, "1 to 100"),
        ({"systems": []}, "This field is required"),
        ({"minimum_ios": "seventeen"}, "numbers with dots"),
        ({"to": "groups"}, "at least one group"),
        ({"ownership": "nobody"}, "valid choice"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    administrator: Client, values: dict[str, object], said: str
) -> None:
    answer = administrator.post(NEW, {**FORM, **values})
    assert answer.status_code == 400
    assert said in text(answer)
    assert "Be kind." in text(answer)
    assert not Policy.objects.exists()


def test_a_name_that_is_taken_is_said_at_the_name(administrator: Client, policy: Policy) -> None:
    answer = administrator.post(NEW, {**FORM, "name": "everyone"})
    assert answer.status_code == 400
    assert "another policy of this kind" in text(answer)


def test_a_policy_is_changed_and_its_form_begins_as_it_is(administrator: Client, policy: Policy) -> None:
    form = text(administrator.get(page("edit", policy)))
    assert 'value="Everyone"' in form
    assert 'name="device_limit" value="5"' in form
    assert administrator.post(page("edit", policy), {**FORM, "enabled": ""}).status_code == 303
    changed = selectors.by_id(policy.id)
    assert (changed.name, changed.enabled) == ("Field staff", False)
    assert "Does not count" in text(administrator.get(INDEX))


def test_whom_it_reaches_is_shown_before_it_is_saved(administrator: Client) -> None:
    sales = Group.objects.create(name="Sales")
    for number in range(3):
        member = factories.person(f"Member {number}")
        Membership.objects.create(group=sales, person=member)
        factories.device(member)
    chosen = {"to": "groups", "groups": [str(sales.id)]}
    assert "<b>3 people</b> with 3 managed devices." in text(administrator.post(REACH, chosen))
    counted = administrator.post(NEW, {**FORM, **chosen, "count": "1"})
    assert counted.status_code == 200
    assert "<b>3 people</b>" in text(counted)
    assert 'value="Field staff"' in text(counted)
    assert not Policy.objects.exists()
    assert administrator.post(NEW, {**FORM, **chosen}).status_code == 303
    assert selectors.by_id(Policy.objects.get().id).assignment == Assignment(to=To.GROUPS, groups=frozenset({sales.id}))


def test_policies_move_without_a_script(administrator: Client, policy: Policy) -> None:
    second = made("Second")
    assert administrator.post(page("move", second, "up")).status_code == 303
    assert [one.name for one in selectors.of_kind(RegistrationRules)] == ["Second", "Everyone"]
    assert administrator.post(page("move", second, "down")).status_code == 303
    assert administrator.post(page("move", second, "sideways")).status_code == 404
    assert [one.name for one in selectors.of_kind(RegistrationRules)] == ["Everyone", "Second"]


def test_deleting_asks_first(administrator: Client, policy: Policy) -> None:
    asked = administrator.get(page("delete", policy))
    assert "Delete “Everyone”" in text(asked)
    assert Policy.objects.exists()
    assert administrator.post(page("delete", policy))["Location"] == INDEX
    assert not Policy.objects.exists()
    assert administrator.get(page("edit", policy)).status_code == 404


def test_who_gets_what_says_where_it_comes_from(administrator: Client, policy: Policy) -> None:
    ines = factories.person("Ines Okafor")
    made("Second")
    found = text(administrator.get(WHO, {"q": "okafor"}))
    assert "Registration for Ines Okafor" in found
    assert "At most 5" in found
    assert page("edit", policy) in found
    assert "Second" in found
    assert "Registration for Ines Okafor" in text(administrator.get(WHO, {"person": str(ines.id)}))
    Policy.objects.all().delete()
    assert "The default, because no policy reaches them" in text(administrator.get(WHO, {"q": "okafor"}))
    factories.person("Ben Okafor")
    several = text(administrator.get(WHO, {"q": "okafor"}))
    assert f"?person={ines.id}" in several
    assert "Registration for" not in several
    assert "Nobody here is called “xyz”" in text(administrator.get(WHO, {"q": "xyz"}))
    assert administrator.get(WHO, {"person": "nonsense"}).status_code == 200


def test_an_auditor_reads_and_changes_nothing(sign_in_as: SignedInAs, policy: Policy) -> None:
    auditor = sign_in_as("auditor")
    assert "Everyone" in text(auditor.get(INDEX))
    assert NEW not in text(auditor.get(INDEX))
    assert "At most 5" in text(auditor.get(page("edit", policy)))
    assert auditor.get(WHO).status_code == 200
    for address in (NEW, REACH, page("edit", policy), page("delete", policy), page("move", policy, "up")):
        assert auditor.post(address, FORM).status_code == 403
    assert [one.name for one in Policy.objects.all()] == ["Everyone"]


@pytest.mark.parametrize("role", ["person", "helpdesk"])
def test_others_do_not_see_policies(sign_in_as: SignedInAs, policy: Policy, role: str) -> None:
    browser = sign_in_as(role)
    for address in (INDEX, WHO, NEW, page("edit", policy), page("delete", policy)):
        assert browser.get(address).status_code == 403
    for address in (NEW, REACH, page("edit", policy), page("delete", policy), page("move", policy, "up")):
        assert browser.post(address, FORM).status_code == 403
    assert [one.name for one in Policy.objects.all()] == ["Everyone"]


def test_visitors_are_asked_to_sign_in(client: Client, policy: Policy) -> None:
    for address in (INDEX, WHO, NEW, page("edit", policy), page("delete", policy)):
        assert client.get(address)["Location"].startswith("/sign-in")
    assert client.post(page("move", policy, "up"))["Location"].startswith("/sign-in")


def test_what_changes_something_is_posted(administrator: Client, policy: Policy) -> None:
    for address in (REACH, page("move", policy, "up")):
        assert administrator.get(address).status_code == 405
    for address in (INDEX, WHO):
        assert administrator.post(address).status_code == 405
    assert administrator.get(reverse("console:policies_new", args=["weather"])).status_code == 404


def test_the_navigation_leads_there_those_who_may_look(sign_in_as: SignedInAs) -> None:
    overview = reverse("console:overview")
    assert INDEX in text(sign_in_as("auditor").get(overview))
    assert INDEX not in text(sign_in_as("helpdesk").get(overview))
