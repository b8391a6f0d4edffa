"""The console's forms: what is typed, and the words beside it. What is allowed is for the verbs to say."""

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.utils.translation import gettext_lazy as _

from mydevices import names
from mydevices.accounts import providers, rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.fields import AddressField
from mydevices.accounts.models import Person, Provider
from mydevices.accounts.rights import Right
from mydevices.actions import Says
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device
from mydevices.errors import Invalid
from mydevices.port.actions import LONGEST_MESSAGE, LONGEST_PHONE
from mydevices.presentation.access import plain
from mydevices.registration.invitees import LONGEST_NAME

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

OWN_BLUE = "#1b54c0"


def _why(help_text: "StrPromise", *, required: bool = True) -> forms.CharField:
    """Why somebody does or decides something that concerns others. `help_text` says who reads it."""
    return forms.CharField(
        label=_("Why"), required=required, max_length=300, help_text=help_text, validators=[names.validate]
    )


def _message(label: "StrPromise") -> forms.CharField:
    """What stands on the screen of a device that is locked or lost."""
    return forms.CharField(
        label=label, required=False, max_length=LONGEST_MESSAGE, widget=forms.Textarea(attrs={"rows": 2})
    )


def _phone_number() -> forms.CharField:
    """What stands below the message, to be called."""
    return forms.CharField(
        label=_("Phone number to call"),
        required=False,
        max_length=LONGEST_PHONE,
        widget=forms.TextInput(attrs={"type": "tel"}),
    )


class OrganisationForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=120, help_text=_("Stands in sentences: “Aldermoor can see”, “Aldermoor’s phone”.")
    )
    helpdesk_name = forms.CharField(
        label=_("Name of the helpdesk"), max_length=120, required=False, help_text=_("As people know it.")
    )
    helpdesk_phone = forms.CharField(
        label=_("Its phone number"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel"}),
        help_text=_("At the foot of each page, and where something is refused."),
    )
    helpdesk_email = forms.EmailField(label=_("Its e-mail address"), required=False)


class BrandForm(forms.Form):
    own_accent = forms.BooleanField(label=_("A colour of our own"), required=False)
    accent = forms.CharField(
        label=_("Colour of buttons and links"),
        max_length=7,
        required=False,
        widget=forms.TextInput(attrs={"type": "color"}),
        help_text=_("Made a little darker or lighter wherever it could not be read."),
    )
    language = forms.ChoiceField(
        label=_("Language of mails"), required=False, help_text=_("To people who have not chosen one.")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["language"]
        if isinstance(field, forms.ChoiceField):
            field.choices = settings.LANGUAGES


class SignInRulesForm(forms.Form):
    minimum_length = forms.IntegerField(
        label=_("Shortest password"),
        min_value=8,
        max_value=64,
        help_text=_(
            "In characters. Use 15 where people may sign in with a password alone. Passwords known from "
            "breaches are refused at any length."
        ),
    )
    classes = forms.IntegerField(
        label=_("Kinds of characters"),
        min_value=0,
        max_value=4,
        help_text=_(
            "How many of these a password needs: small letters, capital letters, digits, others. Length helps more, so "
            "leave it at 0."
        ),
    )
    history = forms.IntegerField(
        label=_("Earlier passwords that are refused"), min_value=0, max_value=10, help_text=_("0 refuses none.")
    )
    expires_after_days = forms.IntegerField(
        label=_("Days after which a password expires"),
        min_value=0,
        max_value=3650,
        help_text=_("0 is never, as NIST advises. People get a mail a week before."),
    )
    idle_minutes = forms.IntegerField(
        label=_("Minutes of inactivity before sign-out"),
        min_value=0,
        max_value=14 * 24 * 60,
        help_text=_("0 signs people out only two weeks after they signed in."),
    )
    console_factor = forms.BooleanField(
        label=_("Administrators, helpdesk and auditors need a second factor"),
        required=False,
        help_text=_(
            "From their second sign-in, and 24 hours after the first at the latest. When you switch this on, those who "
            "have none get a mail and a week’s time. People who sign in with a provider prove it there."
        ),
    )
    limited_sign_in = forms.BooleanField(
        label=_("People who lost their second factor can lock and locate with their password alone"),
        required=False,
        help_text=_(
            "For half an hour, and nothing else: no wipe, no unlock, no account. It’s never open to administrators, "
            "helpdesk and auditors. The person gets a mail."
        ),
    )


class InvitationRulesForm(forms.Form):
    good_for_days = forms.IntegerField(
        label=_("Days that an invitation is good"),
        min_value=1,
        max_value=365,
        help_text=_("Counts for invitations that are sent from now on."),
    )
    remind_every_days = forms.IntegerField(
        label=_("Days until a reminder"),
        min_value=0,
        max_value=365,
        help_text=_("After the invitation, and after each reminder. 0: nobody is reminded."),
    )
    reminders = forms.IntegerField(label=_("Reminders at most"), min_value=0, max_value=10)


class PersonForm(forms.Form):
    """A person as administrators may change them. Who is managed by a provider has their name from there; nobody
    changes their own role."""

    name = forms.CharField(label=_("Name"), max_length=120)
    role = forms.ChoiceField(
        label=_("Role"),
        choices=Person.Role.choices,
        widget=forms.RadioSelect,
        help_text=_("What they may do in the console, for others."),
    )
    groups = forms.ModelMultipleChoiceField(
        label=_("Groups"),
        queryset=accounts.all_groups().order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, is_self: bool, is_kept: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if is_self:
            del self.fields["role"]
        if is_kept:
            del self.fields["name"]


class OwnershipForm(forms.Form):
    """Why a device becomes its owner's own, or the organisation's. `becomes` is what the page spoke of: it may have
    been changed meanwhile."""

    becomes = forms.ChoiceField(choices=Device.Ownership.choices, widget=forms.HiddenInput)
    reason = _why(_("Its owner reads it in their history and by mail, with your name."))


class ActForm(forms.Form):
    """What somebody asks of a device that is not theirs. Something may, or has to, stand on its screen (`says`); what
    takes something away is confirmed by the device's name."""

    message = _message(_("Message on its screen"))
    phone_number = _phone_number()
    reason = _why(_("Its owner reads it in their history, with your name."))
    typed = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, expected: str, says: Says, takes: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.expected = expected
        self.must_say = says is Says.SOMETHING
        if says is Says.NOTHING:
            del self.fields["message"], self.fields["phone_number"]
        if takes:
            self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": expected}
            self.fields["typed"].widget.attrs["data-typed"] = expected
        else:
            del self.fields["typed"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # device.lostmode.enable.yaml: one of the two at least.
        if self.must_say and not self.errors and not cleaned.get("message") and not cleaned.get("phone_number"):
            self.add_error("message", _("Give a message or a phone number, so that whoever finds it knows what to do."))
        return cleaned

    def clean_typed(self) -> str:
        name: str = self.cleaned_data["typed"]
        if plain(name) != plain(self.expected):
            raise forms.ValidationError(_("That is not its name. It is called “%(name)s”.") % {"name": self.expected})
        return name


class ReasonForm(forms.Form):
    """Why somebody looks at what is not theirs."""

    reason = _why(_("Its owner reads it in their history, with your name."))


class DecisionForm(forms.Form):
    """Whether a wipe beyond the limits may go. `decision` is the button that was pressed."""

    decision = forms.ChoiceField(
        choices=[("approve", _("Allow wipe")), ("refuse", _("Refuse wipe"))], widget=forms.HiddenInput
    )
    reason = _why(
        _("You need a reason to refuse. It goes by mail, with your name, to whoever asked for the wipe."),
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("decision") == "refuse" and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", _("Say why. Whoever asked for it gets your reason by mail."))
        return cleaned


class ApprovalForm(forms.Form):
    """Whether a change that waits may happen. `decision` is the button that was pressed."""

    decision = forms.ChoiceField(choices=[("approve", _("Allow")), ("stop", _("Stop"))], widget=forms.HiddenInput)
    reason = _why(
        _("Goes by mail, with your name, to whoever asked for it. You need a reason to stop somebody else’s change."),
        required=False,
    )


class ApprovalRulesForm(forms.Form):
    from_devices = forms.IntegerField(
        label=_("Registered devices before anything waits"),
        min_value=0,
        max_value=1_000_000,
        help_text=_("With fewer devices than this, nothing waits. 0 means always."),
    )
    batch_devices = forms.IntegerField(
        label=_("Devices that one person can lock or retire at once"),
        min_value=0,
        max_value=1_000_000,
        help_text=_(
            "Counted over 24 hours. Beyond it, a list of devices to lock waits for 15 minutes at most, and then goes. "
            "A list to retire waits for a week, and is then dropped; one device at a time is refused."
        ),
    )
    configuration_devices = forms.IntegerField(
        label=_("Devices that one person can make something new reach"),
        min_value=0,
        max_value=1_000_000,
        help_text=_(
            "By configurations and by groups, counted over 24 hours: devices that are new to it, or all of them if its "
            "content changes. Beyond it, the change waits for a day at most."
        ),
    )


class BatchForm(forms.Form):
    """What somebody asks of many devices."""

    message = _message(_("Message on their screens"))
    phone_number = _phone_number()
    reason = _why(_("Each owner reads it in their history, with your name."))
    typed = forms.CharField(
        max_length=10, widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"})
    )

    def __init__(self, *args: Any, number: int, says: Says, takes: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.number = number
        if says is Says.NOTHING:
            del self.fields["message"], self.fields["phone_number"]
        if takes:
            self.fields["typed"].label = _("Type the number of devices, %(number)d, to confirm") % {"number": number}
            self.fields["typed"].widget.attrs["data-typed"] = str(number)
        else:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"].strip()
        if typed != str(self.number):
            raise forms.ValidationError(_("That is not how many they are: %(number)d."), params={"number": self.number})
        return typed


class CrowdForm(forms.Form):
    """What is asked before something is done to many people: a group, where it is about one."""

    group = forms.ModelChoiceField(
        label=_("Group"), queryset=accounts.all_groups().none(), empty_label=_("Choose a group")
    )

    def __init__(self, *args: Any, names_group: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if names_group:
            field = self.fields["group"]
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = accounts.all_groups().order_by("name")
        else:
            del self.fields["group"]


class GroupForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120)
    description = forms.CharField(label=_("Description"), max_length=300, required=False)
    factor = forms.BooleanField(
        label=_("Its members need a second factor"),
        required=False,
        help_text=_("A passkey or an authenticator app. They have a week to add one; after that nothing else opens."),
    )
    open_to_helpdesk = forms.BooleanField(
        label=_("The helpdesk may invite people into it"),
        required=False,
        help_text=_(
            "Members get whatever is assigned to the group, such as accounts and keys that they share. Leave it off "
            "where not everybody whom the helpdesk invites should have that."
        ),
    )


class LogoForm(forms.Form):
    logo = forms.FileField(
        label=_("Logo"),
        validators=[FileExtensionValidator(["png"])],
        widget=forms.FileInput(attrs={"accept": "image/png"}),
        help_text=_("A PNG picture of up to 200 kB, on a transparent ground. Shown 28 pixels high."),
    )


if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Provider]
else:  # Django’s own class takes no type before it runs
    ModelForm = forms.ModelForm


class MailForm(forms.Form):
    host = forms.CharField(label=_("Server"), max_length=253, help_text=_("Such as mail.example.org."))
    encryption = forms.ChoiceField(
        label=_("Encryption"),
        choices=[
            ("starttls", _("STARTTLS, asked for after the greeting")),
            ("tls", _("TLS from the first byte")),
            ("none", _("None")),
        ],
    )
    port = forms.IntegerField(
        label=_("Port"),
        required=False,
        min_value=1,
        max_value=65535,
        help_text=_("Left empty: 587 with STARTTLS, 465 with TLS, 25 with none."),
    )
    user = forms.CharField(
        label=_("User"), required=False, max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Left empty: the one that is kept stays."),
    )
    mail_from = forms.CharField(
        label=_("Mails come from"),
        max_length=320,
        help_text=_("An e-mail address, alone or as Name <address>."),
    )


class ProviderForm(ModelForm):
    issuer = forms.URLField(
        label=_("Issuer"),
        max_length=300,
        assume_scheme="https",
        help_text=_("The address before /.well-known/openid-configuration."),
    )
    secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    groups = forms.CharField(
        label=_("Groups of another name"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("A line each: value of the claim = name of the group here. Equal names need no line."),
    )

    domains = forms.CharField(
        label=_("Domains of its addresses"),
        required=False,
        max_length=2000,
        help_text=_(
            "Separated by commas: example.org, example.net. Somebody with such an address is given the account that is "
            "here already, once they have proved it. Empty: nobody is."
        ),
    )
    ends = forms.IntegerField(required=False)
    """How many links end with the present issuer, as the page said: a box beside it that was ticked."""

    class Meta:
        model = Provider
        fields = (
            "name",
            "id",
            "issuer",
            "client_id",
            "groups_claim",
            "makes_people",
            "vouches_for_addresses",
            "is_required",
            "is_enabled",
        )
        labels = {
            "name": _("Name"),
            "id": _("Part of its address here"),
            "client_id": _("Client ID"),
            "groups_claim": _("Claim with groups"),
            "makes_people": _("Whoever signs in there gets an account here"),
            "vouches_for_addresses": _("Its e-mail addresses are its people’s own"),
            "is_required": _("Everybody signs in there"),
            "is_enabled": _("In use"),
        }
        help_texts = {
            "name": _("Stands on the button: “Continue with ...”."),
            "id": _("Small letters, digits and hyphens. It cannot be changed later."),
            "groups_claim": _("Empty: groups are given here."),
            "makes_people": _("Otherwise only those who were invited."),
            "vouches_for_addresses": _("Even where it does not say email_verified, such as Entra ID."),
            "is_required": _("Passwords are then for administrators only, for the day it is down."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        kept = self.instance.client_secret is not None
        if not self.instance._state.adding:  # noqa: SLF001  Django's own word for whether a row exists
            del self.fields["id"]
            self.initial["groups"] = "\n".join(f"{value} = {name}" for value, name in self.instance.group_names.items())
        self.fields["secret"].help_text = _("One is kept. Leave empty to keep it.") if kept else ""
        self.initial["domains"] = ", ".join(self.instance.domains)

    def clean_domains(self) -> list[str]:
        try:
            return providers.domains([one for one in re.split(r"[\s,;]+", self.cleaned_data["domains"]) if one])
        except Invalid as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean_groups(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.cleaned_data["groups"].splitlines():
            if not line.strip():
                continue
            value, equals, name = (part.strip() for part in line.rpartition("="))
            if not (value and equals and name):
                raise forms.ValidationError(_("“%(line)s” is not “value = group”."), params={"line": line.strip()})
            found[value] = name
        return found


class InviteForm(forms.Form):
    """One person to invite."""

    name = forms.CharField(
        label=_("Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = AddressField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    groups = forms.ModelMultipleChoiceField(
        label=_("Groups"), queryset=accounts.all_groups().none(), required=False, widget=forms.CheckboxSelectMultiple
    )
    language = forms.ChoiceField(label=_("Language of the mail"), required=False)

    def __init__(self, *args: Any, actor: Actor, **options: Any) -> None:
        super().__init__(*args, **options)
        groups, language = self.fields["groups"], self.fields["language"]
        if not isinstance(groups, forms.ModelMultipleChoiceField) or not isinstance(language, forms.ChoiceField):
            raise TypeError(self.fields)
        groups.queryset = accounts.all_groups().order_by("name")
        if Right.MANAGE_PEOPLE not in rights.of(actor):
            groups.queryset = groups.queryset.filter(open_to_helpdesk=True)
        language.choices = [("", _("The organisation’s")), *settings.LANGUAGES]


class ListForm(forms.Form):
    """A file with people to invite."""

    file = forms.FileField(
        label=_("CSV file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
        validators=[FileExtensionValidator(["csv", "txt"])],
    )
