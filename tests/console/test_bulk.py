"""One action for many devices, in the console."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.commands import batches
from mydevices.commands.models import Action, Batch, BatchItem
from mydevices.devices.models import Device
from tests import factories
from tests.confirming import is_asked
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db


@pytest.fixture
def phones() -> list[Device]:
    ines, now = factories.person("Ines Okafor"), timezone.now()
    made = [factories.device(ines, name=f"Phone {number}", now=now) for number in range(3)]
    factories.device(ines, name="Private", ownership="personal", now=now)
    return made


def bulk(kind: str) -> str:
    return reverse("console:devices_bulk", args=[kind])


def form(kind: str, some: list[Device], **more: str) -> dict[str, object]:
    number = str(len(some))
    given = {"id": [str(device.id) for device in some], "number": number, "batch": str(uuid4()), "reason": "Sold."}
    return {**given, **({"typed": number} if kind == "retire" else {}), **more}


def run() -> Batch:
    batch = Batch.objects.get()
    batches.advance(batch_id=batch.id, now=timezone.now())
    return batch


def test_the_ticked_devices_are_asked_and_the_page_tells_what_became_of_them(
    administrator: Client, phones: list[Device]
) -> None:
    Device.objects.filter(id=phones[0].id).update(registration=None)
    asked = administrator.get(bulk("lock"), {"id": [str(device.id) for device in phones[:2]]}).content.decode()
    assert "Lock 2 devices?" in asked
    assert "Phone 0" in asked
    answer = administrator.post(bulk("lock"), form("lock", phones[:2], message="Call us."))
    assert answer.status_code == 303
    batch = run()
    assert answer["Location"] == reverse("console:devices_batch", args=[batch.id])
    page = administrator.get(answer["Location"]).content.decode()
    assert "Lock 2 devices" in page
    assert "has not finished its registration" in page
    assert Action.objects.get().device_id == phones[1].id


def test_all_that_fit_the_filters_are_meant_on_every_page(administrator: Client, phones: list[Device]) -> None:
    given = {"all": "yes", "query": "?ownership=company&page=7"}
    assert "Retire 3 devices?" in administrator.get(bulk("retire"), given).content.decode()
    sent = {**given, "reason": "Sold.", "number": "3", "typed": "3", "batch": str(uuid4())}
    assert administrator.post(bulk("retire"), sent).status_code == 303
    assert set(BatchItem.objects.values_list("device_id", flat=True)) == {device.id for device in phones}


def test_retiring_is_confirmed_by_the_number(administrator: Client, phones: list[Device]) -> None:
    for typed in ("", "2", "three"):
        answer = administrator.post(bulk("retire"), form("retire", phones, typed=typed))
        assert answer.status_code == 400
    assert not Batch.objects.exists()
    assert administrator.post(bulk("retire"), form("retire", phones)).status_code == 303


def test_what_was_read_is_what_is_done(administrator: Client, phones: list[Device]) -> None:
    sent = {"all": "yes", "query": "?ownership=company", "reason": "Sold.", "number": "2", "batch": str(uuid4())}
    answer = administrator.post(bulk("check_in"), sent)
    assert answer.status_code == 400
    assert "there are 3 now" in answer.content.decode()
    assert not Batch.objects.exists()


def test_without_devices_or_a_reason_nothing_is_asked(administrator: Client, phones: list[Device]) -> None:
    for given in ({}, {"id": "no id"}, {"id": str(uuid4())}, {"all": "yes", "query": "?q=nobody"}):
        answer = administrator.get(bulk("lock"), given)
        assert answer["Location"].startswith(reverse("console:devices"))
    assert administrator.post(bulk("lock"), form("lock", phones, reason="")).status_code == 400
    assert not Batch.objects.exists()


def test_a_list_that_is_too_long_is_to_be_narrowed(
    administrator: Client, phones: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST", 2)
    answer = administrator.get(bulk("lock"), {"all": "yes", "query": "?ownership=company"}, follow=True)
    assert "at most 2 devices" in answer.content.decode()


def test_a_form_sent_twice_shows_the_same_batch(administrator: Client, phones: list[Device]) -> None:
    sent = form("check_in", phones)
    first, second = administrator.post(bulk("check_in"), sent), administrator.post(bulk("check_in"), sent)
    assert first["Location"] == second["Location"]
    assert Batch.objects.count() == 1


def test_retiring_asks_for_a_proof_and_comes_back_to_the_question(administrator: Client, phones: list[Device]) -> None:
    session = administrator.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 360
    session.save()
    answer = administrator.get(bulk("retire"), {"id": str(phones[0].id)})
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert str(phones[0].id) in answer["Location"]
    for kind in ("retire", "lock", "check_in"):
        assert is_asked(administrator.post(bulk(kind), form(kind, phones)))
    assert not Batch.objects.exists()


@pytest.mark.parametrize(("role", "kinds"), [("helpdesk", {"lock", "check_in"}), ("auditor", set()), ("person", set())])
def test_the_list_offers_what_the_role_may_and_the_pages_hold_it(
    sign_in_as: SignedInAs, phones: list[Device], role: str, kinds: set[str]
) -> None:
    browser = sign_in_as(role)
    page = browser.get(reverse("console:devices")).content.decode()
    for kind in ("lock", "check_in", "retire"):
        assert (bulk(kind) in page) == (kind in kinds)
        assert (browser.get(bulk(kind), {"id": str(phones[0].id)}).status_code == 403) == (kind not in kinds)
        assert (browser.post(bulk(kind), form(kind, phones)).status_code == 403) == (kind not in kinds)
    assert {batch.kind for batch in Batch.objects.all()} == kinds


def test_what_is_not_for_many_is_not_found(administrator: Client, phones: list[Device]) -> None:
    for kind in ("wipe", "unlock", "explode"):
        assert administrator.get(bulk(kind), {"id": str(phones[0].id)}).status_code == 404


def started(phones: list[Device], kind: ActionKind = ActionKind.CHECK_IN) -> Batch:
    boss = factories.actor(factories.person("Amara Diallo", role=Person.Role.ADMINISTRATOR), proved=timezone.now())
    ids = [device.id for device in phones]
    return batches.start(batch_id=uuid4(), device_ids=ids, kind=kind, actor=boss, reason="Audit week.")


def test_a_batch_can_be_followed_and_stopped(sign_in_as: SignedInAs, phones: list[Device]) -> None:
    batch = started(phones)
    address = reverse("console:devices_batch", args=[batch.id])
    desk, auditor = sign_in_as("helpdesk"), sign_in_as("auditor")
    page = desk.get(address).content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert "Audit week." in page
    assert "Stop the rest" not in auditor.get(address).content.decode()
    assert "Amara Diallo" in desk.get(reverse("console:devices")).content.decode()
    assert desk.get(address + "/stop").status_code == 405
    assert desk.post(address).status_code == 405
    assert auditor.post(address + "/stop").status_code == 403
    assert desk.post(address + "/stop").status_code == 303
    over = desk.get(address + "/now").content.decode()
    assert "every 1s" not in over
    assert "Spared" in over
    assert "Amara Diallo" not in desk.get(reverse("console:devices")).content.decode()
    assert desk.post(address + "/stop", follow=True).status_code == 200


def test_the_helpdesk_does_not_stop_what_it_may_not_start(sign_in_as: SignedInAs, phones: list[Device]) -> None:
    batch = started(phones, ActionKind.RETIRE)
    assert sign_in_as("helpdesk").post(reverse("console:devices_batch_stop", args=[batch.id])).status_code == 403


def test_a_batchs_page_costs_the_same_however_many_devices(administrator: Client, phones: list[Device]) -> None:
    def statements(batch: Batch) -> int:
        address = reverse("console:devices_batch_now", args=[batch.id])
        administrator.get(address)
        with CaptureQueriesContext(connection) as queries:
            administrator.get(address)
        return len(queries)

    few, many = started(phones[:1]), started(phones)
    BatchItem.objects.update(state=BatchItem.State.REFUSED, reason="No.")
    assert statements(few) == statements(many)
