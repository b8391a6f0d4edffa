"""The forms of sign-in where django-allauth's own do not say or record what they should."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm, LoginForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_factors
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, generate_totp_secret
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import attempts, codes, passwords, selectors
from mydevices.accounts.fields import AddressField
from mydevices.accounts.models import Person
from mydevices.accounts.requests import address_of, check_code, cookie_of
from mydevices.errors import TooMany


class SignIn(LoginForm):  # type: ignore[misc]  # allauth carries no types
    """The library's field makes small letters of an address as Unicode does, which turns some into others."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        of_library = self.fields["login"]
        self.fields["login"] = AddressField(label=of_library.label, widget=of_library.widget)


class ChangePassword(ChangePasswordForm):  # type: ignore[misc]  # allauth carries no types
    """A wrong present password is a failed proof of who one is: counted, slowed down and recorded as one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)  # the label says it, in the words of these pages
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].help_text = passwords.described(selectors.sign_in_rules())

    def clean_oldpassword(self) -> str:
        present = str(self.cleaned_data["oldpassword"])
        request = context.request
        try:
            attempt = attempts.Attempt(email=self.user.email, address=address_of(request), cookie=cookie_of(request))
        except TooMany as refusal:
            raise ValidationError(refusal.message) from refusal
        if not self.user.check_password(present):
            get_adapter().proof_failed(request, self.user)
            raise get_adapter().validation_error("enter_current_password")
        attempt.succeeded()
        return present

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if self.has_error("password2"):  # in the words of these pages
            self.errors["password2"] = self.error_class([_("These two are not the same.")])
        elif cleaned and cleaned.get("password1") and cleaned.get("password1") == cleaned.get("oldpassword"):
            self.add_error("password1", _("That is the one you have."))
        return cleaned


class _Code:
    """A code is counted before it is looked at: the library has no limit of its own that could not lock somebody out.
    `is_over` where the next one has to wait, `is_refused` where this one had to."""

    user: Person
    cleaned_data: dict[str, Any]
    authenticator: Authenticator
    is_over = False
    is_refused = False

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        answer = check_code(context.request, self.user, code)
        self.is_over, self.is_refused = answer.is_last, answer.refused_until is not None
        if answer.refused_until is not None:
            raise ValidationError(attempts.refusal(answer.refused_until).message)
        if answer.factor is None:
            raise get_factors().validation_error("incorrect_code")
        self.authenticator = answer.factor
        return code


class SecondStepCode(_Code, AuthenticateForm):  # type: ignore[misc]  # the same
    pass


class AppForm(ActivateTOTPForm):  # type: ignore[misc]  # the same
    """Sets an app up. Its key lies sealed in the session until then. What is typed is no guess: the key is on the page.
    `step` is what the app counts by now, so that the code is used up with this."""

    step = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        self.user = options.pop("user")
        super(ActivateTOTPForm, self).__init__(*args, **options)
        session = context.request.session
        kept = session.get(SECRET_SESSION_KEY) if self.is_bound else None
        self.secret = get_factors().decrypt(kept) if kept else generate_totp_secret()
        if not kept:
            session[SECRET_SESSION_KEY] = get_factors().encrypt(self.secret)

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        step = codes.step_of(self.secret, codes.plain(code))
        if step is None:
            raise get_factors().validation_error("incorrect_code")
        self.step = step
        return code


class AgainCode(_Code, ReauthenticateForm):  # type: ignore[misc]  # the same
    pass
