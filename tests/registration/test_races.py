"""Two at the same moment, with real transactions."""

from functools import partial

import pytest

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device
from mydevices.errors import NotAllowed, TooMany
from mydevices.registration import pins, tickets
from mydevices.registration.models import RegistrationPin
from simulator import fleet
from tests import factories
from tests.platforms.apple.conftest import send, ticket_for
from tests.registration.conftest import OPERATOR, Decide
from tests.reliability.conftest import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("round_", range(5))
def test_devices_that_come_at_once_do_not_exceed_the_limit(owner: Person, decide: Decide, round_: int) -> None:
    decide(device_limit=2)
    factories.device(owner)
    documents = [tickets.document_for(ticket=ticket_for(owner)).content for _number in range(3)]
    simulated = [fleet.new_device("iphone", send=send) for _document in documents]
    pairs = zip(simulated, documents, strict=True)
    outcomes = at_once(*(partial(device.register, document) for device, document in pairs))
    assert Device.objects.filter(owner=owner, registration__state="active").count() == 2
    assert [outcome for outcome in outcomes if outcome is None] == [None]


def test_of_many_guesses_at_once_no_more_than_six_are_compared(owner: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    plain = pins.issue(person=owner, actor=OPERATOR)
    guess = partial(pins.check, person=owner, email=owner.email, actor=Actor(kind="anonymous", address="192.0.2.1"))
    outcomes = at_once(*(partial(guess, typed="ZZZZZZ") for _number in range(9)))
    assert sorted((type(outcome) for outcome in outcomes), key=str) == [NotAllowed] * 6 + [TooMany] * 3
    assert RegistrationPin.objects.get().tries == 6
    with pytest.raises(TooMany):
        guess(typed=plain)


def test_pins_given_at_once_leave_one(owner: Person, decide: Decide) -> None:
    decide(sign_in="pin")
    given = at_once(*(partial(pins.issue, person=owner, actor=OPERATOR) for _number in range(3)))
    assert all(isinstance(one, str) for one in given)
    assert RegistrationPin.objects.filter(revoked_at=None).count() == 1
