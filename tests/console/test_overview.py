"""The console's first page, and who may open it."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.certificates.models import Challenge, DeviceCertificate
from mydevices.commands import asking
from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices.models import Device, Registration
from mydevices.outbox.models import Message
from mydevices.platforms.apple.models import PushCertificate
from mydevices.registration.models import Invitation
from tests import factories
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["administrator", "helpdesk", "auditor"])
def test_whoever_has_a_role_sees_how_many_devices_there_are(sign_in_as: SignedInAs, role: str) -> None:
    factories.device(factories.person())
    answer = sign_in_as(role).get(reverse("console:overview"))
    assert answer.status_code == 200
    assert answer.context["managed"] == 1
    assert [row.name for row in answer.context["rows"]] == ["iOS"]


def test_a_person_without_a_role_is_told_who_may(sign_in_as: SignedInAs) -> None:
    answer = sign_in_as(Person.Role.PERSON).get(reverse("console:overview"))
    assert answer.status_code == 403
    assert "Helpdesk, Auditor, Administrator" in answer.content.decode()


def test_a_visitor_is_asked_to_sign_in(client: Client) -> None:
    answer = client.get(reverse("console:overview"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in")


def test_the_overview_is_only_looked_at(administrator: Client) -> None:
    assert administrator.post(reverse("console:overview")).status_code == 405


def test_the_way_into_the_console_is_offered_to_those_who_have_a_role(sign_in_as: SignedInAs) -> None:
    assert "/console/" in sign_in_as("auditor").get("/").content.decode()
    assert "/console/" not in sign_in_as("person").get("/").content.decode()


def page(browser: Client) -> str:
    answer = browser.get(reverse("console:overview"))
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def needs(browser: Client) -> list[str]:
    return [str(need.title) for need in browser.get(reverse("console:overview")).context["needs"]]


def asked(device: Device, at: datetime) -> Command:
    """A lock that this device has not answered yet."""
    asking.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(device.owner, proved=timezone.now()))
    Command.objects.filter(action__device=device).update(queued_at=at)
    return Command.objects.get(action__device=device)


def end(command: Command, state: State, at: datetime) -> None:
    """As the device's answer would."""
    Command.objects.filter(id=command.pk).update(state=State.SENT)
    Command.objects.filter(id=command.pk).update(state=state, finished_at=at)


def certified(device: Device, ends: datetime) -> None:
    challenge = Challenge.objects.create(purpose=Challenge.Purpose.REGISTRATION, expires_at=ends)
    DeviceCertificate.objects.create(
        fingerprint=str(device.id),
        challenge=challenge,
        registration=factories.life(device),
        state=DeviceCertificate.State.CURRENT,
        der=b"-",
        not_after=ends,
    )


def pushing(ends: datetime) -> None:
    PushCertificate.objects.create(key=b"-", certificate=b"-", topic="t", not_after=ends, installed_at=timezone.now())


def listed(browser: Client, state: str) -> list[str]:
    return [row.name for row in browser.get(reverse("console:devices"), {"state": state}).context["page"].rows]


def test_what_failed_lately_is_told_with_its_devices(administrator: Client) -> None:
    now = timezone.now()
    phone, old, well = (factories.device(factories.person(), name=name, now=now) for name in ("Sad", "Old", "Well"))
    end(asked(phone, now), State.FAILED, now - timedelta(days=6))
    end(asked(old, now), State.FAILED, now - timedelta(days=8))
    end(asked(well, now), State.DONE, now)
    assert "1 action failed in the last 7 days" in needs(administrator)
    assert reverse("console:devices_one", args=[phone.id]) in administrator.get("/console/").content.decode()
    assert listed(administrator, "failed") == ["Sad"]


