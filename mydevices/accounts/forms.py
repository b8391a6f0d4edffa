"""The forms of sign-in where django-allauth's own do not say or record what they should."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm, LoginForm
from allauth.core import context
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import passwords, selectors
from mydevices.accounts.fields import AddressField


class SignIn(LoginForm):  # type: ignore[misc]  # allauth carries no types
    """The library's field makes small letters of an address as Unicode does, which turns some into others."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        of_library = self.fields["login"]
        self.fields["login"] = AddressField(label=of_library.label, widget=of_library.widget)


class ChangePassword(ChangePasswordForm):  # type: ignore[misc]  # allauth carries no types
    """A wrong present password is a failed proof of who one is, and recorded as one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)  # the label says it, in the words of these pages
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].help_text = passwords.described(selectors.sign_in_rules())

    def clean_oldpassword(self) -> str:
        present = str(self.cleaned_data["oldpassword"])
        if not self.user.check_password(present):
            get_adapter().proof_failed(context.request, self.user)
            raise get_adapter().validation_error("enter_current_password")
        return present

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if self.has_error("password2"):  # in the words of these pages
            self.errors["password2"] = self.error_class([_("These two are not the same.")])
        elif cleaned and cleaned.get("password1") and cleaned.get("password1") == cleaned.get("oldpassword"):
            self.add_error("password1", _("That is the one you have."))
        return cleaned
