"""Where Apple devices knock: certificate enrolment (SCEP), check-in, and the poll for commands.

Plain functions from a Request to a Response. Never a 401: a device may take it as an order to leave (protocols.md). A
device that cannot prove who it is gets 400; 403 with `com.apple.unrecognized.device` is for the retired alone
(mdm/errors/unrecognized.device.yaml).
"""

import base64
import logging
import plistlib
import secrets
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs
from uuid import UUID

from cryptography import x509 as cryptography_x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mydevices.actions import ActionKind
from mydevices.certificates import selectors as certificates_selectors
from mydevices.certificates import services as certificates
from mydevices.certificates.models import DeviceCertificate
from mydevices.commands import queue
from mydevices.commands import selectors as commands_selectors
from mydevices.commands.queue import Next
from mydevices.commands.states import State
from mydevices.devices import services as devices
from mydevices.devices.models import Registration
from mydevices.devices.seen import COLLECTOR
from mydevices.devices.services import Introduction
from mydevices.errors import Conflict, Invalid, NotAllowed, ProtocolError
from mydevices.platforms.apple import queries, registrations, render, signed
from mydevices.platforms.apple.outcomes import plain_words
from mydevices.platforms.apple.registrations import Arrival
from mydevices.port.commands import Outcome
from mydevices.port.routes import Request, Response, Route
from mydevices.protocols.apple import checkin, models, reports
from mydevices.protocols.apple.checkin import (
    Authenticate,
    CheckIn,
    CheckOut,
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    SetBootstrapToken,
    TokenUpdate,
    UserAuthenticate,
)
from mydevices.protocols.apple.reports import Status
from mydevices.protocols.pki import scep, x509
from mydevices.registration import lives, renewal

log = logging.getLogger(__name__)

