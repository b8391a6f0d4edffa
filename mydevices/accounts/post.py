"""The post office: takes mails out of the outbox and gives them to the mail server by SMTP (RFC 5321).

What the server refuses for good becomes a message that was given up, with the reason; everything else is tried again.
A worker that dies between the server's yes and its note of it sends the mail once more, under the same Message-ID.
"""

import base64
import logging
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from email.errors import MessageError
from email.message import EmailMessage
from functools import cached_property
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail.backends.smtp import EmailBackend
from django.db import Error as DatabaseTrouble
from django.utils import timezone
from django.utils.translation import gettext as _

from mydevices.accounts import mail, rights, services
from mydevices.accounts.mail import Reader
from mydevices.accounts.models import Person
from mydevices.accounts.notices import OPTIONAL, Notice
from mydevices.accounts.rights import Right
from mydevices.audit.actor import Actor
from mydevices.environment import MailServer
from mydevices.errors import CannotOpen, Conflict
from mydevices.organisation import outgoing
from mydevices.outbox import selectors as outbox_selectors
from mydevices.outbox import services as outbox
from mydevices.outbox.registry import Dead, Delivery, DeliveryOutcome, Done, Retry
from mydevices.vault import registry
from mydevices.vault import services as vault

log = logging.getLogger(__name__)

LATEST: Final = timedelta(days=5)
"""How late a mail goes that names no `until`: as long as mail servers try."""
TIMEOUT: Final = 20.0
"""Seconds that the mail server may be silent."""
TRIAL_TIMEOUT: Final = 10.0
"""The same while somebody looks at the page."""
LEASE: Final = timedelta(minutes=10)
PATIENCE: Final = 240.0
"""Seconds for a batch: what is not sent by then waits for the next one, well before the lease ends."""
BATCH: Final = 20
NOT_SET_UP: Final = timedelta(minutes=2)
"""Until another look, where what is wrong is the settings' fault."""
NO_SERVER: Final = "Not sent: no mail server is set."
TOO_LATE: Final = "Not sent in time: what it says is no longer true."
LONGEST_REASON: Final = 300

Follower = Callable[[str, datetime | None, str], None]
"""Told of a mail's id, when it was sent (None: it was not), and why it was not (empty: it was)."""

_followers: dict[Notice, Follower] = {}


def connect() -> None:
    """Register the secrets of waiting mails for the rotation of the master key. From the app's `ready`."""
    registry.elsewhere(registry.Elsewhere("Message.payload", "outbox_message", _sealed_facts, _move))


def _sealed_facts() -> Iterable[tuple[object, bytes]]:
    for message_id, payload in outbox_selectors.payloads("mail"):
        for name in filter(services.is_secret, payload["facts"]):
            yield (message_id, name), base64.b64decode(payload["facts"][name])


def _move(where: object, old: bytes, new: bytes) -> bool:
    if not isinstance(where, tuple):
        raise TypeError(where)
    message_id, name = where

    def change(payload: dict[str, Any]) -> bool:
        if base64.b64decode(payload["facts"].get(name, "")) != old:
            return False
        payload["facts"][name] = base64.b64encode(new).decode()
        return True

    return outbox.rewrite(message_id, change)


def follow(notice: Notice, follower: Follower) -> None:
    """Have somebody told what becomes of the mails of a notice. One for each, named at start-up."""
    _followers[notice] = follower


class Server(EmailBackend):
    """Django's SMTP client, for this product's settings. Certificates are verified, against the system's authorities
    or those of MYDEVICES_SMTP_CA."""

    def __init__(self, server: MailServer, *, timeout: float = TIMEOUT) -> None:
        super().__init__(
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls == "starttls",
            use_ssl=server.tls == "tls",
            timeout=timeout,
        )

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        authorities = settings.ENVIRONMENT.smtp_ca
        return ssl.create_default_context(cafile=str(authorities) if authorities else None)

    def hand_over(self, message: EmailMessage, *, sender: str, to: str) -> None:
        """Give one mail to the server, over one connection for many. Raises what smtplib and sockets raise."""
        self.open()
        client: Any = self.connection
        client.send_message(message, from_addr=sender, to_addrs=[to])

    def drop(self) -> None:
        """Forget a connection that is in an unknown state, without asking the server."""
        for client in (self.connection, getattr(self, "_partial_connection", None)):
            if client is not None:
                client.close()
        self.connection = None
        self._partial_connection = None

    def close(self) -> None:
        """Say goodbye. What is sent is sent, whether or not the server answers to that."""
        try:
            super().close()
        except (OSError, smtplib.SMTPException):
            self.drop()


