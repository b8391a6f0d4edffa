"""The lists at size: sorted, narrowed and counted in an index, not by reading all rows."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mydevices.devices import selectors
from mydevices.devices import services as devices
from mydevices.devices.models import Device, Registration
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def many() -> Iterator[None]:
    """Enough rows for an index to be worth it, and on PostgreSQL what is known of them."""
    call_command("demo_data", people=20, devices=400)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
            # 400 rows are read whole and sorted sooner: what is asked is whether there is an index that has the order.
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
        yield


def plan(administrator: Client, address: str) -> str:
    """How the database finds the rows of a page: the plan of the one statement that sorts."""
    with CaptureQueriesContext(connection) as queries:
        assert administrator.get(address).status_code == 200
    [sorts] = [
        query["sql"]
        for query in queries
        if query["sql"].startswith('SELECT "devices_device"."id" AS "pk"') and " ORDER BY " in query["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {sorts}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "devices_by_name"),
        ("?sort=-name&page=8", "devices_by_name"),
        ("?sort=-seen", "devices_by_seen"),
        ("?sort=seen&page=8", "devices_by_seen"),
        ("?os=macOS&ownership=personal&sort=seen", "devices_by_seen"),
        ("?state=active", "devices_by_state_and_name"),
        ("?state=silent", "devices_by_state_and_name"),
        ("?state=active&sort=-seen", "devices_by_state_and_seen"),
        ("?state=lost", "lost_devices"),
    ],
)
def test_devices_are_found_in_the_order_of_an_index(administrator: Client, query: str, index: str) -> None:
    said = plan(administrator, reverse("console:devices") + query)
    assert index in said
    assert "Sort" not in said
    assert "TEMP B-TREE" not in said


@pytest.mark.usefixtures("many")
def test_a_search_counts_with_the_statement_that_finds(administrator: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        page = administrator.get(reverse("console:devices") + "?q=made.up&page=2").context["page"]
    assert (page.total, page.first, len(page.rows)) == (400, 51, 50)
    assert sum("LIKE" in query["sql"] or "devices_deviceword" in query["sql"] for query in queries) == 1
    beyond = administrator.get(reverse("console:devices") + "?q=made.up&page=99").context["page"]
    assert (beyond.total, beyond.rows) == (400, [])


def states() -> QuerySet[Device, tuple[str, str]]:
    return Device.objects.values_list("state", "registration__state")


def test_a_device_says_what_its_present_life_says() -> None:
    device = factories.device(factories.person())
    assert list(states()) == [("active", "active")]
    assert device.seen_at == factories.life(device).last_seen_at
    assert selectors.fleet(NOW).by_system == {("iOS", "active"): 1}
    life = factories.life(device)
    assert devices.end(registration=life, state=Registration.State.RETIRED, now=NOW)
    assert list(states()) == [("retired", "retired")]
    assert not devices.end(registration=life, state=Registration.State.WIPED, now=NOW)
    assert list(states()) == [("retired", "retired")]
