"""`./run serve`: the web server and the worker, under one supervisor."""

import argparse
import re
import shutil
import textwrap
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from mydevices import environment
from mydevices.cli import processes, serving, start, web
from mydevices.errors import MyDevicesError

UNENCRYPTED: Final = (
    "Listening on {bind} would have a reverse proxy on another machine reach this server without TLS. Let the proxy "
    "run on this machine, or, where the network between the two is protected otherwise, set "
    "MYDEVICES_ALLOW_UNENCRYPTED=true."
)


class Command(BaseCommand):
    help = "Serve people and devices, and do what is due in the background, until Ctrl-C or SIGTERM."
    requires_system_checks = ()  # run once, below, and not again in every child

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        half = parser.add_mutually_exclusive_group()
        half.add_argument("--web", action="store_true", help="the web server alone")
        half.add_argument("--worker", action="store_true", help="the worker alone")
        parser.add_argument(
            "--workers", type=int, default=web.default_workers(), metavar="N", help="web processes (%(default)s)"
        )
        parser.add_argument(
            "--bind",
            default="127.0.0.1",
            metavar="ADDRESS",
            help="listen on this address instead of 127.0.0.1, for a reverse proxy on another machine",
        )
        parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.")
        try:
            if options["child"]:
                processes.follow_supervisor()
            else:
                self._introduce(**options)
            if options["web"]:
                web.serve(address=options["bind"], port=settings.ENVIRONMENT.port, workers=options["workers"])
            elif options["worker"]:
                serving.work()
            else:
                self._supervise(**options)
        except MyDevicesError as error:
            raise CommandError(error.message) from error

    def _introduce(self, *, bind: str, worker: bool, **_: Any) -> None:
        """Prepare, and say what there is to say."""
        self.check()
        if not worker:
            if not environment.is_this_machine(bind) and not settings.ENVIRONMENT.allow_unencrypted:
                raise CommandError(UNENCRYPTED.format(bind=bind))
            web.check_port(bind, settings.ENVIRONMENT.port)
        for line in start.prepare():
            self._say(line)
        if worker:
            return
        link = start.setup_link()
        if link:
            self._say("")
            self._say("There is no administrator yet. The first one begins here, within a day:")
            self._say(f"    {link}")
        lacks = start.missing()
        if lacks:
            self._say("")
            self._say("Not everything works yet. What is missing:")
            for lack in lacks:
                self._say(_item(lack, _width()))
        if not environment.is_this_machine(bind):
            self._say("")
            self._say(f"Listening on {bind} without TLS: only a reverse proxy that has it may reach this port.")
        self._say("")
        # The children make connections of their own.
        connections.close_all()

    def _supervise(self, *, bind: str, workers: int, **_: Any) -> None:
        children = [
            serving.program("web", "serve", "--web", "--child", "--bind", bind, "--workers", str(workers)),
            serving.program("worker", "serve", "--worker", "--child"),
        ]
        with processes.Supervisor(children, say=self._say) as supervisor:
            host = "127.0.0.1" if bind in {"0.0.0.0", "127.0.0.1"} else bind  # noqa: S104  compared, not bound
            while not supervisor.stopping and not serving.is_ready(host, settings.ENVIRONMENT.port):
                supervisor.step(0.1)
            if not supervisor.stopping:
                self._say(f"MyDevices is at {settings.PUBLIC_URL} (port {settings.ENVIRONMENT.port}). Ctrl-C stops it.")
            supervisor.run()
            self._say("Stopping ...")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _item(text: str, width: int) -> str:
    """An item of a list, in lines of so many characters. A command stays in one line, to be copied."""
    whole = re.sub(r"\./run( manage)? \w+", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.fill(whole, width, initial_indent="  - ", subsequent_indent="    ")
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size().columns))
