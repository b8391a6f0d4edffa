"""`./run demo`: the portal, with a person whose devices are simulated. What their platforms need is simulated as well.

The simulator is a program of its own and speaks to the portal as real devices do. What this command does with it an
administrator could do by hand with `./run manage`.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mydevices.accounts import selectors as accounts_selectors
from mydevices.accounts import services as accounts
from mydevices.accounts import sign_in_rules
from mydevices.accounts.models import Person
from mydevices.audit.actor import Actor
from mydevices.certificates import selectors as certificates_selectors
from mydevices.cli import demonstration, processes, serving, start, web
from mydevices.configurations import services as configurations
from mydevices.configurations.kinds.exchange import Exchange
from mydevices.configurations.kinds.identity_certificate import IdentityCertificate
from mydevices.devices.assignment import EVERYONE, Assignment, To
from mydevices.devices.models import Device
from mydevices.errors import MyDevicesError
from mydevices.organisation import services as organisation
from mydevices.policies import selectors as policies_selectors
from mydevices.policies import services as policies
from mydevices.policies.kinds.privacy import MANAGED_APPS, Privacy
from mydevices.policies.kinds.registration import RegistrationRules
from mydevices.port.platform import demonstrations
from mydevices.registration import tickets

ACTOR: Final = Actor.system("demo")
MAIL_PURPOSES: Final = ("signing", "encryption")
MAIL_PASSWORD: Final = "meadow-lantern-7"  # noqa: S105  of files that the demo makes for its own person
PATIENCE: Final = 90.0


@dataclass(frozen=True)
class Account:
    email: str
    name: str
    password: str
    role: Person.Role


PERSON: Final = Account("ines.okafor@aldermoor.example", "Ines Okafor", "harbour-lantern-42", Person.Role.PERSON)
ADMINISTRATOR: Final = Account(
    "amara.diallo@aldermoor.example", "Amara Diallo", "granite-meadow-17", Person.Role.ADMINISTRATOR
)


class Command(BaseCommand):
    help = "Try MyDevices with three simulated devices. Everything stays in demo-data, and on this machine."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        # Done before the settings were read: see demonstration.prepare.
        parser.add_argument("--fresh", action="store_true", help="forget the last demo and start over")

    def handle(self, *_args: Any, **_options: Any) -> None:
        if demonstration.GATEWAY_PORT not in os.environ:
            raise CommandError("Start the demo with: ./run demo")
        port = settings.ENVIRONMENT.port
        try:
            web.check_port("127.0.0.1", port)
            self._say("Starting the demo ...")
            mail_files = _begin_mail_files()
            start.prepare()
            with processes.Supervisor([], say=self._say) as supervisor:
                workers = str(min(2, web.default_workers()))
                supervisor.add(_logged(serving.program("web", "serve", "--web", "--child", "--workers", workers)))
                supervisor.add(_logged(serving.program("worker", "serve", "--worker", "--child")))
                supervisor.step(0)
                demonstration.note(port=str(port))
                _introduce()
                for begun in mail_files:
                    begun.end()
                simulator = _logged(_simulator())
                supervisor.add(simulator)
                self._wait(supervisor, simulator, port)
                if not supervisor.stopping:
                    demonstration.note(devices="registered")
                    self._say(_what_to_try())
                supervisor.run()
                self._say("Stopping ...")
        except MyDevicesError as error:
            raise CommandError(error.message) from error

    def _wait(self, supervisor: processes.Supervisor, simulator: processes.Program, port: int) -> None:
        """Until the portal answers and the devices are registered."""
        log = simulator.output or Path(os.devnull)
        written = log.stat().st_size if log.exists() else 0
        deadline = time.monotonic() + PATIENCE
        ready = False
        while not supervisor.stopping and not ready:
            supervisor.step(0.05)
            ready = _says_ready(log, written) and serving.is_ready("127.0.0.1", port)
            if time.monotonic() > deadline:
                raise CommandError(f"The demo did not become ready. What its parts say is in {demonstration.LOGS}.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _logged(program: processes.Program) -> processes.Program:
    return processes.Program(
        program.name, program.command, program.environment, demonstration.LOGS / f"{program.name}.log"
    )


def _introduce() -> None:
    """The organisation, its people and what its platforms need, where they are missing."""
    organisation.describe(
        actor=ACTOR,
        name="Aldermoor",
        helpdesk_name="Aldermoor service desk",
        helpdesk_phone="+44 20 7946 0142",
        helpdesk_email="help@aldermoor.example",
    )
    prepared = [
        brings.prepare(actor=ACTOR, folder=demonstration.FOLDER, simulate=_simulated)
        for brings in demonstrations().values()
    ]
    for account in (ADMINISTRATOR, PERSON):
        if not accounts_selectors.with_address(account.email).exists():
            accounts.create_person(
                actor=ACTOR, email=account.email, name=account.name, password=account.password, role=account.role
            )
    if not accounts_selectors.has_sign_in_rules():
        # Whoever tries this out signs in with a password that everybody knows, again and again.
        unchanged = {name: getattr(accounts_selectors.sign_in_rules(), name) for name in sign_in_rules.NAMES}
        sign_in_rules.change(actor=ACTOR, **{**unchanged, "console_factor": False})
    if not policies_selectors.of_kind(RegistrationRules).exists():
        minimums = {
            system: version for brings in demonstrations().values() for system, version in brings.minimums.items()
        }
        values = RegistrationRules(device_limit=5, minimums=minimums)
        policies.create(actor=ACTOR, name="Everyone", values=values, assignment=EVERYONE)
    if not policies_selectors.of_kind(Privacy).exists():
        privacy = Privacy(
            app_inventory=MANAGED_APPS,
            text="Aldermoor looks after the devices that you work with, and leaves alone what is yours.",
        )
        # Personal devices go by the server's setting, so that the demo has one that cannot be wiped.
        company = Assignment(ownerships=frozenset({Device.Ownership.COMPANY}))
        policies.create(actor=ACTOR, name="Aldermoor’s devices", values=privacy, assignment=company)
    for end in prepared:
        end()
    if not certificates_selectors.types().exists():
        _offer_mail()


def _offer_mail() -> None:
    """Types for the demo's files, and an account that uses both. The types are assigned to nobody: the account brings
    their certificates to its devices."""
    signing, encryption = (
        configurations.create(
            actor=ACTOR,
            name=f"{purpose.capitalize()} certificate",
            values=IdentityCertificate(purpose=purpose),
            assignment=Assignment(to=To.NOBODY),
        )
        for purpose in MAIL_PURPOSES
    )
    account = Exchange(
        host="mail.aldermoor.example",
        smime_signing=True,
        signing_type=str(signing.id),
        signing_user_may_switch=True,
        smime_encryption=True,
        encryption_type=str(encryption.id),
    )
    configurations.create(actor=ACTOR, name="Aldermoor mail", values=account, assignment=EVERYONE)


def _begin_mail_files() -> Sequence["_Simulation"]:
    """Files that the demo's person can upload. Their keys are made while the database is: the demo is ready sooner."""
    demonstration.CERTIFICATES.mkdir(exist_ok=True)
    begun = []
    for purpose in MAIL_PURPOSES:
        file = demonstration.CERTIFICATES / f"{purpose}.p12"
        if not file.exists():
            person = ("--name", PERSON.name, "--email", PERSON.email)
            made = ("--purpose", purpose, "--password", MAIL_PASSWORD, "--out", str(file))
            begun.append(_Simulation("mail-identity", *person, *made))
    return begun


