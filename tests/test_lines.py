"""What something is called is one line that can be shown: refused where people type more, made one where devices and
providers send more, and one line once more where mails are written."""

from typing import Any, Final

import pytest
from django import forms as forms_of_django
from django.apps import apps
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mydevices.accounts import factors, mail, passkeys, providers
from mydevices.accounts import services as accounts
from mydevices.accounts.mail import Reader
from mydevices.accounts.models import Group, Person
from mydevices.accounts.notices import FACTS, Notice
from mydevices.actions import ActionKind
from mydevices.commands import asking as commands
from mydevices.commands.models import Action
from mydevices.console import forms as console_forms
from mydevices.devices.models import Device
from mydevices.errors import Invalid
from mydevices.lines import is_one_line, one_line
from mydevices.names import LineField
from mydevices.organisation import selectors as organisation
from tests import factories
from tests.accounts.test_mail import SAMPLES
from tests.certificates import identities
from tests.console.test_configurations import form_of
from tests.console.test_policies import FORM as POLICY
from tests.console.test_settings import PROVIDER

pytestmark = pytest.mark.django_db

PARAGRAPH: Final = "Your account is locked. Write to help@elsewhere.example."
SEPARATORS: Final = ("\r\n\r\n", "\n", "\x0b", "\x85", "\u2028", "\u2029", "\x1b[2K", "\u202e")


def bad(separator: str) -> str:
    return f"Ines{separator}{PARAGRAPH}"


@given(st.text())
def test_one_line_is_one_line_and_leaves_alone_what_is(text: str) -> None:
    made = one_line(text)
    assert is_one_line(made)
    assert len(made.splitlines()) <= 1
    assert not is_one_line(text) or made == text


@pytest.mark.parametrize("name", ["Zoë Müller", "\u0631\u0636\u06cc\u200c\u0631", "👩‍👩‍👧", "Ines’s\u00a0iPhone"])
def test_names_of_all_languages_stay_as_they_are(name: str) -> None:
    assert is_one_line(name)
    assert one_line(name) == name


# Every column

CALLED: Final = {"name", "label", "description", "note", "subject", "issuer", "model", "created_by", "decided_by"}
NO_NAMES: Final = {
    "vault.KnownKey.name": "Of a key of the server, by the server.",
    "outbox.Schedule.name": "Of periodic work, by the server.",
    "audit.Entry.actor_name": "Cleared when an entry is written, and never sent by mail.",
    "audit.Entry.device_name": "The same.",
    "audit.Entry.person_name": "The same.",
    "accounts.Provider.issuer": "An address, checked as one.",
    "accounts.ProviderLink.issuer": "The same.",
    "accounts.ProviderLink.subject": "What a provider calls somebody: compared, and never shown.",
}
"""Columns that are called like names and hold none that people or devices choose."""


def columns() -> list[tuple[str, "models.Field[Any, Any]"]]:
    found: list[tuple[str, models.Field[Any, Any]]] = []
    for model in apps.get_models():
        if model.__module__.startswith("mydevices."):
            app = model.__module__.split(".")[1]
            found += [
                (f"{app}.{model.__name__}.{field.name}", field)
                for field in model._meta.concrete_fields
                if isinstance(field, models.CharField | models.TextField)
                and (field.name in CALLED or field.name.endswith("_name"))
            ]
    return found


def test_every_column_that_names_something_keeps_one_line() -> None:
    assert {name for name, field in columns() if not isinstance(field, LineField)} == set(NO_NAMES)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_whoever_writes_such_a_column_writes_one_line(separator: str) -> None:
    group = Group.objects.create(name=bad(separator))
    assert is_one_line(group.name)
    assert group.name == Group.objects.get().name
    Group.objects.update(name=f"{bad(separator)} again")
    assert is_one_line(Group.objects.get().name)
    Group.objects.bulk_create([Group(name=f"{bad(separator)} twice")])
    assert all(is_one_line(name) for name in Group.objects.values_list("name", flat=True))


# Every form

Form = tuple[str, list[Any], dict[str, Any]]
"""The name of an address, what varies in it, and a good form."""


def forms(boss: Person) -> list[tuple[Form, list[str]]]:
    """Each with the fields that name something."""
    other = factories.person("Somebody")
    certificate = identities.uploaded(boss, identities.type_for()).certificate
    return [
        (("portal:account", [], {"name": "Ines"}), ["name"]),
        (("portal:certificate_edit", [certificate.id], {"note": "Mine"}), ["note"]),
        (("console:invitations_new", [], {"name": "Ines", "email": "new@aldermoor.example"}), ["name"]),
        (("console:people_change", [other.id], {"name": "Ines", "role": "person"}), ["name"]),
        (("console:groups_new", [], {"name": "A group", "description": "Of some"}), ["name", "description"]),
        (("console:policies_new", ["registration"], dict(POLICY)), ["name"]),
        (
            ("console:policies_new", ["self_service"], {"name": "A policy", "to": "nobody", "helpdesk_name": "Desk"}),
            ["helpdesk_name", "helpdesk_phone"],
        ),
        (("console:configurations_new", ["exchange"], form_of("exchange")), ["name"]),
        (("console:configurations_new", ["identity_certificate"], form_of("identity_certificate")), ["name"]),
        (
            ("console:settings_about", [], {"name": "Aldermoor", "helpdesk_name": "Desk", "helpdesk_phone": "4321"}),
            ["name", "helpdesk_name", "helpdesk_phone"],
        ),
        (("console:settings_provider_new", [], dict(PROVIDER)), ["name"]),
        (
            (
                "console:settings_mail",
                [],
                {"host": "mail.example.org", "encryption": "tls", "mail_from": "Desk <a@b.example>"},
            ),
            ["mail_from"],
        ),
    ]


