"""What `start` says before the server runs, and when it refuses to."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from mydevices.cli import start
from mydevices.errors import Conflict

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("address", "proxies", "said"),
    [
        ("https://devices.example.org", 0, True),
        ("https://devices.example.org", 1, False),
        ("http://localhost:8000", 0, False),
    ],
)
def test_a_proxy_that_is_not_trusted_is_said(settings: Settings, address: str, proxies: int, said: bool) -> None:
    settings.PUBLIC_URL = address
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"trusted_proxies": proxies})
    assert any("MYDEVICES_TRUSTED_PROXIES is 0" in line for line in start.missing()) is said


def test_a_database_from_before_the_first_release_is_refused_in_words() -> None:
    start._refuse_unreleased()
    MigrationRecorder(connection).record_applied(*start._UNRELEASED)
    with pytest.raises(Conflict, match="made by a version from before"):
        start._refuse_unreleased()
