"""The page of the mail server: what is kept, and what a test mail says of it."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mydevices.environment import Environment
from mydevices.organisation import outgoing
from mydevices.organisation import selectors as organisation
from mydevices.organisation.models import Organisation
from simulator.smtp import Manners, Received, SmtpServer
from tests.cli.conftest import free_port
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db

PAGE, TRIAL = "console:settings_mail", "console:settings_mail_trial"


@pytest.fixture(autouse=True)
def anew() -> None:
    organisation.forget()


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