def test_what_waits_is_counted_with_its_age(administrator: Client) -> None:
    now = timezone.now()
    young, patient = (factories.device(factories.person(), name=name, now=now) for name in ("Young", "Patient"))
    asked(young, now - timedelta(hours=1))
    assert not any("has waited" in need for need in needs(administrator))
    asked(patient, now - timedelta(days=8))
    assert any("A command has waited since" in need for need in needs(administrator))
    assert "Waiting for their devices 2 The oldest of them 8 days ago" in page(administrator)
    assert listed(administrator, "waiting") == ["Patient", "Young"]


def test_certificates_that_end_are_counted_and_those_that_should_be_renewed_are_a_need(administrator: Client) -> None:
    now = timezone.now()
    soon, late, long = (factories.device(factories.person(), name=name, now=now) for name in ("Soon", "Late", "Long"))
    certified(soon, now + timedelta(days=20))
    certified(late, now + timedelta(days=3))
    certified(long, now + timedelta(days=200))
    assert "The certificate of 1 device ends within two weeks, or has ended" in needs(administrator)
    assert "ending within 30 days 2" in page(administrator)
    assert listed(administrator, "certificate") == ["Late", "Soon"]
    Registration.objects.update(state=Registration.State.RETIRED)
    assert not any("certificate of" in need for need in needs(administrator))


def test_the_push_certificate_says_how_long_it_lasts_and_what_breaks(sign_in_as: SignedInAs) -> None:
    factories.device(factories.person())
    administrator = sign_in_as("administrator")
    assert needs(administrator)[0] == "There is no Apple push certificate"
    pushing(timezone.now() + timedelta(days=200, hours=1))
    assert "201 days left for Apple push" in page(administrator)
    assert "no lock, wipe or check in reaches an Apple device" in page(administrator)
    assert not any("push certificate" in need for need in needs(administrator))
    PushCertificate.objects.update(not_after=timezone.now() + timedelta(days=5, hours=1))
    assert needs(administrator)[0] == "Renew the Apple push certificate"
    assert "push" not in page(sign_in_as("helpdesk"))


def test_mail_and_invitations_that_need_somebody_are_told(sign_in_as: SignedInAs) -> None:
    now = timezone.now()
    factories.device(factories.person())
    for days, problem in ((1, ""), (10, "550 no"), (-1, "")):
        ends = now + timedelta(days=days)
        Invitation.objects.create(
            person=factories.person(), token_hash=str(days), created_at=now, expires_at=ends, mail_problem=problem
        )
    Message.objects.create(topic="mail", state="dead")
    Message.objects.create(topic="wake", state="dead")
    administrator = sign_in_as("administrator")
    assert {"1 invitation ends within three days", "1 mail could not be sent"} < set(needs(administrator))
    assert "Open 2 Mail not sent 1 Expired 1" in page(administrator)
    assert "1 mail could not be sent" not in needs(sign_in_as("helpdesk"))


def test_a_new_administrator_is_led_to_the_first_device(sign_in_as: SignedInAs) -> None:
    administrator = sign_in_as("administrator")
    answer = administrator.get(reverse("console:overview"))
    assert [(step.is_done, step.is_next) for step in answer.context["steps"]] == [
        (False, True),
        (False, False),
        (False, False),
    ]
    pushing(timezone.now() + timedelta(days=200))
    steps = administrator.get(reverse("console:overview")).context["steps"]
    assert [(step.is_done, step.is_next) for step in steps] == [(True, False), (False, True), (False, False)]
    assert "No devices yet" in page(sign_in_as("auditor"))
    factories.device(factories.person())
    assert administrator.get(reverse("console:overview")).context["steps"] == []


def test_it_costs_the_same_however_much_there_is(administrator: Client) -> None:
    def statements() -> int:
        administrator.get(reverse("console:overview"))  # what processes know for some seconds is read here
        with CaptureQueriesContext(connection) as queries:
            administrator.get(reverse("console:overview"))
        return len(queries)

    now = timezone.now()
    end(asked(factories.device(factories.person(), now=now), now), State.FAILED, now)
    few = statements()
    for _number in range(12):
        end(asked(factories.device(factories.person(), now=now), now), State.FAILED, now)
    assert statements() == few
    assert few <= 19
