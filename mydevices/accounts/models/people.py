import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mydevices import looser
from mydevices.accounts import addresses
from mydevices.errors import Invalid
from mydevices.names import LineField
from mydevices.search import Searched, Word, word_index

if TYPE_CHECKING:
    Text = models.CharField[str, str]
else:  # Django's own class takes no types before it runs
    Text = models.CharField


class AddressKey(Text):
    """The key of the address that another field (`of`) holds, written with it. Raises Invalid for an address that has
    none: nothing that writes people can forget to ask."""

    def __init__(self, *args: Any, of: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.of = of

    def deconstruct(self) -> Any:
        """A plain column, as migrations see it."""
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: ARG002  the signature is Django's
        address = str(getattr(model_instance, self.of))
        key = addresses.key_of(address)
        if not key:
            addresses.checked(address)
            raise Invalid(str(_("That is no e-mail address.")))
        setattr(model_instance, self.attname, key)
        return key


class People(BaseUserManager["Person"]):
    def get_by_natural_key(self, username: str | None) -> "Person":
        """What Django and libraries call `selectors.with_address`."""
        return self.get(email_key=addresses.key_of(username or ""))


class Person(Searched, AbstractBaseUser):
    """Somebody who signs in: a person with devices, an administrator, or both."""

    class Role(models.TextChoices):
        PERSON = "person", _("Person with devices")
        HELPDESK = "helpdesk", _("Helpdesk")
        AUDITOR = "auditor", _("Auditor")
        ADMINISTRATOR = "administrator", _("Administrator")

    class Theme(models.TextChoices):
        SYSTEM = "", _("As the device is set")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    SEARCHED = ("name", "email")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    """As it was typed: mail goes to this."""
    email_key = AddressKey(of="email", max_length=addresses.LONGEST, editable=False)
    """What `accounts.selectors.with_address` finds the person by."""
    name = LineField(max_length=120)
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.PERSON)
    role_since = models.DateTimeField(default=timezone.now)
    """Since when they have this role: who has just become an administrator decides nothing yet (`approvals`)."""
    role_given_by = models.CharField(max_length=64, blank=True)
    """The id of who asked that they get it; empty: nobody who could ask for anything else, such as the command line."""
    is_active = models.BooleanField(default=True)
    """False: suspended. Signed out everywhere at once, and nothing of theirs can be registered."""
    joined_at = models.DateTimeField(auto_now_add=True)
    language = models.CharField(max_length=12, blank=True)
    """A code of settings.LANGUAGES; empty: as the browser asks, and the organisation's in mails."""
    time_zone = models.CharField(max_length=64, blank=True)
    """An IANA name; empty: the browser's."""
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.SYSTEM, blank=True)
    unwanted_notices = models.JSONField(default=list, blank=True)
    """Names of notices (accounts.notices) that this person does not want by mail."""
    password_changed_at = models.DateTimeField(null=True, blank=True)
    expiry_announced_for = models.DateTimeField(null=True, blank=True)
    """Which password (by `password_changed_at`) its owner was told of that it expires."""
    signed_in_at = models.DateTimeField(null=True, blank=True)
    """Their last sign-in; empty: never yet."""
    factor_due_at = models.DateTimeField(null=True, blank=True)
    """Until when they may go on without the second factor that their role asks for (`role_factors`); empty: they have
    one, or their time has not begun."""
    factor_due_by_notice = models.BooleanField(default=False)
    """They are told of that by mail, or have been, and have the whole time: signing in does not end it."""
    provider = models.CharField(max_length=64, blank=True)
    """The sign-in provider that manages name and address; empty for those who are managed here."""
    groups: "models.ManyToManyField[Group, Membership]" = models.ManyToManyField(
        "Group", through="Membership", related_name="people"
    )

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["email_key"], name="one_person_per_address", violation_error_message=_("This address is taken.")
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["person", "helpdesk", "auditor", "administrator"]), name="known_role"
            ),
        ]
        indexes = [
            # Lists of tens of thousands are sorted by these, and never read whole.
            models.Index(Lower("name"), "id", "name", name="people_by_name"),
            models.Index(fields=["signed_in_at", "id"], name="people_by_sign_in"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        fields = None if update_fields is None else set(update_fields)
        if fields and "email" in fields:
            fields.add("email_key")
        super().save(*args, update_fields=fields, **options)

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(None if raw_password is None else normalised(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        return super().check_password(None if raw_password is None else normalised(raw_password))

    @property
    def is_administrator(self) -> bool:
        return self.role == self.Role.ADMINISTRATOR

    @property
    def has_console(self) -> bool:
        """Whether their role lets them look at more than their own."""
        return self.role != self.Role.PERSON

    @property
    def proves_elsewhere(self) -> bool:
        """Whether a provider keeps their account and they have no password here that would be a way round it."""
        return bool(self.provider) and not self.has_usable_password()

    @property
    def first_name(self) -> str:
        """What a greeting uses: the name up to its first space."""
        return self.name.split(" ", 1)[0]

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


class PersonWord(Word):
    """What a person is found by."""

    of = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="words", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "word"], name="a_persons_word_once")]
        indexes = [word_index("people_by_word")]


class Group(models.Model):
    """Several people: whom a policy or configuration reaches, and who needs a second factor."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = LineField(max_length=120)
    description = LineField(max_length=300, blank=True)
    second_factor_since = models.DateTimeField(null=True, blank=True)
    """Since when its members need a second factor to sign in; empty: they do not."""
    open_to_helpdesk = models.BooleanField(default=False)
    """The helpdesk may put people into it, by invitation. Otherwise only those who manage people: what is assigned to a
    group, keys that its members share among it, goes to whoever is in it."""
    created_at = models.DateTimeField(auto_now_add=True)

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "name": looser.neither("is a name"),
        "description": looser.neither("is read, and decides nothing"),
        "second_factor_since": looser.EMPTY,
        "open_to_helpdesk": looser.HIGHER,
        "created_at": looser.neither("is written by the server"),
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="one_group_per_name", violation_error_message=_("There is a group of this name.")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in a group. Those that came from a provider's claim are kept in step with it, the others are not."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    provider = models.CharField(max_length=64, blank=True)
    """The provider whose claim brought it; empty: put there by hand."""
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "person"], name="once_in_a_group")]


class Provider(models.Model):
    """Where the organisation's people sign in with the account they have there already: an OpenID Connect provider."""

    id = models.SlugField(primary_key=True, max_length=40)
    """Part of the address that the provider sends people back to."""
    name = LineField(max_length=80)
    """Stands on the button: “Continue with Aldermoor ID”."""
    issuer = models.URLField(max_length=300)
    client_id = models.CharField(max_length=300)
    client_secret = models.BinaryField(null=True)
    """Sealed; null for a public client."""
    groups_claim = models.CharField(max_length=80, blank=True)
    """The claim that lists a person's groups; empty: groups are made here."""
    group_names = models.JSONField(default=dict, blank=True)
    """From a value of that claim to the name of a group here. A value that is the name of a group needs no entry."""
    makes_people = models.BooleanField(default=True)
    """Whoever signs in there gets an account here. Otherwise only those who were invited."""
    vouches_for_addresses = models.BooleanField(default=False)
    """Its addresses are its people's own, even where it does not say `email_verified`."""
    domains = models.JSONField(default=list, blank=True)
    """Domains whose addresses are the provider's to give. Only somebody with such an address can be given an account
    that is here already; none: nobody is."""
    is_required = models.BooleanField(default=False)
    """Everybody signs in here; passwords are for local administrators."""
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "name": looser.neither("stands on a button"),
        "issuer": looser.OTHER,
        "client_id": looser.OTHER,
        "client_secret": looser.neither("proves this server to the provider, and nobody to this server"),
        "groups_claim": looser.OTHER,
        "group_names": looser.OTHER_ENTRIES,
        "makes_people": looser.HIGHER,
        "vouches_for_addresses": looser.HIGHER,
        "domains": looser.MORE,
        "is_required": looser.LOWER,
        "is_enabled": looser.HIGHER,
        "created_at": looser.neither("is written by the server"),
    }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="one_provider_per_name",
                violation_error_message=_("There is a provider of this name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProviderLink(models.Model):
    """An account at a provider that signs its person in here. Known by the issuer and its name for the person: another
    issuer may call somebody else the same, and the same provider here may be given another issuer."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="provider_links")
    provider = models.CharField(max_length=64)
    """The provider's id here."""
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    manages = models.BooleanField(default=True)
    """Whether name, address and groups follow the provider. They do not where somebody linked it to their account by
    themselves."""
    linked_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_person_per_account_of_an_issuer")
        ]
        indexes = [models.Index(fields=["provider", "issuer"], name="links_of_a_provider")]


