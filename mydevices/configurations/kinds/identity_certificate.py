"""A certificate with its private key: what each person brings themselves, or one file for everybody.

Of the source "user provided" it is also a certificate type, under the same id and name: what people choose from when
they add a certificate. What they bring goes to their own devices only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mydevices.configurations.kinds import checks
from mydevices.policies.kinds.kind import Kind, Line

USER_PROVIDED: Final = "user_provided"
SINGLE_FILE: Final = "single_file"
SIGNING: Final = "signing"
ENCRYPTION: Final = "encryption"
BOTH: Final = "both"


@dataclass(frozen=True)
class IdentityCertificate(Kind):
    """The display name is that of the configuration. The file of the source "single file" is kept beside these values,
    sealed; for it `delete_key_after` and `key_download` mean nothing."""

    source: str = USER_PROVIDED
    """USER_PROVIDED or SINGLE_FILE; stays as it was made."""
    purpose: str = BOTH
    """SIGNING, ENCRYPTION or BOTH."""
    delete_key_after: int | None = 2
    """Days after the upload, from 1 to 30; None: the private key is kept."""
    all_apps: bool = False
    """Every application may use the key, not the one for mail alone, where the device makes that difference."""
    key_download: bool = False
    """People may download their certificate with its private key."""

    @classmethod
    def name(cls) -> str:
        return "identity_certificate"

    @classmethod
    def title(cls) -> str:
        return _("Identity certificate")

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    @property
    def is_user_provided(self) -> bool:
        return self.source == USER_PROVIDED

    def fits(self, purpose: str) -> bool:
        """Whether it can be used for SIGNING, or ENCRYPTION."""
        return self.purpose in {purpose, BOTH}

    def problems(self) -> Mapping[str, str]:
        found = {}
        if self.source not in {USER_PROVIDED, SINGLE_FILE}:
            found["source"] = _("A certificate is brought by each person, or is one file for everybody.")
        if self.purpose not in {SIGNING, ENCRYPTION, BOTH}:
            found["purpose"] = _("A certificate is for signing, for encryption, or for both.")
        if self.delete_key_after is not None and not 1 <= self.delete_key_after <= 30:
            found["delete_key_after"] = _("A private key is deleted after 1 to 30 days, or kept.")
        return found

    def summary(self) -> Sequence[Line]:
        purposes = {SIGNING: _("Signing"), ENCRYPTION: _("Encryption"), BOTH: _("Signing and encryption")}
        lines = [
            Line("source", _("Source"), _("User provided") if self.is_user_provided else _("Single file")),
            Line("purpose", _("Purpose"), purposes.get(self.purpose, self.purpose)),
        ]
        all_apps = ("all_apps", _("All apps may use the key"), self.all_apps)
        if not self.is_user_provided:
            return lines + checks.said([all_apps])
        days = self.delete_key_after
        kept = (
            _("Kept")
            if days is None
            else ngettext("Deleted after %(number)d day", "Deleted after %(number)d days", days) % {"number": days}
        )
        lines.append(Line("delete_key_after", _("Private key"), kept))
        download = ("key_download", _("People may download the key"), self.key_download)
        return lines + checks.said([all_apps, download])
