import plistlib

import pytest

from mydevices.errors import ProtocolError
from mydevices.protocols.apple import checkin, plist
from mydevices.protocols.apple.identity import SHARED_IPAD_USER_ID, Identity
from tests.protocols.apple.captures import CAPTURES, capture, complaints, schema

TOPIC = "com.apple.mgmt.External.2f3a9c1e-6b54-4a1d-9d53-0c7a1be2f4d8"
IPHONE = Identity(udid="00008140-001C60E93A88801C", enrollment_id=None)
MAC = Identity(udid="8A6D2C5E-3B47-5F91-A0C8-19D7E64B2F03", enrollment_id=None)
BYOD = Identity(udid=None, enrollment_id="6E1F9B84-2D07-4C3A-B7A5-90D3C8F1E25B")
MESSAGES = [name for name, body in CAPTURES.items() if b"MessageType" in body]


def changed(name: str, **keys: object) -> bytes:
    """A capture with some keys changed, or left out where the value is None."""
    message = {**plistlib.loads(capture(name)), **keys}
    return plistlib.dumps({key: value for key, value in message.items() if value is not None})


@pytest.mark.parametrize("name", MESSAGES)
def test_a_capture_is_what_the_schema_describes(name: str) -> None:
    message = plistlib.loads(capture(name))
    described = schema()["checkin"][message["MessageType"]]
    known = {
        *described["keys"],
        "UDID",  # the bootstrap messages carry it, though their schema does not list it
    }
    assert set(message) <= known
    system = "macOS" if "mac" in name else "iOS"
    wrong = [complaint for complaint in complaints(message, described["keys"], system) if "missing" not in complaint]
    expected = ["UDID is unknown"] if "bootstrap" in name else []
    if name == "mac-user-token-update":  # seen in the wild
        expected = ["NotOnConsole is 'false', not boolean"]
    assert wrong == expected


def test_an_iphone_authenticates() -> None:
    assert checkin.parse(capture("iphone-authenticate")) == checkin.Authenticate(
        identity=IPHONE,
        topic=TOPIC,
        product_name="iPhone17,1",
        os_version="18.1",
        build_version="22B83",
        serial_number="H7QX2L9M4T",
        imei="35 671211 904452 8",
        meid="35671211904452",
    )


def test_a_mac_authenticates_with_its_name() -> None:
    message = checkin.parse(capture("mac-authenticate"))
    assert isinstance(message, checkin.Authenticate)
    assert message.identity == MAC
    assert (message.device_name, message.model_name) == ("Mariam’s MacBook Pro", "MacBook Pro")
    assert (message.model, message.product_name, message.imei) == ("Mac16,1", "Mac16,1", None)


def test_a_user_enrolment_authenticates_with_its_enrollment_id_alone() -> None:
    message = checkin.parse(capture("byod-authenticate"))
    assert isinstance(message, checkin.Authenticate)
    assert message.identity == BYOD
    assert message.identity.device_id == BYOD.enrollment_id
    assert (message.serial_number, message.imei, message.device_name) == (None, None, None)


def test_a_device_channel_updates_its_token() -> None:
    message = checkin.parse(capture("iphone-token-update"))
    assert isinstance(message, checkin.TokenUpdate)
    assert message.identity == IPHONE
    assert not message.identity.is_user_channel
    assert message.identity.user_key == ""
    assert (message.topic, message.push_magic) == (TOPIC, "7B0D2E61-4F3A-4C8B-9E57-1A2C3D4E5F60")
    assert message.token == plistlib.loads(capture("iphone-token-update"))["Token"]
    assert message.unlock_token is not None
    assert len(message.unlock_token) == 2348
    assert (message.awaiting_configuration, message.not_on_console) == (False, False)


def test_the_user_of_a_mac_updates_its_token_with_a_word_for_a_boolean() -> None:
    message = checkin.parse(capture("mac-user-token-update"))
    assert isinstance(message, checkin.TokenUpdate)
    assert message.identity.device_id == MAC.device_id
    assert message.identity.is_user_channel
    assert message.identity.user_key == "5C0B7A11-9E34-4D2F-8B66-7F1A0C94D3E8"
    assert message.identity.user_short_name == "mariam"
    assert message.unlock_token is None
    assert message.not_on_console is False


def test_the_user_of_a_mac_in_a_user_enrolment_has_an_id_of_the_enrolment() -> None:
    message = checkin.parse(capture("byod-mac-user-token-update"))
    assert message.identity.is_user_channel
    assert message.identity.user_key == "D7A1C2B3-0E4F-4A5B-9C6D-7E8F9A0B1C2D"


def test_the_users_of_a_shared_ipad_differ_by_their_account() -> None:
    message = checkin.parse(capture("shared-ipad-token-update"))
    assert message.identity.user_id == SHARED_IPAD_USER_ID
    assert message.identity.is_user_channel
    assert message.identity.user_key == "mariam@example.org"


@pytest.mark.parametrize("word", ["true", "True", "YES", "1", 1, True])
def test_a_word_or_a_number_can_say_true(word: object) -> None:
    message = checkin.parse(changed("mac-user-token-update", NotOnConsole=word))
    assert isinstance(message, checkin.TokenUpdate)
    assert message.not_on_console is True


@pytest.mark.parametrize("word", ["perhaps", "", 2, 1.0, [], {}])
def test_another_word_is_not_a_boolean(word: object) -> None:
    with pytest.raises(ProtocolError, match="NotOnConsole"):
        checkin.parse(changed("mac-user-token-update", NotOnConsole=word))


