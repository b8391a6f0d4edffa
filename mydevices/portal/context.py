from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from mydevices.accounts.models import Person
from mydevices.policies import helpdesk


def help_place(request: HttpRequest) -> dict[str, object]:
    """Whom this visitor asks, for the foot of every page and for pages that refuse; read only where it is shown. A page
    about one device hands over the helpdesk of that device's policy instead."""

    def found() -> helpdesk.Helpdesk:
        somebody = getattr(request, "user", None)
        return helpdesk.of_person(somebody) if isinstance(somebody, Person) else helpdesk.default()

    return {"helpdesk": SimpleLazyObject(found)}