def try_out(*, actor: Actor, person: Person) -> str:
    """Send somebody a mail at once, to see whether the server takes it. Past the outbox: nothing else is changed by
    it. Empty: it did; else why not, in words, with the server's own. Raises NotAllowed, and Conflict when there is no
    mail server."""
    rights.require(actor, Right.MANAGE_SETTINGS)
    actor.require_fresh(timezone.now())
    where = outgoing.current()
    if where is None:
        raise Conflict(_("No mail server is set."))
    written = mail.compose(
        mail.render(Notice.TRIAL, reader=Reader.of(person), facts={"at": timezone.now().isoformat()}),
        to=mail.wire_address(person.email),
        sender=where.sender,
        mail_id=str(uuid4()),
        posted=timezone.now(),
    )
    with closing(Server(where.server, timeout=TRIAL_TIMEOUT)) as server:
        try:
            server.hand_over(written, sender=mail.address_of(where.sender), to=mail.wire_address(person.email))
        except (smtplib.SMTPException, OSError) as error:
            server.drop()
            return _in_words(error)
    return ""


def _in_words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _("The mail server refused the user or the password (%(code)s).") % {"code": error.smtp_code}
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return _("The mail server does not offer what is asked of it: %(why)s") % {"why": _clean(str(error), [])}
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return _("The mail server refused your address: %(why)s") % {"why": _answer(code, reply)}
    if isinstance(error, smtplib.SMTPResponseException):
        return _("The mail server refused: %(why)s") % {"why": _answer(error.smtp_code, error.smtp_error)}
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("The certificate of the mail server does not hold: %(why)s") % {"why": error.verify_message}
    if isinstance(error, TimeoutError):
        return _("The mail server gave no answer within %(seconds)d seconds.") % {"seconds": TRIAL_TIMEOUT}
    return _("The mail server cannot be reached: %(why)s") % {"why": _clean(_said(error), [])}


def _answer(code: int, reply: bytes | str) -> str:
    return _clean(f"{code} {reply.decode('utf-8', 'replace') if isinstance(reply, bytes) else reply}", [])


def deliver(deliveries: Sequence[Delivery]) -> Mapping[int, DeliveryOutcome]:
    """The outbox's handler of mails."""
    outcomes: dict[int, DeliveryOutcome] = {}
    for delivery, outcome in _handled(deliveries):
        outcomes[delivery.id] = outcome
        _tell(delivery, outcome)
    return outcomes


def _handled(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, DeliveryOutcome]]:
    where = outgoing.current()
    end = time.monotonic() + PATIENCE
    if where is None:
        for delivery in deliveries:
            yield delivery, Dead(TOO_LATE) if _is_too_late(delivery) else Retry(NO_SERVER, after=NOT_SET_UP)
        return
    trouble: Retry | None = None
    with closing(Server(where.server)) as server:
        for delivery in deliveries:
            if _is_too_late(delivery):
                yield delivery, Dead(TOO_LATE)
            elif trouble is not None:
                # One silent or refusing server is enough: the others would each wait for it as long.
                yield delivery, trouble
            elif time.monotonic() > end:
                yield delivery, Retry("The mail server is slow.", after=timedelta(0))
            else:
                outcome, is_general = _send(server, delivery, sender=where.sender)
                if is_general and isinstance(outcome, Retry):
                    trouble = outcome
                yield delivery, outcome


def _is_too_late(delivery: Delivery) -> bool:
    """Whether what a mail says has ended: a link that is late is worth nothing, but to who should not have it."""
    until = delivery.payload["facts"].get("until")
    end = datetime.fromisoformat(str(until)) if until else _posted(delivery) + LATEST
    return timezone.now() >= end


def _posted(delivery: Delivery) -> datetime:
    return datetime.fromisoformat(delivery.payload["posted"])


