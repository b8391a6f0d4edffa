import json

import pytest

from mydevices.errors import Invalid
from mydevices.protocols.apple import push
from mydevices.protocols.apple.push import PushOutcome

TOPIC = "com.apple.mgmt.External.2f3a9c1e-6b54-4a1d-9d53-0c7a1be2f4d8"


def test_a_push_says_only_that_the_device_should_poll() -> None:
    assert json.loads(push.body("7B0D2E61-4F3A")) == {"mdm": "7B0D2E61-4F3A"}
    assert json.loads(push.body('"}é')) == {"mdm": '"}é'}


def test_a_push_is_kept_for_a_device_that_is_offline() -> None:
    assert push.headers(TOPIC) == {"apns-topic": TOPIC, "apns-push-type": "mdm", "apns-priority": "10"}


def test_a_push_can_expire() -> None:
    assert push.headers(TOPIC, expiration=0)["apns-expiration"] == "0"
    assert push.headers(TOPIC, expiration=1_795_000_000)["apns-expiration"] == "1795000000"


@pytest.mark.parametrize("topic", ["", "com.example.app"])
def test_a_topic_for_device_management_is_needed(topic: str) -> None:
    with pytest.raises(Invalid, match="topic"):
        push.headers(topic)


@pytest.mark.parametrize("length", [1, 32, 80])
def test_a_token_of_any_length_has_a_path(length: int) -> None:
    assert push.path(b"\xa0" * length) == "/3/device/" + "a0" * length


def test_no_token_has_no_path() -> None:
    with pytest.raises(Invalid, match="token"):
        push.path(b"")


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", PushOutcome.DELIVERED),
        (410, "Unregistered", PushOutcome.DEAD_TOKEN),
        (410, "ExpiredToken", PushOutcome.DEAD_TOKEN),
        (429, "TooManyRequests", PushOutcome.RETRY),
        (500, "InternalServerError", PushOutcome.RETRY),
        (503, "ServiceUnavailable", PushOutcome.RETRY),
        (503, "Shutdown", PushOutcome.RETRY),
        (502, "", PushOutcome.RETRY),
        (400, "IdleTimeout", PushOutcome.RETRY),
        (400, "BadDeviceToken", PushOutcome.REJECTED),
        (400, "DeviceTokenNotForTopic", PushOutcome.REJECTED),
        (400, "", PushOutcome.REJECTED),
        (403, "BadCertificate", PushOutcome.REJECTED),
        (404, "BadPath", PushOutcome.REJECTED),
        (413, "PayloadTooLarge", PushOutcome.REJECTED),
        (302, "", PushOutcome.REJECTED),
    ],
)
def test_the_answer_of_the_service_decides_what_comes_next(status: int, reason: str, outcome: PushOutcome) -> None:
    assert push.outcome(status, reason) is outcome
    assert bool(push.explanation(status, reason)) is (outcome is not PushOutcome.DELIVERED)


def test_a_certificate_that_is_not_accepted_is_explained() -> None:
    assert "expired" in push.explanation(403, "BadCertificate")


def test_a_reason_of_a_passing_refusal_is_not_explained_as_a_wrong_setup() -> None:
    assert push.explanation(500, "BadCertificate") == push.explanation(503)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"reason": "BadDeviceToken"}', "BadDeviceToken"),
        (b'{"reason": "Unregistered", "timestamp": 1795000000000}', "Unregistered"),
        (b'{"reason": null}', ""),
        (b'["reason"]', ""),
        (b"<html>", ""),
        (b"", ""),
        (b'{"reason": "' + b"x" * 500 + b'"}', "x" * 100),
    ],
)
def test_a_reason_is_read_from_the_answer(answer: bytes, reason: str) -> None:
    assert push.reason(answer) == reason
