"""The page that asks for a proof in the middle of a form, as a browser sends it back."""

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client

from tests.factories import PASSWORD

STALE = timedelta(minutes=6)


class _Form(HTMLParser):
    """The fields of the form whose button goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.fields = said["action"], []
        elif tag == "input" and said.get("name"):
            self.fields.append((said["name"], said.get("type", "text"), said.get("value", "")))


def form_of(page: str) -> _Form:
    """The form of the page, which is its last."""
    parsed = _Form()
    parsed.feed(page)
    return parsed


def is_asked(answer: Any) -> bool:
    return answer.status_code in {403, 429} and "account/confirm.html" in [each.name for each in answer.templates]


def grow_stale(browser: Client) -> Client:
    """This session, six minutes later."""
    session = browser.session
    for record in session.get("account_authentication_methods", []):
        record["at"] -= STALE.total_seconds()
    session.save()
    return browser


def send_again(
    browser: Client,
    answer: Any,
    *,
    password: str = PASSWORD,
    code: str = "",
    chosen: SimpleUploadedFile | None = None,
    **more: Any,
) -> Any:
    """Press the button of the page that asks, with what it carries; `chosen` is what is chosen again."""
    assert is_asked(answer), answer
    form = form_of(answer.content.decode())
    sent = QueryDict(mutable=True)
    for name, kind, value in form.fields:
        if kind == "hidden":
            sent.appendlist(name, value)
    names = {name for name, _kind, _value in form.fields}
    for name, value in (("confirm-password", password), ("confirm-code", code)):
        if name in names:
            sent[name] = value
    files = {name: chosen for name, kind, _value in form.fields if kind == "file" and chosen is not None}
    return browser.post(form.action, {**dict(sent.lists()), **files}, **more)
