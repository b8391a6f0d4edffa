"""The page of the mail server: what is kept, and what a test mail says of it."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mydevices.accounts.models import Approval, ApprovalRules, Person
from mydevices.accounts.notices import Notice
from mydevices.environment import Environment
from mydevices.organisation import outgoing
from mydevices.organisation import selectors as organisation
from mydevices.organisation.models import Organisation
from simulator.smtp import Manners, Received, SmtpServer
from tests import factories
from tests.cli.conftest import free_port
from tests.console.conftest import SignedInAs
from tests.console.test_approvals import browser_of, decide, one, text, told, waits

pytestmark = pytest.mark.django_db

PAGE, TRIAL = "console:settings_mail", "console:settings_mail_trial"


@pytest.fixture
def inbox() -> list[Received]:
    return []


@pytest.fixture
def manners() -> Manners:
    return Manners()


@pytest.fixture
def server(inbox: list[Received], manners: Manners) -> Iterator[SmtpServer]:
    with SmtpServer(take=inbox.append, manners=manners) as running:
        yield running


def save(browser: Client, port: int, **values: str) -> str:
    form = {"host": "127.0.0.1", "port": str(port), "encryption": "none", "mail_from": "devices@aldermoor.example"}
    answer = browser.post(reverse(PAGE), {**form, **values}, follow=True)
    organisation.forget()
    return answer.content.decode()


def try_out(browser: Client) -> str:
    return browser.post(reverse(TRIAL), follow=True).content.decode()


def test_a_server_is_set_tried_out_and_taken_away(
    administrator: Client, server: SmtpServer, inbox: list[Received]
) -> None:
    assert "No mail server is set" in administrator.get(reverse("console:invitations")).content.decode()
    assert "Send yourself a test mail" in save(administrator, server.port)
    assert "No mail server is set" not in administrator.get(reverse("console:invitations")).content.decode()
    assert "The mail server took a mail to" in try_out(administrator)
    assert [mail.sender for mail in inbox] == ["devices@aldermoor.example"]
    assert b"Mail works" in inbox[0].content
    answer = administrator.post(reverse(PAGE), {"remove": "1"}, follow=True).content.decode()
    assert "No mails are sent from now on" in answer
    organisation.forget()
    assert not outgoing.is_set()
    assert administrator.post(reverse(TRIAL)).status_code == 409


def test_why_it_did_not_work_is_said_in_words(administrator: Client, server: SmtpServer, manners: Manners) -> None:
    save(administrator, free_port())
    assert "The mail server cannot be reached:" in try_out(administrator)
    save(administrator, server.port, encryption="starttls")
    assert "The mail server does not offer what is asked of it" in try_out(administrator)
    save(administrator, server.port)
    manners.answers = {"RCPT": "550 no such box"}
    page = try_out(administrator)
    assert "The mail server refused your address: 550" in page
    assert "no such box" in page


def test_what_is_wrong_stands_in_the_form_and_the_password_never_does(administrator: Client) -> None:
    page = save(administrator, 25, host="mail.example", user="us", password="between us")
    assert "The password would go over the network unencrypted." in page
    assert "between us" not in page
    assert not Organisation.objects.exclude(mail_host="").exists()
    save(administrator, 25, host="mail.example", encryption="tls", user="us", password="between us")
    assert "between us" not in administrator.get(reverse(PAGE)).content.decode()


def test_what_the_environment_says_is_shown_and_cannot_be_changed(administrator: Client, settings: Settings) -> None:
    settings.ENVIRONMENT = Environment(smtp_url="smtp://mail.example?tls=tls", mail_from="a@b.example")
    page = administrator.get(reverse(PAGE)).content.decode()
    assert "mail.example" in page
    assert "MYDEVICES_SMTP_URL" in page
    assert "Save mail server" not in page
    assert administrator.post(reverse(PAGE), {"host": "other.example"}).status_code in {400, 409}
    assert not Organisation.objects.exclude(mail_host="").exists()


def test_what_stands_below_a_field_is_text_and_no_markup(administrator: Client) -> None:
    """The browser took the example for an element, and showed nothing of it."""
    assert "Name &lt;address&gt;" in administrator.get(reverse(PAGE)).content.decode()


def test_others_see_it_at_most(sign_in_as: SignedInAs) -> None:
    for role in ("helpdesk", "auditor"):
        browser = sign_in_as(role)
        shown = browser.get(reverse(PAGE)).status_code
        assert shown == browser.get(reverse("console:settings")).status_code
        assert browser.post(reverse(PAGE), {"remove": "1"}).status_code == 403
        assert browser.post(reverse(TRIAL)).status_code == 403


# A second administrator


KEPT = {"host": "smtp.aldermoor.example", "port": "587", "encryption": "starttls", "mail_from": "md@aldermoor.example"}
ELSEWHERE = {**KEPT, "host": "smtp.elsewhere.example", "user": "me", "password": "between us"}


@pytest.fixture
def set_up(amara: Person, tomas: Person) -> Client:
    """Amara's browser: a server is set, and enough devices are registered for changes to wait."""
    browser = browser_of(amara)
    assert browser.post(reverse(PAGE), KEPT)["Location"] == reverse(PAGE)
    ApprovalRules.objects.create(id=1, from_devices=1)
    factories.device(factories.person())
    organisation.forget()
    return browser


