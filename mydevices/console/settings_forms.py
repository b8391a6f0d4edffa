"""What administrators type on the pages of settings. Forms check shapes only: rules are the verbs'."""

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import providers
from mydevices.accounts.models import Provider
from mydevices.errors import Invalid

OWN_BLUE = "#1b54c0"


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
