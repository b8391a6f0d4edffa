"""A symbol among the apps that opens an address."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from mydevices.policies.kinds.kind import Kind, Line

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:[^\s\x00-\x1f\x7f]+")
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_BUNDLE: Final = re.compile(r"[A-Za-z0-9.-]{0,155}", re.ASCII)


@dataclass(frozen=True)
class WebClip(Kind):
    """`label` and `url` may hold variables (`configurations.variables`). The icon is kept beside these values."""

    label: str = ""
    url: str = ""
    removable: bool = True
    precomposed: bool = False
    """The icon is shown without added effects."""
    full_screen: bool = False
    ignore_manifest_scope: bool = False
    """In full screen, pages of other addresses stay in it."""
    target_application: str = ""
    """The bundle identifier of the application that opens it; empty: Safari."""

    @classmethod
    def name(cls) -> str:
        return "web_clip"

    @classmethod
    def title(cls) -> str:
        return _("Web clip")

    @classmethod
    def is_of_devices(cls) -> bool:
        return True

    def problems(self) -> Mapping[str, str]:
        found = {}
        if not self.label.strip() or len(self.label) > 100 or _UNREADABLE.search(self.label):
            found["label"] = _("A label has 1 to 100 characters, without line breaks.")
        if len(self.url) > 2000 or not _ADDRESS.fullmatch(self.url) or _UNREADABLE.search(self.url):
            found["url"] = _("An address begins with https://, for example, and has no spaces.")
        if not _BUNDLE.fullmatch(self.target_application):
            found["target_application"] = _("A bundle identifier has letters, digits, dots and hyphens.")
        return found

    def summary(self) -> Sequence[Line]:
        lines = [Line("label", _("Label"), self.label), Line("url", _("Address"), self.url)]
        if self.target_application:
            lines.append(Line("target_application", _("Opened by"), self.target_application))
        said = (
            ("removable", _("Removable"), self.removable),
            ("precomposed", _("Icon without effects"), self.precomposed),
            ("full_screen", _("Full screen"), self.full_screen),
            ("ignore_manifest_scope", _("Other addresses stay in full screen"), self.ignore_manifest_scope),
        )
        return lines + [Line(field, label, _("Yes") if value else _("No")) for field, label, value in said]
