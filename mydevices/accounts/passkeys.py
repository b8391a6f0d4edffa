"""Passkeys: the ceremonies that a browser goes through, and the forms that take what it sends.

Every ceremony is begun for one purpose and, save at sign-in, for one person; it ends after five minutes or with its
first use, whatever came of it. What a browser sends is checked for its shape before it comes to the library.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from allauth.mfa.webauthn.internal import auth
from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from fido2.webauthn import ResidentKeyRequirement, UserVerificationRequirement

from mydevices import names
from mydevices.accounts import attempts, provider_sign_in, providers
from mydevices.accounts.attempts import Limit
from mydevices.accounts.models import FactorCounter, Person
from mydevices.accounts.requests import actor_in, address_of
from mydevices.audit import services as audit
from mydevices.audit.verbs import Verb

_BASE: Final = {"clientDataJSON": str}
_MADE: Final = {**_BASE, "attestationObject": str}
_GIVEN: Final = {**_BASE, "authenticatorData": str, "signature": str}
_MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the library's decoders (JSON, CBOR, base64, COSE) raise for bytes that are no credential."""

STATES: Final = "passkeys"
"""In the session: what was begun, by its purpose."""
LASTS: Final = timedelta(minutes=5)
_ONCE: Final = Limit(1, 2 * LASTS)
_FAILURES: Final = Limit(5, timedelta(minutes=5))
"""Entries of the audit about passkeys from one network that signed nobody in."""


class Ceremony(StrEnum):
    """What a passkey is asked for. What was begun for one of these is good for no other."""

    SIGN_IN = "sign in"
    SECOND_STEP = "second step"
    AGAIN = "again"
    UNDO = "undo"
    ADD = "add"


_WITHOUT_VERIFICATION: Final = frozenset({Ceremony.SECOND_STEP})
"""Where it is enough that somebody touches the passkey, for they have given the password in the same sign-in.
Everywhere else it stands for the person, and has to have verified them."""


def _verification(ceremony: Ceremony) -> UserVerificationRequirement:
    if ceremony in _WITHOUT_VERIFICATION:
        return UserVerificationRequirement.PREFERRED
    return UserVerificationRequirement.REQUIRED


def begin(request: HttpRequest, ceremony: Ceremony, person: Person | None = None) -> dict[str, Any]:
    """What the browser is asked. Nobody is named at sign-in: there the passkey says whose it is."""
    server, verification = auth.get_server(), _verification(ceremony)
    own = auth.get_credentials(person) if person is not None else []
    if ceremony == Ceremony.ADD:
        options, state = server.register_begin(
            user=auth.build_user_payload(person),
            credentials=own,
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=verification,
            extensions=auth.EXTENSIONS,
        )
    else:
        options, state = server.authenticate_begin(credentials=own, user_verification=verification)
    entry = {
        "challenge": state["challenge"],
        "at": timezone.now().timestamp(),
        "person": str(person.pk) if person is not None else "",
    }
    request.session[STATES] = {**request.session.get(STATES, {}), ceremony.value: entry}
    return dict(options)


def _taken(request: HttpRequest, ceremony: Ceremony, person: Person | None) -> dict[str, Any]:
    """The state of the ceremony that was begun for this purpose, which can't be taken again. Raises ValidationError
    where none was begun, or for somebody else, or too long ago, or where it has been taken already."""
    states = dict(request.session.get(STATES, {}))
    entry = states.pop(ceremony.value, None)
    request.session[STATES] = states
    if not isinstance(entry, dict) or entry["person"] != (str(person.pk) if person is not None else ""):
        raise get_adapter().validation_error("incorrect_code")
    age = timezone.now().timestamp() - entry["at"]
    # Two requests at once have both read it from the session: the database says who was first.
    if age > LASTS.total_seconds() or not attempts.take("ceremony", entry["challenge"], _ONCE):
        raise get_adapter().validation_error("incorrect_code")
    return {"challenge": entry["challenge"], "user_verification": _verification(ceremony)}


