"""Pages of django-allauth that need something said first."""

from typing import Any

from allauth.account import views
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from mydevices.accounts import passwords, providers, selectors
from mydevices.accounts.requests import person_of
from mydevices.errors import NotAllowed


class _Change(views.PasswordChangeView):  # type: ignore[misc]  # allauth carries no types
    def get_context_data(self, **details: Any) -> dict[str, Any]:
        return {**super().get_context_data(**details), "expired": self.kwargs["expired"]}

    def get_default_success_url(self) -> str:
        return reverse(settings.LOGIN_REDIRECT_URL)


_change = _Change.as_view()


@login_required
@never_cache
def password_change(request: HttpRequest) -> HttpResponseBase:
    """Raises NotAllowed for people whose password is kept elsewhere."""
    person = person_of(request)
    if person.provider:
        raise NotAllowed(
            _("Your password is kept by %(provider)s. Change it there.") % {"provider": providers.keeper(person)}
        )
    if not person.has_usable_password():
        raise NotAllowed(_("You have no password yet. Ask for one with “Forgot your password?” on the sign-in page."))
    expired = passwords.is_expired(person, rules=selectors.sign_in_rules(), now=timezone.now())
    answer: HttpResponseBase = _change(request, expired=expired)
    return answer
