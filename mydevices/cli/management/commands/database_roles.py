"""`./run manage database_roles`: the second role on PostgreSQL, with which the server can't rewrite the audit."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db.utils import DatabaseError

from mydevices.cli import roles
from mydevices.errors import MyDevicesError

HOW: Final = """\
-- The server runs under a role that can neither change tables nor rewrite the audit; another one owns them.
--
-- 1. As an administrator of PostgreSQL, make the role for the server, with a password of your own:

CREATE ROLE {role} LOGIN PASSWORD '...' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS;

--    In a database with tables, their present owner stays the owner, and owns the database, too. For a new one, make
--    another role that does:
--        CREATE ROLE mydevices_owner LOGIN PASSWORD '...';  ALTER DATABASE {database} OWNER TO mydevices_owner;
--
-- 2. Set DATABASE_URL to the new role, and MYDEVICES_DATABASE_OWNER_URL to the owner, and run
--
--        ./run manage migrate
--
--    which also gives the new role its rights. Run it after each update. Without migrations to apply,
--    ./run manage database_roles --grant does that alone.
--
-- 3. Start the server without MYDEVICES_DATABASE_OWNER_URL: it needs the owner for nothing.
--
-- These are the rights:

{grants}
"""


class Command(BaseCommand):
    help = "Say how to run the server under a database role that can't rewrite the audit (PostgreSQL)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--grant", action="store_true", help="give the role in DATABASE_URL its rights")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not roles.is_postgresql():
            raise CommandError("SQLite has no roles: who may read its file is said by the file's own rights.")
        try:
            if options["grant"]:
                self._grant()
            else:
                self._tell()
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except DatabaseError as error:
            raise CommandError(f"The database refuses: {str(error).strip()}") from error

    def _grant(self) -> None:
        if roles.owner() is None:
            raise CommandError("Set MYDEVICES_DATABASE_OWNER_URL: only the owner of the tables can give rights.")
        roles.check_owner()
        with roles.as_owner():
            roles.grant()
        beyond = roles.excess()
        if beyond:
            raise CommandError(f"It has its rights, and more than these. {roles.too_much(beyond)}")
        self.stdout.write(f"The role {roles.runtime_role()} has what the server needs, and no more.")

    def _tell(self) -> None:
        is_apart = not roles.owns_tables()
        role = roles.runtime_role() if is_apart else roles.RUNTIME
        statements = "\n".join(f"{statement};" for statement in roles.grants(role))
        database = roles.quoted(roles.database_name())
        self.stdout.write(HOW.format(role=roles.quoted(role), database=database, grants=statements), ending="")
