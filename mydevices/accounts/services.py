import base64
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mydevices.accounts import addresses, following, rights, selectors, sessions
from mydevices.accounts.models import FormerPassword, Person
from mydevices.accounts.notices import FACTS, OPTIONAL, Notice
from mydevices.accounts.rights import Right
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.errors import Conflict, Invalid, NotAllowed
from mydevices.organisation import selectors as organisation_selectors
from mydevices.organisation import services as organisation
from mydevices.outbox import services as outbox
from mydevices.vault import services as vault

SETUP_SALT = "mydevices.first-administrator"
SETUP_LIFETIME = timedelta(days=1)
MOST_TOLD: Final = 100
"""Administrators who get a mail about one thing."""


def create_person(
    *, actor: Actor, email: str, name: str, password: str | None = None, role: Person.Role = Person.Role.PERSON
) -> Person:
    """Add somebody. Raises Invalid for an address, name or password that will not do, Conflict when the address is
    taken, NotAllowed to a person who would make an administrator: that is a change of role, which may have to wait."""
    if actor.kind == "person" and role == Person.Role.ADMINISTRATOR:
        raise NotAllowed(_("Add them without a role, and make them an administrator then."))
    person = Person(email=addresses.checked(email), name=name.strip(), role=role)
    try:
        person.clean_fields(exclude=["password", "email_key"])
        if password is not None:
            validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    person.set_password(password)
    person.password_changed_at = timezone.now() if password is not None else None
    person.role_given_by = actor.id if actor.kind == "person" else ""
    try:
        with transaction.atomic():
            person.save(force_insert=True)
            verb = Verb.ADMINISTRATOR_CREATED if person.is_administrator else Verb.PERSON_CREATED
            audit.record(verb, actor=actor, person=person)
            if person.is_administrator and actor.kind == "system":
                _tell_of_administrator(person)
    except IntegrityError as error:
        raise Conflict(_("%(email)s is taken.") % {"email": email}) from error
    return person


def _tell_of_administrator(person: Person) -> None:
    """The command line made one."""
    at = timezone.now().isoformat(timespec="seconds")
    tell_administrators(
        notice=Notice.CHANGE_MADE,
        facts=lambda: {"change": _("Make %(name)s an administrator") % {"name": person.name}, "at": at},
    )


@transaction.atomic
def set_first_password(*, actor: Actor, person: Person, password: str) -> None:
    """The password of somebody who had none, and knows of this one: nobody is told. Raises Conflict for somebody who
    has one, Invalid for one that the rules refuse, with every reason."""
    if person.has_usable_password():
        raise Conflict(_("You have a password already. Sign in with it."))
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    person.set_password(password)
    person.password_changed_at = timezone.now()
    person.save(update_fields=["password", "password_changed_at"])
    audit.record(Verb.PASSWORD_CHANGED, actor=actor, person=person)