def normalised(password: str) -> str:
    """NFKC, so that a password typed on another keyboard is the same one (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


class SignInRules(models.Model):
    """What the organisation asks of passwords and sessions: a single row. The defaults are those of NIST SP 800-63B-4
    (docs/decisions)."""

    LONGEST: ClassVar[int] = 256
    """Characters of a password."""
    MOST_KEPT: ClassVar[int] = 10
    """Earlier passwords: each is one more Argon2 hash when a password is changed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    minimum_length = models.PositiveSmallIntegerField(
        _("Shortest password"), default=15, validators=[MinValueValidator(8), MaxValueValidator(64)]
    )
    """In characters. 15 where the password may be all that is asked for; 8 is for those who ask everybody for more."""
    classes = models.PositiveSmallIntegerField(_("Kinds of characters"), default=0, validators=[MaxValueValidator(4)])
    """How many of small letters, capital letters, digits and others a password must have."""
    history = models.PositiveSmallIntegerField(
        _("Earlier passwords"), default=0, validators=[MaxValueValidator(MOST_KEPT)]
    )
    """How many earlier passwords, the present one among them, may not come back; 0: any may."""
    expires_after_days = models.PositiveSmallIntegerField(_("Passwords expire"), default=0)
    """0: they do not."""
    idle_minutes = models.PositiveIntegerField(
        _("Sign out after"), default=8 * 60, validators=[MaxValueValidator(14 * 24 * 60)]
    )
    """Minutes without a page being opened; 0: only the end of the session itself, two weeks after sign-in."""
    limited_sign_in = models.BooleanField(_("Lost second factors"), default=True)
    """Whether people whose second factor is what they lost may lock, mark lost and locate with their password alone."""
    console_factor = models.BooleanField(_("A second factor for every role in the console"), default=True)
    """Whether administrators, helpdesk and auditors need one (`role_factors`)."""

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "minimum_length": looser.LOWER,
        "classes": looser.LOWER,
        "history": looser.LOWER,
        "expires_after_days": looser.HIGHER_OR_NONE,
        "idle_minutes": looser.HIGHER_OR_NONE,
        "limited_sign_in": looser.HIGHER,
        "console_factor": looser.LOWER,
    }

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_set_of_sign_in_rules"),
            models.CheckConstraint(
                condition=models.Q(minimum_length__gte=8, minimum_length__lte=64), name="passwords_of_a_sane_length"
            ),
        ]


