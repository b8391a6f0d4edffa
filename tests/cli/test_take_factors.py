"""`./run manage take_factors`: the way back for an administrator whom nobody else can help."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from mydevices.accounts import codes
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.outbox.models import Message
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def test_the_only_administrator_gets_back_in_and_adds_another_factor_before_anything_else() -> None:
    amara = factories.administrator("Amara Diallo", password=PASSWORD)
    TOTP.activate(amara, generate_totp_secret())
    codes.make(amara)
    said = StringIO()
    call_command("take_factors", amara.email.upper(), stdout=said)
    assert "Removed 2. Amara Diallo" in said.getvalue()
    assert not Authenticator.objects.exists()
    entry = Entry.objects.get(verb=Verb.FACTOR_REMOVED)
    assert (entry.actor_kind, entry.actor_name, entry.person_id) == ("system", "command line", str(amara.id))
    assert Message.objects.filter(topic="mail", payload__notice="factor_removed", payload__to=amara.email).exists()
    browser = Client()
    browser.post(reverse("account_login"), {"login": amara.email, "password": PASSWORD})
    answer = browser.get(reverse("console:overview"))
    assert (answer.status_code, answer["Location"]) == (303, reverse("portal:secure"))


def test_who_has_none_and_who_is_nobody_is_said() -> None:
    amara = factories.administrator()
    for email in (amara.email, "nobody@aldermoor.example", "\udcff"):
        with pytest.raises(CommandError):
            call_command("take_factors", email)
    assert not Entry.objects.filter(verb=Verb.FACTOR_REMOVED).exists()
