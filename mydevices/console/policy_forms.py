"""The forms of policies: whom a policy is for, and one form per kind. A kind checks itself; a form lays it out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from mydevices.accounts import selectors as accounts
from mydevices.accounts.models import Group
from mydevices.actions import ACTIONS
from mydevices.devices.assignment import Assignment, To
from mydevices.devices.models import Device
from mydevices.policies.kinds.kind import Kind
from mydevices.policies.kinds.privacy import Privacy
from mydevices.policies.kinds.registration import RegistrationRules, minimum_field
from mydevices.policies.kinds.self_service import EVERYTHING, SelfServiceRules
from mydevices.port.platform import PLATFORMS, systems
from mydevices.presentation.actions import WORDS


class AssignmentForm(forms.Form):
    """Whom something is for. Filters of devices are asked only where the kind is about devices."""

    to = forms.ChoiceField(
        label=_("Whom is it for?"),
        widget=forms.RadioSelect,
        initial=To.EVERYONE,
        choices=[(To.EVERYONE, _("Everyone")), (To.GROUPS, _("Chosen groups")), (To.NOBODY, _("Nobody yet"))],
    )
    groups = forms.ModelMultipleChoiceField(
        label=_("Groups"), queryset=accounts.all_groups().none(), required=False, widget=forms.CheckboxSelectMultiple
    )
    platforms = forms.MultipleChoiceField(
        label=_("Only devices of these platforms"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    ownerships = forms.MultipleChoiceField(
        label=_("Only devices of this ownership"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(Device.Ownership.PERSONAL, _("People’s own")), (Device.Ownership.COMPANY, _("The organisation’s"))],
    )

    def __init__(self, *args: Any, of_devices: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        groups = cast("forms.ModelMultipleChoiceField[Group]", self.fields["groups"])
        groups.queryset = accounts.all_groups().order_by("name")
        cast("forms.MultipleChoiceField", self.fields["platforms"]).choices = [
            (platform.name, platform.title) for platform in PLATFORMS.values()
        ]
        if not of_devices:
            del self.fields["platforms"], self.fields["ownerships"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("to") == To.GROUPS and not cleaned.get("groups"):
            self.add_error("groups", _("Choose at least one group, or another answer above."))
        return cleaned

    def assignment(self) -> Assignment:
        """Of a valid form. Groups that are ticked count with “Chosen groups” only."""
        given = self.cleaned_data
        chosen = given["groups"] if given["to"] == To.GROUPS else ()
        return Assignment(
            to=given["to"],
            groups=frozenset(group.id for group in chosen),
            platforms=frozenset(given.get("platforms", ())),
            ownerships=frozenset(given.get("ownerships", ())),
        )

    @staticmethod
    def of(assignment: Assignment) -> dict[str, object]:
        """What the form begins with."""
        return {
            "to": assignment.to,
            "groups": list(assignment.groups),
            "platforms": list(assignment.platforms),
            "ownerships": list(assignment.ownerships),
        }


class KindForm(forms.Form):
    """The name of a policy, whether it counts, and the fields of its kind. Subclasses add fields under the kind's own
    names and say how they are laid out."""

    name = forms.CharField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    enabled = forms.BooleanField(label=_("This policy counts"), required=False, initial=True)

    kind: type[Kind]
    layout: tuple[tuple[Any, tuple[str, ...]], ...]

    def values(self) -> Kind:
        """Of a valid form: the kind's value, checked by itself in `clean`."""
        names = [name for _title, of in self.layout for name in of]
        return self.kind.read({name: self.converted(name) for name in names})

    def converted(self, name: str) -> object:
        return self.cleaned_data[name]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            for field, problem in self.values().problems().items():
                self.add_error(field, problem)
        return cleaned

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [
            (title, [self[field] for name in names for field in self.fields_of(name)]) for title, names in self.layout
        ]

    def fields_of(self, name: str) -> Sequence[str]:
        """The form's fields for one of the kind's."""
        return [name]


