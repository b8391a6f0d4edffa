"""Columns and checks for what something is called: one line that can be shown, at every entrance.

What people type is refused where it is more than that, with a message. Whatever else writes a row has it made one line
on the way, so that no entrance can be forgotten.
"""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from mydevices.errors import Invalid
from mydevices.lines import is_one_line, one_line


def validate(text: str) -> None:
    """For fields of models and forms. Raises ValidationError."""
    if not is_one_line(text):
        raise ValidationError(_("This has to be a single line without control characters. Type it again."), code="line")


def checked(text: str) -> str:
    """What somebody typed, without spaces around it. Raises Invalid."""
    found = text.strip()
    try:
        validate(found)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    return found


if TYPE_CHECKING:
    Text = models.CharField[str, str]
else:  # Django's own class takes no types before it runs
    Text = models.CharField


class LineField(Text):
    """A column for such a text. `clean_fields` refuses more than a line; the database never gets it."""

    default_validators = [validate]

    def deconstruct(self) -> Any:
        """A plain column, as migrations see it."""
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return one_line(prepared) if isinstance(prepared, str) else prepared

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = one_line(value)
            setattr(model_instance, self.attname, value)
        return value
