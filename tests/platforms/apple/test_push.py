"""Pushing: one connection, nothing lost, and what each answer means for a device."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mydevices.accounts.models import Person
from mydevices.actions import ActionKind
from mydevices.audit.actor import Actor
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.commands import asking, queue, tasks
from mydevices.commands.models import Command
from mydevices.commands.states import State
from mydevices.devices import services as devices
from mydevices.devices.models import Channel, Device, Registration
from mydevices.outbox.registry import Delivery, Done, Retry
from mydevices.platforms.apple import push, push_certificate
from mydevices.platforms.apple.gateway import AT_ONCE, Answer, Gateway, GatewayLimits, Push
from mydevices.platforms.apple.gateway import Service as Address
from mydevices.platforms.apple.models import PushCertificate
from mydevices.platforms.apple.push_certificate import PushIdentity
from mydevices.port.platform import NotWoken
from mydevices.protocols.apple import push as protocol
from mydevices.protocols.apple.push import PushOutcome
from tests import factories
from tests.certificates import apple
from tests.platforms.apple import push_service
from tests.platforms.apple.push_service import Reply, Request, Service

DELIVERED = Answer(PushOutcome.DELIVERED)
AMPLE = GatewayLimits(connect=60, push=60, batch=120)
"""Nothing comes near these: where a test is about a limit, its time is the test's own (`Clock`)."""


class Clock:
    """The time of a gateway, of which the test lets some pass when what it waits for has happened: so how busy this
    machine is makes no push late. Counts the connections that were tried, too."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.tried = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        self._loop = _Loop(self)
        return self._loop

    def let_pass(self, seconds: float) -> None:
        self.passed += seconds
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: None)  # it may be asleep


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        return super().time() + self._clock.passed

    async def create_connection(self, *arguments: Any, **named: Any) -> Any:
        self._clock.tried += 1
        return await super().create_connection(*arguments, **named)


def identity(*, topic: str = apple.TOPIC) -> PushIdentity:
    key = apple.key("push")
    certificate = apple.authority().push_certificate(key.public_key(), topic=topic)
    return PushIdentity(apple.pem(certificate), apple.key_pem(key), topic, certificate.not_valid_after_utc)


def messages(number: int) -> Sequence[Push]:
    return [Push(f"token {n}".encode(), f"magic {n}", apple.TOPIC) for n in range(number)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with push_service.running(tmp_path) as running:
        yield running


@pytest.fixture
def address(service: Service, tmp_path: Path) -> Address:
    return Address(service.url, identity(), tmp_path / "authority.pem")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(AMPLE) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> Iterator[Gateway]:
    """A gateway whose time is the clock's."""
    with Gateway(AMPLE, loop_factory=clock.loop) as opened:
        yield opened


def test_two_hundred_pushes_share_one_connection(gateway: Gateway, service: Service, address: Address) -> None:
    service.behave = lambda _request: Reply(after=0.02)
    assert gateway.push(messages(200), address) == [DELIVERED] * 200
    assert service.connections == 1
    assert set(service.answered.values()) == {1}
    assert len(service.answered) == 200
    assert 20 < service.most_at_once <= 100


def test_a_push_says_what_apple_asks_for(gateway: Gateway, service: Service, address: Address) -> None:
    gateway.push([Push(b"\x00\xff\x10", "magic \u00e9", apple.TOPIC)], address)
    request = service.requests[0]
    assert request.headers[":method"] == "POST"
    assert request.headers[":path"] == "/3/device/00ff10"
    assert request.headers["apns-topic"] == apple.TOPIC
    assert request.headers["apns-push-type"] == "mdm"
    assert int(request.headers["apns-expiration"]) > time.time() + 86400
    assert request.body == b'{"mdm":"magic \\u00e9"}'


def test_the_connection_is_kept_for_the_next_batch(gateway: Gateway, service: Service, address: Address) -> None:
    for _ in range(3):
        assert gateway.push(messages(5), address) == [DELIVERED] * 5
    assert service.connections == 1


