"""What an authenticator app shows, and how tests get on with codes that are good once."""

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from mydevices.accounts import codes
from mydevices.accounts.models import FactorCounter


def code_for(key: str, *, steps: int = 0) -> str:
    """What the app shows now, or so many steps of half a minute from now."""
    return str(format_hotp_value(hotp_value(key, codes.present_step() + steps)))


def as_if_unused() -> None:
    """Codes that were used are good again: half a minute is too long for a test."""
    FactorCounter.objects.filter(factor__type=Authenticator.Type.TOTP).delete()
