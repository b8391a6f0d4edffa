"""What is written down about requests that go wrong: never what opens a door."""

import io
import logging
import re
from datetime import datetime

import pytest
from django.http import HttpResponseServerError
from django.test import Client, RequestFactory
from django.utils.log import log_response

from mydevices import logs
from mydevices.accounts import services


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the settings' own handler writes."""
    stream = io.StringIO()
    handler = next(found for found in logging.getLogger().handlers if found.get_name() == "terminal")
    monkeypatch.setattr(handler, "stream", stream)
    return stream


@pytest.mark.django_db
def test_a_refused_form_does_not_write_the_setup_token_down(written: io.StringIO) -> None:
    token = services.first_administrator_token()
    assert Client(enforce_csrf_checks=True).post(f"/setup/{token}").status_code == 403
    assert "Forbidden (CSRF cookie not set.): /setup/…" in written.getvalue()
    assert token.rpartition(":")[2] not in written.getvalue()


@pytest.mark.django_db
def test_a_foreign_referer_does_not_write_a_ticket_s_code_down(written: io.StringIO) -> None:
    client = Client(enforce_csrf_checks=True)
    address = "https://devices.example.org/r/K7QF?next=/r/K7QF"
    client.post("/register", secure=True, HTTP_REFERER=address)
    assert "https://devices.example.org/r/…?…" in written.getvalue()
    assert "K7QF" not in written.getvalue()


@pytest.mark.parametrize("path", ["/r/K7QF", "/setup/1xVEiq:0PsgrzPldNw8sCkz", "/confirm/letters-alone"])
def test_a_page_that_fails_does_not_write_its_code_down(written: io.StringIO, path: str) -> None:
    request, response = RequestFactory().get(path), HttpResponseServerError()
    log_response("%s: %s", "Internal Server Error", path, response=response, request=request)
    written.seek(0)
    assert written.read().endswith(f"Internal Server Error: {path[: path.rindex('/')]}/…\n")


def test_a_line_without_codes_is_written_as_it_is(written: io.StringIO) -> None:
    device = "/devices/6f8a0c52-5f0e-4b57-9a54-1f2f0c8a9d11/wipe"
    logging.getLogger("mydevices.test").info("%s took %.1f s: %s and/or more", device, 1.5, "a reason")
    assert f"{device} took 1.5 s: a reason and/or more" in written.getvalue()
    assert logs.masked("/devices") == "/devices"


def test_every_line_begins_with_a_time_that_says_its_offset(written: io.StringIO) -> None:
    logging.getLogger("mydevices.test").info("something happened")
    moment = re.match(r"(\S+) INFO mydevices\.test something happened$", written.getvalue(), re.MULTILINE)
    assert moment
    assert datetime.fromisoformat(moment[1]).tzinfo is not None
    assert logs.moment(0.25).split(".")[1][:3] == "250"  # the access log writes the same


def test_links_from_mails_are_not_written_down() -> None:
    person = "6f1c2f7e-8a53-4f0b-9c0e-3f6f0d3f6a11"
    assert logs.masked(f"/sign-in/forgotten/{person}/abc-def") == "/sign-in/forgotten/…"
    assert logs.masked("/account/email/confirm/onlyletters") == "/account/email/confirm/…"
    assert logs.masked("/account/email/restore/onlyletters") == "/account/email/restore/…"


def test_what_a_stranger_sent_begins_no_line_of_its_own(written: io.StringIO) -> None:
    forged = "1\n2026-11-28T00:00:00.000+00:00 INFO mydevices.access forged\u2028x\x1b[2J"
    logging.getLogger("mydevices.plane").info("answered %s", forged)
    assert written.getvalue().count("\n") == 1
    assert "answered 1\\x0a2026" in written.getvalue()
    assert "\x1b" not in written.getvalue()
    logging.getLogger("mydevices.plane").error("failed", exc_info=ValueError("a\nb"))
    assert "failed\nValueError: a\nb" in written.getvalue()
