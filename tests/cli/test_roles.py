"""The role that the server runs under can do all that people need, and nothing to the audit but add to it.

On SQLite there is one role, and what holds is the triggers; who may read the file, tests/cli/test_serve.py asks."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from mydevices.audit import chain
from mydevices.audit.models import Entry
from mydevices.audit.verbs import Verb
from mydevices.cli import roles, start
from mydevices.commands.models import Action
from mydevices.errors import Conflict
from tests import factories
from tests.cli.conftest import Run, free_port
from tests.factories import PASSWORD

IS_POSTGRESQL: Final = "MYDEVICES_TEST_DATABASE_URL" in os.environ
RUNTIME: Final = "test_server"


@pytest.fixture
def as_server(transactional_db: None) -> Iterator[None]:
    """On PostgreSQL, a role with the rights that the owner gives to the server's, and this process connected as it."""
    if not IS_POSTGRESQL:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {RUNTIME} LOGIN NOSUPERUSER NOINHERIT")
        for statement in roles.grants(RUNTIME):
            cursor.execute(statement)
    try:
        with roles.connected_as({"USER": RUNTIME, "PASSWORD": ""}):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {RUNTIME}")
            cursor.execute(f"DROP ROLE {RUNTIME}")


def test_people_and_the_worker_can_do_all_they_do(as_server: None, client: Client, settings: Settings) -> None:
    cache.clear()
    ines = factories.person(password=PASSWORD)
    device = factories.device(ines)
    assert client.post(reverse("account_login"), {"login": ines.email, "password": PASSWORD}).status_code == 302
    assert client.get(reverse("portal:devices")).status_code == 200
    assert client.post(reverse("portal:lock", args=[device.id])).status_code in {200, 302, 303}
    assert Action.objects.filter(device=device).exists()
    assert chain.seal_committed() > 0
    assert {Verb.SIGNED_IN, Verb.ACTION_REQUESTED} <= set(Entry.objects.values_list("verb", flat=True))
    verdict = chain.verify()
    assert (verdict.holds, verdict.unsealed) == (True, 0)
    keys = settings.MASTER_KEYS
    try:
        settings.MASTER_KEYS = [b"n" * 32, *keys]
        call_command("rotate_master_key")
        settings.MASTER_KEYS = [*keys, b"n" * 32]
        call_command("rotate_master_key")
    finally:
        settings.MASTER_KEYS = keys
    assert chain.verify().holds
    assert client.post(reverse("account_logout")).status_code in {302, 303}
    assert start.setup_link()


ATTACKS: Final = [
    "UPDATE audit_entry SET verb = 'x'",
    "DELETE FROM audit_entry",
    "UPDATE audit_seal SET hash = 'x'",
    "DELETE FROM audit_seal",
    "UPDATE audit_chainkey SET hash = 'x'",
    "DELETE FROM audit_chainkey",
]
ATTACKS_ON_POSTGRESQL: Final = [
    "INSERT INTO audit_chainkey SELECT 99, sealed, made_at, 0, 0, digest, false, hash FROM audit_chainkey",
    "INSERT INTO audit_entry AS e SELECT * FROM audit_entry LIMIT 1 ON CONFLICT (id) DO UPDATE SET verb = 'x'",
    *(
        statement.format(table=table)
        for table in ("audit_entry", "audit_seal", "audit_chainkey")
        for statement in (
            "TRUNCATE {table}",
            "DROP TABLE {table}",
            "ALTER TABLE {table} DISABLE TRIGGER USER",
            "ALTER TABLE {table} DISABLE TRIGGER {table}_append_only",
            "DROP TRIGGER {table}_append_only ON {table}",
            "ALTER TABLE {table} RENAME TO forgotten",
            "ALTER TABLE {table} OWNER TO CURRENT_USER",
            "ALTER TABLE {table} ADD COLUMN more text",
            "CREATE RULE forget AS ON INSERT TO {table} DO INSTEAD NOTHING",
            "CREATE TRIGGER forget BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
            "GRANT UPDATE ON {table} TO CURRENT_USER",
        )
    ),
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "DROP FUNCTION audit_refuse() CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SELECT setval('audit_entry_id_seq', 1)",
    "CREATE TABLE audit_more (id int)",
    "CREATE TEMPORARY TABLE audit_entry (id int)",
    "CREATE SCHEMA mine",
    "DELETE FROM django_migrations",
    "DROP TABLE accounts_person",
    "TRUNCATE accounts_person CASCADE",
]


