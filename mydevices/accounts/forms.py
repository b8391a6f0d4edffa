"""The forms of sign-in where django-allauth's own do not say or record what they should."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context


class ChangePassword(ChangePasswordForm):  # type: ignore[misc]  # allauth carries no types
    """A wrong present password is a failed proof of who one is, and recorded as one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)  # the label says it, in the words of these pages

    def clean_oldpassword(self) -> str:
        present = str(self.cleaned_data["oldpassword"])
        if not self.user.check_password(present):
            get_adapter().proof_failed(context.request, self.user)
            raise get_adapter().validation_error("enter_current_password")
        return present
