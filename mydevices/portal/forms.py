from django import forms
from django.utils.translation import gettext_lazy as _

from mydevices.devices.models import Device
from mydevices.registration.models import Ticket


class LockForm(forms.Form):
    """What stands on the locked screen. Lengths are what a lock screen shows without cutting."""

    message = forms.CharField(
        label=_("Message on its screen"),
        required=False,
        max_length=200,
        help_text=_("For whoever has it in their hands."),
    )
    phone_number = forms.CharField(
        label=_("Phone number to call"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )


class TypedNameForm(forms.Form):
    """A wipe is confirmed by typing the device's name."""

    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: object, expected: str, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  passed on to Django
        self.expected = expected
        self.fields["name"].label = _("Type “%(name)s” to confirm") % {"name": expected}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if _plain(name) != _plain(self.expected):
            raise forms.ValidationError(_("That is not its name. It is called “%(name)s”.") % {"name": self.expected})
        return name


def _plain(name: str) -> str:
    """A keyboard's straight apostrophe stands for the curly one, and capital letters and spaces do not matter."""
    return " ".join(name.replace("’", "'").split()).casefold()


class RegisterForm(forms.Form):
    intended = forms.ChoiceField(label=_("Which device is it?"), choices=Ticket.Intended.choices, widget=forms.RadioSelect)
    ownership = forms.ChoiceField(label=_("Whose is it?"), choices=Device.Ownership.choices, widget=forms.RadioSelect)


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class SetupForm(forms.Form):
    organisation = forms.CharField(label=_("Name of your organisation"), max_length=120)
    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("Ten characters or more. A sentence is a good one."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
