"""Mails as they leave: bytes over SMTP to a server on this machine, with its TLS, its refusals and its silences."""

import datetime as dt
import email
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from mydevices.accounts import post, services, tasks
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.environment import Environment
from mydevices.outbox import registry
from mydevices.outbox.models import Message
from mydevices.outbox.worker import Worker
from simulator.smtp import Manners, Received, SmtpServer
from tests import factories

pytestmark = pytest.mark.django_db

LINK = "https://devices.example.org/invitation/tQ7-abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE"
CREDENTIALS = ("my devices", "p@ss/w:rd?")


@pytest.fixture(autouse=True)
def only_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "HANDLERS", {"mail": registry.HANDLERS["mail"]})
    monkeypatch.setattr(registry, "PERIODIC", {})
    monkeypatch.setattr(post, "_followers", {})


@pytest.fixture
def inbox() -> list[Received]:
    return []


@pytest.fixture
def manners() -> Manners:
    return Manners()


@pytest.fixture
def server(inbox: list[Received], manners: Manners, settings: Settings) -> Iterator[SmtpServer]:
    with SmtpServer(take=inbox.append, manners=manners) as running:
        use(settings, f"smtp://127.0.0.1:{running.port}?tls=none")
        yield running


def use(settings: Settings, url: str, *, authorities: Path | None = None) -> None:
    settings.ENVIRONMENT = Environment(smtp_url=url, mail_from="devices@aldermoor.example", smtp_ca=authorities)


@pytest.fixture
def ines() -> Person:
    return factories.person("Ines Okafor")


def invite(person: Person, *, until: dt.datetime | None = None) -> Message:
    facts = {"secret_link": LINK, "until": (until or timezone.now() + timedelta(days=7)).isoformat()}
    mail_id = services.notify(person=person, notice=Notice.INVITATION, facts=facts)
    return Message.objects.get(key=mail_id)


def work() -> None:
    Worker(threading.Event()).drain(rounds=1)


