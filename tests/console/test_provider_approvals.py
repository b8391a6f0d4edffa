"""A second administrator for who lets people in: providers, over HTTP."""

from typing import Any

import pytest
from django.urls import reverse

from mydevices.accounts import providers
from mydevices.accounts.models import Approval, ApprovalRules, Person, Provider, ProviderLink
from mydevices.accounts.notices import Notice
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from tests import factories
from tests.approving import carry_out_due
from tests.console.test_approvals import browser_of, decide, one, text, told, waits

pytestmark = pytest.mark.django_db

NEW = "console:settings_provider_new"


@pytest.fixture
def kept() -> Provider:
    return Provider.objects.create(
        id="aldermoor", name="Aldermoor ID", issuer="https://id.aldermoor.example", client_id="devices", domains=[]
    )


def form(**changed: Any) -> dict[str, Any]:
    given = {
        "name": "Aldermoor ID",
        "id": "aldermoor",
        "issuer": "https://id.aldermoor.example",
        "client_id": "devices",
        "groups_claim": "",
        "groups": "",
        "domains": "",
        "makes_people": "on",
        "is_enabled": "on",
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def edit(provider: Provider) -> str:
    return reverse("console:settings_provider", args=[provider.id])


def values() -> dict[str, Any]:
    return dict(Provider.objects.values().get())


def test_a_new_provider_waits_with_its_secret_sealed(amara: Person, tomas: Person, enough: None) -> None:
    browser, other = browser_of(amara), browser_of(tomas)
    answer = browser.post(reverse(NEW), form(secret="between us", domains="aldermoor.example"))
    approval = waits()
    assert answer["Location"] == one(approval)
    assert not Provider.objects.exists()
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    assert "between us" not in str(approval.arguments)
    page = text(other, one(approval))
    for words in ("Let people sign in with “Aldermoor ID”", "https://id.aldermoor.example", "aldermoor.example"):
        assert words in page
    assert decide(browser, approval, "approve").status_code == 403
    decide(other, approval, "approve")
    made = Provider.objects.get()
    assert (made.name, providers.secret_of(made), made.domains) == ("Aldermoor ID", "between us", ["aldermoor.example"])
    assert Entry.objects.get(verb=Verb.SETTINGS_CHANGED).actor_id == str(tomas.id)
    assert Approval.objects.get().enclosure is None


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://id.elsewhere.example"},
        {"client_id": "another"},
        {"domains": "aldermoor.example"},
        {"vouches_for_addresses": "on"},
        {"groups_claim": "groups"},
        {"groups": "all = Finance"},
    ],
)
def test_whom_a_provider_lets_in_is_not_changed_by_one_alone(
    amara: Person, tomas: Person, enough: None, kept: Provider, changed: dict[str, str]
) -> None:
    before = values()
    assert browser_of(amara).post(edit(kept), form(**changed))["Location"] == one(waits())
    assert values() == before
    assert "waits for another administrator" in text(browser_of(tomas), edit(kept))
    carry_out_due(now=waits().ends_at)
    assert values() != before
    assert Approval.objects.get().state == "done"


