"""The demo's inbox: what is mailed is shown, safely, and still there after a restart."""

import http.client
import json
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from simulator.errors import SimulatorError
from simulator.inbox import Inbox


def letter(subject: str = "Your invitation") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Aldermoor <devices@aldermoor.example>"
    message["To"] = "somebody else <other@aldermoor.example>"
    message["Subject"] = subject
    message.set_content("Hello <Nils>,\n\nOpen http://localhost:8000/invitation/abc.\n")
    message.add_alternative("<html><head></head><body><p style='color:red'>Hello</p></body></html>", subtype="html")
    return message


def send(inbox: Inbox, message: EmailMessage, to: str = "nils@aldermoor.example") -> None:
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port, local_hostname="localhost", timeout=10) as client:
        client.send_message(message, from_addr="devices@aldermoor.example", to_addrs=[to])


def get(inbox: Inbox, path: str, host: str = "localhost") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", inbox.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_a_mail_is_listed_for_whom_it_was_sent_and_can_be_read(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        assert "No mail yet" in get(inbox, "/")[2]
        send(inbox, letter())
        assert "To nils@aldermoor.example" in get(inbox, "/")[2]
        _status, _headers, page = get(inbox, "/mails/1")
        assert "Hello &lt;Nils&gt;," in page
        assert '<a href="http://localhost:8000/invitation/abc" target="_blank"' in page


def test_the_html_of_a_mail_runs_nothing_and_its_links_leave_the_frame(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        send(inbox, letter())
        _status, headers, html = get(inbox, "/mails/1/html")
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert '<head><base target="_blank">' in html


def test_a_picture_that_travels_in_a_mail_is_shown_and_nothing_is_loaded_for_it(tmp_path: Path) -> None:
    message = letter()
    page = message.get_body(("html",))
    assert page is not None
    page.set_content('<html><head></head><body><img src="cid:logo@x"></body></html>', subtype="html")
    page.add_related(b"a picture", "image", "png", cid="<logo@x>", disposition="inline")
    with Inbox(state=tmp_path) as inbox:
        send(inbox, message)
        _status, headers, html = get(inbox, "/mails/1/html")
    assert '<img src="data:image/png;base64,YSBwaWN0dXJl">' in html
    assert "img-src data:;" in headers["Content-Security-Policy"]


def test_programs_read_mails_with_their_links(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        send(inbox, letter("First"))
        send(inbox, letter("Second"), to="maja@aldermoor.example")
        mails = json.loads(get(inbox, "/api/mails")[2])["mails"]
    assert [(mail["number"], mail["to"], mail["subject"]) for mail in mails] == [
        (2, "maja@aldermoor.example", "Second"),
        (1, "nils@aldermoor.example", "First"),
    ]
    assert mails[0]["links"] == ["http://localhost:8000/invitation/abc"]


def test_mails_outlive_a_restart(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        send(inbox, letter("Before"))
    with Inbox(state=tmp_path) as inbox:
        send(inbox, letter("After"))
        assert [mail.subject for mail in inbox.mails()] == ["After", "Before"]


@pytest.mark.parametrize("path", ["/mails/2", "/mails/x", "/mails/1/../../x", "/elsewhere", "/mails/999999999/html"])
def test_what_there_is_not_is_not_found(tmp_path: Path, path: str) -> None:
    with Inbox(state=tmp_path) as inbox:
        send(inbox, letter())
        assert get(inbox, path)[0] == 404


def test_pages_of_other_hosts_cannot_read_it(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        assert get(inbox, "/api/mails", host="evil.example")[0] == 403


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with Inbox(state=tmp_path) as inbox:
        with pytest.raises(SimulatorError, match="cannot listen"):
            Inbox(state=tmp_path / "other", port=inbox.port)
        with pytest.raises(SimulatorError, match="cannot listen"):
            Inbox(state=tmp_path / "other", smtp_port=inbox.smtp_port)
