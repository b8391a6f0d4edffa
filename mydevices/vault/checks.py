"""System checks: the master key is there, is private, and opens what is stored."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.db import connections
from django.db.models import BinaryField

from mydevices.vault import keys, registry, services


def check_keys(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001  Django's signature
    **kwargs: Any,  # noqa: ARG001  the same
) -> list[CheckMessage]:
    """E001: no usable master key. E002: others can read a key file of the server's. W001: they can read the
    operator's."""
    if any(len(key) != keys.LENGTH for key in settings.MASTER_KEYS):
        return [Error(f"MASTER_KEYS must hold keys of {keys.LENGTH} bytes.", id="vault.E001")]
    return [*_exposed("master"), *_exposed("secret")]


def _exposed(kind: str) -> list[CheckMessage]:
    variable = f"MYDEVICES_{kind.upper()}_KEY"
    named = os.environ.get(f"{variable}_FILE")
    path = Path(named) if named else Path(settings.DATA) / f"{kind}-key"
    if variable in os.environ or not path.exists() or keys.is_private(path):
        return []
    message, hint = f"The {kind} key {path} can be read by others than its owner.", f"chmod 600 {path}"
    if named:
        # Container platforms mount secrets with modes of their own, in places that nobody else can see.
        return [Caution(message, hint=hint, id="vault.W001")]
    return [Error(message, hint=hint, id="vault.E002")]


def check_stored(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001  Django's signature
    databases: Sequence[str] | None = None,
    **kwargs: Any,  # noqa: ARG001  the same
) -> list[CheckMessage]:
    """E003: something is sealed with a master key that is not given. Asks the database, so it runs with `migrate`."""
    if not databases:
        return []
    existing = set(connections["default"].introspection.table_names())
    known = set(services.known_key_ids())
    strange = [
        f"{column.model.__name__}.{column.field}"
        for column in registry.columns()
        if _is_there(column, existing)
        and column.model._base_manager.alias(wrapped_by=services.wrapped_by(column.field))  # noqa: SLF001  the same
        .exclude(wrapped_by=None)
        .exclude(wrapped_by__in=known)
        .exists()
    ]
    strange += [
        place.name
        for place in registry.places()
        if place.table in existing and any(services.key_id(sealed) not in known for _where, sealed in place.values())
    ]
    return [
        Error(
            f"{name} holds values that no given master key opens.",
            hint="Give the old key after the new one: MYDEVICES_MASTER_KEY=new,old",
            id="vault.E003",
        )
        for name in strange
    ]


def _is_there(column: registry.Column, tables: Collection[str]) -> bool:
    """Before a migration the table may be missing, or the column."""
    table = column.model._meta.db_table  # noqa: SLF001  Django's own way to a table's name
    if table not in tables:
        return False
    database = connections["default"]
    with database.cursor() as cursor:
        described = database.introspection.get_table_description(cursor, table)
    field = column.model._meta.get_field(column.field)  # noqa: SLF001  the same
    return isinstance(field, BinaryField) and field.column in {one.name for one in described}
