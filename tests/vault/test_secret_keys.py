"""Which secret key goes with a database."""

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.cli import start
from mydevices.errors import Conflict
from mydevices.vault import keys, services
from mydevices.vault.models import KnownKey

pytestmark = pytest.mark.django_db


def test_the_first_key_is_noted_down_and_another_is_refused() -> None:
    assert not services.know_secret_key(["first"])
    assert not services.know_secret_key(["first"])
    with pytest.raises(Conflict):
        services.know_secret_key(["second"])
    assert KnownKey.objects.get().identifier == services.identify_secret_key("first")


def test_an_older_key_gives_way_to_the_newest_and_is_refused_after_that() -> None:
    services.know_secret_key(["first"])
    assert services.know_secret_key(["second", "first"])
    assert not services.know_secret_key(["second", "first"])
    assert not services.know_secret_key(["second"])
    with pytest.raises(Conflict):
        services.know_secret_key(["first"])


def test_the_database_says_nothing_about_the_key() -> None:
    services.know_secret_key(["first"])
    assert "first" not in str(list(KnownKey.objects.values()))


def test_a_change_is_recorded_and_a_foreign_key_is_explained(settings: Settings) -> None:
    KnownKey.objects.all().delete()
    assert not start._takes_over_secret_key()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "newer", [settings.SECRET_KEY]
    assert start._takes_over_secret_key()
    assert Entry.objects.filter(verb=Verb.SECRET_KEY_CHANGED).count() == 1
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "foreign", []
    with pytest.raises(Conflict, match="accept_secret_key"):
        start._takes_over_secret_key()


def test_a_lost_key_can_be_given_up(settings: Settings) -> None:
    services.know_secret_key(["lost"])
    settings.SECRET_KEY = "new"
    call_command("accept_secret_key")
    call_command("accept_secret_key")
    assert not services.know_secret_key(["new"])
    assert Entry.objects.filter(verb=Verb.SECRET_KEY_CHANGED).count() == 1


def test_keys_are_parted_by_commas_and_none_is_empty(tmp_path: Path) -> None:
    assert keys.secret_keys("new, old", tmp_path / "key") == ["new", "old"]
    keys.make_missing(tmp_path / "key", keys.create_secret_file)
    (made,) = keys.secret_keys("", tmp_path / "key")
    assert keys.secret_keys("", tmp_path / "key") == [made]
    (tmp_path / "key").write_text(f"newer,{made}\n", encoding="ascii")
    assert keys.secret_keys("", tmp_path / "key") == ["newer", made]
    with pytest.raises(SystemExit):
        keys.secret_keys("new,", tmp_path / "key")
    with pytest.raises(SystemExit):
        keys.secret_keys("", tmp_path)
