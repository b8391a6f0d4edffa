"""Two roles on PostgreSQL: an owner, who changes tables, and the role that the server runs under, which can neither
change them nor rewrite the audit.

The owner is whoever `MYDEVICES_DATABASE_OWNER_URL` names; the other is the user of `DATABASE_URL`. The owner gives the
other its rights anew after each migration, because new tables come with none.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import dj_database_url
from django.conf import settings
from django.db import connection, connections, transaction
from django.db.utils import OperationalError, ProgrammingError
from psycopg.errors import InsufficientPrivilege

from mydevices.errors import Conflict

RUNTIME: Final = "mydevices_server"
"""What the role is called in examples."""
READ_AND_ADD: Final = ("audit_entry", "audit_seal")
"""All that may be done to these tables."""
READ: Final = ("django_migrations",)
WRAP_ANEW: Final = {"audit_chainkey": "sealed"}
"""To be read, and changed in this column: by a rotation of the master key."""


def is_postgresql() -> bool:
    return bool(connection.vendor == "postgresql")


def owner() -> dict[str, Any] | None:
    """The connection of the owner, where one is given."""
    url: str = settings.ENVIRONMENT.database_owner_url
    return {"OPTIONS": {}, **dj_database_url.parse(url)} if url and is_postgresql() else None


@contextlib.contextmanager
def as_owner() -> Iterator[None]:
    """What this thread asks of the database, it asks as the owner of the tables. Where no owner is given, as always."""
    theirs = owner()
    if theirs is None:
        yield
        return
    with connected_as({name: theirs[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}):
        yield


@contextlib.contextmanager
def connected_as(changes: dict[str, Any]) -> Iterator[None]:
    """With the default connection made otherwise. Only outside of a transaction, and where no other thread connects."""
    usual = dict(connections.settings["default"])
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = {**usual, **changes}
    try:
        yield
    finally:
        connections["default"].close()
        del connections["default"]
        connections.settings["default"] = usual


def runtime_role() -> str:
    """The role that the server runs under, by its URL."""
    return str(dj_database_url.parse(settings.ENVIRONMENT.database_url).get("USER") or "")


def grants(role: str) -> Sequence[str]:
    """The statements that give a role what the server needs, and no more. To be run by the owner; again and again."""
    name, schema, database = quoted(role), quoted(_schema()), quoted(database_name())
    statements = [
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        # A table of the same name, temporary or in a schema that is called like the role, would stand before the real
        # one. GRANT ALL ON DATABASE, which many instructions say, lets the role make both.
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM {name}, PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {name}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
    ]
    for table in READ_AND_ADD:
        statements += [f"REVOKE ALL ON {table} FROM {name}", f"GRANT SELECT, INSERT ON {table} TO {name}"]
    for table in READ:
        statements += [f"REVOKE ALL ON {table} FROM {name}", f"GRANT SELECT ON {table} TO {name}"]
    for table, column in WRAP_ANEW.items():
        statements += [
            f"REVOKE ALL ON {table} FROM {name}",
            f"GRANT SELECT, UPDATE ({column}) ON {table} TO {name}",
        ]
    return statements


def quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def grant() -> None:
    """Give the runtime role its rights. As the owner, and at once: servers that run notice nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in grants(runtime_role()):
            cursor.execute(statement)


def database_name() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        return str(cursor.fetchone()[0])


