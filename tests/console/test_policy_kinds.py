"""The forms of privacy and self-service: made, refused, changed, and for some devices only."""

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.policies.models import Policy

pytestmark = pytest.mark.django_db

PRIVACY = {
    "name": "Own phones",
    "enabled": "on",
    "location": "off",
    "position_days": "7",
    "app_inventory": "managed",
    "administrators_may_locate": "on",
    "text": "We do not look.\r\nNever.",
    "to": "everyone",
    "ownerships": ["personal"],
}
SERVICE = {
    "name": "Shop floor",
    "enabled": "on",
    "allowed": ["lock", "check_in"],
    "undo_seconds": "",
    "person_wipes": "2",
    "organisation_wipes": "30",
    "lock_message": "Please call",
    "lock_phone": "020 7946 0142",
    "helpdesk_name": "Shop desk",
    "helpdesk_email": "shop@aldermoor.example",
    "helpdesk_link": "https://help.aldermoor.example/",
    "to": "everyone",
    "platforms": ["apple"],
}


def new(kind: str) -> str:
    return reverse("console:policies_new", args=[kind])


def text(answer: object) -> str:
    assert isinstance(answer, HttpResponse)
    return answer.content.decode()


def test_a_privacy_policy_is_made_for_peoples_own_devices(administrator: Client) -> None:
    assert "People’s own" in text(administrator.get(new("privacy")))
    assert administrator.post(new("privacy"), PRIVACY).status_code == 303
    made = Policy.objects.get()
    assert Privacy.read(made.values) == Privacy(
        location="off",
        position_days=7,
        app_inventory="managed",
        administrators_may_wipe=False,
        text="We do not look.\nNever.",
    )
    assert made.assignment.ownerships == {"personal"}
    assert "Own phones" in text(administrator.get(reverse("console:policies")))
    form = text(administrator.get(reverse("console:policies_edit", args=[made.id])))
    assert "We do not look." in form


def test_a_self_service_policy_is_made_and_its_form_begins_as_it_is(administrator: Client) -> None:
    assert administrator.post(new("self_service"), SERVICE).status_code == 303
    made = Policy.objects.get()
    assert SelfServiceRules.read(made.values) == SelfServiceRules(
        allowed=("check_in", "lock"),
        later=False,
        person_wipes=2,
        organisation_wipes=30,
        lock_message="Please call",
        lock_phone="020 7946 0142",
        helpdesk_name="Shop desk",
        helpdesk_email="shop@aldermoor.example",
        helpdesk_link="https://help.aldermoor.example/",
    )
    address = reverse("console:policies_edit", args=[made.id])
    assert "https://help.aldermoor.example/" in text(administrator.get(address))
    assert administrator.post(address, {**SERVICE, "undo_seconds": "0"}).status_code == 303
    assert Policy.objects.get().values["undo_seconds"] == 0
    assert 'value="0"' in text(administrator.get(address))


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("privacy", {**PRIVACY, "position_days": "91"}, "1 to 90 days"),
        ("privacy", {**PRIVACY, "location": "sometimes"}, "valid choice"),
        ("self_service", {**SERVICE, "undo_seconds": "3601"}, "0 to 3600 seconds"),
        ("self_service", {**SERVICE, "person_wipes": "10001"}, "from 0 to 10"),
        ("self_service", {**SERVICE, "organisation_wipes": "-1"}, "from 0 to 10"),
        ("self_service", {**SERVICE, "helpdesk_link": "javascript:alert(1)"}, "begins with https://"),
        ("self_service", {**SERVICE, "helpdesk_email": "nobody"}, "help@example.org"),
        ("self_service", {**SERVICE, "allowed": ["fly"]}, "valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    administrator: Client, kind: str, values: dict[str, object], said: str
) -> None:
    answer = administrator.post(new(kind), values)
    assert answer.status_code == 400
    assert said in text(answer)
    assert not Policy.objects.exists()