def test_the_audit_can_be_added_to_and_nothing_else(as_server: None) -> None:
    factories.person()
    for _ in range(2):
        Entry.objects.create(at=timezone.now(), verb=Verb.SETTINGS_CHANGED, actor_kind="system")
    chain.seal_committed()
    before = chain.verify()
    assert (before.holds, before.sealed > 0) == (True, True)
    for attack in [*ATTACKS, *(ATTACKS_ON_POSTGRESQL if IS_POSTGRESQL else [])]:
        refused = False
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(attack)
        except DatabaseError:
            refused = True
        # PostgreSQL only warns where somebody grants what they may not.
        assert refused or attack.startswith("GRANT"), attack
    if IS_POSTGRESQL:
        assert not roles.owns_tables()
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_table_privilege('audit_entry', 'UPDATE')")
            assert cursor.fetchone() == (False,)
    assert chain.verify() == before


@pytest.fixture
def urls() -> Iterator[Mapping[str, str]]:
    """Where the tests run on PostgreSQL: an empty database with an owner, and a role for the server."""
    if not IS_POSTGRESQL:
        yield {}
        return
    url, name = urlsplit(os.environ["MYDEVICES_TEST_DATABASE_URL"]), f"roles_{uuid.uuid4().hex}"
    owner, server = f"owner_{name}", f"server_{name}"

    def as_role(role: str) -> str:
        host = url.netloc.rpartition("@")[2]
        return url._replace(netloc=f"{role}:secret@{host}", path=f"/{name}").geturl()

    with psycopg.connect(url.geturl(), autocommit=True) as admin:
        for role in (owner, server):
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' NOSUPERUSER NOINHERIT")
        admin.execute(f"CREATE DATABASE {name} OWNER {owner}")
        yield {"owner": as_role(owner), "server": as_role(server)}
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for role in (owner, server):
            admin.execute(f"DROP ROLE {role}")


@pytest.fixture
def run(start: Callable[..., Run], tmp_path: Path, urls: Mapping[str, str]) -> Callable[..., Run]:
    port = str(free_port())

    def runner(*arguments: str, **environment: str) -> Run:
        given = {"MYDEVICES_DATA": str(tmp_path / "data"), "MYDEVICES_PORT": port, **environment}
        if urls:
            given = {"DATABASE_URL": urls["server"], **given}
        return start("-m", "mydevices", *arguments, **given)

    return runner


def test_migrate_prepares_as_the_owner_and_serve_needs_none(run: Callable[..., Run], urls: Mapping[str, str]) -> None:
    owner = {"MYDEVICES_DATABASE_OWNER_URL": urls["owner"]} if urls else {}
    if urls:
        refused = run("serve", "--workers", "1")
        assert refused.process.wait(60) == 1
        assert "./run manage migrate" in refused.said
        assert "Traceback" not in refused.said
        alone = run("migrate")
        assert alone.process.wait(60) == 1
        assert "MYDEVICES_DATABASE_OWNER_URL" in alone.said
    migrated = run("migrate", "--verbosity", "0", **owner)
    assert migrated.process.wait(120) == 0, migrated.said
    if urls:
        with psycopg.connect(urls["owner"], autocommit=True) as database:
            database.execute(f"REVOKE INSERT ON audit_entry FROM {urlsplit(urls['server']).username}")
        lacking = run("serve", "--workers", "1")
        assert lacking.process.wait(60) == 1
        assert "./run manage database_roles --grant" in lacking.said
        assert run("database_roles", "--grant").process.wait(60) == 1  # not without the owner
        granted = run("database_roles", "--grant", **owner)
        assert granted.process.wait(60) == 0, granted.said
    served = run("serve", "--workers", "1")
    served.wait_for("MyDevices is at", 90)
    assert "Made the database" not in served.said
    assert "A database role" not in served.said
    assert served.stop() == 0
    if urls:
        with psycopg.connect(urls["owner"], autocommit=True) as database:
            database.execute("ALTER TABLE audit_chainkey DISABLE TRIGGER USER")
            database.execute("DELETE FROM audit_chainkey")
        keyless = run("serve", "--workers", "1")
        assert keyless.process.wait(60) == 1
        assert "./run manage audit_begin_anew" in keyless.said
        refused = run("audit_begin_anew")
        assert refused.process.wait(60) == 1
        assert "MYDEVICES_DATABASE_OWNER_URL" in refused.said
        assert "Traceback" not in refused.said
        assert run("audit_begin_anew", **owner).process.wait(60) == 0
    verified = run("audit_verify")
    assert verified.process.wait(60) == 0
    assert "The chain holds" in verified.said


