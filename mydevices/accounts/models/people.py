"""People and their groups."""

import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
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


def normalised(password: str) -> str:
    """NFKC, so that a password typed on another keyboard is the same one (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


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
