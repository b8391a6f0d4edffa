"""Simulated devices on the real device plane, and policies to register them under."""

from collections.abc import Callable
from typing import Any

import pytest

from mydevices.audit.actor import Actor
from mydevices.devices.assignment import EVERYONE
from mydevices.organisation import selectors as organisation
from mydevices.organisation import services as organisation_services
from mydevices.policies import services as policies
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.policies.models import Policy
from tests.platforms.apple.conftest import owner, register, server

__all__ = ["owner", "register", "server"]  # fixtures of the device plane's tests

OPERATOR = Actor.system("test")

Decide = Callable[..., Policy]


@pytest.fixture
def decide(db: None) -> Decide:
    """Decide for everyone, under the name “Everyone”; again, to change it."""

    def decided(**values: Any) -> Policy:
        rules = RegistrationRules(**values)
        present = Policy.objects.filter(name="Everyone").first()
        if present is None:
            return policies.create(actor=OPERATOR, name="Everyone", values=rules, assignment=EVERYONE)
        return policies.change(actor=OPERATOR, policy=present, name="Everyone", values=rules, assignment=EVERYONE)

    return decided


@pytest.fixture
def helpdesk(db: None) -> None:
    organisation_services.describe(
        actor=OPERATOR, name="Aldermoor", helpdesk_name="Service desk", helpdesk_phone="020 7946 0142"
    )
    organisation.forget()