def test_what_is_stricter_and_another_name_or_secret_do_not_wait(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    browser = browser_of(amara)
    changed = form(name="The ID", secret="another", makes_people=None, is_required="on")
    assert browser.post(edit(kept), changed)["Location"] == reverse("console:settings")
    now = Provider.objects.get()
    assert (now.name, now.makes_people, now.is_required, providers.secret_of(now)) == ("The ID", False, True, "another")
    assert not Approval.objects.exists()


def test_a_provider_is_not_set_up_while_it_is_off_and_then_turned_on(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    """What lets nobody in is nothing to wait for; what it lets in once it is in use is read as a whole."""
    browser = browser_of(amara)
    browser.post(edit(kept), form(is_enabled=None))
    changed = form(is_enabled=None, issuer="https://id.elsewhere.example", vouches_for_addresses="on")
    assert browser.post(edit(kept), changed)["Location"] == reverse("console:settings")
    assert browser.post(edit(kept), {**changed, "is_enabled": "on"})["Location"] == one(waits())
    page = text(browser_of(tomas), one(waits()))
    assert "https://id.elsewhere.example" in page
    assert not Provider.objects.get().is_enabled


def test_passwords_are_not_opened_again_by_one_alone(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    Provider.objects.update(is_required=True)
    browser, remove = browser_of(amara), reverse("console:settings_provider_remove", args=[kept.id])
    assert browser.post(edit(kept), form())["Location"] == one(waits())
    assert browser.post(edit(kept), form(is_enabled=None, is_required="on"))["Location"] == one(waits())
    assert browser.post(remove)["Location"] == one(waits())
    assert Approval.objects.filter(state="waiting").count() == 1, "each takes the place of the one before"
    assert Provider.objects.get().is_required
    decide(browser_of(tomas), waits(), "approve")
    assert not Provider.objects.exists()


def test_taking_away_one_that_is_not_required_only_stops_something(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    browser_of(amara).post(reverse("console:settings_provider_remove", args=[kept.id]))
    assert not Provider.objects.exists()
    assert not Approval.objects.exists()


def test_what_waits_is_not_written_over_what_was_changed_meanwhile(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    ProviderLink.objects.create(person=tomas, provider=kept.id, issuer=kept.issuer, subject="1")
    changed = form(issuer="https://id.elsewhere.example", ends="1")
    assert browser_of(amara).post(edit(kept), form(issuer="https://id.elsewhere.example")).status_code == 400
    browser_of(amara).post(edit(kept), changed)
    Provider.objects.update(makes_people=False)
    decide(browser_of(tomas), waits(), "approve")
    assert Approval.objects.get().state == "failed"
    assert (Provider.objects.get().issuer, ProviderLink.objects.count()) == (kept.issuer, 1)


def test_with_one_administrator_or_few_devices_it_takes_effect_at_once_and_is_mailed(
    amara: Person, enough: None
) -> None:
    assert browser_of(amara).post(reverse(NEW), form())["Location"] == reverse("console:settings")
    assert told(Notice.CHANGE_MADE) == {str(amara.id)}
    factories.administrator()
    ApprovalRules.objects.update(from_devices=3)
    browser_of(amara).post(edit(Provider.objects.get()), form(vouches_for_addresses="on"))
    assert Provider.objects.get().vouches_for_addresses
    assert not Approval.objects.exists()


def test_a_name_or_an_id_that_is_taken_does_not_wait_to_fail(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    for changed in (
        {"id": "another", "issuer": "https://one.example"},
        {"name": "Two", "issuer": "https://two.example"},
    ):
        assert browser_of(amara).post(reverse(NEW), form(**changed)).status_code == 400
    assert not Approval.objects.exists()


@pytest.mark.parametrize("way", ["off", "secret", "removed"])
def test_the_only_way_in_of_another_administrator_is_not_taken_by_one_alone(
    amara: Person, tomas: Person, enough: None, kept: Provider, way: str
) -> None:
    """They are the one who could stop what waits: to have them stand outside is to suspend them."""
    browser = browser_of(amara)
    ProviderLink.objects.create(person=tomas, provider=kept.id, issuer=kept.issuer, subject="1")
    Person.objects.filter(id=tomas.id).update(password="!", provider=kept.id)
    before = values()
    match way:
        case "off":
            answer = browser.post(edit(kept), form(is_enabled=None))
        case "secret":
            answer = browser.post(edit(kept), form(secret="a wrong one"))
            assert "a wrong one" not in str(waits().arguments)
        case "removed":
            answer = browser.post(reverse("console:settings_provider_remove", args=[kept.id]))
    assert answer["Location"] == one(waits())
    assert values() == before
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}


def test_the_same_secret_again_takes_nobody_their_way_in(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    browser = browser_of(amara)
    browser.post(edit(kept), form(secret="between us"))
    ProviderLink.objects.create(person=tomas, provider=kept.id, issuer=kept.issuer, subject="1")
    Person.objects.filter(id=tomas.id).update(password="!", provider=kept.id)
    browser.post(edit(kept), form(secret="between us"))
    assert not Approval.objects.exists()


@pytest.mark.parametrize("alone", [True, False])
def test_another_issuer_is_not_told_the_secret_of_the_one_before(
    amara: Person, tomas: Person, enough: None, kept: Provider, alone: bool
) -> None:
    browser = browser_of(amara)
    browser.post(edit(kept), form(secret="between us"))
    if alone:
        Person.objects.filter(id=tomas.id).update(is_active=False)
    browser.post(edit(kept), form(issuer="https://id.elsewhere.example"))
    if not alone:
        decide(browser_of(tomas), waits(), "approve")
    moved = Provider.objects.get()
    assert (moved.issuer, providers.secret_of(moved)) == ("https://id.elsewhere.example", "")
    browser.post(edit(kept), form(issuer="https://id.elsewhere.example", client_id="devices", secret="another"))
    assert providers.secret_of(Provider.objects.get()) == "another"


def test_a_value_of_the_claim_that_stands_for_a_group_no_more_waits(
    amara: Person, tomas: Person, enough: None, kept: Provider
) -> None:
    """Whom it brought would go out of the group, which may demand a second factor."""
    Provider.objects.update(groups_claim="groups", group_names={"all": "Finance"})
    browser = browser_of(amara)
    answer = browser.post(edit(kept), form(groups_claim="groups", groups=""))
    assert answer["Location"] == one(waits())
    assert Provider.objects.get().group_names == {"all": "Finance"}
    assert "all = Finance" in text(browser_of(tomas), one(waits()))