def change_name(*, actor: Actor, person: Person, name: str) -> Person:
    """Raises Invalid for an empty or overlong name, NotAllowed where a provider keeps it."""
    if person.provider:
        raise NotAllowed(_("Your name comes from where you sign in. Change it there."))
    person.name = name.strip()
    try:
        person.clean_fields(exclude=["password", "email", "email_key"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    with transaction.atomic():
        person.save(update_fields=["name"])
        following.changed([person.id])
        audit.record(Verb.PERSON_CHANGED, actor=actor, person=person)
    return person


@transaction.atomic
def change_password(*, actor: Actor, person: Person, password: str, browser: str = "", keep_session: str = "") -> None:
    """Give a person a new password; every session of theirs ends, save `keep_session` (its key), and a change of their
    address that waits to be confirmed: whoever is thrown out by this may have asked for it. They are told by mail.

    Raises Invalid for one that the rules refuse, with every reason."""
    rules = selectors.sign_in_rules()
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    now = timezone.now()
    if rules.history > 1 and person.has_usable_password():
        FormerPassword.objects.create(person=person, password=person.password, ended_at=now)
    kept = person.former_passwords.order_by("-id").values_list("id", flat=True)[: max(0, rules.history - 1)]
    person.former_passwords.exclude(id__in=list(kept)).delete()
    person.set_password(password)
    person.password_changed_at = now
    person.save(update_fields=["password", "password_changed_at"])
    sessions.forget(person=person, but=keep_session)
    if person.email_changes.filter(confirmed_at=None, ended_at=None).update(ended_at=now):
        audit.record(Verb.EMAIL_CHANGE_DROPPED, actor=actor, person=person)
    sessions.pause_others(person=person)
    audit.record(Verb.PASSWORD_CHANGED, actor=actor, person=person)
    facts = {"at": now.isoformat(timespec="seconds"), "browser": browser, "address": actor.address}
    if actor.id != str(person.id) and actor.name:
        facts["by"] = actor.name
    notify(person=person, notice=Notice.PASSWORD_CHANGED, facts={name: fact for name, fact in facts.items() if fact})


@transaction.atomic
def signed_in(*, actor: Actor, person: Person, browser: str, is_known: bool, proved_by: str) -> None:
    """Note a sign-in. `is_known`: the person signed in in this browser before; otherwise they are told by mail, save
    the first time of all. `proved_by`: what they gave, in the library's words."""
    now, before = timezone.now(), person.signed_in_at
    person.signed_in_at = now
    person.save(update_fields=["signed_in_at"])
    details = {"proved_by": proved_by}
    audit.record(Verb.SIGNED_IN, actor=actor, person=person, details=details)
    if not is_known and before is not None:
        facts = {"at": now.isoformat(timespec="seconds"), "browser": browser, "address": actor.address}
        notify(person=person, notice=Notice.NEW_SIGN_IN, facts=facts)


@transaction.atomic
def change_preferences(*, actor: Actor, person: Person, language: str, time_zone: str, theme: str) -> Person:
    """How pages look to a person. Empty: as their browser is set. Raises Invalid for what there is not."""
    if language and language not in dict(settings.LANGUAGES):
        raise Invalid(_("MyDevices does not speak this language."))
    if time_zone and time_zone not in available_timezones():
        raise Invalid(_("There is no time zone of this name."))
    if theme not in Person.Theme.values:
        raise Invalid(_("There is no such look."))
    person.language, person.time_zone, person.theme = language, time_zone, theme
    person.save(update_fields=["language", "time_zone", "theme"])
    details = {"language": language, "time_zone": time_zone, "theme": theme}
    audit.record(Verb.PREFERENCES_CHANGED, actor=actor, person=person, details=details)
    return person


@transaction.atomic
def change_notices(*, actor: Actor, person: Person, unwanted: Collection[Notice], browser: str = "") -> Person:
    """Which mails a person does without. Turning one off needs a fresh proof, and is mailed: so nobody else does it
    unnoticed. Raises Invalid for one that nobody may do without, NeedsFreshAuthentication."""
    if not set(unwanted) <= set(OPTIONAL):
        raise Invalid(_("These mails are about the safety of your account, and always sent."))
    before = Person.objects.select_for_update(no_key=True).get(id=person.id).unwanted_notices
    off = sorted(set(unwanted) - set(before))
    person.unwanted_notices = sorted(notice.value for notice in unwanted)
    person.save(update_fields=["unwanted_notices"])
    audit.record(
        Verb.NOTICES_CHANGED,
        actor=actor,
        person=person,
        details={
            "without": ", ".join(person.unwanted_notices),
            **({"off": ", ".join(off)} if off else {}),
        },
    )
    if off:
        at = timezone.now().isoformat(timespec="seconds")
        facts = {"at": at, "browser": browser, "address": actor.address}
        notify(person=person, notice=Notice.NOTICES_OFF, facts={name: fact for name, fact in facts.items() if fact})
    return person


ANNOUNCED: Final = timedelta(days=7)
"""How long before its password expires somebody is told."""


def announce_expiry(*, now: datetime, limit: int = 500) -> int:
    """Tell people, once for each password, that theirs expires within a week. The number told."""
    rules = selectors.sign_in_rules()
    if not rules.expires_after_days:
        return 0
    lasting = timedelta(days=rules.expires_after_days)
    due = Person.objects.filter(
        is_active=True,
        provider="",
        password_changed_at__lte=now - lasting + ANNOUNCED,
        password_changed_at__gt=now - lasting,
    ).exclude(expiry_announced_for=F("password_changed_at"))
    told = 0
    for person in due[:limit]:
        if not person.has_usable_password() or person.password_changed_at is None:
            continue
        with transaction.atomic():
            Person.objects.filter(id=person.id).update(expiry_announced_for=person.password_changed_at)
            until = (person.password_changed_at + lasting).isoformat(timespec="seconds")
            notify(person=person, notice=Notice.PASSWORD_EXPIRES, facts={"until": until})
        told += 1
    return told


def notify(*, person: Person, notice: Notice, facts: Mapping[str, str | int] | None = None, address: str = "") -> str:
    """Tell a person something by mail, once the caller's transaction stands. The only way to mail anybody.

    `facts` are what its template names (`notices` has the table): text and numbers, times as ISO 8601 with offset. A
    secret (a link that signs in, a PIN) comes as a fact called `secret_...`: it is sealed in the outbox, and gone with
    the message. `address` is another one than the person's own, such as the one they change to. Notices that are
    unwanted and may be are not posted. Gives the mail's id, which `withdraw_mail` takes; empty for none."""
    if notice in OPTIONAL and notice in person.unwanted_notices:
        return ""
    return post_mail(notice=notice, address=address or person.email, person_id=str(person.id), facts=facts or {})


def tell_administrators(*, notice: Notice, facts: Callable[[], Mapping[str, str]]) -> None:
    """Mail everybody who may change settings. `facts` is called for each of them, with their language in place."""
    administrators = Person.objects.filter(role__in=rights.roles_with(Right.MANAGE_SETTINGS), is_active=True)
    for person in administrators.order_by("id")[:MOST_TOLD]:
        with translation.override(language_of(person)):
            words = facts()
        notify(person=person, notice=notice, facts=words)


def language_of(person: Person) -> str:
    """What mails to somebody are written in."""
    known = person.language in dict(settings.LANGUAGES)
    return person.language if known else organisation_selectors.current().mail_language


def post_mail(*, notice: Notice, address: str, person_id: str = "", facts: Mapping[str, str | int]) -> str:
    """Leave a mail for the worker, and give its id; `person_id` is empty where nobody has the address. See `notify`.

    Raises ValueError for a fact that the notice does not have."""
    unknown = facts.keys() - FACTS[notice]
    if unknown:
        raise ValueError(f"{notice} has no facts {', '.join(sorted(unknown))}: see accounts.notices.")
    mail_id = str(uuid4())
    place = sealed_fact_place(mail_id, address)
    shown = {
        name: base64.b64encode(vault.seal(str(value).encode(), place)).decode() if is_secret(name) else value
        for name, value in facts.items()
    }
    payload = {
        "notice": notice,
        "to": address,
        "person": person_id,
        "facts": shown,
        "posted": timezone.now().isoformat(timespec="seconds"),
    }
    outbox.post("mail", payload, key=mail_id)
    return mail_id


def withdraw_mail(mail_id: str) -> bool:
    """Do not send a mail after all; whether it had not gone yet."""
    return outbox.withdraw("mail", key=mail_id)


def sealed_fact_place(mail_id: str, address: str) -> vault.Place:
    """Where a mail's secret facts are sealed to: its row, and whom it is for."""
    return vault.Place("outbox_message", "payload", row=mail_id, owner=address)


def is_secret(fact: str) -> bool:
    return fact.startswith("secret_")


def first_administrator_token() -> str:
    """What the setup link carries. It needs no row: it works for a day, and only while there is no administrator."""
    return signing.TimestampSigner(salt=SETUP_SALT).sign("setup").partition(":")[2]


def check_first_administrator_token(token: str) -> None:
    """Raises NotAllowed when the link is old, forged, or has done its work."""
    try:
        signing.TimestampSigner(salt=SETUP_SALT).unsign(f"setup:{token}", max_age=SETUP_LIFETIME)
    except signing.BadSignature as error:
        raise NotAllowed(
            _(
                "This link is no longer valid. Start the server again: it prints a new one while there is no "
                "administrator."
            )
        ) from error
    if selectors.has_administrator():
        raise NotAllowed(_("This link has been used. Sign in instead."))


@transaction.atomic
def set_up(*, token: str, address: str, email: str, name: str, password: str, organisation_name: str) -> Person:
    """Spend the setup link: the first administrator and the organisation's name, both or neither. Of two people who
    spend it at once the second is refused.

    Raises NotAllowed for a link that is no longer good, Invalid or Conflict for what was typed."""
    organisation.hold()
    check_first_administrator_token(token)
    person = create_person(
        actor=Actor(kind="anonymous", name="setup link", address=address),
        email=email,
        name=name,
        password=password,
        role=Person.Role.ADMINISTRATOR,
    )
    organisation.describe(actor=Actor.by_link(person, address=address), name=organisation_name)
    return person
