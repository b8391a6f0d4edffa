"""What people are told of policies that decide for them, and that pages refuse as the verbs do."""

import pytest
from django.test import Client
from django.urls import reverse

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.commands.models import Action
from mydevices.devices.assignment import EVERYONE
from mydevices.devices.models import Device
from mydevices.policies import services as policies
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.self_service import SelfServiceRules
from mydevices.registration.models import Ticket

pytestmark = pytest.mark.django_db


def decide(values: Kind) -> None:
    policies.create(actor=Actor.system("test"), name="House rules", values=values, assignment=EVERYONE)


def of(device: Device, name: str) -> str:
    return reverse(f"portal:{name}", args=[device.id])


def test_a_forbidden_action_is_shown_with_its_policy_and_refused(browser: Client, iphone: Device) -> None:
    decide(SelfServiceRules(allowed=("check_in",), helpdesk_name="Shop desk", helpdesk_email="shop@aldermoor.example"))
    said = "The policy “House rules” does not let you do this yourself. Questions go to Shop desk: shop@"
    page = browser.get(of(iphone, "device")).content.decode()
    assert page.count(said) >= 4
    assert of(iphone, "lock") not in page
    for kind in ("lock", "retire", "unlock"):
        answer = browser.post(of(iphone, kind), {"message": "x"})
        assert answer.status_code in {302, 303}
        assert said in browser.get(of(iphone, "device")).content.decode()
    assert not Action.objects.exists()
    assert browser.post(of(iphone, "check_in")).status_code in {302, 303}
    assert Action.objects.get().kind == "check_in"


def test_a_lock_begins_with_what_the_policy_says(browser: Client, iphone: Device) -> None:
    decide(SelfServiceRules(lock_message="Please call us", lock_phone="020 7946 0142"))
    page = browser.get(of(iphone, "lock")).content.decode()
    assert "Please call us" in page
    assert 'value="020 7946 0142"' in page


def test_the_foot_of_every_page_names_the_helpdesk_of_the_policy(browser: Client, iphone: Device) -> None:
    decide(SelfServiceRules(helpdesk_name="Shop desk", helpdesk_phone="4321", helpdesk_link="https://help.example/"))
    for address in (reverse("portal:devices"), reverse("portal:history"), of(iphone, "device"), of(iphone, "lock")):
        page = browser.get(address).content.decode()
        assert 'href="tel:4321"' in page, address
        assert 'href="https://help.example/"' in page, address


def test_a_person_reads_what_the_privacy_policy_says(browser: Client, iphone: Device) -> None:
    decide(Privacy(location="off", administrators_may_wipe=False, text="We do not look. <b>Never.</b>"))
    page = browser.get(of(iphone, "device")).content.decode()
    assert "We do not look. &lt;b&gt;Never.&lt;/b&gt;" in page
    assert "The policy “House rules” forbids it." in page
    assert "lets nobody but its owner wipe this device." in page


def test_who_may_not_register_is_told_by_which_policy(browser: Client) -> None:
    decide(SelfServiceRules(allowed=("lock",), helpdesk_name="Shop desk", helpdesk_phone="4321"))
    page = browser.get(reverse("portal:register")).content.decode()
    assert "You cannot register devices by yourself. The policy “House rules” decides this." in page
    answer = browser.post(reverse("portal:register"), {"where": "iphone", "ownership": "personal"})
    assert answer.status_code in {400, 403}
    assert not Ticket.objects.exists()


def test_who_may_not_keep_certificates_is_told_by_which_policy(browser: Client, ines: Person) -> None:
    decide(SelfServiceRules(allowed=("lock",), helpdesk_name="Shop desk", helpdesk_phone="4321"))
    page = browser.get(reverse("portal:certificates")).content.decode()
    assert "The policy “House rules” does not let you add certificates yourself." in page
    assert reverse("portal:certificate_add") not in page
    assert browser.get(reverse("portal:certificate_add")).status_code in {302, 303}