def test_the_service_s_own_limit_is_kept(gateway: Gateway, service: Service, address: Address) -> None:
    service.streams = 7
    service.behave = lambda _request: Reply(after=0.01)
    assert gateway.push(messages(60), address) == [DELIVERED] * 60
    assert service.connections == 1
    assert service.most_at_once <= 7


@pytest.mark.parametrize("delay", [0, 0.02])
def test_goaway_every_twenty_requests_loses_no_push(
    gateway: Gateway, service: Service, address: Address, delay: float
) -> None:
    service.goaway_every = 20
    service.behave = lambda _request: Reply(after=delay)
    assert gateway.push(messages(200), address) == [DELIVERED] * 200
    assert len(service.answered) == 200
    assert service.connections >= 10


def test_connections_that_are_cut_lose_no_push(gateway: Gateway, service: Service, address: Address) -> None:
    service.drop_every = 30
    assert gateway.push(messages(100), address) == [DELIVERED] * 100
    assert len(service.answered) == 100


def test_a_connection_that_was_cut_while_idle_is_replaced(gateway: Gateway, service: Service, address: Address) -> None:
    service.goaway_every = 5
    assert gateway.push(messages(5), address) == [DELIVERED] * 5
    time.sleep(0.1)
    assert gateway.push(messages(5), address) == [DELIVERED] * 5
    assert service.connections >= 2


def test_a_connection_that_has_been_idle_for_long_is_not_trusted(
    timed: Gateway, clock: Clock, service: Service, address: Address
) -> None:
    timed.push(messages(1), address)
    clock.let_pass(AMPLE.idle - 1)
    timed.push(messages(1), address)
    assert service.connections == 1
    clock.let_pass(AMPLE.idle)
    timed.push(messages(1), address)
    assert service.connections == 2


def test_a_connection_that_died_without_a_word_is_replaced(
    timed: Gateway, clock: Clock, service: Service, address: Address
) -> None:
    assert timed.push(messages(1), address) == [DELIVERED]
    silent = iter([True])

    def behave(_request: Request) -> Reply:
        # The first request of the second batch gets no answer, as on a connection that a router has forgotten.
        if not next(silent, False):
            return Reply()
        clock.let_pass(AMPLE.push)
        return Reply(status=0)

    service.behave = behave
    assert timed.push(messages(1), address) == [DELIVERED]
    assert service.connections == 2


def test_a_service_that_answers_nobody_is_given_up_for_now(
    gateway: Gateway, service: Service, address: Address
) -> None:
    service.drop_every = 1
    answers = gateway.push(messages(50), address)
    assert {answer.outcome for answer in answers} == {PushOutcome.RETRY}
    assert "closed the connection" in answers[0].message
    assert service.connections == 3


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(410, "Unregistered"), PushOutcome.DEAD_TOKEN),
        (Reply(400, "BadDeviceToken"), PushOutcome.REJECTED),
        (Reply(403, "BadCertificate"), PushOutcome.REJECTED),
        (Reply(429, "TooManyRequests"), PushOutcome.RETRY),
        (Reply(500, "InternalServerError"), PushOutcome.RETRY),
        (Reply(503, "Shutdown"), PushOutcome.RETRY),
    ],
)
def test_a_refusal_is_told_apart_and_explained(
    gateway: Gateway, service: Service, address: Address, reply: Reply, outcome: PushOutcome
) -> None:
    service.behave = lambda request: reply if request.token == b"token 1" else Reply()
    first, second, third = gateway.push(messages(3), address)
    assert first == third == DELIVERED
    assert second.outcome is outcome
    assert f"({reply.status} {reply.reason})" in second.message
    assert service.connections == 1


@pytest.mark.parametrize(
    ("header", "after"),
    [("17", timedelta(seconds=17)), ("99999999999999", timedelta(hours=1)), ("Wed, 21 Oct 2026", None), ("-1", None)],
)
def test_a_busy_service_says_when_to_come_back(
    gateway: Gateway, service: Service, address: Address, header: str, after: timedelta | None
) -> None:
    service.behave = lambda _request: Reply(429, "TooManyRequests", (("retry-after", header),))
    assert gateway.push(messages(1), address)[0].retry_after == after


