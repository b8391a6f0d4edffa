from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from mydevices.accounts import providers


def sign_in(request: HttpRequest) -> dict[str, object]:  # noqa: ARG001  the signature is Django's
    """The ways in for the pages that offer them, read only there."""
    return {
        "sign_in_with": SimpleLazyObject(providers.enabled),
        "sign_in_only_with": SimpleLazyObject(providers.required),
    }
