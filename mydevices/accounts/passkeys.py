"""The forms of passkeys: what a browser sends is checked for its shape before it comes to the library."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import providers

_BASE: Final = {"clientDataJSON": str}
_MADE: Final = {**_BASE, "attestationObject": str}
_GIVEN: Final = {**_BASE, "authenticatorData": str, "signature": str}
_MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the library's decoders (JSON, CBOR, base64, COSE) raise for bytes that are no credential."""


def _believed(credential: object, parts: Mapping[str, type], check: Callable[[], Any]) -> Any:
    """What `check` says of a credential of the right shape; ValidationError for all others."""
    if not isinstance(credential, dict):
        raise get_adapter().validation_error("incorrect_code")
    response = credential.get("response")
    named = all(isinstance(credential.get(name), str) for name in ("id", "rawId", "type"))
    if not named or not isinstance(response, dict):
        raise get_adapter().validation_error("incorrect_code")
    if not all(isinstance(response.get(name), kind) for name, kind in parts.items()):
        raise get_adapter().validation_error("incorrect_code")
    try:
        return check()
    except _MALFORMED:
        raise get_adapter().validation_error("incorrect_code") from None


class _Given:
    """Proof by a passkey that exists."""

    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Authenticator:
        check = super().clean_credential  # type: ignore[misc]  # the form beside this class has it
        return _believed(self.cleaned_data["credential"], _GIVEN, check)


class SignInForm(_Given, LoginWebAuthnForm):  # type: ignore[misc]  # allauth carries no types
    """Where a provider is required, a passkey from before is no way round it."""

    def clean_credential(self) -> Authenticator:
        factor = super().clean_credential()
        required = providers.required()
        if required and not factor.user.is_administrator:
            raise forms.ValidationError(_("You sign in with %(provider)s here.") % {"provider": required.name})
        return factor


class SecondStepForm(_Given, AuthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class AgainForm(_Given, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class AddForm(AddWebAuthnForm):  # type: ignore[misc]  # the same
    """Always one that signs in by itself: it proves who holds it, so it needs no password beside it."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=60,
        help_text=_("So that you know which one it is, when you look at this page again."),
    )
    passwordless = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        self.cleaned_data["passwordless"] = True  # whatever was sent: the person must have been verified
        if "credential" not in self.cleaned_data:
            return dict(self.cleaned_data)
        cleaned: dict[str, Any] = _believed(self.cleaned_data["credential"], _MADE, super().clean)
        return cleaned