def _schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def _ask(question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return bool(cursor.fetchone()[0])


def owns_tables() -> bool:
    """Whether the role that is connected may change the audit's tables: it owns one of them, is a member of a role that
    does, or is a superuser; or there are no tables yet, and it may make them."""
    if not is_postgresql():
        return True
    if _ask("SELECT to_regclass('audit_entry') IS NULL"):
        return _ask("SELECT has_schema_privilege(current_schema(), 'CREATE')")
    return _ask(
        "SELECT bool_or(pg_has_role(current_user, relowner, 'MEMBER')) FROM pg_class "
        "WHERE oid IN (to_regclass('audit_entry'), to_regclass('audit_seal'), to_regclass('audit_chainkey'))"
    )


def check_owner() -> None:
    """Raises Conflict where the owner's URL is no owner's, or leads elsewhere than the server's."""
    theirs = owner()
    if theirs is None:
        return
    if theirs["USER"] == runtime_role():
        raise Conflict("MYDEVICES_DATABASE_OWNER_URL and DATABASE_URL name the same role. Give the server its own.")
    here = _where()
    with as_owner():
        if _where() != here:
            raise Conflict("MYDEVICES_DATABASE_OWNER_URL and DATABASE_URL lead to different databases.")
        if not owns_tables():
            raise Conflict("The role in MYDEVICES_DATABASE_OWNER_URL does not own the tables of this database.")


def _where() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), pg_postmaster_start_time()")
        return cursor.fetchone()


def lacking() -> str:
    """What keeps the role of the server from serving, in words; empty where nothing does."""
    if not is_postgresql() or owns_tables():
        return ""
    needed = [*((table, "INSERT") for table in READ_AND_ADD), ("accounts_person", "UPDATE"), ("cache", "DELETE")]
    for table, right in needed:
        if _ask(f"SELECT to_regclass('{table}') IS NULL OR NOT has_table_privilege('{table}', '{right}')"):
            return (
                f"The role that the server runs under may not use the table {table}. Give it its rights, with the "
                "owner's URL in MYDEVICES_DATABASE_OWNER_URL: ./run manage database_roles --grant"
            )
    return ""


EXCESS: Final = {
    "can make or become other roles": """
        SELECT rolcreaterole OR (
               SELECT bool_or(pg_has_role(current_user, oid, 'MEMBER')) FROM pg_roles
                WHERE rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'))
          FROM pg_roles WHERE rolname = current_user""",
    "owns the database": """
        SELECT pg_has_role(current_user, datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()""",
    "owns the schema": """
        SELECT bool_or(pg_has_role(current_user, nspowner, 'MEMBER')) FROM pg_namespace
         WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_entry'))""",
    "may make schemas": "SELECT has_database_privilege(current_database(), 'CREATE')",
    "may make temporary tables": "SELECT has_database_privilege(current_database(), 'TEMPORARY')",
    "may make tables where it looks for them": """
        SELECT bool_or(has_schema_privilege(name, 'CREATE')) FROM unnest(current_schemas(false)) AS name""",
    "may change the audit": """
        SELECT bool_or(has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER, UPDATE')) FROM pg_class
         WHERE oid IN (to_regclass('audit_entry'), to_regclass('audit_seal'), to_regclass('audit_chainkey'))""",
}
"""What nobody needs who serves, and how it is asked. Each is a way around what protects the audit: whoever owns a
database or schema can drop others' tables in it, or rename it and put another in its place."""


def excess() -> Sequence[str]:
    """What the role of the server can do beside its work."""
    return [told for told, question in EXCESS.items() if _ask(question)]


def warning() -> str:
    """What an operator should know about the role that the server runs under; empty where it is as it should be."""
    try:
        if not is_postgresql():
            return ""
        if owns_tables():
            return (
                "A database role of its own. The server runs under the role that owns the tables, so whoever gets hold "
                "of it could switch off what protects the audit. ./run manage database_roles says how to make another."
            )
        beyond = excess()
    except OperationalError:
        return ""
    return (too_much(beyond) + " Then ./run manage database_roles --grant says what is left.") if beyond else ""


def too_much(beyond: Sequence[str]) -> str:
    return (
        f"A database role with fewer rights. The one that the server runs under {', '.join(beyond)}: whoever gets hold "
        "of it could get around what protects the audit. Let the owner of the tables own database and schema, too, and "
        "take those rights away as an administrator of PostgreSQL."
    )


def is_refusal(error: ProgrammingError) -> bool:
    """Whether the role that asked may not do it."""
    return isinstance(error.__cause__, InsufficientPrivilege)
