from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from mydevices.accounts import tasks


@pytest.mark.django_db
def test_sessions_that_have_ended_are_cleared_and_others_are_not() -> None:
    now = timezone.now()
    Session.objects.create(session_key="ended", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="lives", session_data="", expire_date=now + timedelta(days=1))
    tasks.clear_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["lives"]
