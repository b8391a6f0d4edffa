from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from mydevices.accounts import tasks


@pytest.mark.django_db
def test_sessions_that_have_ended_are_cleared_and_others_are_not() -> None:
    now = timezone.now()
    Session.objects.create(session_key="ended", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="lives", session_data="", expire_date=now + timedelta(days=1))
    tasks.clear_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["lives"]


def rows_of_the_cache() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM cache")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_counts_that_have_expired_are_cleared_and_others_are_not() -> None:
    cache.clear()
    cache.set("expired", 1, timeout=-5)
    cache.set("counts", 1, timeout=60)
    assert rows_of_the_cache() == 2
    tasks.clear_cache()
    assert rows_of_the_cache() == 1
    assert cache.get("counts") == 1