def kept() -> list[Any]:
    names = ("Person", "Group", "Policy", "Configuration", "CertificateType", "Certificate", "Provider", "Organisation")
    found = [model for model in apps.get_models() if model.__name__ in names and model.__module__[:9] == "mydevices"]
    return [list(model._default_manager.order_by("pk").values()) for model in found]


def test_every_form_refuses_a_name_of_more_than_a_line(subtests: pytest.Subtests) -> None:
    cache.clear()
    for module in (organisation, providers, factors):
        module.forget()
    boss = factories.administrator(password=factories.PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": boss.email, "password": factories.PASSWORD})
    before: list[Any] = []
    for (name, arguments, form), fields in forms(boss):
        before = before or kept()
        for field in fields:
            for separator in SEPARATORS:
                with subtests.test(address=name, field=field, separator=separator.encode("unicode-escape").decode()):
                    wrong = bad(separator)[:40] if field.endswith("phone") else bad(separator)
                    if field == "mail_from":
                        wrong = f"{bad(separator)} <a@b.example>"
                    answer = browser.post(reverse(name, args=arguments), {**form, field: wrong})
                    assert answer.status_code == 400
                    assert kept() == before


def test_the_first_start_refuses_such_names() -> None:
    link = reverse("portal:setup", args=[accounts.first_administrator_token()])
    good = {
        "organisation": "Aldermoor",
        "name": "Ines",
        "email": "ines@aldermoor.example",
        "password": "granite meadow seventeen",
    }
    for field in ("organisation", "name"):
        for separator in SEPARATORS:
            assert Client().post(link, {**good, field: bad(separator)}).status_code == 400
    assert not Person.objects.exists()
    assert Client().post(link, good).status_code == 303


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_list_of_people_with_such_a_name_invites_nobody(separator: str) -> None:
    boss, browser = factories.administrator(password=factories.PASSWORD), Client()
    browser.post(reverse("account_login"), {"login": boss.email, "password": factories.PASSWORD})
    listed = f'name,email\n"{bad(separator)}",new@aldermoor.example\n'
    file = SimpleUploadedFile("people.csv", listed.encode())
    page = browser.post(reverse("console:invitations_list"), {"file": file}).content.decode()
    assert "single line" in page
    browser.post(reverse("console:invitations_send"), {"list": listed, "row": ["1"]})
    assert not Person.objects.exclude(id=boss.id).exists()


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_passkey_has_no_such_name(separator: str) -> None:
    field = passkeys.AddForm.base_fields["name"]
    with pytest.raises(Exception, match="single line"):
        field.clean(bad(separator)[:60])


def asking_why() -> list[str]:
    return sorted(
        name
        for name, form in vars(console_forms).items()
        if isinstance(form, type) and issubclass(form, forms_of_django.Form) and "reason" in form.base_fields
    )


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("form", asking_why())
def test_a_reason_is_one_line(form: str, separator: str) -> None:
    with pytest.raises(ValidationError, match="single line"):
        getattr(console_forms, form).base_fields["reason"].clean(bad(separator))


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_reason_of_more_than_a_line_locks_nothing(separator: str) -> None:
    boss, browser = factories.administrator(password=factories.PASSWORD), Client()
    browser.post(reverse("account_login"), {"login": boss.email, "password": factories.PASSWORD})
    device = factories.device(factories.person("Ines"), now=timezone.now())
    answer = browser.post(reverse("console:devices_act", args=[device.id, "lock"]), {"reason": bad(separator)})
    assert answer.status_code == 400
    with pytest.raises(Invalid):
        commands.enqueue(device=device, kind=ActionKind.LOCK, actor=factories.actor(boss), reason=bad(separator))
    assert not Action.objects.exists()


# Every mail


def flawed(value: str | int, separator: str) -> str | int:
    return value if isinstance(value, int) else f"{value}{separator}{PARAGRAPH}"


@pytest.mark.parametrize("separator", ["\r\n\r\n", "\u2028", "\x85"])
@pytest.mark.parametrize("notice", Notice)
def test_nothing_that_stands_in_a_mail_begins_a_paragraph_of_its_own(notice: Notice, separator: str) -> None:
    left = mail.TIMES | {fact for fact in FACTS[notice] if fact == "page" or fact.startswith("secret_")}
    facts = {name: SAMPLES[name] if name in left else flawed(SAMPLES[name], separator) for name in FACTS[notice]}
    _spoil_organisation(separator)
    written = mail.render(notice, reader=Reader(name=f"Ines{separator}{PARAGRAPH}"), facts=facts)
    lines = [line.strip() for line in written.text.splitlines()]
    assert not [line for line in lines if line.startswith("Your account is locked.") and _begins(lines, line)]
    assert len(written.subject.splitlines()) == 1
    assert separator not in written.html


def _begins(lines: list[str], line: str) -> bool:
    """Whether it is the first of its paragraph: a long line is broken anywhere."""
    at = lines.index(line)
    return at == 0 or not lines[at - 1]


def _spoil_organisation(separator: str) -> None:
    """As the database may have it from before: past every check."""
    about = organisation.current()
    about.pk = 1
    about.save()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE organisation_organisation SET name = %s, helpdesk_name = %s, helpdesk_phone = %s",
            [f"Aldermoor{separator}{PARAGRAPH}"[:120], f"Desk{separator}{PARAGRAPH}"[:120], f"1{separator}Locked"],
        )
    organisation.forget()


def test_a_device_is_kept_under_one_line_whatever_wrote_it() -> None:
    device = factories.device(factories.person(), name=bad("\n"), now=timezone.now())
    assert is_one_line(Device.objects.get(id=device.id).name)
