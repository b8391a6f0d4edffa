from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from mydevices.organisation import selectors


def organisation(request: HttpRequest) -> dict[str, object]:  # noqa: ARG001  the signature is Django's
    """The organisation for every page, read only where a template uses it."""
    return {"organisation": SimpleLazyObject(selectors.current)}
