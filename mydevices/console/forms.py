"""What administrators type about people, devices, actions and invitations. Forms check shapes only: rules are the
verbs'."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.utils.translation import gettext_lazy as _

from mydevices import names
from mydevices.accounts import rights
from mydevices.accounts import selectors as accounts
from mydevices.accounts.fields import AddressField
from mydevices.accounts.models import Person
from mydevices.accounts.rights import Right
from mydevices.actions import Says
from mydevices.audit.actor import Actor
from mydevices.devices.models import Device
from mydevices.port.actions import LONGEST_MESSAGE, LONGEST_PHONE
from mydevices.presentation.access import plain
from mydevices.registration.invitees import LONGEST_NAME

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


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
