"""The forms of configurations, one per kind, with the fields in the order and the groups in which administrators know
them from other consoles. A kind checks itself; a form lays it out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from django import forms
from django.core.validators import FileExtensionValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mydevices.configurations import selectors as configurations
from mydevices.configurations.kinds.email import Email
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.configurations.kinds.web_clip import WebClip
from mydevices.configurations.models import Configuration
from mydevices.console.policy_forms import KindForm
from mydevices.port.platform import PLATFORMS

_VARIABLES: Final = _("Variables are filled in for each person.")


def _text(label: Any, *, required: bool = False, longest: int = 255, help_text: Any = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=required, max_length=longest, help_text=help_text, widget=widget)


def _tick(label: Any, help_text: Any = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, help_text=help_text)


def _port(label: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=1, max_value=65535, help_text=_("Empty: the usual one.")
    )


class ConfigurationForm(KindForm):
    """What stands beside a kind's values, on top of the fields of the kind."""

    about = forms.CharField(
        label=_("Description"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )
    enabled = forms.BooleanField(label=_("It is sent to devices"), required=False, initial=True)

    def __init__(self, *args: Any, present: Configuration | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.present = present
        for _title, names in self.layout:
            if not self._shared_readers(names):
                for name in names:
                    self.fields[name].label = _with_readers(self.fields[name].label, self._readers(name))

    @property
    def file_field(self) -> forms.BoundField | None:
        """A field for a file, which is kept beside the values."""
        return None

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """What some devices alone read says so: in the title where the whole section is read by them, or else in each
        label."""
        return [
            (_with_readers(title, self._shared_readers(names)), [self[name] for name in names])
            for title, names in self.layout
        ]

    def _shared_readers(self, names: Sequence[str]) -> tuple[str, ...]:
        """Whose devices alone read each of these fields; nothing where they differ."""
        of = {self._readers(name) for name in names}
        return of.pop() if len(of) == 1 else ()

    def _readers(self, name: str) -> tuple[str, ...]:
        """Whose devices alone read this field; nothing where all do, of those that are sent this kind at all."""
        every = [reader for platform in PLATFORMS.values() for reader in platform.readers]
        sent = [reader for reader in every if self.kind.name() in reader.fields]
        reading = [reader for reader in sent if name in reader.fields[self.kind.name()]]
        return tuple(str(reader.name) for reader in reading) if reading and len(reading) < len(sent) else ()


def _with_readers(text: object, readers: Sequence[str]) -> str:
    if not readers:
        return str(text)
    return gettext("%(text)s (%(devices)s)") % {"text": text, "devices": gettext(", ").join(readers)}


class WebClipForm(ConfigurationForm):
    kind = WebClip
    layout = (
        (_("Web clip"), ("label", "url", "removable")),
        (
            _("How it opens"),
            ("full_screen", "ignore_manifest_scope", "target_application", "precomposed"),
        ),
    )

    label = _text(_("Label"), required=True, longest=100, help_text=_("Below the icon. Short labels are shown whole."))
    url = _text(_("URL"), required=True, longest=2000, help_text=_VARIABLES)
    removable = _tick(_("People may remove it"))
    full_screen = _tick(_("Full screen"), _("Without Safari’s bars."))
    ignore_manifest_scope = _tick(_("In full screen, pages of other addresses stay in it"))
    target_application = _text(
        _("Target application"), help_text=_("The bundle identifier of the app that opens it. Empty: Safari.")
    )
    precomposed = _tick(_("Show the icon without added effects"))
    icon = forms.FileField(
        label=_("Icon"),
        required=False,
        validators=[FileExtensionValidator(["png"])],
        widget=forms.FileInput(attrs={"accept": "image/png"}),
        help_text=_("A PNG picture of up to 1 MB, square, best 400 pixels wide. Empty: the present one stays."),
    )
    no_icon = _tick(_("No icon"))

    @property
    def file_field(self) -> forms.BoundField:
        return self["icon"]


class IdentityForm(ConfigurationForm):
    kind = IdentityCertificate
    layout = (
        (_("Certificate"), ("source", "purpose")),
        (_("What happens to the private key"), ("delete_key_after", "key_download", "all_apps")),
    )

    source = forms.ChoiceField(
        label=_("Source"),
        widget=forms.RadioSelect,
        choices=[
            ("user_provided", _("User provided: each person uploads their own")),
            ("single_file", _("Single file: one certificate for everybody")),
        ],
    )
    purpose = forms.ChoiceField(
        label=_("Purpose"),
        widget=forms.RadioSelect,
        choices=[
            ("signing", _("Signing")),
            ("encryption", _("Encryption")),
            ("both", _("Signing and encryption")),
        ],
    )
    delete_key_after = forms.IntegerField(
        label=_("Delete the private key after days"),
        required=False,
        min_value=1,
        max_value=30,
        help_text=_("1 to 30, counted from the upload. Empty: it is kept, sealed."),
    )
    key_download = _tick(_("People may download their certificate with its private key"))
    all_apps = _tick(_("Allow all apps to use the private key"))
    file = forms.FileField(
        label=_("Certificate file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".p12,.pfx,application/x-pkcs12"}),
        help_text=_("With a single file: a .p12 or .pfx file. Empty: the present one stays."),
    )
    password = forms.CharField(
        label=_("Password of the file"),
        required=False,
        strip=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Used once to open the file, and not kept."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.present is not None:
            self.fields["source"].disabled = True

    @property
    def file_field(self) -> forms.BoundField:
        return self["file"]


class AccountForm(ConfigurationForm):
    """What both kinds of accounts ask: S/MIME, and what happens to messages."""

    SMIME = (
        (
            _("S/MIME signing"),
            ("smime_signing", "signing_type", "signing_user_may_switch", "signing_user_may_choose"),
        ),
        (
            _("S/MIME encryption"),
            (
                *("smime_encryption", "encryption_type", "encrypt_by_default", "encryption_user_may_switch"),
                *("encryption_user_may_choose", "per_message_switch"),
            ),
        ),
    )
    RULES = ((_("Messages"), ("prevent_move", "only_in_mail", "keep_recents", "allow_mail_drop")),)

    email_address = _text(_("E-mail address"), required=True, help_text=_VARIABLES)
    smime_signing = _tick(_("S/MIME signing"))
    signing_type = forms.ChoiceField(label=_("Signing certificate"), required=False)
    signing_user_may_switch = _tick(_("People may turn signing on and off"))
    signing_user_may_choose = _tick(_("People may choose which identity signs"))
    smime_encryption = _tick(_("S/MIME encryption"))
    encryption_type = forms.ChoiceField(label=_("Encryption certificate"), required=False)
    encrypt_by_default = _tick(_("Encrypt by default"))
    encryption_user_may_switch = _tick(_("People may change whether to encrypt by default"))
    encryption_user_may_choose = _tick(_("People may choose which identity encrypts"))
    per_message_switch = _tick(_("A switch for encryption on each message"))
    prevent_move = _tick(_("Messages cannot be moved to other accounts"))
    only_in_mail = _tick(_("Other apps cannot send with this account"))
    keep_recents = _tick(_("Recently used addresses are kept on all devices of the person"))
    allow_mail_drop = _tick(_("Mail Drop for large attachments"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        kept = configurations.of_kind(IdentityCertificate)
        known = [(str(one.id), one.name, IdentityCertificate.read(one.values)) for one in kept]
        for name, purpose in (("signing_type", "signing"), ("encryption_type", "encryption")):
            fitting = [(key, title) for key, title, of in known if of.is_user_provided and of.fits(purpose)]
            self._offer(name, fitting)
        if "login_identity" in self.fields:
            self._offer("login_identity", [(key, title) for key, title, _of in known])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast("forms.ChoiceField", self.fields[name])
        field.choices = [("", _("None")), *choices]


class ExchangeForm(AccountForm):
    kind = Exchange
    layout = (
        (_("Account"), ("host", "ssl", "domain", "user_name", "email_address", "past_days")),
        (_("Signing in"), ("oauth", "oauth_sign_in_url", "oauth_token_url", "login_identity")),
        *AccountForm.SMIME,
        (
            _("What the account brings"),
            (
                *("mail", "contacts", "calendars", "reminders", "notes"),
                *("mail_user_may_switch", "contacts_user_may_switch", "calendars_user_may_switch"),
                *("reminders_user_may_switch", "notes_user_may_switch", "audio_call_application"),
            ),
        ),
        (
            _("Addresses of the server"),
            ("port", "path", "external_host", "external_port", "external_path", "external_ssl"),
        ),
        *AccountForm.RULES,
    )

    host = _text(_("Exchange server"), help_text=_("Such as mail.example.org. With OAuth it may be left empty."))
    ssl = _tick(_("Use SSL"))
    domain = _text(_("Domain"), help_text=_("Stands before the user name, where the server wants that."))
    user_name = _text(_("User name"), required=True, help_text=_VARIABLES)
    past_days = forms.TypedChoiceField(
        label=_("Past days of mail to sync"),
        coerce=int,
        choices=[
            (0, _("All of it")),
            (1, _("One day")),
            (3, _("Three days")),
            (7, _("One week")),
            (14, _("Two weeks")),
            (31, _("One month")),
        ],
    )
    oauth = _tick(_("Sign in on a web page (OAuth)"))
    oauth_sign_in_url = _text(_("OAuth sign-in URL"), longest=2000, help_text=_("Empty: the device finds it."))
    oauth_token_url = _text(_("OAuth token request URL"), longest=2000, help_text=_("Empty: the device finds it."))
    login_identity = forms.ChoiceField(label=_("Identity certificate that signs in"), required=False)
    mail = _tick(_("Mail"))
    contacts = _tick(_("Contacts"))
    calendars = _tick(_("Calendars"))
    reminders = _tick(_("Reminders"))
    notes = _tick(_("Notes"))
    mail_user_may_switch = _tick(_("People may switch mail"))
    contacts_user_may_switch = _tick(_("People may switch contacts"))
    calendars_user_may_switch = _tick(_("People may switch calendars"))
    reminders_user_may_switch = _tick(_("People may switch reminders"))
    notes_user_may_switch = _tick(_("People may switch notes"))
    audio_call_application = _text(
        _("App for calls to its contacts"), help_text=_("A bundle identifier. Empty: the phone’s own.")
    )
    port = _port(_("Port"))
    path = _text(_("Path"))
    external_host = _text(_("External server"))
    external_port = _port(_("External port"))
    external_path = _text(_("External path"))
    external_ssl = _tick(_("Use SSL for the external server"))


_WAYS: Final = [
    ("none", _("None")),
    ("password", _("Password")),
    ("cram_md5", "CRAM-MD5"),
    ("ntlm", "NTLM"),
    ("http_md5", "HTTP MD5"),
]


class EmailForm(AccountForm):
    kind = Email
    layout = (
        (_("Account"), ("protocol", "description", "full_name", "email_address", "imap_path_prefix")),
        (
            _("Incoming mail"),
            ("incoming_host", "incoming_port", "incoming_ssl", "incoming_user_name", "incoming_authentication"),
        ),
        (
            _("Outgoing mail"),
            ("outgoing_host", "outgoing_port", "outgoing_ssl", "outgoing_user_name", "outgoing_authentication"),
        ),
        *AccountForm.SMIME,
        *AccountForm.RULES,
    )

    protocol = forms.ChoiceField(
        label=_("Account type"), widget=forms.RadioSelect, choices=[("imap", "IMAP"), ("pop", "POP")]
    )
    description = _text(_("Account description"), help_text=_("Empty: the name of this configuration."))
    full_name = _text(_("User display name"), help_text=_VARIABLES)
    imap_path_prefix = _text(_("IMAP path prefix"))
    incoming_host = _text(_("Mail server"), required=True)
    incoming_port = _port(_("Port"))
    incoming_ssl = _tick(_("Use SSL"))
    incoming_user_name = _text(_("User name"), help_text=_VARIABLES)
    incoming_authentication = forms.ChoiceField(label=_("Authentication"), choices=_WAYS)
    outgoing_host = _text(_("Mail server"), required=True)
    outgoing_port = _port(_("Port"))
    outgoing_ssl = _tick(_("Use SSL"))
    outgoing_user_name = _text(_("User name"), help_text=_VARIABLES)
    outgoing_authentication = forms.ChoiceField(label=_("Authentication"), choices=_WAYS)


FORMS: Final[Mapping[str, type[ConfigurationForm]]] = {
    form.kind.name(): form for form in (IdentityForm, ExchangeForm, EmailForm, WebClipForm)
}
