"""User provided certificates in the console: found, sorted, exported, and never with a private key."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.certificates import uploads
from mydevices.certificates.models import Certificate
from tests import factories
from tests.certificates.identities import identity_for, type_for, uploaded
from tests.console.conftest import SignedInAs

pytestmark = pytest.mark.django_db


@pytest.fixture
def three() -> None:
    """Ines has a replaced and a present one to encrypt with, Sam an expiring one to sign with, without its key."""
    signing, encryption = type_for("signing"), type_for("encryption")
    ines, sam = factories.person("Ines Okafor"), factories.person("Sam Stone")
    now = timezone.now()
    uploaded(ines, encryption, now=now - timedelta(days=40))
    uploaded(ines, encryption, now=now - timedelta(days=20))
    soon = identity_for(sam, not_after=now + timedelta(days=5))
    theirs = uploaded(sam, signing, soon, now=now - timedelta(minutes=1)).certificate
    uploads.clear_key(actor=factories.actor(sam), certificate=theirs, now=now)


def shown(browser: Client, query: str = "") -> list[tuple[str, bool]]:
    rows = browser.get(reverse("console:certificates") + query).context["page"].rows
    return [(row.person.name.split()[0], row.is_present) for row in rows]


NEW, OLD, SAM = ("Ines", True), ("Ines", False), ("Sam", True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [SAM, NEW, OLD]),
        ("?sort=uploaded", [OLD, NEW, SAM]),
        ("?q=okafor", [NEW, OLD]),
        ("?q=signing", [SAM]),
        ("?q=encryption+ines", [NEW, OLD]),
        ("?q=aldermoor+stone", [SAM]),
        ("?q=nobody", []),
        ("?expires=7", [SAM]),
        ("?expires=expired", []),
        ("?uploaded=1", [SAM]),
        ("?uploaded=30", [SAM, NEW]),
        ("?state=replaced", [OLD]),
        ("?state=without", [SAM]),
        ("?state=with", [NEW, OLD]),
        ("?expires=nonsense&uploaded=x", [SAM, NEW, OLD]),
    ],
)
@pytest.mark.usefixtures("three")
def test_certificates_are_found(administrator: Client, query: str, expected: list[tuple[str, bool]]) -> None:
    assert shown(administrator, query) == expected


@pytest.mark.usefixtures("three")
def test_they_are_sorted_by_every_column_and_narrowed_to_a_type(administrator: Client) -> None:
    assert shown(administrator, "?sort=-person")[0] == SAM
    assert shown(administrator, "?sort=expires")[0] == SAM
    assert shown(administrator, "?sort=name")[-1] == SAM
    signing = Certificate.objects.get(person__name="Sam Stone").type_id
    assert shown(administrator, f"?type={signing}") == [SAM]


@pytest.mark.usefixtures("three")
def test_the_list_goes_into_a_file_without_a_key(sign_in_as: SignedInAs) -> None:
    answer = sign_in_as("auditor").get(reverse("console:certificates_export") + "?q=okafor")
    content = b"".join(answer) if answer.streaming else answer.content
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    assert head[:4] == ["Certificate Name", "Person", "E-mail", "Issued By"]
    assert [row[:2] for row in rows] == [["Encryption certificate", "Ines Okafor"]] * 2
    assert {row[-1] for row in rows} == {"kept, sealed"}
    for certificate in Certificate.objects.exclude(key=None):
        assert certificate.key is not None
        assert bytes(certificate.key).hex().encode() not in content
    assert Entry.objects.get(verb=Verb.LIST_EXPORTED).details == {"list": "certificates"}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("role", "may_export"), [("administrator", True), ("auditor", True), ("helpdesk", False)])
def test_who_sees_people_sees_their_certificates(sign_in_as: SignedInAs, role: str, may_export: bool) -> None:
    browser = sign_in_as(role)
    page = browser.get(reverse("console:certificates")).content.decode()
    assert "User provided certificates" in page
    assert ("Export list" in page) == may_export
    assert (browser.get(reverse("console:certificates_export")).status_code == 200) == may_export


@pytest.mark.usefixtures("three")
def test_a_page_costs_the_same_however_long_the_list(administrator: Client) -> None:
    def statements() -> int:
        administrator.get(reverse("console:certificates"))  # what processes know for some seconds is read here
        with CaptureQueriesContext(connection) as queries:
            administrator.get(reverse("console:certificates"))
        assert not any('"key",' in query["sql"] for query in queries if '"certificates_certificate"' in query["sql"])
        return len(queries)

    statements()
    few = statements()
    of = type_for("both")
    for _number in range(5):
        uploaded(factories.person(), of)
    statements()  # what a process remembers for some seconds is read anew
    assert statements() == few
