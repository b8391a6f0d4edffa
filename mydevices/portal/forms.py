from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import passwords, selectors
from mydevices.accounts.fields import AddressField
from mydevices.accounts.models import Person
from mydevices.accounts.notices import Notice
from mydevices.devices.models import Device
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.port.actions import LONGEST_MESSAGE, LONGEST_PHONE
from mydevices.port.platform import device_kinds
from mydevices.presentation.access import plain


class LockForm(forms.Form):
    """What stands on the locked screen."""

    message = forms.CharField(
        label=_("Message on its screen"),
        required=False,
        max_length=LONGEST_MESSAGE,
        help_text=_("For whoever has it in their hands. You may leave both empty."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    phone_number = forms.CharField(
        label=_("Phone number to call"),
        required=False,
        max_length=LONGEST_PHONE,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )


class LostForm(LockForm):
    """What stands on the screen of a lost device: one of the two at least (device.lostmode.enable.yaml)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["message"].help_text = _("For whoever finds it.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("message") and not cleaned.get("phone_number"):
            raise forms.ValidationError(
                _("Give a message or a phone number, so that whoever finds it knows what to do.")
            )
        return cleaned


class PlaceForm(forms.Form):
    """What a browser says of where it is (Geolocation API): degrees and metres."""

    latitude = forms.FloatField(min_value=-90, max_value=90)
    longitude = forms.FloatField(min_value=-180, max_value=180)
    accuracy = forms.FloatField(min_value=0, required=False)


class TypedNameForm(forms.Form):
    """A wipe is confirmed by typing the device's name."""

    typed = forms.CharField(
        max_length=200,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false", "autofocus": True}
        ),
    )

    def __init__(self, *args: Any, expected: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.expected = expected
        field = self.fields["typed"]
        field.label = _("Type “%(name)s” to confirm") % {"name": expected}
        field.widget.attrs["data-typed"] = expected

    def clean_typed(self) -> str:
        name: str = self.cleaned_data["typed"]
        if plain(name) != plain(self.expected):
            raise forms.ValidationError(_("That is not its name. It is called “%(name)s”.") % {"name": self.expected})
        return name


HERE: Final = "here"
"""The answer “this device”: no kind of device is called so."""


class RegisterForm(forms.Form):
    """Which device, and whose, as far as the person's policy leaves a choice. Where the page is open on a device that
    can be registered, HERE is the first answer. `with_pin`: the person types their PIN as well."""

    which = forms.ChoiceField(label=_("Which device is it?"), widget=forms.RadioSelect)
    ownership = forms.ChoiceField(label=_("Whose is it?"), widget=forms.RadioSelect, initial=Device.Ownership.PERSONAL)
    pin = forms.CharField(
        label=_("Your registration PIN"),
        max_length=40,
        error_messages={"required": _("Type the PIN that came by mail.")},
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters"}),
    )

    def __init__(
        self,
        *args: Any,
        here: str,
        organisation: str,
        rules: RegistrationRules,
        with_pin: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        allowed = {name: kind for name, kind in device_kinds().items() if set(kind.systems) & set(rules.systems)}
        self.here = here if here in allowed else ""
        apart = [(name, kind.other if self.here else kind.one) for name, kind in allowed.items()]
        if self.here:
            apart.insert(0, (HERE, allowed[self.here].this))
        _choices(self.fields["which"]).choices = apart
        self.fields["which"].initial = apart[0][0]
        self.fixed_ownership = rules.fixed_ownership
        if self.fixed_ownership:
            del self.fields["ownership"]
        else:
            _choices(self.fields["ownership"]).choices = [
                (Device.Ownership.PERSONAL.value, _("My own")),
                (Device.Ownership.COMPANY.value, _("%(organisation)s’s") % {"organisation": organisation}),
            ]
        if not with_pin:
            del self.fields["pin"]

    def is_here(self) -> bool:
        return bool(self.cleaned_data["which"] == HERE)

    def intended(self) -> str:
        return self.here if self.is_here() else str(self.cleaned_data["which"])

    def ownership_given(self) -> str:
        return self.fixed_ownership or str(self.cleaned_data["ownership"])


class ProofForm(forms.Form):
    """Who registers, and what proves it: a password, a PIN or both. Which of them a person needs, their policy says;
    the page knows only which of them anybody needs, and asks everyone alike."""

    email = AddressField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    pin = forms.CharField(
        label=_("Registration PIN"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters"}),
    )

    def __init__(self, *args: Any, with_password: bool, with_pin: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not with_password:
            del self.fields["password"]
        if not with_pin:
            del self.fields["pin"]
        elif with_password:
            self.fields["password"].help_text = _("Leave empty what you were not given.")


class AskPinForm(forms.Form):
    email = AddressField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))


def _choices(field: forms.Field) -> forms.ChoiceField:
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(field)
    return field


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class SetupForm(forms.Form):
    organisation = forms.CharField(label=_("Name of your organisation"), max_length=120)
    name = forms.CharField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = AddressField(label=_("Your e-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        label=_("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["password"].help_text = passwords.described(selectors.sign_in_rules())


class FirstPasswordForm(forms.Form):
    password = forms.CharField(
        label=_("Choose a password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["password"].help_text = passwords.described(selectors.sign_in_rules())


class EmailForm(forms.Form):
    email = AddressField(
        label=_("New e-mail address"),
        help_text=_("A link goes there. Until you follow it, nothing changes."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class ForgottenForm(forms.Form):
    email = AddressField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "username"}))


class BeforeForm(forms.Form):
    """What proves that somebody had the account before its address was changed; each where there is such a thing."""

    before = forms.CharField(
        label=_("The password you had before the change"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label=_("Code from your authenticator app, or a recovery code"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, with_password: bool, with_code: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not with_password:
            del self.fields["before"]
        if not with_code:
            del self.fields["code"]


class NewPasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    again = forms.CharField(
        label=_("New password, once more"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["password"].help_text = passwords.described(selectors.sign_in_rules())

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise forms.ValidationError(_("These two are not the same."))
        return again


@cache
def time_zones() -> Sequence[str]:
    """The names to choose from: places, and UTC. Others that the database knows are old ways to write these."""
    aside = {"Etc", "SystemV", "US", "Canada", "Brazil", "Chile", "Mexico"}
    places = (name for name in available_timezones() if "/" in name and name.partition("/")[0] not in aside)
    return ("UTC", *sorted(places))


class PreferencesForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), required=False)
    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        help_text=_("Type a city, such as London. Empty: that of your browser."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    theme = forms.ChoiceField(label=_("Look"), required=False, choices=Person.Theme.choices, widget=forms.RadioSelect)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _choices(self.fields["language"]).choices = [("", _("As my browser asks")), *settings.LANGUAGES]

    def clean_time_zone(self) -> str:
        """A name as people type it: “london”, “new york”, “Europe/Berlin”."""
        typed = "_".join(str(self.cleaned_data["time_zone"]).split()).casefold()
        if not typed:
            return ""
        found = [name for name in time_zones() if typed in {name.casefold(), name.rpartition("/")[2].casefold()}]
        if len(found) != 1:
            raise forms.ValidationError(_("There is no such place in the list. Choose one of those near you."))
        return found[0]


class NoticesForm(forms.Form):
    wanted = forms.MultipleChoiceField(label=_("Write to me when"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["wanted"]
        if not isinstance(field, forms.MultipleChoiceField):
            raise TypeError(field)
        field.choices = [
            (Notice.CERTIFICATE_EXPIRES.value, _("a certificate of mine is about to expire")),
            (Notice.CERTIFICATE_KEY_ENDS.value, _("a private key of mine is about to be deleted here")),
        ]