def test_a_slow_answer_holds_up_no_other(
    timed: Gateway, clock: Clock, service: Service, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time passes when it has been asked, and all other answers have been read."""
    read, asked = 0, 0

    def look() -> None:
        if (asked, read) == (1, 19):
            clock.let_pass(AMPLE.push)

    def explanation(status: int, reason: str) -> str:
        nonlocal read
        read += 1
        with looking:
            look()
        return found(status, reason)

    def behave(request: Request) -> Reply:
        nonlocal asked
        if request.token != b"token 3":
            return Reply()
        with looking:
            asked += 1
            look()
        return Reply(status=0)

    looking, found = threading.Lock(), protocol.explanation
    monkeypatch.setattr(protocol, "explanation", explanation)
    service.behave = behave
    answers = timed.push(messages(20), address)
    assert clock.passed == AMPLE.push
    assert answers[3] == Answer(PushOutcome.RETRY, "The push service did not answer in time.")
    assert [answer for answer in answers if answer != answers[3]] == [DELIVERED] * 19
    service.behave = lambda _request: Reply()
    assert timed.push(messages(20), address) == [DELIVERED] * 20


def test_a_batch_ends_in_time_whatever_the_service_does(clock: Clock, service: Service, address: Address) -> None:
    """One goes ahead and a hundred follow: then the batch has had its time, and the others are not tried any more."""
    limits = GatewayLimits(connect=60, push=15, batch=30)

    def behave(_request: Request) -> Reply:
        if len(service.requests) in {1, 1 + AT_ONCE}:
            clock.let_pass(limits.push)
        return Reply(status=0)

    service.behave = behave
    with Gateway(limits, loop_factory=clock.loop) as gateway:
        answers = gateway.push(messages(500), address)
    assert len(answers) == 500
    assert {answer.outcome for answer in answers} == {PushOutcome.RETRY}
    assert clock.passed == limits.batch


def test_a_refused_connection_is_one_attempt_and_a_plain_message(
    timed: Gateway, clock: Clock, address: Address
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = replace(address, url=f"https://127.0.0.1:{closed.getsockname()[1]}")
    answers = timed.push(messages(300), nowhere)
    assert clock.tried == 1
    assert {answer.outcome for answer in answers} == {PushOutcome.RETRY}
    assert answers[0].message.startswith("The push service cannot be reached: ")


def test_a_service_that_nobody_vouches_for_is_not_pushed_to(
    gateway: Gateway, service: Service, address: Address, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(apple.pem(apple.authority("Somebody else").certificate))
    answer = gateway.push(messages(3), replace(address, authorities=stranger))[0]
    assert answer.outcome is PushOutcome.RETRY
    assert "certificate verify failed" in answer.message
    assert gateway.push(messages(1), replace(address, authorities=None))[0].outcome is PushOutcome.RETRY
    assert not service.requests


def test_a_certificate_that_the_service_does_not_take_is_retried_with_its_reason(
    gateway: Gateway, service: Service, address: Address
) -> None:
    key = apple.key("push")
    foreign = apple.authority("Somebody else").push_certificate(key.public_key())
    answer = gateway.push(
        messages(2), replace(address, identity=replace(identity(), certificate_pem=apple.pem(foreign)))
    )
    assert answer[0].outcome is PushOutcome.RETRY
    assert "Perhaps it does not accept the push certificate." in answer[0].message
    assert not service.requests


def test_a_key_that_is_another_s_is_a_plain_message(gateway: Gateway, address: Address) -> None:
    wrong = replace(identity(), key_pem=apple.key_pem(apple.key("another")))
    answer = gateway.push(messages(2), replace(address, identity=wrong))
    assert [one.outcome for one in answer] == [PushOutcome.RETRY] * 2
    assert "cannot be used" in answer[0].message


def test_a_new_certificate_gets_a_new_connection(gateway: Gateway, service: Service, address: Address) -> None:
    gateway.push(messages(1), address)
    assert gateway.push(messages(1), replace(address, identity=identity())) == [DELIVERED]
    assert service.connections == 2


def test_one_push_that_cannot_be_written_holds_up_no_other(
    gateway: Gateway, service: Service, address: Address
) -> None:
    bad = [Push(b"", "magic", apple.TOPIC), Push(b"token", "magic", "org.example.app")]
    answers = gateway.push([*bad, *messages(2)], address)
    assert [answer.outcome for answer in answers] == [PushOutcome.REJECTED] * 2 + [PushOutcome.DELIVERED] * 2


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    gateway: Gateway, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert gateway.push(messages(1), address) == [DELIVERED]


def test_the_key_is_nowhere_to_be_read(
    gateway: Gateway, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    gateway.push(messages(1), address)
    assert set(tmp_path.iterdir()) == before
    assert "PRIVATE KEY" not in repr(address)


# --- What the answers mean for devices.


@pytest.fixture
def owner(db: None) -> Person:
    return factories.person()


@pytest.fixture
def served(db: None, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The push service, as this server's settings and its push certificate name it."""
    monkeypatch.setattr(settings.ENVIRONMENT, "apple_push_url", service.url)
    monkeypatch.setattr(settings.ENVIRONMENT, "apple_push_ca", tmp_path / "authority.pem")
    install()
    with Gateway(AMPLE) as gateway:
        monkeypatch.setattr(push, "GATEWAY", gateway)
        yield service


def install(*, ends: datetime | None = None, now: datetime | None = None) -> None:
    key = apple.key("push")
    certificate = apple.authority().push_certificate(key.public_key(), ends=ends)
    push_certificate.install(
        actor=Actor.system("test"),
        pem=apple.pem(certificate),
        key_pem=apple.key_pem(key),
        now=now or timezone.now(),
    )


def channel_of(device: Device, kind: str = Channel.Kind.DEVICE) -> Channel:
    return Channel.objects.select_related("registration__device__owner", "registration__apple", "apple").get(
        registration=device.registration_id, kind=kind
    )


def only(*dead: Channel, reply: Reply) -> Callable[[Request], Reply]:
    tokens = {bytes(channel.push_token) for channel in dead}
    return lambda request: reply if request.token in tokens else Reply()


def test_a_wake_that_was_taken_is_noted_on_its_channel(owner: Person, served: Service) -> None:
    taken, refused = channel_of(factories.device(owner)), channel_of(factories.device(owner))
    served.behave = only(refused, reply=Reply(503, "Shutdown"))
    before = timezone.now()
    result = push.wake([taken, refused])
    assert result[taken.pk] is None
    assert isinstance(result[refused.pk], NotWoken)
    taken.refresh_from_db()
    refused.refresh_from_db()
    assert taken.pushed_at is not None
    assert before <= taken.pushed_at <= timezone.now()
    assert refused.pushed_at is None


def test_a_batch_costs_the_same_statements_whatever_its_size(
    owner: Person, served: Service, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    channels = [channel_of(factories.device(owner)) for _ in range(20)]
    push.wake(channels[:1])
    with django_assert_num_queries(4):  # the certificate; savepoint, note, release
        push.wake(channels)


def test_a_dead_token_makes_the_device_unreachable_and_says_so_once(owner: Person, served: Service) -> None:
    device = factories.device(owner)
    channel = channel_of(device)
    served.behave = only(channel, reply=Reply(410, "Unregistered"))
    for _ in range(2):
        assert push.wake([channel_of(device)]) == {channel.pk: None}
    life = factories.life(device)
    assert life.unreachable_since is not None
    assert life.state == Registration.State.ACTIVE
    assert Entry.objects.filter(verb=Verb.PUSH_TOKEN_DEAD, device_id=str(device.id)).count() == 1


def test_a_dead_token_finishes_a_retire_that_was_sent(owner: Person, served: Service) -> None:
    device = factories.device(owner)
    action = asking.enqueue(device=device, kind=ActionKind.RETIRE, actor=factories.actor(owner), now=factories.NOW)
    asking.release(action_id=action.id, now=factories.NOW)
    queue.mark_sent(command_id=Command.objects.get().pk, seen=State.QUEUED, now=factories.NOW)
    served.behave = only(channel_of(device), reply=Reply(410, "Unregistered"))
    push.wake([channel_of(device)])
    assert Registration.objects.get(device=device).state == Registration.State.RETIRED


def test_a_token_that_the_device_has_replaced_meanwhile_is_not_held_against_it(owner: Person, served: Service) -> None:
    device = factories.device(owner)
    asked = channel_of(device)
    devices.put_channel(
        registration=asked.registration,
        user_id="",
        user_name="",
        push_token=b"new",
    )
    served.behave = only(asked, reply=Reply(410, "Unregistered"))
    push.wake([asked])
    assert factories.life(device).unreachable_since is None


def test_a_dead_token_of_a_mac_s_user_stops_waking_that_user_alone(owner: Person, served: Service) -> None:
    mac = factories.mac(owner)
    user = channel_of(mac, Channel.Kind.USER)
    served.behave = only(user, reply=Reply(410, "Unregistered"))
    assert push.wake([channel_of(mac), user]) == {channel_of(mac).pk: None, user.pk: None}
    assert factories.life(mac).unreachable_since is None
    assert channel_of(mac).pushed_at is not None
    asked = len(served.requests)
    assert push.wake([channel_of(mac, Channel.Kind.USER)]) == {user.pk: None}
    assert len(served.requests) == asked


def test_a_token_that_the_service_does_not_know_retires_nobody_and_waits_for_an_administrator(
    owner: Person, served: Service
) -> None:
    device = factories.device(owner)
    served.behave = lambda _request: Reply(400, "BadDeviceToken")
    failure = push.wake([channel_of(device)])[channel_of(device).pk]
    assert failure is not None
    assert failure.after == timedelta(minutes=10)
    assert "BadDeviceToken" in failure.message
    assert factories.life(device).unreachable_since is None


def test_without_a_push_certificate_wakes_wait_and_say_what_to_do(owner: Person) -> None:
    channel = channel_of(factories.device(owner))
    failure = push.wake([channel])[channel.pk]
    assert failure is not None
    assert failure.after == timedelta(minutes=10)
    assert "apple_push_csr" in failure.message


def test_with_an_expired_push_certificate_wakes_wait_and_say_so(owner: Person, served: Service) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    PushCertificate.objects.update(not_after=long_ago)
    channel = channel_of(factories.device(owner))
    failure = push.wake([channel])[channel.pk]
    assert failure is not None
    assert "expired on 1 January 2020" in failure.message
    assert not served.requests


def test_the_outbox_is_told_when_to_try_again(owner: Person, served: Service) -> None:
    good, busy, rejected = (channel_of(factories.device(owner)) for _ in range(3))
    ended = channel_of(factories.device(owner))
    Registration.objects.filter(id=ended.registration_id).update(state=Registration.State.RETIRED)
    replies = {
        bytes(busy.push_token): Reply(429, "TooManyRequests", (("retry-after", "30"),)),
        bytes(rejected.push_token): Reply(403, "BadCertificate"),
    }
    served.behave = lambda request: replies.get(request.token, Reply())
    outcomes = tasks.wake(
        [
            Delivery(id=number, key=str(channel.pk), payload={"channel": channel.pk}, attempts=1)
            for number, channel in enumerate((good, busy, rejected, ended))
        ]
    )
    assert outcomes[0] == outcomes[3] == Done()
    later, much_later = outcomes[1], outcomes[2]
    assert isinstance(later, Retry)
    assert isinstance(much_later, Retry)
    assert later.after == timedelta(seconds=30)
    assert much_later.after == timedelta(minutes=10)
    assert bytes(ended.push_token) not in {request.token for request in served.requests}


def test_no_token_stands_in_the_log(owner: Person, served: Service, caplog: pytest.LogCaptureFixture) -> None:
    channels = [channel_of(factories.device(owner)) for _ in range(3)]
    served.behave = lambda _request: Reply(503, "Shutdown")
    push.wake(channels)
    lines = [record.getMessage() for record in caplog.records if record.name == push.__name__]
    assert len(lines) == 1
    assert lines[0].startswith("3 devices were not woken: ")
    assert not any(bytes(channel.push_token).hex() in caplog.text for channel in channels)
