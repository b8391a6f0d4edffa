from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from mydevices.accounts.models import Group
from mydevices.registration.invitees import LONGEST_NAME


class InviteForm(forms.Form):
    """One person to invite."""

    name = forms.CharField(
        label=_("Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    groups = forms.ModelMultipleChoiceField(
        label=_("Groups"), queryset=Group.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )
    language = forms.ChoiceField(label=_("Language of the mail"), required=False)

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # handed on as they come
        groups, language = self.fields["groups"], self.fields["language"]
        if not isinstance(groups, forms.ModelMultipleChoiceField) or not isinstance(language, forms.ChoiceField):
            raise TypeError(self.fields)
        groups.queryset = Group.objects.order_by("name")
        language.choices = [("", _("The organisation’s")), *settings.LANGUAGES]


class ListForm(forms.Form):
    """A file with people to invite."""

    file = forms.FileField(
        label=_("CSV file"), allow_empty_file=True, widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"})
    )
