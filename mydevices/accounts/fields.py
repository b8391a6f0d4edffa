"""Fields of forms for what people are known by."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from mydevices.accounts import addresses
from mydevices.errors import Invalid


class AddressField(forms.EmailField):
    """An e-mail address, as it is kept: see `addresses`."""

    def clean(self, value: Any) -> str:
        typed = str(super().clean(value) or "")
        try:
            return addresses.checked(typed) if typed else ""
        except Invalid as refusal:
            raise ValidationError(refusal.message, code="invalid") from refusal