class RegistrationForm(KindForm):
    kind = RegistrationRules
    layout = (
        (_("Proof"), ("sign_in", "pin_length", "pin_days", "pin_on_request", "confirm_devices")),
        (_("Devices"), ("ownership", "device_limit", "company_devices_count")),
        (_("Systems"), ("systems", "minimums")),
        (_("Terms"), ("terms",)),
    )

    sign_in = forms.ChoiceField(
        label=_("Registering asks for"),
        widget=forms.RadioSelect,
        choices=[("password", _("Password")), ("pin", _("PIN")), ("both", _("Password and PIN"))],
    )
    pin_length = forms.IntegerField(label=_("Characters of a PIN"), help_text=_("4 to 12."))
    pin_days = forms.IntegerField(label=_("Days that a PIN is valid"), help_text=_("1 to 30."))
    pin_on_request = forms.BooleanField(label=_("People may ask for a new PIN themselves"), required=False)
    confirm_devices = forms.ChoiceField(
        label=_("Confirm new devices before they get private keys"),
        widget=forms.RadioSelect,
        choices=[
            ("never", _("Never")),
            ("factor", _("People with a second factor")),
            ("everybody", _("Everybody")),
        ],
        help_text=_(
            "Their owner confirms them signed in, or by a link in a mail. A device that somebody registers "
            "with their second factor needs no confirmation."
        ),
    )
    ownership = forms.ChoiceField(
        label=_("Whose are the devices?"),
        widget=forms.RadioSelect,
        choices=[
            ("asked", _("The person is asked")),
            ("personal", _("Always the person’s own")),
            ("company", _("Always the organisation’s")),
        ],
    )
    device_limit = forms.IntegerField(
        label=_("Devices that a person may have"), required=False, help_text=_("Leave empty for as many as they like.")
    )
    company_devices_count = forms.BooleanField(label=_("The organisation’s devices count as well"), required=False)
    systems = forms.MultipleChoiceField(
        label=_("Systems that may register"),
        widget=forms.CheckboxSelectMultiple,
    )
    terms = forms.CharField(
        label=_("Terms of service to accept"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_("People accept them before they register. When the text changes, they are asked anew."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.of_systems = {minimum_field(system.name): system for system in systems()}
        cast("forms.MultipleChoiceField", self.fields["systems"]).choices = [
            (system.name, system.name) for system in self.of_systems.values()
        ]
        known = self.initial.get("minimums", {})
        for name, system in self.of_systems.items():
            self.fields[name] = forms.CharField(
                label=_("Oldest %(system)s") % {"system": system.name},
                required=False,
                max_length=16,
                help_text=_("Such as %(version)s. Empty: any.") % {"version": system.example},
                initial=known.get(system.name, ""),
            )

    def fields_of(self, name: str) -> Sequence[str]:
        return list(self.of_systems) if name == "minimums" else super().fields_of(name)

    def converted(self, name: str) -> object:
        if name == "minimums":
            given = {system.name: self.cleaned_data[field] for field, system in self.of_systems.items()}
            return {system: version for system, version in given.items() if version}
        value = self.cleaned_data[name]
        match name:
            case "device_limit":
                return value or 0
            case "systems":
                return tuple(system.name for system in self.of_systems.values() if system.name in value)
            case "terms":
                return value.replace("\r\n", "\n")
            case _other:
                return value


class PrivacyForm(KindForm):
    kind = Privacy
    layout = (
        (_("What is collected"), ("location", "position_days", "app_inventory")),
        (_("What administrators may do"), ("administrators_may_wipe", "administrators_may_locate")),
        (_("What people read"), ("text",)),
    )

    location = forms.ChoiceField(
        label=_("Location"),
        widget=forms.RadioSelect,
        choices=[
            ("off", _("Off: no position is ever kept")),
            ("choice", _("The person’s choice, which starts as off")),
            ("on", _("On: a lost device is asked where it is")),
        ],
    )
    position_days = forms.IntegerField(label=_("Days that a position is kept"), help_text=_("1 to 90."))
    app_inventory = forms.ChoiceField(
        label=_("Read the list of apps"),
        widget=forms.RadioSelect,
        choices=[
            ("off", _("No")),
            ("managed", _("Those that the organisation installed")),
            ("all", _("All apps on the device")),
        ],
    )
    administrators_may_wipe = forms.BooleanField(
        label=_(
            "Administrators may wipe devices. People’s own devices that register without this give nobody the right to "
            "erase them, and with it they do; those that are registered already keep what they agreed to"
        ),
        required=False,
    )
    administrators_may_locate = forms.BooleanField(
        label=_("Administrators and the helpdesk may locate a lost device"),
        required=False,
        help_text=_("Its owner sees who has looked."),
    )
    text = forms.CharField(
        label=_("Text that people see"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("In your own words, on the page of each device: what is collected and why."),
    )

    def converted(self, name: str) -> object:
        value = self.cleaned_data[name]
        return value.replace("\r\n", "\n") if name == "text" else value


class SelfServiceForm(KindForm):
    kind = SelfServiceRules
    layout = (
        (_("What people may do"), ("allowed", "later", "undo_seconds")),
        (_("Wipes without an administrator"), ("person_wipes", "organisation_wipes")),
        (_("A lock begins with"), ("lock_message", "lock_phone")),
        (_("Helpdesk"), ("helpdesk_name", "helpdesk_phone", "helpdesk_email", "helpdesk_link")),
    )

    allowed = forms.MultipleChoiceField(
        label=_("By themselves"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[
            *((rules.permission, WORDS[kind].title) for kind, rules in ACTIONS.items() if rules.allows),
            ("certificates", _("Keep certificates")),
            ("register", _("Register devices")),
        ],
    )
    later = forms.BooleanField(
        label=_("And whatever a later version of MyDevices adds"),
        required=False,
        help_text=_("Otherwise nobody can do that by themselves until you allow it here."),
    )
    undo_seconds = forms.IntegerField(
        label=_("Seconds in which a wipe or retire can be undone"),
        required=False,
        help_text=_("0 to 3600. Empty: as the server is set."),
    )
    person_wipes = forms.IntegerField(
        label=_("Devices that a person may wipe in 24 hours"),
        help_text=_("Of their own. Each further wipe waits until an administrator lets it go. 0: every one does."),
    )
    organisation_wipes = forms.IntegerField(
        label=_("Devices that everybody together may wipe in an hour"),
        help_text=_("Administrators’ wipes count and wait as well: another administrator decides."),
    )
    lock_message = forms.CharField(
        label=_("Message on its screen"), required=False, max_length=200, widget=forms.Textarea(attrs={"rows": 2})
    )
    lock_phone = forms.CharField(
        label=_("Phone number to call"), required=False, max_length=40, widget=forms.TextInput(attrs={"type": "tel"})
    )
    helpdesk_name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=120,
        help_text=_("Leave all of it empty for the helpdesk that the settings name."),
    )
    helpdesk_phone = forms.CharField(
        label=_("Phone"), required=False, max_length=40, widget=forms.TextInput(attrs={"type": "tel"})
    )
    helpdesk_email = forms.CharField(
        label=_("E-mail"), required=False, max_length=254, widget=forms.TextInput(attrs={"type": "email"})
    )
    helpdesk_link = forms.CharField(
        label=_("Link"), required=False, max_length=300, widget=forms.TextInput(attrs={"type": "url"})
    )

    def values(self) -> Kind:
        # Read as a policy, what an earlier version did not have yet would count as allowed.
        return replace(cast("SelfServiceRules", super().values()), allowed=self.converted("allowed"))

    def converted(self, name: str) -> Any:
        value = self.cleaned_data[name]
        match name:
            case "allowed":
                return tuple(what for what in EVERYTHING if what in value)
            case "lock_message":
                return value.replace("\r\n", "\n")
            case _other:
                return value


FORMS: Final[Mapping[str, type[KindForm]]] = {
    form.kind.name(): form for form in (RegistrationForm, PrivacyForm, SelfServiceForm)
}


def beginning(values: Kind) -> dict[str, object]:
    """What a kind's form begins with."""
    stored = values.stored()
    if stored.get("device_limit") == 0:
        stored["device_limit"] = None
    return stored
