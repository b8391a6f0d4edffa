"""What people type and choose for their certificates."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from mydevices.certificates.models import Certificate
from mydevices.certificates.uploads import LARGEST, LONGEST_PASSWORD, SHORTEST_PASSWORD


def _file(*, required: bool) -> forms.FileField:
    return forms.FileField(
        label=_("Certificate to Upload"),
        required=required,
        allow_empty_file=True,  # its own message says what an empty one lacks
        help_text=_("A PKCS #12 file, .p12 or .pfx, with your certificate and its private key."),
        error_messages={"required": _("Choose the file to upload.")},
        widget=forms.FileInput(
            attrs={
                "accept": ".p12,.pfx,application/x-pkcs12",
                "data-largest": LARGEST,
                "data-too-large": _("The file is larger than 64 kB, and no file of one certificate is."),
            }
        ),
    )


def _password() -> forms.CharField:
    return forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1024,
        help_text=_("The one set when the file was exported. It is used once and never stored."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )


class AddForm(forms.Form):
    """A file for a type; `types` are ids with labels."""

    type = forms.ChoiceField(
        label=_("Certificate Type"), error_messages={"invalid_choice": _("There is no such type any more.")}
    )
    file = _file(required=True)
    password = _password()

    def __init__(self, *args: Any, types: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.fields["type"]
        if isinstance(chosen, forms.ChoiceField):
            chosen.choices = types


class EditForm(forms.Form):
    """Another file in place of the present one, or its owner's note."""

    file = _file(required=False)
    password = _password()
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=Certificate.LONGEST_NOTE,
        help_text=_("For yourself, such as where the file is kept. Changing it sends nothing to your devices."),
    )


class NoteForm(forms.Form):
    """All that can change of a replaced certificate."""

    note = EditForm.base_fields["note"]


class TakeForm(forms.Form):
    """The password of a file that leaves with a private key."""

    password = forms.CharField(
        label=_("Password for the file"),
        strip=False,
        min_length=SHORTEST_PASSWORD,
        max_length=LONGEST_PASSWORD,
        help_text=_(
            "At least 8 characters. Whoever has the file and this password can sign as you and read your mail."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
    )
    again = forms.CharField(
        label=_("The same password again"),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("password", again):
            raise forms.ValidationError(_("The two passwords differ."))
        return again
