"""Whose a device is, changed by an administrator: with a reason, and said to its owner."""

from collections.abc import Sequence

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import ApprovalRules, Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import capabilities
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.devices import selectors as devices
from mydevices.devices import services
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.outbox.models import Message
from mydevices.platforms.apple import push_certificate
from mydevices.policies import services as policies
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.protocols.apple.profiles import AccessRights
from tests import factories
from tests.console.conftest import SignedInAs
from tests.console.test_approvals import browser_of
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
REASON = "Bought at the end of its lease."


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(push_certificate, "topic", lambda: "com.apple.mgmt.External.test")


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor", password=PASSWORD)


@pytest.fixture
def phone(ines: Person) -> Device:
    return factories.device(ines, name="Ines’s iPhone", now=timezone.now())


def page(device: Device) -> str:
    return reverse("console:devices_ownership", args=[device.id])


def test_it_is_changed_written_down_and_mailed(administrator: Client, phone: Device, ines: Person) -> None:
    answer = administrator.post(page(phone), {"becomes": "personal", "reason": f"  {REASON}\n"}, follow=True)
    assert "Ines Okafor gets a mail" in answer.content.decode()
    phone.refresh_from_db()
    assert phone.is_personal
    entry = Entry.objects.get(verb=Verb.OWNERSHIP_CHANGED)
    assert (entry.device_id, entry.person_id) == (str(phone.id), str(ines.id))
    assert entry.details == {"ownership": "personal", "reason": REASON}
    mail = Message.objects.get(topic="mail", payload__notice="device_is_personal")
    assert mail.payload["to"] == ines.email
    assert mail.payload["facts"] | {"at": ""} == {
        "device": "Ines’s iPhone",
        "by": "A administrator",
        "reason": REASON,
        "at": "",
    }


def test_its_owner_reads_it_in_both_histories(administrator: Client, phone: Device, ines: Person) -> None:
    administrator.post(page(phone), {"becomes": "personal", "reason": REASON})
    own = Client()
    own.force_login(ines, backend="mydevices.accounts.backends.Passwords")
    told = own.get(reverse("portal:history")).content.decode()
    assert "A administrator noted <b>Ines’s iPhone</b> as your own." in told
    assert REASON in told
    told = own.get(reverse("portal:device_history", args=[phone.id])).content.decode()
    assert "Noted as personal, by A administrator" in told
    assert REASON in told
    assert "Your own" in own.get(reverse("portal:device", args=[phone.id])).content.decode()


def test_the_page_says_what_follows_for_what_may_be_done_to_it(administrator: Client, phone: Device) -> None:
    shown = administrator.get(page(phone)).content.decode()
    assert "Registered again as personal it can no longer be erased from here." in shown
    assert "For now it can be erased from here." in shown
    assert "Policies for personal devices reach it from now on" in shown
    administrator.post(page(phone), {"becomes": "personal", "reason": REASON})
    shown = administrator.get(page(phone)).content.decode()
    assert "that was agreed in its profile when it was registered" in shown  # back to what the profile promises


def test_a_personal_device_that_becomes_the_organisations_cannot_be_erased_yet_and_says_why(
    administrator: Client, ines: Person
) -> None:
    own = factories.device(
        ines, ownership=Device.Ownership.PERSONAL, rights=int(AccessRights.WITHOUT_ERASE), now=timezone.now()
    )
    shown = administrator.get(page(own)).content.decode()
    assert "Registered again as the organisation’s it can be erased from here." in shown
    administrator.post(page(own), {"becomes": "company", "reason": "It was bought by us."})
    reason = capabilities.of(devices.by_id(own.id))[ActionKind.WIPE].reason
    assert "It was registered as its owner’s own" in reason
    assert "until it is registered again" in reason


def test_where_the_organisations_devices_do_not_count_the_page_says_so(administrator: Client, phone: Device) -> None:
    actor = factories.actor(factories.administrator(), proved=timezone.now())
    rules = RegistrationRules(device_limit=5, company_devices_count=False)
    policies.create(actor=actor, name="Five", values=rules, assignment=Assignment(to=To.EVERYONE))
    assert "It counts towards the 5 devices" in administrator.get(page(phone)).content.decode()


def test_without_a_reason_nothing_changes(administrator: Client, phone: Device) -> None:
    for reason in ("", "   ", "x" * 301):
        assert administrator.post(page(phone), {"becomes": "personal", "reason": reason}).status_code == 400
    assert administrator.post(page(phone), {"becomes": "mine", "reason": REASON}).status_code == 400
    phone.refresh_from_db()
    assert not phone.is_personal
    assert not Entry.objects.filter(verb=Verb.OWNERSHIP_CHANGED).exists()