def host() -> str:
    return Organisation.objects.get(id=1).mail_host


@pytest.mark.parametrize("form", [ELSEWHERE, {**KEPT, "mail_from": "x@elsewhere.example"}, {**KEPT, "port": "2525"}])
def test_another_mail_server_waits(set_up: Client, amara: Person, tomas: Person, form: dict[str, str]) -> None:
    """Whoever has it reads the links of forgotten passwords and of devices to confirm."""
    assert set_up.post(reverse(PAGE), form)["Location"] == one(waits())
    assert outgoing.written() | {"port": str(outgoing.written()["port"])} == {"user": "", **KEPT}
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    assert decide(set_up, waits(), "approve").status_code == 403
    assert "waits for another administrator" in text(set_up, reverse(PAGE))


def test_another_mail_server_that_is_allowed_comes_with_its_password(set_up: Client, tomas: Person) -> None:
    set_up.post(reverse(PAGE), ELSEWHERE)
    assert "between us" not in str(waits().arguments)
    other = browser_of(tomas)
    assert "smtp.elsewhere.example" in text(other, one(waits()))
    decide(other, waits(), "approve")
    organisation.forget()
    now = outgoing.current()
    assert now is not None
    assert (now.server.host, now.server.user, now.server.password) == ("smtp.elsewhere.example", "me", "between us")


def test_mails_are_not_silenced_by_one_alone(set_up: Client, tomas: Person) -> None:
    """Nobody would hear of what waits for them."""
    assert set_up.post(reverse(PAGE), {"remove": "1"})["Location"] == one(waits())
    assert host() == "smtp.aldermoor.example"
    decide(browser_of(tomas), waits(), "stop", "Why?")
    assert host() == "smtp.aldermoor.example"
    set_up.post(reverse(PAGE), {"remove": "1"})
    decide(browser_of(tomas), waits(), "approve")
    assert host() == ""


def test_the_same_again_waits_for_nobody(set_up: Client) -> None:
    assert set_up.post(reverse(PAGE), KEPT)["Location"] == reverse(PAGE)
    assert not Approval.objects.exists()


def test_what_cannot_be_kept_is_said_at_once(set_up: Client) -> None:
    assert set_up.post(reverse(PAGE), {**ELSEWHERE, "encryption": "none"}).status_code == 400
    assert not Approval.objects.exists()


def test_mails_are_not_silenced_by_a_password_that_is_wrong(amara: Person, tomas: Person) -> None:
    browser, login = browser_of(amara), {**KEPT, "user": "md"}
    browser.post(reverse(PAGE), {**login, "password": "the right one"})
    ApprovalRules.objects.create(id=1, from_devices=1)
    factories.device(factories.person())
    organisation.forget()
    assert browser.post(reverse(PAGE), {**login, "password": "a wrong one"})["Location"] == one(waits())
    assert told(Notice.CHANGE_WAITS) == {str(amara.id), str(tomas.id)}
    assert password() == "the right one"
    other = browser_of(tomas)
    shown = text(other, one(waits()))
    assert "Password" in shown
    assert "a wrong one" not in shown
    decide(other, waits(), "approve")
    assert password() == "a wrong one"
    # What changes nothing waits for nobody.
    assert browser.post(reverse(PAGE), login)["Location"] == reverse(PAGE)


def password() -> str:
    organisation.forget()
    now = outgoing.current()
    assert now is not None
    return now.server.password