PLIST: Final = "application/xml; charset=utf-8"
MESSAGE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a check-in or report: a CertificateList or an app list of a full device stays well below."""
SCEP_LIMIT: Final = 64 * 1024
SIGNED: Final = ("PUT", "POST")
"""How devices send what they sign: most by PUT, some clients by POST."""
DONE: Final = Response(200)
_QUICK_HEADER: Final = 12 * 1024
"""Characters of the longest Mdm-Signature that is looked at on the event loop; real ones have 2,000 to 9,000."""
OF_STATUS: Final = {
    Status.ACKNOWLEDGED: State.DONE,
    Status.ERROR: State.FAILED,
    Status.COMMAND_FORMAT_ERROR: State.FAILED,
    Status.NOT_NOW: State.DEFERRED,
}


def routes() -> Mapping[str, Route]:
    quick = connect_quickly if queries.ON_LOOP.is_possible else None
    return {
        "/mdm/apple/scep": Route(scep_endpoint, SCEP_LIMIT, ("GET", "HEAD", "POST")),
        "/mdm/apple/checkin": Route(checkin_endpoint, MESSAGE_LIMIT, SIGNED),
        "/mdm/apple/connect": Route(connect_endpoint, MESSAGE_LIMIT, SIGNED, quick),
    }


# Certificate enrolment (RFC 8894)


def scep_endpoint(request: Request) -> Response:
    """GetCACaps, GetCACert and PKIOperation, by GET or POST; some clients send the message in the query even on
    POST. HEAD is for the first two: who sends it does not read the certificate that a PKIOperation would spend the
    challenge for."""
    try:
        query = parse_qs(request.query, keep_blank_values=True, max_num_fields=8)
    except ValueError as error:
        raise ProtocolError("The address has too many parts behind its question mark.") from error
    match query.get("operation", [""])[0]:
        case "GetCACaps":
            return Response(200, scep.CAPABILITIES, scep.CAPABILITIES_TYPE)
        case "GetCACert":
            return Response(200, certificates.authority().der, scep.CA_CERTIFICATE_TYPE)
        case "PKIOperation" if request.method == "HEAD":
            return Response(405, headers=(("Allow", "GET, POST, OPTIONS"),))
        case "PKIOperation":
            return _pki_operation(_scep_message(request, query))
        case _:
            raise ProtocolError("This address answers the SCEP operations GetCACaps, GetCACert and PKIOperation.")


def _scep_message(request: Request, query: dict[str, list[str]]) -> bytes:
    if request.body:
        return request.body
    # Base64 in a query string: a plus sign that nobody escaped has become a space.
    text = query.get("message", [""])[0].replace(" ", "+")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error, and what is not even ASCII
        raise ProtocolError("The SCEP message is not Base64.") from error


def _pki_operation(der: bytes) -> Response:
    authority = certificates.authority()
    message = scep.parse(der, authority=authority, allow_weak=settings.ENVIRONMENT.allow_weak_scep)
    if message.is_weak:
        log.info("A SCEP request with %s and %s was accepted", message.cipher.name, message.digest.name)
    nonce = secrets.token_bytes(16)
    if message.request is None:
        return _scep_reply(scep.failure(message, authority=authority, fail_info=scep.FailInfo.BAD_REQUEST, nonce=nonce))
    try:
        issued = certificates.issue(
            challenge_id=certificates.challenge_of(message.request.challenge or ""),
            public_key=message.request.public_key,
            signer=x509.fingerprint(message.signer_certificate_der) if message.is_signed_by_a_device else None,
            is_weak=message.is_weak,
            now=timezone.now(),
        )
    except NotAllowed as refusal:
        log.warning("SCEP request refused: %s", refusal.message)
        return _scep_reply(scep.failure(message, authority=authority, fail_info=scep.FailInfo.BAD_REQUEST, nonce=nonce))
    certificate = cryptography_x509.load_der_x509_certificate(bytes(issued.der))
    return _scep_reply(scep.success(message, authority=authority, certificate=certificate, nonce=nonce))


def _scep_reply(body: bytes) -> Response:
    return Response(200, body, scep.MESSAGE_TYPE)


# Check-in (mdm/checkin/*.yaml)


def _unrecognized() -> Response:
    return Response(403, plistlib.dumps({"code": "com.apple.unrecognized.device"}), PLIST)


def checkin_endpoint(request: Request) -> Response:
    now = timezone.now()
    proof = signed.signer(request, now)
    message = checkin.parse(request.body)
    certificate = certificates_selectors.by_fingerprint(proof.fingerprint)
    if certificate is None or certificate.state == DeviceCertificate.State.SUPERSEDED:
        raise ProtocolError("This certificate is not in use.")
    if isinstance(message, Authenticate):
        return _authenticate(message, certificate, now, request.address)
    life = certificate.registration
    if life is None:
        raise ProtocolError("The device has not sent Authenticate.")
    if message.identity.device_id != life.device.hardware_id:
        raise ProtocolError("The certificate belongs to another device.")
    if life.has_ended:
        return _after_the_end(life, message, now)
    if isinstance(message, TokenUpdate):
        registrations.check_topic(topic=message.topic, expected=registrations.kept(life).topic)
    renewal.use(certificate=certificate, registration=life)
    if proof.is_weak != (life.old_digest_since is not None):
        devices.signs(registration_id=life.id, with_old_digest=proof.is_weak, now=now)
    COLLECTOR.note(life.id, now, life.last_seen_at)
    return _check_in(message, life, now)


def _authenticate(message: Authenticate, certificate: DeviceCertificate, now: datetime, address: str) -> Response:
    model = message.product_name or message.model or ""
    os_version = message.os_version or ""
    life = certificate.registration
    if life is not None and life.state == Registration.State.RETIRED:
        return _unrecognized()
    if life is not None and life.device.hardware_id == message.identity.device_id:
        _note_after_wipe(life, now)
    lives.begin(
        certificate=certificate,
        introduction=Introduction(
            hardware_id=message.identity.device_id,
            name=message.device_name or "",
            model=model,
            model_name=models.marketing_name(model) or message.model_name or "",
            os_name=models.os_name(model, os_version) or "",
            os_version=os_version,
            serial_number=message.serial_number or "",
        ),
        arrival=Arrival(message.topic, is_user_enrollment=message.identity.udid is None),
        now=now,
        address=address,
    )
    return DONE


def _after_the_end(life: Registration, message: CheckIn, now: datetime) -> Response:
    _note_after_wipe(life, now)
    if isinstance(message, CheckOut):
        return DONE
    if life.state == Registration.State.RETIRED:
        return _unrecognized()
    raise ProtocolError("This registration has ended.")


def _note_after_wipe(life: Registration, now: datetime) -> bool:
    """Whether this is a device that counts as erased and still talks, which is then written down. One that has
    registered anew since is not: it was erased, and an old certificate speaks for nobody."""
    if life.state != Registration.State.WIPED or life.device.registration_id != life.id:
        return False
    lives.heard_after_wipe(registration=life, now=now)
    return True


def _check_in(message: CheckIn, life: Registration, now: datetime) -> Response:
    match message:
        case TokenUpdate():
            with transaction.atomic():
                channel = lives.reachable(
                    registration=life,
                    user_id=message.identity.user_key,
                    user_name=message.identity.user_short_name or "",
                    push_token=message.token,
                    now=now,
                )
                registrations.keep_channel(
                    channel=channel, push_magic=message.push_magic, unlock_token=message.unlock_token
                )
            return DONE
        case CheckOut() if message.identity.is_user_channel:
            lives.user_left(registration=life, user_id=message.identity.user_key, now=now)
            return DONE
        case CheckOut():
            lives.retired(registration=life, reason=Registration.Ending.CHECKED_OUT, now=now)
            return DONE
        case UserAuthenticate():
            # 410 declines this user for good: only the account that registered the Mac has a channel.
            return Response(410)
        case SetBootstrapToken():
            registrations.keep_bootstrap_token(life, message.token)
            return DONE
        case GetBootstrapToken():
            token = registrations.bootstrap_token(life)
            return Response(200, checkin.bootstrap_token_response(token), PLIST) if token else DONE
        case DeclarativeManagement() | GetToken():
            # Not offered: 404 tells the device so (declarativemanagement.yaml).
            return Response(404)
        case _:
            raise ProtocolError("This message has its own place.")


# The poll


def connect_endpoint(request: Request) -> Response:
    """A device asks, and says how the last command went. An empty 200 means that nothing waits."""
    now = timezone.now()
    proof, report = signed.report(request, now)
    answered = _answered(report.command_uuid)
    is_idle = report.status == Status.IDLE
    first = True
    while True:
        poll = queries.poll(
            fingerprint=proof.fingerprint,
            user_id=report.identity.user_key,
            reported=answered,
            is_idle=is_idle,
            now=now,
        )
        poll = _theirs(poll, report)
        if first:
            first = False
            ended = _note(poll, report, proof, request.address, now)
            if ended is not None:
                return ended
        if poll.due is None:
            return DONE
        try:
            body = render.encode(poll.due)
        except (Conflict, Invalid) as problem:
            # It cannot be given to anybody, and what waits behind it must not wait for ever.
            queue.give_up(command_id=poll.due.id, reason=problem.message, now=now)
            continue
        if queue.mark_sent(command_id=poll.due.id, seen=poll.due.state, now=now, offered_in=poll.conversation):
            return Response(200, body, PLIST)
        # It was called off in this very moment: look again. Each turn needs such a moment, so this ends.


def connect_quickly(request: Request) -> Response | None:
    """What `connect_endpoint` answers to a device that is idle and for which nothing waits, on the event loop; None for
    everything else, and wherever it would have to wait.

    Only a signer whom the endpoint has accepted before costs more than the reading of a certificate."""
    if (
        signed.SAYS_IDLE not in request.body
        or request.method not in SIGNED
        or len(request.headers.get("mdm-signature", "")) > _QUICK_HEADER
    ):
        return None
    try:
        now = timezone.now()
        proof, report = signed.report(request, now, known=signed.TRUSTED)
        if report.status != Status.IDLE:
            return None
        poll = queries.idle_poll(fingerprint=proof.fingerprint, user_id=report.identity.user_key, now=now)
        poll = _theirs(poll, report)
    except (ProtocolError, sqlite3.Error):
        return None  # the endpoint finds the same, says what it is, and can wait for the database
    if (
        poll.due is not None
        or poll.registration_state != Registration.State.ACTIVE
        or poll.certificate_state != DeviceCertificate.State.CURRENT
        or queries.has_old_digest(poll) != proof.is_weak
        or not COLLECTOR.note_at_once(poll.registration_id, now, poll.last_seen_at)
    ):
        return None
    return DONE


def _theirs(poll: Next | None, report: reports.Report) -> Next:
    """What was found for the certificate that signed, if it is in use and its device is the one that speaks. Raises
    ProtocolError."""
    if poll is None or poll.certificate_state == DeviceCertificate.State.SUPERSEDED:
        raise ProtocolError("This certificate is not in use.")
    if poll.hardware_id != report.identity.device_id:
        raise ProtocolError("The certificate belongs to another device.")
    return poll


def _answered(command_uuid: str | None) -> UUID | None:
    """The id that a report answers; None for one that cannot be ours, which changes nothing."""
    try:
        return UUID(command_uuid) if command_uuid else None
    except ValueError:
        return None


def _note(poll: Next, report: reports.Report, proof: signed.Proof, address: str, now: datetime) -> Response | None:
    """What the request tells beside asking: the certificate is in use, the device lives, a command has been answered.
    A Response when the registration has ended, before or by this very answer."""
    if poll.registration_state != Registration.State.ACTIVE:
        if poll.registration_state == Registration.State.RETIRED:
            return _unrecognized()
        if poll.registration_state != Registration.State.PENDING:
            return _after_the_last_word(poll, report, now)
    if poll.certificate_state == DeviceCertificate.State.ISSUED:
        certificate = certificates_selectors.by_fingerprint(proof.fingerprint)
        if certificate is not None and certificate.registration is not None:
            renewal.use(certificate=certificate, registration=certificate.registration)
    if queries.has_old_digest(poll) != proof.is_weak:
        devices.signs(registration_id=poll.registration_id, with_old_digest=proof.is_weak, now=now)
    COLLECTOR.note(poll.registration_id, now, poll.last_seen_at)
    if poll.reported is None or report.status not in OF_STATUS:
        return None
    state = OF_STATUS[report.status]
    recorded = queue.report(
        command=poll.reported,
        outcome=Outcome(
            state=state,
            at=now,
            error=plain_words(report.errors) if state == State.FAILED else "",
            answer=report.result,
            address=address,
        ),
    )
    ends_it = poll.reported.request_type in {"EraseDevice", "RemoveProfile"} and state == State.DONE
    return DONE if recorded and ends_it else None


def _after_the_last_word(poll: Next, report: reports.Report, now: datetime) -> Response:
    """To a device whose registration was wiped or replaced. Reports are answered and change nothing: they are late or
    doubled, perhaps the very answer that ended it. But a device that asks for commands after a wipe has not erased
    itself: it is told again, under the same id, for as long as it has not registered anew. Its life stays over."""
    life = Registration.objects.select_related("device__owner").get(id=poll.registration_id)
    if report.status in OF_STATUS:
        answered = poll.reported
        if answered is not None and answered.action_kind == ActionKind.WIPE and report.status == Status.ACKNOWLEDGED:
            lives.erased_after_all(registration=life, now=now)
        return DONE
    if not _note_after_wipe(life, now):
        raise ProtocolError("This registration has ended.")
    order = commands_selectors.obeyed(life, ActionKind.WIPE)
    if order is None or report.identity.is_user_channel:
        return DONE
    return Response(200, render.encode(queue.given(order)), PLIST)
