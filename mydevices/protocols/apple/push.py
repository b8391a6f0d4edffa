"""The push that wakes a device, and what the push service's answer means.

A push says nothing but "poll": `POST https://api.push.apple.com/3/device/TOKEN` over HTTP/2 with the push certificate.
Source: Apple, "Sending notification requests to APNs" and "Handling notification responses from APNs"; for device
management the topic is the user id in the subject of the push certificate.
"""

import json
from enum import StrEnum

from mydevices.errors import Invalid

TOPIC_PREFIX = "com.apple.mgmt."


def headers(topic: str, *, expiration: int | None = None) -> dict[str, str]:
    """The headers of a push. `expiration` is when the service may give up, in seconds since 1970; 0 lets it try only
    once, and without one it keeps the push for a device that is offline, which is what a wake wants."""
    if not topic.startswith(TOPIC_PREFIX):
        raise Invalid(f"A topic for device management begins with {TOPIC_PREFIX}")
    result = {"apns-topic": topic, "apns-push-type": "mdm", "apns-priority": "10"}
    if expiration is not None:
        result["apns-expiration"] = str(expiration)
    return result


def body(push_magic: str) -> bytes:
    """The body of a push: the PushMagic of the channel's TokenUpdate."""
    return json.dumps({"mdm": push_magic}, separators=(",", ":")).encode()


def path(token: bytes) -> str:
    """Where to post it; tokens have any length."""
    if not token:
        raise Invalid("This device has no push token.")
    return f"/3/device/{token.hex()}"


class PushOutcome(StrEnum):
    """What to do after the service has answered."""

    DELIVERED = "delivered"
    """Accepted; when the device hears of it is another matter."""
    DEAD_TOKEN = "dead token"  # noqa: S105 - not a password
    """No device listens to this token any more: it has been wiped or has left. A new TokenUpdate may bring it back."""
    RETRY = "retry"
    """Busy or broken for now: push again later."""
    REJECTED = "rejected"
    """This server is set up wrongly, and every push will fail alike: tell an administrator."""


_PASSING = frozenset({"TooManyRequests", "IdleTimeout", "InternalServerError", "ServiceUnavailable", "Shutdown"})

_EXPLANATIONS = {
    "BadCertificate": "The push service does not accept the push certificate: it may have expired or been revoked.",
    "BadCertificateEnvironment": "The push certificate is for another environment of the push service.",
    "BadDeviceToken": "The push service does not know this push token, or it belongs to another environment.",
    "BadTopic": "The topic of the push certificate is not valid.",
    "DeviceTokenNotForTopic": "The device was registered with a push certificate of another topic.",
    "Forbidden": "The push service does not allow this push.",
    "MissingTopic": "The push certificate has no topic.",
    "TopicDisallowed": "The push certificate may not push to its topic.",
}
_DEFAULTS = {
    PushOutcome.DELIVERED: "",
    PushOutcome.DEAD_TOKEN: "The push service says that the device no longer listens.",
    PushOutcome.RETRY: "The push service cannot take the push at the moment.",
    PushOutcome.REJECTED: "The push service refused the push.",
}


def reason(answer: bytes) -> str:
    """The reason in the body of a refusal, such as BadDeviceToken; empty when it has none that can be read."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return ""
    value = said.get("reason") if isinstance(said, dict) else None
    return value[:100] if isinstance(value, str) else ""


def outcome(status: int, reason: str = "") -> PushOutcome:
    """What the service's HTTP status and reason mean.

    Only 410 makes a token dead. BadDeviceToken and DeviceTokenNotForTopic (both 400) come for every device at once when
    the certificate or the environment is wrong, and must not count as a fleet that has left.
    """
    if status == 200:
        return PushOutcome.DELIVERED
    if status == 410:
        return PushOutcome.DEAD_TOKEN
    if status == 429 or status >= 500 or reason in _PASSING:
        return PushOutcome.RETRY
    return PushOutcome.REJECTED


def explanation(status: int, reason: str = "") -> str:
    """The outcome as a sentence for an administrator; empty when delivered."""
    verdict = outcome(status, reason)
    return _EXPLANATIONS.get(reason, _DEFAULTS[verdict]) if verdict is PushOutcome.REJECTED else _DEFAULTS[verdict]
