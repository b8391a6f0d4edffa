"""Which fields of configurations iPhones and iPads read, and which Macs do (`mdm/profiles/*.yaml` of Apple's schema). A
test changes each field, and looks at the profile that is made."""

from typing import Final

from django.utils.translation import gettext_lazy as lazy

from mydevices.port.configurations import Reader

_CLIP: Final = frozenset({"label", "url"})
_CLIP_ON_PHONES: Final = frozenset(
    {"removable", "precomposed", "full_screen", "ignore_manifest_scope", "target_application"}
)
_SMIME: Final = frozenset(
    {
        *("smime_signing", "signing_type", "signing_user_may_switch", "signing_user_may_choose"),
        *("smime_encryption", "encryption_type", "encrypt_by_default", "encryption_user_may_switch"),
        *("encryption_user_may_choose", "per_message_switch"),
    }
)
_EXCHANGE: Final = frozenset(
    {
        *("email_address", "allow_mail_drop", "host", "ssl", "domain", "user_name"),
        *("oauth", "oauth_sign_in_url", "login_identity"),
    }
)
_ACTIVESYNC: Final = frozenset(
    {
        *("prevent_move", "only_in_mail", "keep_recents", "oauth_token_url", "past_days", "audio_call_application"),
        *("mail", "contacts", "calendars", "reminders", "notes"),
        *("mail_user_may_switch", "contacts_user_may_switch", "calendars_user_may_switch"),
        *("reminders_user_may_switch", "notes_user_may_switch"),
    }
)
_WEB_SERVICES: Final = frozenset({"port", "path", "external_host", "external_port", "external_path", "external_ssl"})
_MAIL: Final = frozenset(
    {
        *("email_address", "keep_recents", "allow_mail_drop", "protocol", "description", "full_name"),
        *("imap_path_prefix", "incoming_host", "incoming_port", "incoming_ssl", "incoming_user_name"),
        *("incoming_authentication", "outgoing_host", "outgoing_port", "outgoing_ssl", "outgoing_user_name"),
        "outgoing_authentication",
    }
)
_IDENTITY: Final = frozenset({"source", "purpose", "delete_key_after", "key_download"})

READERS: Final = (
    Reader(
        lazy("iPhone and iPad"),
        {
            "identity_certificate": _IDENTITY,
            "exchange": _EXCHANGE | _ACTIVESYNC | _SMIME,
            "email": _MAIL | _SMIME | {"prevent_move", "only_in_mail"},
            "web_clip": _CLIP | _CLIP_ON_PHONES,
        },
    ),
    Reader(
        lazy("Mac"),
        {
            "identity_certificate": _IDENTITY | {"all_apps"},
            "exchange": _EXCHANGE | _WEB_SERVICES,
            "email": _MAIL,
            "web_clip": _CLIP,
        },
    ),
)
