"""Simulated Apple devices on the real device plane, in one process: bytes go through, sockets do not."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection

from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.certificates import services as certificates
from mydevices.commands.queue import LoopReader
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device
from mydevices.devices.seen import COLLECTOR
from mydevices.organisation import selectors as organisation
from mydevices.outbox.models import Message
from mydevices.plane import plane
from mydevices.platforms.apple import queries
from mydevices.platforms.apple.models import PushCertificate
from mydevices.port.routes import ROUTES, Request, Response
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from simulator import fleet
from simulator.device import Device as Simulated
from simulator.transport import Reply
from tests import factories

TOPIC = "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"


IN_A_THREAD, ON_THE_LOOP = "in a thread", "on the loop"
WAYS = (IN_A_THREAD, ON_THE_LOOP) if queries.ON_LOOP.is_possible else (IN_A_THREAD,)
"""How a poll may be answered on the database of this run."""

collect_ignore = [] if ON_THE_LOOP in WAYS else ["test_quick.py"]


def quick_first(request: Request) -> Response:
    """As the front does with short requests."""
    route = ROUTES.get(request.path)
    answer = route.quick(request) if route and route.quick else None
    return answer or plane(request)


answers = {IN_A_THREAD: plane, ON_THE_LOOP: quick_first}
way = IN_A_THREAD


@pytest.fixture
def beside(db: None, monkeypatch: pytest.MonkeyPatch) -> LoopReader:
    """The quick read, inside the test's own transaction, which no other connection can look into."""
    connection.ensure_connection()
    monkeypatch.setattr(queries.ON_LOOP, "_connection", connection.connection)
    return queries.ON_LOOP


def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """A simulator's transport that ends at the device plane."""
    parts = urlsplit(url)
    response = answers[way](
        Request(
            method=method,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
            address="127.0.0.1",
        )
    )
    answered = {name.lower(): value for name, value in response.headers}
    if response.content_type:
        answered["content-type"] = response.content_type
    return response.status, answered, response.body


@pytest.fixture(scope="session")
def shared_key() -> rsa.RSAPrivateKey:
    """One key for many simulated devices: making RSA keys is what takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def server(db: None) -> None:
    """A server that can register devices: an authority, and a push certificate with a topic."""
    organisation.forget()
    certificates.ensure_authority()
    PushCertificate.objects.create(
        key=b"-",
        certificate=b"-",
        topic=TOPIC,
        not_after=datetime.now(UTC) + timedelta(days=300),
        installed_at=datetime.now(UTC),
    )


@pytest.fixture
def owner(server: None) -> Person:
    return factories.person()


Registers = Callable[..., tuple[Simulated, Device]]


@pytest.fixture
def register(server: None) -> Registers:
    """Register a simulated device of a person over the wire: profile, certificate, check-in, first check in."""

    def make(
        owner: Person,
        kind: str = "iphone",
        *,
        ownership: str = Device.Ownership.COMPANY,
        supervised: bool = False,
        simulated: Simulated | None = None,
        key: rsa.RSAPrivateKey | None = None,
        signed: bool = True,
    ) -> tuple[Simulated, Device]:
        simulated = simulated or fleet.new_device(kind, send=send, supervised=supervised, key=key)
        simulated.register(profile_for(owner, ownership, signed=signed))
        COLLECTOR.flush()
        return simulated, present(owner, simulated)

    return make


def profile_for(owner: Person, ownership: str = Device.Ownership.COMPANY, *, signed: bool = True) -> bytes:
    ticket = ticket_for(owner, ownership)
    return tickets.document_for(ticket=ticket, signed=signed).content


def ticket_for(owner: Person, ownership: str = Device.Ownership.COMPANY) -> Ticket:
    return tickets.open_ticket(person=owner, ownership=ownership, intended="phone", actor=factories.actor(owner))


def present(owner: Person, simulated: Simulated) -> Device:
    """This person's device of that hardware, as it stands in the database now."""
    return devices.owned_by(owner).get(hardware_id=simulated.udid)


def fresh(owner: Person) -> Actor:
    return factories.actor(owner, proved=datetime.now(UTC))


def clear_outbox() -> None:
    Message.objects.all().delete()
