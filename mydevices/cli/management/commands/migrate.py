"""`./run manage migrate`: bring the database up to this version, without serving. Django's own, done as the owner of
the tables where there is one, and with what belongs to it: keys, the cache's table, the rights of the server's role."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db.utils import OperationalError

from mydevices.cli import start
from mydevices.errors import MyDevicesError


class Command(Migrate):
    help = "Bring the database up to this version, without serving."
    requires_system_checks = ()  # below, once there is a folder for the database

    def handle(self, *args: Any, **options: Any) -> None:
        def run() -> None:
            if not options.get("skip_checks"):
                self.check(databases=[options["database"]])
            super(Command, self).handle(*args, **options)

        if options["plan"] or options["check_unapplied"] or options["database"] != "default":
            run()
            return
        try:
            start.migrate(run)
        except MyDevicesError as error:
            raise CommandError(error.message) from error
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).strip()}") from error
