"""What accounts for mail have in common: S/MIME, and what happens to messages.

Nobody's password is in a configuration: one that all people share would be everybody's, and each person's own is
entered on the device, or signed in with on a web page (OAuth)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from mydevices.configurations.kinds import checks
from mydevices.policies.kinds.kind import Kind, Line


@dataclass(frozen=True)
class Account(Kind):
    """Texts may hold variables (`configurations.variables`). A type is the id, as text, of an identity certificate of
    the source "user provided"; empty: none is chosen, and the person chooses where they may."""

    email_address: str = "$EMAIL"
    smime_signing: bool = False
    """Mail is signed. Off: nothing is said about signing."""
    signing_type: str = ""
    signing_user_may_switch: bool = False
    signing_user_may_choose: bool = False
    """The person may choose another identity to sign with."""
    smime_encryption: bool = False
    """The account can read and send encrypted mail. Off: nothing is said about encryption."""
    encryption_type: str = ""
    encrypt_by_default: bool = False
    encryption_user_may_switch: bool = False
    """The person may change whether new mail is encrypted by default."""
    encryption_user_may_choose: bool = False
    per_message_switch: bool = True
    """Each message has a switch for encryption."""
    prevent_move: bool = False
    """Messages stay in this account, and are answered and forwarded from it only."""
    only_in_mail: bool = False
    """Other applications cannot send with this account."""
    keep_recents: bool = True
    """Its addresses are among those last used, on all devices of the person."""
    allow_mail_drop: bool = False

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    @property
    def types(self) -> Mapping[str, UUID]:
        """What it names, by field: `signing_type`, `encryption_type`. Of what is switched off nothing."""
        named = {
            "signing_type": self.signing_type if self.smime_signing else "",
            "encryption_type": self.encryption_type if self.smime_encryption else "",
        }
        return {field: UUID(value) for field, value in named.items() if value}

    def problems(self) -> Mapping[str, str]:
        return {
            **checks.wrong(
                {
                    "email_address": checks.text(self.email_address, required=True),
                    "signing_type": checks.identifier(self.signing_type),
                    "encryption_type": checks.identifier(self.encryption_type),
                }
            ),
            **self._unchosen(),
        }

    def _unchosen(self) -> Mapping[str, str]:
        sentence = _("Choose a certificate, or let people choose one themselves.")
        found = {}
        if self.smime_signing and not self.signing_type and not self.signing_user_may_choose:
            found["signing_type"] = sentence
        if self.smime_encryption and not self.encryption_type and not self.encryption_user_may_choose:
            found["encryption_type"] = sentence
        return found

    def smime_summary(self) -> list[Line]:
        """Types are named by `selectors.lines`, which knows what they are called."""
        lines = checks.said([("smime_signing", _("S/MIME signing"), self.smime_signing)])
        if self.smime_signing:
            lines += checks.given([("signing_type", _("Signing certificate"), self.signing_type)])
            lines += checks.said(
                [
                    ("signing_user_may_switch", _("People may switch signing"), self.signing_user_may_switch),
                    ("signing_user_may_choose", _("People may choose what to sign with"), self.signing_user_may_choose),
                ]
            )
        lines += checks.said([("smime_encryption", _("S/MIME encryption"), self.smime_encryption)])
        if self.smime_encryption:
            lines += checks.given([("encryption_type", _("Encryption certificate"), self.encryption_type)])
            lines += checks.said(
                [
                    ("encrypt_by_default", _("Encrypt by default"), self.encrypt_by_default),
                    (
                        "encryption_user_may_switch",
                        _("People may change whether to encrypt by default"),
                        self.encryption_user_may_switch,
                    ),
                    (
                        "encryption_user_may_choose",
                        _("People may choose what to encrypt with"),
                        self.encryption_user_may_choose,
                    ),
                    ("per_message_switch", _("A switch on each message"), self.per_message_switch),
                ]
            )
        return lines

    def rules_summary(self) -> Sequence[Line]:
        return checks.said(
            [
                ("prevent_move", _("Messages cannot be moved to other accounts"), self.prevent_move),
                ("only_in_mail", _("Only Mail sends with this account"), self.only_in_mail),
                ("keep_recents", _("Recent addresses on all devices"), self.keep_recents),
                ("allow_mail_drop", _("Mail Drop"), self.allow_mail_drop),
            ]
        )
