"""Searching by the beginnings of words: what is a word, what finds whom, and that an index is used."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from mydevices import search
from mydevices.accounts.models import Person, PersonWord
from mydevices.devices import selectors as devices
from mydevices.devices.models import Device, DeviceWord
from tests import factories


def found(text: str) -> set[str]:
    return {person.name for person in Person.objects.filter(id__in=Person.matching(text))}


def test_accents_capitals_and_punctuation_do_not_matter() -> None:
    assert search.fold("  Elif  YILDIZ ") == search.fold("elif yıldız") == "elif yildiz"
    assert search.words("Seán O’Brien-Łukasz") == {"sean", "o", "brien", "lukasz"}
    assert search.words("李 明", "Ines.Okafor@Aldermoor.example") == {
        "李",
        "明",
        "ines.okafor@aldermoor.example",
        "ines",
        "okafor",
        "aldermoor",
        "example",
    }


@given(st.text(max_size=300))
def test_every_text_is_found_by_each_of_its_own_words(text: str) -> None:
    words = search.words(text)
    assert all(0 < len(word) <= search.LONGEST for word in words)
    assert set(search.wanted(text)) <= words
    assert search.fold(search.fold(text)) == search.fold(text)


@pytest.mark.django_db
def test_the_beginning_of_any_word_finds_a_person() -> None:
    elif_ = factories.person("Elif Yıldız")
    factories.person("Elias Brandt")
    assert found("eli") == {"Elif Yıldız", "Elias Brandt"}
    assert found("YILD eli") == {"Elif Yıldız"}
    assert found(elif_.email.upper()) == {"Elif Yıldız"}
    assert found("lif") == set()
    assert found("") == found(" . ") == set()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["%", "_", "l_f", "\\", "eli%", "[a-z]", "\0"])
def test_what_means_something_to_a_database_is_only_text(text: str) -> None:
    factories.person("Elif Yıldız")
    assert found(text) <= ({"Elif Yıldız"} if text == "eli%" else set())


@pytest.mark.django_db
def test_a_changed_name_is_found_and_the_old_one_no_longer() -> None:
    person = factories.person("Ines Okafor")
    person = Person.objects.get(id=person.id)
    person.name = "Ines Brandt"
    person.save(update_fields=["name"])
    assert found("brandt") == {"Ines Brandt"}
    assert found("okafor") == set()


@pytest.mark.django_db
def test_a_save_that_changes_no_text_costs_nothing_more() -> None:
    person = Person.objects.get(id=factories.person().id)
    with CaptureQueriesContext(connection) as queries:
        person.save()
        person.save(update_fields=["signed_in_at"])
    assert len(queries) == 2


@pytest.mark.django_db
def test_a_row_read_without_its_texts_keeps_its_words() -> None:
    person = factories.person("Ines Okafor")
    part = Person.objects.only("id", "role").get(id=person.id)
    part.save(update_fields=["role"])
    part.save()
    assert found("okafor") == {"Ines Okafor"}


@pytest.mark.django_db
def test_a_device_is_found_by_its_serial_number_and_name() -> None:
    device = factories.device(factories.person(), name="Ines’s iPhone")
    device.serial_number = "C02XG1ABJG5H"
    device.save(update_fields=["serial_number"])
    for text in ("c02xg", "ines iphone", device.hardware_id):
        assert list(Device.objects.filter(id__in=Device.matching(text))) == [device]


@pytest.mark.django_db
@pytest.mark.parametrize("table", [PersonWord, DeviceWord])
def test_a_prefix_is_looked_up_in_the_index(table: Any) -> None:
    """PostgreSQL reads tables as small as this one whole: it is asked what it could do."""
    rows = table.objects.filter(word__prefix="oka")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = rows.explain()
    assert "_by_word" in plan
    assert "word>" in plan.replace(" ", "") or "Index Cond: (((word)" in plan


@pytest.mark.django_db
def test_devices_are_found_by_their_own_words_and_their_owners() -> None:
    ines = factories.device(factories.person("Ines Okafor"), name="Work phone")
    factories.device(factories.person("Elif Yıldız"), name="Work phone")
    everything = Device.objects.all()
    assert list(devices.searched(everything, "okaf work")) == [ines]
    assert list(devices.searched(everything, "work")) != [ines]
    assert not devices.searched(everything, "okafor yildiz").exists()
    assert not devices.searched(everything, " - ").exists()


@pytest.mark.django_db
def test_people_are_found_by_the_serial_number_of_a_device_and_not_by_its_name() -> None:
    ines = factories.person("Ines Okafor")
    device = factories.device(ines, name="Phone")
    device.serial_number = "C02XG1ABJG5H"
    device.save(update_fields=["serial_number"])
    for text in ("c02xg", "C02X G1AB", "okafor"):
        assert list(devices.searched_people(Person.objects.all(), text)) == [ines]
    for text in ("phone", "G1AB", ""):
        assert not devices.searched_people(Person.objects.all(), text).exists()


@pytest.mark.django_db
def test_devices_are_found_by_their_system_and_its_version() -> None:
    for number, version in enumerate(("18.1", "18.1.2", "18.2", "17.18.1")):
        device = factories.device(factories.person(), name=f"Phone {number}")
        device.os_version = version
        device.save()

    def names(text: str) -> set[str]:
        return {device.name for device in devices.searched(Device.objects.all(), text)}

    assert names("18.1") == {"Phone 0", "Phone 1"}
    assert names("ios 18.2") == {"Phone 2"}
    assert names("17") == {"Phone 3"}
    assert names("18.") == {"Phone 0", "Phone 1", "Phone 2", "Phone 3"}