def _send(server: Server, delivery: Delivery, *, sender: str) -> tuple[DeliveryOutcome, bool]:
    """Send one mail; what became of it, and whether that says something about the server rather than the mail."""
    secrets: list[str] = []
    try:
        to = mail.wire_address(str(delivery.payload["to"]))
        message = _message(delivery, to, secrets, sender=sender)
    except Person.DoesNotExist:
        return Done(), False  # nobody is there to read it any more
    except (ValidationError, ValueError, MessageError):
        return Dead("This is not an address that mail can be sent to."), False
    except CannotOpen as error:
        return Dead(error), False
    try:
        server.hand_over(message, sender=mail.address_of(sender), to=to)
    except smtplib.SMTPRecipientsRefused as refused:
        code, reply = next(iter(refused.recipients.values()))
        return _judged(code, _reason(code, reply, secrets)), code == 421
    except smtplib.SMTPDataError as refused:
        code = refused.smtp_code
        return _judged(code, _reason(code, refused.smtp_error, secrets)), code == 421
    except (smtplib.SMTPException, OSError) as error:
        server.drop()
        return _not_handed_over(error, to, secrets)
    return Done(), False


def _not_handed_over(error: Exception, to: str, secrets: Sequence[str]) -> tuple[DeliveryOutcome, bool]:
    """What a failure before the recipient means: nothing about this mail, and mended by a setting or by itself."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        if not to.isascii():
            return Dead("The mail server cannot send to addresses with letters beyond ASCII."), False
        return Retry(f"The mail server lacks what is needed: {error}", after=NOT_SET_UP), True
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # The reply is left out: some servers repeat what they were given.
        return Retry(f"The mail server refused the user or password ({error.smtp_code}).", after=NOT_SET_UP), True
    if isinstance(error, smtplib.SMTPResponseException):
        reason = _reason(error.smtp_code, error.smtp_error, secrets)
        return Retry(reason, after=NOT_SET_UP if error.smtp_code >= 500 else None), True
    return Retry(_clean(f"The mail server cannot be reached: {_said(error)}", secrets)), True


def _message(delivery: Delivery, to: str, secrets: list[str], *, sender: str) -> EmailMessage:
    """Write a mail. Its secrets go to `secrets` too, to be kept out of whatever is noted.

    Raises CannotOpen, Person.DoesNotExist for one who has left, ValueError for an impossible address."""
    payload = delivery.payload
    mail_id = str(delivery.key)
    notice = Notice(payload["notice"])
    place = services.sealed_fact_place(mail_id, payload["to"])
    facts = dict(payload["facts"])
    for name in filter(services.is_secret, facts):
        facts[name] = vault.open_sealed(base64.b64decode(facts[name]), place).decode()
        secrets.append(facts[name])
    reader = Reader.of(Person.objects.get(id=payload["person"])) if payload["person"] else Reader()
    return mail.compose(
        mail.render(notice, reader=reader, facts=facts),
        to=to,
        sender=sender,
        mail_id=mail_id,
        posted=_posted(delivery),
        optional=notice in OPTIONAL,
    )


def _judged(code: int, reason: str) -> DeliveryOutcome:
    """5xx to a recipient or a mail is for good (RFC 5321, 4.2.1); everything else may be otherwise later."""
    return Dead(reason) if 500 <= code < 600 else Retry(reason)


def _reason(code: int, reply: bytes | str, secrets: Sequence[str]) -> str:
    return _clean(f"The mail server says: {_answer(code, reply)}", secrets)


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} seconds"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _clean(text: str, secrets: Sequence[str]) -> str:
    """A reason that may be stored and shown: one line, of bounded length, with no secret that the server repeated."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST_REASON]


def _tell(delivery: Delivery, outcome: DeliveryOutcome) -> None:
    """Tell who follows these mails. If the database fails meanwhile, that is no reason to send anything again."""
    follower = _followers.get(Notice(delivery.payload["notice"]))
    if follower is None:
        return
    try:
        if isinstance(outcome, Done):
            follower(str(delivery.key), timezone.now(), "")
        else:
            follower(str(delivery.key), None, str(outcome.error))
    except DatabaseTrouble as error:
        log.warning("What became of mail %s could not be noted: %s", delivery.key, error)