def test_of_two_who_change_it_at_once_the_second_changes_nothing(administrator: Client, phone: Device) -> None:
    for _time in range(2):
        assert administrator.post(page(phone), {"becomes": "personal", "reason": REASON}).status_code == 303
    phone.refresh_from_db()
    assert phone.is_personal
    assert Entry.objects.filter(verb=Verb.OWNERSHIP_CHANGED).count() == 1
    assert Message.objects.filter(payload__notice="device_is_personal").count() == 1


@pytest.mark.parametrize("role", [Person.Role.PERSON, Person.Role.HELPDESK, Person.Role.AUDITOR])
def test_nobody_else_changes_it_and_sees_no_button(sign_in_as: SignedInAs, phone: Device, role: str) -> None:
    browser = sign_in_as(role)
    assert browser.get(page(phone)).status_code == 403
    assert browser.post(page(phone), {"becomes": "personal", "reason": REASON}).status_code == 403
    if role != Person.Role.PERSON:
        assert page(phone) not in browser.get(reverse("console:devices_one", args=[phone.id])).content.decode()
    actor = factories.actor(factories.person("Sam", role=role))
    with pytest.raises(NotAllowed):
        services.change_ownership(actor=actor, device=phone, ownership="personal", reason=REASON)
    phone.refresh_from_db()
    assert not phone.is_personal


def test_the_verb_refuses_what_makes_no_sense(phone: Device) -> None:
    actor = factories.actor(factories.administrator())
    with pytest.raises(Invalid):
        services.change_ownership(actor=actor, device=phone, ownership="mine", reason=REASON)
    with pytest.raises(Invalid):
        services.change_ownership(actor=actor, device=phone, ownership="personal", reason=" \n ")
    with pytest.raises(Conflict):
        services.change_ownership(actor=actor, device=phone, ownership="company", reason=REASON)


def test_a_device_that_is_not_there_is_not_found(administrator: Client, ines: Person) -> None:
    missing = reverse("console:devices_ownership", args=[ines.id])
    assert administrator.get(missing).status_code == 404


@pytest.fixture
def fleet(ines: Person) -> Sequence[Device]:
    """Three devices, of which one administrator has something new reach two within a day."""
    ApprovalRules.objects.create(id=1, from_devices=2, configuration_devices=2)
    factories.administrator("Tomas Reiter", password=PASSWORD)
    return [
        factories.device(ines, name=f"iPhone {number}", ownership=Device.Ownership.PERSONAL, now=timezone.now())
        for number in range(3)
    ]


def test_a_configuration_for_the_organisations_devices_is_not_brought_to_many_one_by_one(
    administrator: Client, fleet: Sequence[Device]
) -> None:
    configurations.create(
        actor=Actor.system("test"),
        name="Intranet",
        values=WebClip(label="Intranet", url="https://intranet.example"),
        assignment=Assignment(to=To.EVERYONE, ownerships=frozenset({"company"})),
    )
    answers = [administrator.post(page(one), {"becomes": "company", "reason": REASON}, follow=True) for one in fleet]
    assert Device.objects.filter(ownership="company").count() == 2
    assert "Ask another administrator to change it" in answers[2].content.decode()
    assert Entry.objects.filter(verb=Verb.OWNERSHIP_CHANGED).count() == 2
    # Back again brings nothing new, and another administrator, or another day, counts alone.
    administrator.post(page(fleet[0]), {"becomes": "personal", "reason": REASON})
    assert Device.objects.filter(ownership="company").count() == 1
    browser_of(Person.objects.get(name="Tomas Reiter")).post(page(fleet[2]), {"becomes": "company", "reason": REASON})
    assert Device.objects.get(id=fleet[2].id).ownership == "company"


def test_looser_rules_of_the_organisations_devices_are_not_brought_to_many_one_by_one(
    administrator: Client, fleet: Sequence[Device]
) -> None:
    policies.create(
        actor=Actor.system("test"),
        name="Stricter",
        values=Privacy(administrators_may_locate=False),
        assignment=Assignment(to=To.EVERYONE, ownerships=frozenset({"personal"})),
    )
    for one in fleet:
        administrator.post(page(one), {"becomes": "company", "reason": REASON})
    assert Device.objects.filter(ownership="company").count() == 2


def test_where_nothing_goes_by_whose_they_are_any_number_is_changed(
    administrator: Client, fleet: Sequence[Device]
) -> None:
    for one in fleet:
        administrator.post(page(one), {"becomes": "company", "reason": REASON})
    assert not Device.objects.filter(ownership="personal").exists()