class ApprovalRules(models.Model):
    """When a change waits for a second administrator: a single row."""

    MOST: ClassVar[int] = 1_000_000

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    from_devices = models.PositiveIntegerField(
        _("Registered devices"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """Nothing waits while fewer are registered."""
    batch_devices = models.PositiveIntegerField(
        _("Locked or retired at once"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """How many devices one person may lock, or retire, in batches of 24 hours without another's word."""
    configuration_devices = models.PositiveIntegerField(
        _("Reached by a configuration"), default=10, validators=[MaxValueValidator(MOST)]
    )
    """How many devices one person may make something new reach within 24 hours without another's word: by changing
    configurations, and by putting people into groups."""

    LOOSER: ClassVar[Mapping[str, looser.Direction]] = {
        "from_devices": looser.HIGHER,
        "batch_devices": looser.HIGHER,
        "configuration_devices": looser.HIGHER,
    }

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_set_of_approval_rules")]


class Approval(models.Model):
    """A change that waits for another administrator, or waited: see `accounts.approvals`."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Carried out")
        """Somebody allowed it, or nobody stopped it in time."""
        STOPPED = "stopped", _("Stopped")
        """By somebody, by another change of the same thing, or because nobody decided in time."""
        FAILED = "failed", _("Failed")
        """It could no longer be carried out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32)
    """A name of `approvals.MATTERS`."""
    what = models.CharField(max_length=200)
    """What it would change, such as “policy:” with an id. Of two changes of the same thing the later replaces the
    earlier."""
    subject = LineField(max_length=200)
    """The name of that thing."""
    arguments = models.JSONField(default=dict)
    """What the change is made of, and what was there before. No secrets."""
    enclosure = models.BinaryField(null=True)
    """Sealed: what else the change is made of, such as a file with a private key. Gone once it is decided."""
    asker_id = models.CharField(max_length=64)
    asker_name = LineField(max_length=200)
    address = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    """When it is carried out by itself, or dropped, by its kind."""
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    decided_at = models.DateTimeField(null=True)
    decided_by = LineField(max_length=200, blank=True)
    """The name of who decided; empty: nobody did in time."""
    reason = models.CharField(max_length=500, blank=True)
    """Theirs, or why it could not be carried out."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["what"], condition=models.Q(state="waiting"), name="one_change_of_a_thing_waits"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "done", "stopped", "failed"]), name="known_state_of_approval"
            ),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(state="waiting"), name="approvals_that_wait"),
            models.Index(fields=["decided_at"], name="approvals_by_decision"),
        ]


class ReachedDevice(models.Model):
    """A device that somebody has lately made something new reach without another's word: see `approvals.may_reach`."""

    actor_id = models.CharField(max_length=64)
    device_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor_id", "device_id"], name="a_device_reached_once")]


class FormerPassword(models.Model):
    """A hash that may not come back, kept only while the rules remember passwords."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="former_passwords")
    password = models.CharField(max_length=128)
    ended_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["person", "-id"], name="newest_former_passwords")]


class EmailChange(models.Model):
    """A person on the way to another address. It takes effect when the link that went to the new address is followed,
    and can be undone for a week with the one that went to the old address. Links are kept as digests only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="email_changes")
    old_email = models.EmailField()
    old_key = AddressKey(of="old_email", max_length=addresses.LONGEST, editable=False)
    new_email = models.EmailField()
    confirm_digest = models.CharField(max_length=64, unique=True)
    undo_digest = models.CharField(max_length=64, unique=True)
    asked_at = models.DateTimeField()
    confirm_until = models.DateTimeField()
    undo_until = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    """When it was dropped, replaced or undone: from then on the address is no longer changed by either link."""
    password = models.CharField(max_length=128, blank=True)
    """The hash of the password when the change was asked for, as proof once it is undone: whoever changed the address
    may have changed the password as well. Emptied when the change can no longer be undone."""
    demands_factor = models.BooleanField(default=False)
    """It was asked for with a second factor that the person had had for some time, so its undo takes one, too."""
    undone_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    """When its owner proved who they are and decided about what had been set aside."""

    class Meta:
        indexes = [models.Index(fields=["person", "-asked_at"], name="email_changes_of_a_person")]


class FactorCounter(models.Model):
    """The highest number that a second factor has shown: the step of an app's code, or how often a passkey says that it
    has signed. It only ever rises, by one UPDATE that asks for the old one, so that of two who show the same number at
    once, in whatever process, one is refused."""

    factor = models.OneToOneField(
        "mfa.Authenticator", on_delete=models.CASCADE, primary_key=True, related_name="counter"
    )
    number = models.BigIntegerField()

    @staticmethod
    def raise_to(factor_id: int, number: int, *, start: int = -1) -> bool:
        """Whether this is more than there was; it is what there is from now on. `start` is what there was where nothing
        has been kept yet."""
        rows = FactorCounter.objects
        rows.bulk_create([FactorCounter(factor_id=factor_id, number=start)], ignore_conflicts=True)
        return bool(rows.filter(factor_id=factor_id, number__lt=number).update(number=number))


class SetAsideFactor(models.Model):
    """A second factor that opens nothing for now: it was added around the time of a change of address that has been
    undone. It is a row of its own, not a mark on django-allauth's, so that nothing there can take it for a live one."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="set_aside_factors")
    type = models.CharField(max_length=20)
    """One of django-allauth's `Authenticator.Type`."""
    data = models.JSONField()
    """As django-allauth keeps it, with its sealed values."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    set_aside_at = models.DateTimeField()


class FactorRemoval(models.Model):
    """Second factors that somebody who forgot their password does not have, on the way out: they are removed after a
    week in which every address known of the person is mailed daily, unless one of them is used."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="factor_removals")
    factors = models.JSONField()
    """Primary keys of django-allauth's authenticators."""
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    told_at = models.DateTimeField()
    """The last mail about it."""
    ended_at = models.DateTimeField(null=True)
    """When the factors were removed, or one of the person's factors was used and they stay."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=models.Q(ended_at=None), name="one_factor_removal_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["ended_at", "due_at"], name="factor_removals_by_end")]


class Attempts(models.Model):
    """How often something was tried within a stretch of time: guesses at a password, mails asked for.

    A row and not a value of the cache, because two processes must never both see the old number: it is raised by one
    UPDATE."""

    key = models.CharField(max_length=64, primary_key=True)
    """A keyed digest of what is counted: no address or network is kept."""
    number = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ends_at"], name="attempts_by_end")]