def test_the_owner_given_to_serve_migrates_and_is_not_handed_on(
    run: Callable[..., Run], urls: Mapping[str, str]
) -> None:
    owner = {"MYDEVICES_DATABASE_OWNER_URL": urls["owner"]} if urls else {}
    served = run("serve", "--workers", "1", **owner)
    served.wait_for("MyDevices is at", 90)
    assert "Made the database." in served.said
    assert "A database role of its own" not in served.said
    for pid in served.descendants():
        environment = Path(f"/proc/{pid}/environ")
        if environment.exists():
            assert b"DATABASE_OWNER_URL" not in environment.read_bytes()
    assert served.stop() == 0


NEEDLESS: Final = {
    "GRANT ALL ON DATABASE {database} TO {server}": "",  # what `migrate` takes back
    "ALTER DATABASE {database} OWNER TO {server}": "owns the database",
    "ALTER SCHEMA public OWNER TO {server}": "owns the schema",
    "GRANT CREATE ON DATABASE {database} TO {server}": "may make schemas",
    "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC": "may make temporary tables",
    "GRANT CREATE ON SCHEMA public TO PUBLIC": "may make tables where it looks for them",
    "CREATE SCHEMA AUTHORIZATION {server}": "may make tables where it looks for them",
    "GRANT UPDATE ON audit_entry TO PUBLIC": "may change the audit",
    "GRANT pg_write_all_data TO {server}": "can make or become other roles",
    "ALTER ROLE {server} CREATEROLE": "can make or become other roles",
}
"""What an administrator may have given the server's role, before the tables were made (the first) or since."""


def test_a_role_that_can_get_around_what_protects_the_audit_is_told_at_each_start(
    run: Callable[..., Run], urls: Mapping[str, str]
) -> None:
    if not IS_POSTGRESQL:  # which has no roles to tell of
        served = run("serve", "--workers", "1")
        served.wait_for("MyDevices is at", 90)
        assert "database role" not in served.said
        assert served.stop() == 0
        return
    url = urlsplit(os.environ["MYDEVICES_TEST_DATABASE_URL"])
    server = str(urlsplit(urls["server"]).username)
    database = urlsplit(urls["server"]).path[1:]
    owner = {"MYDEVICES_DATABASE_OWNER_URL": urls["owner"]}
    with psycopg.connect(url._replace(path=f"/{database}").geturl(), autocommit=True) as admin:
        first, *others = NEEDLESS
        admin.execute(first.format(database=database, server=server))
        assert run("migrate", "--verbosity", "0", **owner).process.wait(120) == 0
        with (
            psycopg.connect(urls["server"], autocommit=True) as ours,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            ours.execute(f"CREATE SCHEMA {server}")
        found = run("database_roles", "--grant", **owner)
        assert found.process.wait(60) == 0, found.said
        for given in others:
            admin.execute(given.format(database=database, server=server))
        served = run("serve", "--workers", "1")
        served.wait_for("MyDevices is at", 90)
        told = " ".join(served.said.replace("\n", " ").split())
        assert "A database role with fewer rights." in told
        for excess in NEEDLESS.values():
            assert excess in told
        assert served.stop() == 0
        refused = run("database_roles", "--grant", **owner)
        assert refused.process.wait(60) == 1
        assert "and more than these" in refused.said
        admin.execute(f"REVOKE pg_write_all_data FROM {server}")
        admin.execute(f"ALTER ROLE {server} NOCREATEROLE")


@pytest.mark.django_db
def test_one_role_for_both_is_said_where_there_could_be_two() -> None:
    said = [line for line in start.missing() if "A database role of its own" in line]
    assert bool(said) == IS_POSTGRESQL


@pytest.mark.django_db
def test_how_to_make_the_role_is_told_with_every_right(settings: Settings) -> None:
    if not IS_POSTGRESQL:
        with pytest.raises(CommandError, match="SQLite has no roles"):
            call_command("database_roles")
        return
    output = StringIO()
    call_command("database_roles", stdout=output)
    told = output.getvalue()
    assert f'CREATE ROLE "{roles.RUNTIME}"' in told
    for statement in roles.grants(roles.RUNTIME):
        assert f"{statement};" in told
    with pytest.raises(CommandError, match="MYDEVICES_DATABASE_OWNER_URL"):
        call_command("database_roles", "--grant")


@pytest.mark.django_db
def test_one_url_for_both_roles_is_refused(settings: Settings) -> None:
    url = os.environ.get("MYDEVICES_TEST_DATABASE_URL", "")
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"database_owner_url": url})
    if not IS_POSTGRESQL:
        roles.check_owner()  # nothing to check
        return
    with pytest.raises(Conflict, match="the same role"):
        roles.check_owner()
