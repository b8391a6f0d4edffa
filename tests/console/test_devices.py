"""Devices and the audit in the console."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from mydevices.accounts.models import Person
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates import services as certificates
from mydevices.certificates.models import DeviceCertificate
from mydevices.devices import services as devices
from mydevices.devices.models import Device, Registration
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db


def names(browser: Client, query: str = "") -> list[str]:
    return [row.name for row in browser.get(reverse("console:devices") + query).context["page"].rows]


def test_the_list_is_searched_filtered_and_sorted(administrator: Client) -> None:
    now = timezone.now()
    ines = factories.person("Ines Okafor")
    phone = factories.device(ines, name="Ines’s iPhone", now=now)
    private = factories.device(factories.person("Sam Stone"), name="Private iPhone", ownership="personal", now=now)
    phone.serial_number, phone.lost_since = "F17XK", now
    phone.save()
    Device.objects.filter(id=private.id).update(seen_at=now - timedelta(days=8))
    assert names(administrator) == ["Ines’s iPhone", "Private iPhone"]
    assert names(administrator, "?sort=-name") == ["Private iPhone", "Ines’s iPhone"]
    assert names(administrator, "?q=okafor") == ["Ines’s iPhone"]
    assert names(administrator, "?q=f17xk") == ["Ines’s iPhone"]
    assert names(administrator, "?ownership=personal") == ["Private iPhone"]
    assert names(administrator, "?state=lost") == ["Ines’s iPhone"]
    assert names(administrator, "?state=silent") == ["Private iPhone"]
    assert names(administrator, "?state=wiped") == []
    assert names(administrator, "?sort=-seen")[0] in {"Ines’s iPhone", "Private iPhone"}


@pytest.mark.parametrize("allowed", [True, False])
def test_the_devices_that_still_sign_with_sha1_are_shown_and_counted(
    administrator: Client, settings: Settings, allowed: bool
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"allow_sha1_signatures": allowed})
    ines = factories.person("Ines Okafor")
    old, new, gone = (factories.device(ines, name=name) for name in ("Old", "New", "Gone"))
    push = reverse("console:settings_platform", args=["apple"])
    assert "0 devices sign their requests with SHA-1" in administrator.get(push).content.decode()
    for device in (old, gone):
        life = factories.life(device)
        devices.signs(registration_id=life.id, with_old_digest=True, now=timezone.now())
    devices.end(registration=factories.life(gone), state=Registration.State.RETIRED, now=timezone.now())
    assert names(administrator, "?state=sha1") == ["Old"]
    page = administrator.get(push).content.decode()
    assert "1 device signs its requests with SHA-1" in page
    assert "?state=sha1" in page
    assert ("MYDEVICES_ALLOW_SHA1_SIGNATURES=false" in page) == allowed
    pages = {device.name: administrator.get(reverse("console:devices_one", args=[device.id])) for device in (old, new)}
    shown = {name: "SHA-1, since" in answer.content.decode() for name, answer in pages.items()}
    assert shown == {"Old": True, "New": False}


@pytest.mark.parametrize("allowed", [True, False])
def test_the_devices_that_asked_for_their_certificates_with_old_algorithms_are_shown_and_counted(
    administrator: Client, settings: Settings, allowed: bool
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"allow_weak_scep": allowed})
    ines = factories.person("Ines Okafor")
    devices_of = {name: factories.device(ines, name=name) for name in ("Old", "New", "Renewed", "Gone")}
    for number, (name, device) in enumerate(devices_of.items()):
        DeviceCertificate.objects.create(
            fingerprint=f"{number:064}",
            challenge=certificates.new_challenge(registration=None, expires_at=timezone.now()),
            registration=factories.life(device),
            state=DeviceCertificate.State.SUPERSEDED if name == "Renewed" else DeviceCertificate.State.CURRENT,
            der=b"-",
            not_after=timezone.now() + timedelta(days=300),
            asked_weakly=name != "New",
        )
    devices.end(registration=factories.life(devices_of["Gone"]), state=Registration.State.RETIRED, now=timezone.now())
    assert names(administrator, "?state=old_scep") == ["Old"]
    page = administrator.get(reverse("console:settings_platform", args=["apple"])).content.decode()
    assert "1 device asked for its certificate with DES, 3DES or SHA-1" in page
    assert "?state=old_scep" in page
    assert ("MYDEVICES_ALLOW_WEAK_SCEP=false" in page) == allowed


def test_a_page_costs_the_same_however_long_the_list(administrator: Client) -> None:
    def statements() -> int:
        """The fewest of three: what a process remembers for some seconds is read anew now and then."""
        counts = []
        for _time in range(3):
            with CaptureQueriesContext(connection) as queries:
                administrator.get(reverse("console:devices"))
            counts.append(len(queries))
        return min(counts)

    factories.device(factories.person())
    few = statements()
    for _number in range(30):
        factories.device(factories.person())
    assert statements() == few


def test_the_list_goes_into_a_file(sign_in_as: SignedInAs) -> None:
    factories.device(factories.person("Ines Okafor"), name="Ines’s iPhone")
    answer = sign_in_as("auditor").get(reverse("console:devices_export"))
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[:2] for row in rows] == [["Device", "Owner"], ["Ines’s iPhone", "Ines Okafor"]]


@pytest.mark.parametrize("role", ["administrator", "helpdesk", "auditor"])
def test_a_device_is_shown_with_its_owner_and_its_lives(sign_in_as: SignedInAs, role: str) -> None:
    device = factories.device(factories.person("Ines Okafor"), name="Ines’s iPhone")
    page = sign_in_as(role).get(reverse("console:devices_one", args=[device.id])).content.decode()
    assert "Ines’s iPhone" in page
    assert "Ines Okafor" in page
    assert "Registrations" in page


def test_a_device_that_is_not_there_is_not_found(administrator: Client) -> None:
    missing = "00000000-0000-4000-8000-000000000000"
    assert administrator.get(reverse("console:devices_one", args=[missing])).status_code == 404


# The audit


def verbs(browser: Client, query: str = "") -> list[str]:
    return [row["entry"].verb for row in browser.get(reverse("console:audit") + query).context["rows"]]


def entries(number: int) -> None:
    for index in range(number):
        audit.record(Verb.SETTINGS_CHANGED, actor=Actor.system("a test"), details={"number": index})


def test_the_audit_is_narrowed_by_verb_name_address_and_day(administrator: Client) -> None:
    ines = factories.person("Ines Okafor")
    audit.record(Verb.PERSON_CHANGED, actor=factories.actor(ines), person=ines)
    entries(2)
    assert verbs(administrator, "?q=okafor") == [Verb.PERSON_CHANGED]
    assert verbs(administrator, f"?q={ines.id}") == [Verb.PERSON_CHANGED]
    assert verbs(administrator, "?verb=settings.changed") == [Verb.SETTINGS_CHANGED] * 2
    page = administrator.get(reverse("console:audit")).content.decode()
    assert '<th scope="row">Settings changed<br>' in page
    assert '<option value="settings.changed">Settings changed</option>' in page
    tomorrow = (timezone.now() + timedelta(days=2)).date().isoformat()
    assert verbs(administrator, f"?from={tomorrow}") == []
    assert verbs(administrator, f"?to={tomorrow}&verb=settings.changed") == [Verb.SETTINGS_CHANGED] * 2


@pytest.mark.parametrize(
    "query", ["?from=2026-13-45&to=x", "?verb=nothing", "?before=999999999999999999999", "?after=-1"]
)
def test_what_cannot_be_meant_is_not_heard(administrator: Client, query: str) -> None:
    assert administrator.get(reverse("console:audit") + query).status_code == 200


def test_older_entries_are_on_other_pages_each_once(administrator: Client) -> None:
    entries(150)
    first = administrator.get(reverse("console:audit") + "?verb=settings.changed").context
    older = first["page"].older
    second = administrator.get(reverse("console:audit") + f"?verb=settings.changed&before={older}").context
    seen = [row["entry"].id for row in [*first["rows"], *second["rows"]]]
    assert len(seen) == len(set(seen)) == 150
    assert seen == sorted(seen, reverse=True)


def test_a_search_reads_a_part_of_the_audit_at_a_time(administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mydevices.audit.selectors.LOOKED_AT", 10)
    oldest = audit.record(Verb.LIST_EXPORTED, actor=Actor.system("Elif"))
    for _number in range(15):
        audit.record(Verb.LIST_EXPORTED, actor=Actor.system("Sam"))
    address = reverse("console:audit")
    first = administrator.get(address, {"q": "elif"})
    assert first.context["rows"] == []
    assert "Look at the older ones for more" in first.content.decode()
    second = administrator.get(address, {"q": "elif", "before": first.context["page"].older})
    assert [row["entry"].id for row in second.context["rows"]] == [oldest.id]
    while second.context["page"].older:
        second = administrator.get(address, {"q": "elif", "before": second.context["page"].older})
    assert not second.context["page"].stopped


def test_it_goes_into_a_file_either_way_and_that_is_an_entry_itself(administrator: Client) -> None:
    entries(3)
    rows = list(
        csv.reader(
            io.StringIO(
                administrator.get(reverse("console:audit_export") + "?verb=settings.changed").content.decode(
                    "utf-8-sig"
                )
            )
        )
    )
    assert [row[2] for row in rows] == ["verb", *["settings.changed"] * 3]
    assert [row[-2] for row in rows] == ["what", *["Settings changed"] * 3]
    text = administrator.get(reverse("console:audit_export") + "?verb=settings.changed&as=json").content.decode()
    assert {json.loads(line)["what"] for line in text.splitlines()} == {"Settings changed"}
    assert [json.loads(line)["details"] for line in text.splitlines()] == [{"number": 2}, {"number": 1}, {"number": 0}]
    assert Entry.objects.filter(verb=Verb.LIST_EXPORTED).count() == 2


def test_the_history_of_somebody_s_device_speaks_of_its_owner_and_of_what_the_reader_did(
    administrator: Client,
) -> None:
    ines, reader = factories.person("Ines Okafor"), Person.objects.get(id=administrator.session["_auth_user_id"])
    device = factories.device(ines, ownership="personal")
    details = {"ownership": "personal"}
    for verb, who in ((Verb.DEVICE_REGISTERED, ines), (Verb.OWNERSHIP_CHANGED, reader)):
        audit.record(
            verb,
            actor=factories.actor(who),
            device=audit.Mention(device.id),
            person=audit.Mention(ines.id),
            details=details,
        )
    text = administrator.get(reverse("console:devices_one", args=[device.id])).content.decode()
    assert "Registered as its owner’s" in text
    assert "Noted as personal, by you" in text
    assert "your own" not in text


def test_the_audit_shows_only_details_that_say_something(administrator: Client) -> None:
    details: dict[str, str | int | bool] = {"joined": "Sales", "left": "", "number": 0}
    audit.record(Verb.GROUPS_CHANGED, actor=Actor.system("test"), details=details)
    text = administrator.get(reverse("console:audit") + "?verb=person.groups_changed").content.decode()
    assert "joined: Sales, number: 0" in text
    assert "left:" not in text