def _simulator_command(verb: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "simulator", verb, "--state", str(demonstration.SIMULATOR), *arguments]


class _Simulation:
    """A verb of the simulator, under way beside this process."""

    def __init__(self, verb: str, *arguments: str) -> None:
        self.verb = verb
        self.process = subprocess.Popen(  # noqa: S603  our own program
            _simulator_command(verb, *arguments),
            env={**os.environ, "PYTHONPATH": str(demonstration.ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Raises CommandError with what it said when it could not."""
        try:
            told = self.process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            told = self.process.communicate()[1] or "It took longer than a minute."
        if self.process.returncode:
            raise CommandError(f"The simulator could not do “{self.verb}”: {told.strip()}")


def _simulated(verb: str, *arguments: str) -> Callable[[], None]:
    return _Simulation(verb, *arguments).end


def _simulator() -> processes.Program:
    """The simulator with the demo's devices: each with a fresh profile at first, and as it was after that."""
    devices = []
    if demonstration.notes().get("devices") != "registered":
        person = accounts_selectors.by_email(PERSON.email)
        known = [device for brings in demonstrations().values() for device in brings.devices]
        for number, device in enumerate(known, 1):
            ticket = tickets.open_ticket(person=person, ownership=device.ownership, intended=device.kind, actor=ACTOR)
            document = tickets.document_for(ticket=ticket)
            profile = demonstration.FOLDER / f"registration-{number}{Path(document.file_name).suffix}"
            profile.write_bytes(document.content)
            devices += ["--device", f"name={device.name},{device.options},profile={profile}"]
    command = _simulator_command(
        "run",
        "--gateway-port",
        os.environ[demonstration.GATEWAY_PORT],
        "--screens-port",
        os.environ[demonstration.SCREENS_PORT],
        "--inbox-port",
        os.environ[demonstration.INBOX_PORT],
        "--smtp-port",
        os.environ[demonstration.SMTP_PORT],
        *devices,
    )
    return processes.Program("simulator", command, {"PYTHONPATH": str(demonstration.ROOT)})


def _says_ready(log: Path, start_at: int) -> bool:
    if not log.exists():
        return False
    with log.open("rb") as file:
        file.seek(start_at)
        return b"ready: " in file.read()


def _what_to_try() -> str:
    to_try = "\n".join(f"  - {line}" for brings in demonstrations().values() for line in brings.to_try)
    return f"""
MyDevices is at  {settings.PUBLIC_URL}
The devices’ screens are at  http://localhost:{os.environ[demonstration.SCREENS_PORT]}
Everybody’s inbox is at  http://localhost:{os.environ[demonstration.INBOX_PORT]}

  {PERSON.name:<13} {PERSON.email:<32} {PERSON.password}
  {ADMINISTRATOR.name:<13} {ADMINISTRATOR.email:<32} {ADMINISTRATOR.password}   (administrator)

Try this, with both pages side by side:
{to_try}
  - Register another device: the screens’ page can play one.
  - Under My Certificates, upload signing.p12 and encryption.p12 from
    {demonstration.CERTIFICATES}
    Their password is  {MAIL_PASSWORD}  and both arrive on the devices.
  - Sign in as Amara, open the console and invite somebody: the mail is in the inbox.

Ctrl-C stops the demo; ./run demo goes on where it was, ./run demo --fresh starts over.
"""
