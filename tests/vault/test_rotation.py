"""Rotation of the master key over registered columns, while others write."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps
from pytest_django import Settings

from mydevices.vault import checks, registry, services

OLD, NEW, LOST = (bytes([n]) * 32 for n in (1, 2, 3))

with isolate_apps("mydevices.vault"):

    class Locker(models.Model):
        """A table with a sealed column, for these tests only."""

        objects: ClassVar[models.Manager["Locker"]] = models.Manager()

        content = models.BinaryField(null=True)
        note = models.TextField(default="")

        class Meta:
            app_label = "vault"


@pytest.fixture
def lockers(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_COLUMNS", {})
    registry.column(Locker, "content")
    settings.MASTER_KEYS = [OLD]
    binary = "bytea" if connection.vendor == "postgresql" else "blob"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE vault_locker (id bigint PRIMARY KEY, content {binary}, note text)")
        yield
        cursor.execute("DROP TABLE vault_locker")


def fill(pk: int, value: bytes | None) -> None:
    content = None if value is None else seal(pk, value)
    Locker.objects.create(id=pk, content=content)


def seal(pk: int, value: bytes) -> bytes:
    return services.seal(value, services.Place("vault_locker", "content", row=pk, owner="me"))


def content(pk: int) -> bytes:
    sealed = Locker.objects.get(id=pk).content
    assert sealed is not None
    return services.open_sealed(sealed, services.Place("vault_locker", "content", row=pk, owner="me"))


@pytest.mark.parametrize("batch", [1, 3, 5, 100])
def test_every_sealed_value_comes_under_the_new_key(lockers: None, settings: Settings, batch: int) -> None:
    for pk in range(1, 6):
        fill(pk, b"%d" % pk)
    fill(6, None)
    settings.MASTER_KEYS = [NEW, OLD]
    fill(7, b"7")
    assert services.rotate(batch) == services.Rotation(rewrapped=5)
    settings.MASTER_KEYS = [NEW]
    assert [content(pk) for pk in (1, 2, 3, 4, 5, 7)] == [b"1", b"2", b"3", b"4", b"5", b"7"]
    assert Locker.objects.get(id=6).content is None
    assert services.rotate(batch) == services.Rotation()


def test_a_value_without_its_key_is_counted_and_left_alone(lockers: None, settings: Settings) -> None:
    fill(1, b"1")
    settings.MASTER_KEYS = [LOST]
    fill(2, b"2")
    settings.MASTER_KEYS = [NEW, OLD]
    assert services.rotate(1) == services.Rotation(rewrapped=1, unreadable=1, remaining=1)
    settings.MASTER_KEYS = [LOST]
    assert content(2) == b"2"


def test_a_value_that_changes_meanwhile_is_not_overwritten(
    lockers: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(1, b"before")
    rewrap = services.rewrap

    def slowly(sealed: bytes | memoryview) -> bytes:
        settings.MASTER_KEYS = [OLD]  # a server that was not restarted yet
        Locker.objects.filter(id=1).update(content=seal(1, b"after"))
        settings.MASTER_KEYS = [NEW, OLD]
        return rewrap(sealed)

    settings.MASTER_KEYS = [NEW, OLD]
    monkeypatch.setattr(services, "rewrap", slowly)
    assert services.rotate() == services.Rotation(remaining=1)
    assert content(1) == b"after"
    monkeypatch.undo()


def test_a_key_that_stored_values_need_is_missed_before_the_server_starts(lockers: None, settings: Settings) -> None:
    fill(1, b"1")
    fill(2, None)
    assert checks.check_stored(None, databases=["default"]) == []
    settings.MASTER_KEYS = [NEW, OLD]
    assert checks.check_stored(None, databases=["default"]) == []
    settings.MASTER_KEYS = [NEW]
    assert [problem.id for problem in checks.check_stored(None, databases=["default"])] == ["vault.E003"]
    assert checks.check_stored(None) == []


def test_only_binary_columns_can_be_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_COLUMNS", {})
    with pytest.raises(TypeError, match="not a binary column"):
        registry.column(Locker, "note")
    assert registry.columns() == []
