from django.utils import translation

from mydevices.audit.verbs import Verb
from mydevices.presentation import verbs


def test_every_verb_of_the_audit_has_a_name_of_its_own_in_the_order_of_the_verbs() -> None:
    assert list(verbs.NAMES) == list(Verb)
    for language in ("en", "de", "ar"):
        with translation.override(language):
            names = [verbs.name_of(str(verb)) for verb in Verb]
        assert len(set(names)) == len(names)


def test_a_verb_of_an_earlier_version_is_said_as_it_was_written() -> None:
    assert verbs.name_of("device.painted") == "device.painted"