def test_the_udid_wins_over_the_enrollment_id() -> None:
    message = checkin.parse(changed("iphone-token-update", EnrollmentID="ANOTHER"))
    assert message.identity.device_id == IPHONE.udid
    assert message.identity.enrollment_id == "ANOTHER"


@pytest.mark.parametrize("length", [1, 32, 33, 100, 1000])
def test_a_push_token_has_any_length(length: int) -> None:
    message = checkin.parse(changed("iphone-token-update", Token=bytes(length)))
    assert isinstance(message, checkin.TokenUpdate)
    assert message.token == bytes(length)


def test_a_device_leaves() -> None:
    assert checkin.parse(capture("iphone-check-out")) == checkin.CheckOut(identity=IPHONE, topic=TOPIC)
    assert checkin.parse(capture("mac-check-out")) == checkin.CheckOut(identity=MAC, topic=TOPIC)
    assert checkin.parse(capture("byod-check-out")) == checkin.CheckOut(identity=BYOD, topic=TOPIC)


def test_a_device_may_leave_without_a_topic() -> None:
    assert checkin.parse(changed("iphone-check-out", Topic=None)) == checkin.CheckOut(identity=IPHONE)


def test_a_network_user_asks_and_answers() -> None:
    asks = checkin.parse(capture("mac-user-authenticate"))
    assert isinstance(asks, checkin.UserAuthenticate)
    assert asks.identity.user_key == "5C0B7A11-9E34-4D2F-8B66-7F1A0C94D3E8"
    assert asks.digest_response is None
    answers = checkin.parse(changed("mac-user-authenticate", DigestResponse="Digest username=mariam"))
    assert isinstance(answers, checkin.UserAuthenticate)
    assert answers.digest_response == "Digest username=mariam"


def test_a_mac_leaves_its_bootstrap_token_and_wants_it_back() -> None:
    left = checkin.parse(capture("mac-set-bootstrap-token"))
    assert isinstance(left, checkin.SetBootstrapToken)
    assert left.token is not None
    assert len(left.token) == 512
    assert checkin.parse(capture("mac-get-bootstrap-token")) == checkin.GetBootstrapToken(identity=MAC)
    assert plistlib.loads(checkin.bootstrap_token_response(left.token)) == {"BootstrapToken": left.token}
    assert checkin.bootstrap_token_response(None) == b""


@pytest.mark.parametrize("token", [None, b""])
def test_a_mac_withdraws_its_bootstrap_token(token: bytes | None) -> None:
    assert checkin.parse(changed("mac-set-bootstrap-token", BootstrapToken=token)) == checkin.SetBootstrapToken(
        identity=MAC, token=None
    )


def test_declarative_management_names_its_endpoint() -> None:
    assert checkin.parse(capture("mac-declarative-management")) == checkin.DeclarativeManagement(
        identity=MAC, endpoint="status", data=b'{"StatusItems": {}, "Errors": []}'
    )


def test_a_token_for_a_service_is_asked_for() -> None:
    assert checkin.parse(capture("mac-get-token")) == checkin.GetToken(
        identity=MAC, service_type="com.apple.maid", parameters={}
    )


@pytest.mark.parametrize("name", ["iphone-token-update", "mac-set-bootstrap-token", "mac-user-authenticate"])
def test_secrets_are_not_in_the_representation(name: str) -> None:
    secret = b"the secret of the device"
    keys = {"UnlockToken": secret, "BootstrapToken": secret, "DigestResponse": secret.decode()}
    assert "the secret" not in repr(checkin.parse(changed(name, **keys)))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("iphone-authenticate", {"MessageType": None}),
        ("iphone-authenticate", {"MessageType": "Hello"}),
        ("iphone-authenticate", {"MessageType": 1}),
        ("iphone-authenticate", {"UDID": None}),
        ("iphone-authenticate", {"UDID": ""}),
        ("iphone-authenticate", {"UDID": b"00008140"}),
        ("iphone-authenticate", {"UDID": "0" * 129}),
        ("iphone-authenticate", {"Topic": None}),
        ("iphone-authenticate", {"Topic": "t" * 256}),
        ("iphone-authenticate", {"OSVersion": 18.1}),
        ("iphone-token-update", {"Token": None}),
        ("iphone-token-update", {"Token": b""}),
        ("iphone-token-update", {"Token": "00"}),
        ("iphone-token-update", {"PushMagic": None}),
        ("iphone-token-update", {"PushMagic": ""}),
        ("iphone-token-update", {"UnlockToken": "no"}),
        ("mac-user-token-update", {"UserID": 501}),
        ("mac-user-token-update", {"UserShortName": "m" * 129}),
        ("mac-declarative-management", {"Endpoint": None}),
        ("mac-get-token", {"TokenServiceType": None}),
        ("mac-get-token", {"TokenParameters": []}),
    ],
)
def test_a_message_without_what_it_needs_is_a_protocol_error(name: str, keys: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        checkin.parse(changed(name, **keys))


def test_a_long_description_is_cut() -> None:
    message = checkin.parse(changed("mac-authenticate", DeviceName="n" * 5000))
    assert isinstance(message, checkin.Authenticate)
    assert message.device_name == "n" * 200


def test_a_report_is_not_a_check_in() -> None:
    with pytest.raises(ProtocolError, match="MessageType"):
        checkin.parse(capture("iphone-idle"))


def test_an_identity_names_a_device() -> None:
    with pytest.raises(ProtocolError, match="UDID"):
        Identity(udid=None, enrollment_id="")


def test_an_empty_message_is_still_a_property_list() -> None:
    with pytest.raises(ProtocolError, match="MessageType"):
        checkin.parse(plist.dumps({}))