def read(received: Received) -> EmailMessage:
    message = email.message_from_bytes(received.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def tls(localhost_certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(localhost_certificate)
    return context


def test_a_mail_goes_to_the_persons_address_and_leaves_nothing_behind(
    server: SmtpServer, inbox: list[Received], ines: Person
) -> None:
    message = invite(ines)
    assert LINK not in str(message.payload)  # sealed while it waits
    work()
    assert not Message.objects.exists()
    assert [mail.recipients for mail in inbox] == [(ines.email,)]
    assert inbox[0].sender == "devices@aldermoor.example"
    got = read(inbox[0])
    assert got["Message-ID"] == f"<{message.key}@aldermoor.example>"
    text = got.get_body(("plain",))
    assert text is not None
    assert LINK in text.get_content()
    assert b"\r\n" in inbox[0].content
    assert b"\n" not in inbox[0].content.replace(b"\r\n", b"")
    assert max(map(len, inbox[0].content.split(b"\r\n"))) <= 998


def test_several_mails_share_one_connection(server: SmtpServer, inbox: list[Received]) -> None:
    for number in range(3):
        invite(factories.person(f"Person {number}"))
    work()
    assert len(inbox) == 3
    assert [line for line in server.commands if line.startswith(("ehlo", "EHLO"))] == server.commands[:1]


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_tls_is_verified_and_only_then_are_credentials_given(
    localhost_certificate: Path, settings: Settings, inbox: list[Received], ines: Person, way: str
) -> None:
    with SmtpServer(
        take=inbox.append, tls=tls(localhost_certificate), tls_at_once=way == "tls", credentials=CREDENTIALS
    ) as running:
        url = f"smtp://my%20devices:p%40ss%2Fw%3Ard%3F@localhost:{running.port}?tls={way}"
        use(settings, url)  # by the system's authorities, who do not know this server
        message = invite(ines)
        work()
        message.refresh_from_db()
        assert "its certificate does not hold" in message.last_error
        assert "AUTH" not in running.commands
        assert not inbox
        use(settings, url, authorities=localhost_certificate)
        Message.objects.update(run_at=timezone.now())
        work()
    assert [(mail.was_encrypted, mail.user) for mail in inbox] == [(True, "my devices")]


def test_a_certificate_of_another_host_does_not_do(
    localhost_certificate: Path, settings: Settings, inbox: list[Received], ines: Person
) -> None:
    with SmtpServer(take=inbox.append, tls=tls(localhost_certificate)) as running:
        use(settings, f"smtp://127.0.0.1:{running.port}", authorities=localhost_certificate)
        invite(ines)
        work()
    assert not inbox
    assert "certificate" in Message.objects.get().last_error


def test_a_server_without_starttls_gets_no_mail_where_that_is_asked(
    settings: Settings, inbox: list[Received], ines: Person
) -> None:
    """Nobody in between can strip the encryption off."""
    with SmtpServer(take=inbox.append) as running:
        use(settings, f"smtp://127.0.0.1:{running.port}?tls=starttls")
        invite(ines)
        work()
        assert not any(line.startswith(("MAIL", "mail")) for line in running.commands)
    assert not inbox
    assert "lacks what is needed" in Message.objects.get().last_error


def test_a_wrong_password_is_tried_again_and_not_written_down(
    localhost_certificate: Path, settings: Settings, ines: Person, caplog: pytest.LogCaptureFixture
) -> None:
    manners = Manners(answers={"AUTH": "535 5.7.8 wrong: hunter2-sesame"})
    with SmtpServer(
        take=lambda _mail: None, tls=tls(localhost_certificate), credentials=CREDENTIALS, manners=manners
    ) as running:
        use(settings, f"smtp://ines:hunter2-sesame@localhost:{running.port}", authorities=localhost_certificate)
        invite(ines)
        work()
    message = Message.objects.get()
    assert message.state == Message.State.WAITING
    assert message.last_error == "The mail server refused the user or password (535)."
    assert "hunter2" not in caplog.text + message.last_error


@pytest.mark.parametrize("step", ["RCPT", "CONTENT", "DATA"])
def test_what_is_refused_for_good_is_given_up_with_the_reason(
    server: SmtpServer, manners: Manners, ines: Person, step: str
) -> None:
    manners.answers = {step: "550 5.1.1 Nobody of that name"}
    invite(ines)
    work()
    message = Message.objects.get()
    assert message.state == Message.State.DEAD
    assert message.last_error == "The mail server says: 550 5.1.1 Nobody of that name"


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize("code", ["451", "421"])
def test_what_is_refused_for_now_is_tried_again(
    server: SmtpServer, manners: Manners, inbox: list[Received], ines: Person, step: str, code: str
) -> None:
    manners.answers = {step: f"{code} 4.3.0 Later, please"}
    message = invite(ines)
    work()
    message.refresh_from_db()
    assert message.state == Message.State.WAITING
    assert message.last_error
    assert not inbox
    manners.answers = {}
    Message.objects.update(run_at=timezone.now())
    work()
    assert [read(mail)["Message-ID"] for mail in inbox] == [f"<{message.key}@aldermoor.example>"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("step", ["MAIL", "GREETING"])
def test_a_refused_sender_is_the_settings_fault_and_loses_no_mail(
    server: SmtpServer, manners: Manners, ines: Person, step: str
) -> None:
    manners.answers = {step: "553 5.7.1 You may not send as this"}
    invite(ines)
    work()
    message = Message.objects.get()
    assert message.state == Message.State.WAITING
    assert message.run_at > timezone.now() + timedelta(minutes=1)


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
def test_a_line_that_breaks_loses_no_mail_and_a_second_one_is_known_for_the_same(
    server: SmtpServer, manners: Manners, inbox: list[Received], ines: Person, step: str
) -> None:
    manners.hang_up = step
    invite(ines)
    work()
    assert Message.objects.get().state == Message.State.WAITING
    manners.hang_up = ""
    Message.objects.update(run_at=timezone.now())
    work()
    # After the final dot nobody can know whether the mail was taken.
    assert len(inbox) == (2 if step == "CONTENT" else 1)
    assert len({mail.content for mail in inbox}) == 1


def test_a_silent_server_is_waited_for_once_and_not_for_each_mail(
    server: SmtpServer, manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "TIMEOUT", 0.2)
    manners.silent = "MAIL"
    for number in range(3):
        invite(factories.person(f"Person {number}"))
    work()
    assert len([line for line in server.commands if line.lower().startswith("mail")]) == 1
    (reason,) = {message.last_error for message in Message.objects.all()}
    assert "timed out" in reason


def test_nobody_there_is_tried_again(settings: Settings, ines: Person) -> None:
    with SmtpServer(take=lambda _mail: None) as running:
        port = running.port
    use(settings, f"smtp://127.0.0.1:{port}?tls=none")
    invite(ines)
    work()
    message = Message.objects.get()
    assert message.state == Message.State.WAITING
    assert "refused" in message.last_error


def test_one_bad_address_does_not_hold_up_the_others(server: SmtpServer, inbox: list[Received], ines: Person) -> None:
    services.post_mail(
        notice=Notice.PASSWORD_FORGOTTEN_UNKNOWN, address="a@b.example\r\nRCPT TO:<c@d.example>", facts={}
    )
    invite(ines)
    work()
    assert [mail.recipients for mail in inbox] == [(ines.email,)]
    assert Message.objects.get().state == Message.State.DEAD
    assert not any("c@d.example" in line for line in server.commands)


def test_a_dot_alone_in_a_mail_does_not_end_it(server: SmtpServer, inbox: list[Received]) -> None:
    sneaky = factories.person(".\r\nMAIL FROM:<x@evil.example>")
    invite(sneaky)
    work()
    assert len(inbox) == 1
    assert len([line for line in server.commands if line.lower().startswith("mail")]) == 1


def test_without_a_server_mails_wait_and_go_when_there_is_one(
    settings: Settings, inbox: list[Received], ines: Person
) -> None:
    settings.ENVIRONMENT = Environment(smtp_url="", mail_from="")
    invite(ines)
    work()
    message = Message.objects.get()
    assert (message.state, message.last_error) == (Message.State.WAITING, post.NO_SERVER)
    with SmtpServer(take=inbox.append) as running:
        use(settings, f"smtp://127.0.0.1:{running.port}?tls=none")
        Message.objects.update(run_at=timezone.now())
        work()
    assert len(inbox) == 1


@pytest.mark.parametrize("has_server", [True, False])
def test_a_link_that_has_ended_is_not_mailed(
    server: SmtpServer, settings: Settings, inbox: list[Received], ines: Person, has_server: bool
) -> None:
    if not has_server:
        settings.ENVIRONMENT = Environment(smtp_url="", mail_from="")
    invite(ines, until=timezone.now() - timedelta(seconds=1))
    work()
    assert not inbox
    message = Message.objects.get()
    assert (message.state, message.last_error) == (Message.State.DEAD, post.TOO_LATE)


def test_news_that_are_days_old_are_not_mailed(server: SmtpServer, inbox: list[Received], ines: Person) -> None:
    services.notify(person=ines, notice=Notice.PASSWORD_CHANGED)
    message = Message.objects.get()
    message.payload["posted"] = (timezone.now() - post.LATEST).isoformat()
    message.save()
    work()
    assert not inbox
    assert Message.objects.get().state == Message.State.DEAD


def test_a_secret_that_the_server_repeats_is_not_written_down(
    server: SmtpServer, manners: Manners, ines: Person, caplog: pytest.LogCaptureFixture
) -> None:
    manners.answers = {"CONTENT": f"554 spam: {LINK}\x07"}
    invite(ines)
    work()
    assert Message.objects.get().last_error == "The mail server says: 554 spam: …"
    assert LINK not in caplog.text


def test_a_mail_to_somebody_who_has_left_is_forgotten(server: SmtpServer, inbox: list[Received], ines: Person) -> None:
    invite(ines)
    ines.delete()
    work()
    assert not inbox
    assert not Message.objects.exists()


def test_a_mail_that_was_withdrawn_does_not_go(server: SmtpServer, inbox: list[Received], ines: Person) -> None:
    key = invite(ines).key
    assert key
    assert services.withdraw_mail(key)
    work()
    assert not inbox
    assert not services.withdraw_mail(key)


def test_who_follows_a_kind_of_mail_hears_what_became_of_each(
    server: SmtpServer, manners: Manners, ines: Person
) -> None:
    heard: list[tuple[str, bool, str]] = []
    post.follow(Notice.INVITATION, lambda key, at, problem: heard.append((key, at is not None, problem)))
    manners.answers = {"RCPT": "550 no"}
    first = invite(ines).key
    services.notify(person=ines, notice=Notice.PASSWORD_CHANGED)
    work()
    manners.answers = {}
    second = invite(ines).key
    work()
    assert heard == [(first, False, "The mail server says: 550 no"), (second, True, "")]


def test_mails_that_were_given_up_are_forgotten_after_a_month(
    server: SmtpServer, manners: Manners, ines: Person
) -> None:
    manners.answers = {"RCPT": "550 no"}
    invite(ines)
    work()
    tasks.clear_mail()
    assert Message.objects.count() == 1
    Message.objects.update(created_at=timezone.now() - tasks.KEEP_DEAD_MAIL - timedelta(seconds=1))
    tasks.clear_mail()
    assert not Message.objects.exists()


DYING = """
import os, signal, threading
import django
django.setup()
from mydevices.accounts import post
from mydevices.outbox import leases
from mydevices.outbox.worker import Worker
leases.done = lambda *_taken: os.kill(os.getpid(), signal.SIGKILL)
Worker(threading.Event()).drain(rounds=1)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_delivery_and_its_note_sends_the_same_mail_once_more(
    server: SmtpServer, inbox: list[Received], settings: Settings, start_child: Callable[[str, str], int]
) -> None:
    with transaction.atomic():
        invite(factories.person())
    url = f"smtp://127.0.0.1:{server.port}?tls=none"
    assert start_child(DYING, url) == -9
    assert len(inbox) == 1
    work()
    assert len(inbox) == 1  # its lease still runs
    Message.objects.update(run_at=timezone.now())
    work()
    work()
    assert len(inbox) == 2
    assert inbox[0].content == inbox[1].content
    assert not Message.objects.exists()


@pytest.fixture
def start_child(settings: Settings) -> Callable[[str, str], int]:
    """Run Python on the database of the test, in a process of its own; gives its exit code."""

    def run(source: str, smtp_url: str) -> int:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MYDEVICES_", "DATABASE_"))}
        environment = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "MYDEVICES_DATA": str(settings.DATA),
            "MYDEVICES_SMTP_URL": smtp_url,
            "MYDEVICES_MAIL_FROM": "devices@aldermoor.example",
        }
        if "MYDEVICES_TEST_DATABASE_URL" in os.environ:
            environment["DATABASE_URL"] = os.environ["MYDEVICES_TEST_DATABASE_URL"]
        return subprocess.run([sys.executable, "-c", source], env=environment, check=False, timeout=60).returncode

    return run


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://mail.example.org", "must be like"),
        ("smtp://mail.example.org/path", "must be like"),
        ("smtp://", "must be like"),
        ("smtp://mail.example.org?tls=maybe", "must be like"),
        ("smtp://mail.example.org?security=tls", "must be like"),
        ("smtp://ines@mail.example.org", "both"),
        ("smtp://ines:sesame-opens@mail.example.org?tls=none", "unencrypted"),
        ("smtp://ines:sesame-opens@mail.example.org:70000", "no port"),
    ],
)
def test_a_mail_server_that_cannot_be_is_refused_at_start_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        Environment(smtp_url=url, mail_from="a@b.example")
    assert all("sesame" not in problem["msg"] for problem in refusal.value.errors())  # type: ignore[attr-defined]


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.example\r\nBcc: c@d.example", "a b@c.example"])
def test_a_sender_that_is_no_address_is_refused_at_start(sender: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Environment(smtp_url="smtp://mail.example.org", mail_from=sender)


def test_ports_follow_from_the_way_of_encryption() -> None:
    servers = [
        Environment(smtp_url=f"smtp://localhost?tls={tls}", mail_from="a@b.example").mail_server
        for tls in ("starttls", "tls", "none")
    ]
    assert [server.port for server in servers if server] == [587, 465, 25]