def _checked(request: HttpRequest, ceremony: Ceremony, person: Person | None, credential: Any) -> Authenticator:
    """The passkey that this was signed with. Raises ValidationError for one that will not do."""
    state = _taken(request, ceremony, person)
    response = auth.parse_authentication_response(credential)
    owner = person if person is not None else auth.extract_user_from_response(credential)
    auth.get_server().authenticate_complete(state, auth.get_credentials(owner), response)
    given = response.response.authenticator_data
    # Looked at here as well, whatever the library makes of the state.
    if ceremony not in _WITHOUT_VERIFICATION and not given.is_user_verified():
        raise get_adapter().validation_error("incorrect_code")
    factor = auth.get_authenticator_by_credential_id(owner, response.raw_id)
    if factor is None:
        raise get_adapter().validation_error("incorrect_code")
    factor.user = owner
    _note_count(request, factor, int(given.counter))
    return factor


def _note_count(request: HttpRequest, factor: Authenticator, count: int) -> None:
    """How often a passkey says that it has signed only ever rises, unless there are two of it (WebAuthn 3, 6.1.1).
    Those that are kept in step between devices do not count, and say 0. Who uses one is let in all the same: some count
    badly, and its owner would be locked out by whoever copied it."""
    start = int(factor.wrap().authenticator_data.counter)
    if FactorCounter.raise_to(factor.pk, count, start=start):
        return
    before = FactorCounter.objects.values_list("number", flat=True).get(factor=factor)
    if count == 0 and before == 0:
        return
    owner: Person = factor.user
    audit.record(
        Verb.PASSKEY_BEHIND,
        actor=actor_in(request, owner),
        person=owner,
        details={"name": str(factor.wrap().name)[:60], "count": count, "before": before},
    )


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
    """Proof by a passkey that exists. The library's own check is not asked: it takes whatever was begun last, for
    whatever purpose, and however long ago."""

    ceremony: Ceremony
    user: Person | None
    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Authenticator:
        credential = self.cleaned_data["credential"]
        request = context.request
        try:
            return _believed(credential, _GIVEN, lambda: _checked(request, self.ceremony, self.user, credential))
        except forms.ValidationError:
            self._failed(request)
            raise

    def _failed(self, request: HttpRequest) -> None:
        person = self.user
        if not attempts.take("passkeys failed", attempts.network_of(address_of(request)), _FAILURES):
            return
        if person is None:
            get_account_adapter().proof_failed(request, None, step="passkey")
            return
        details: dict[str, str | int | bool] = {"step": "second factor"}
        if self.ceremony == Ceremony.AGAIN:
            details = {}
        audit.record(
            Verb.SIGN_IN_FAILED,
            actor=actor_in(request, person),
            person=person,
            details=details,
        )


class SignInForm(_Given, LoginWebAuthnForm):  # type: ignore[misc]  # allauth carries no types
    """Where a provider is required, a passkey from before is no way round it."""

    ceremony = Ceremony.SIGN_IN

    def clean_credential(self) -> Authenticator:
        factor = super().clean_credential()
        required = providers.required()
        # Save where it proves an account that the provider itself has brought.
        proves = provider_sign_in.by_passkey(context.request, factor.user) is not None
        if required and providers.keeps_out(factor.user) and not proves:
            raise forms.ValidationError(_("You sign in with %(provider)s here.") % {"provider": required.name})
        return factor


class SecondStepForm(_Given, AuthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    ceremony = Ceremony.SECOND_STEP


class UndoForm(_Given, AuthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    """Proof that somebody is the person from before a change that is being undone."""

    ceremony = Ceremony.UNDO


class AgainForm(_Given, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    ceremony = Ceremony.AGAIN


class AddForm(AddWebAuthnForm):  # type: ignore[misc]  # the same
    """Always one that signs in by itself: it proves who holds it, so it needs no password beside it."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=60,
        validators=[names.validate],
        help_text=_("So that you know which one it is, when you look at this page again."),
    )
    passwordless = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        self.cleaned_data["passwordless"] = True  # whatever was sent: the person must have been verified
        credential = self.cleaned_data.get("credential")
        if credential is not None:
            _believed(credential, _MADE, lambda: self._check(credential))
        return dict(self.cleaned_data)

    def _check(self, credential: Any) -> None:
        state = _taken(context.request, Ceremony.ADD, self.user)
        auth.parse_registration_response(credential)
        made = auth.get_server().register_complete(state, credential)
        if not made.is_user_verified():
            raise get_adapter().validation_error("incorrect_code")
