"""`./run manage demo_data --people N --devices N`: fill a database, to see how the console does with an organisation of
that size. The devices are rows only: nothing ever polls for them."""

import itertools
import random
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from mydevices.accounts.models import Group, Membership, Person, PersonWord
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.devices.models import Device, DeviceWord, Inventory, Registration
from mydevices.port.platform import demonstrations

BATCH: Final = 2000
FIRST: Final = (
    "Amara", "Bastian", "Chiara", "Dev", "Elif", "Farid", "Greta", "Hana", "Ines", "Jonas", "Kwame", "Leila", "Mateo",
    "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Sven", "Tomás", "Umar", "Valentina", "Wei", "Ximena", "Yuki", "Zofia",
)  # fmt: skip
LAST: Final = (
    "Abara", "Bergström", "Costa", "Diallo", "Eriksen", "Fontaine", "García", "Haddad", "Ito", "Jansen", "Kovács",
    "Lindqvist", "Moretti", "Novák", "Okafor", "Pereira", "Quispe", "Raman", "Silva", "Tanaka", "Ueda", "Vogel",
    "Wójcik", "Xu", "Yilmaz", "Zhang",
)  # fmt: skip
GROUPS: Final = ("Sales", "Engineering", "Finance", "Workshop", "Berlin", "London", "Milan", "On call")
STATES: Final = (*["active"] * 17, "retired", "wiped", "pending")


class Command(BaseCommand):
    help = "Fill the database with people and devices that nobody has, to try the console at size."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--people", type=int, default=1000)
        parser.add_argument("--devices", type=int, default=3000)
        parser.add_argument("--force", action="store_true", help="even where there are devices already")

    def handle(self, *_args: Any, **options: Any) -> None:
        if Device.objects.exists() and not options["force"]:
            raise CommandError(
                "This database has devices already. What is made up here cannot be told from them: --force"
            )
        if options["people"] < 1 or options["devices"] < 0:
            raise CommandError("At least one person, and no less than no devices.")
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute(
                    "PRAGMA cache_size = -262144"
                )  # KiB: keys are random, and fall on every page of an index
        # Always the same, so that two measurements are of the same data.
        chance = random.Random(20261122)  # noqa: S311  not for secrets
        now = timezone.now()
        owners = self._people(options["people"], chance, now)
        self._devices(options["devices"], owners, chance, now)
        self.stdout.write(f"{options['people']:,} people and {options['devices']:,} devices are there now.")

    def _people(self, number: int, chance: random.Random, now: datetime) -> Sequence[UUID]:
        with transaction.atomic():
            groups = [Group.objects.get_or_create(name=name)[0] for name in GROUPS]
            audit.record(Verb.LIST_EXPORTED, actor=Actor.system("demo_data"), details={"made_up_people": number})
        start = Person.objects.count()
        ids: list[UUID] = []
        for numbers in _batches(range(start, start + number)):
            rows = [self._person(index, chance, now) for index in numbers]
            with transaction.atomic():
                Person.objects.bulk_create(rows)
                PersonWord.objects.bulk_create(word for row in rows for word in row.fresh())
                Membership.objects.bulk_create(
                    Membership(group=group, person=row)
                    for row in rows
                    for group in chance.sample(groups, chance.choice((0, 1, 1, 2)))
                )
            ids += [row.id for row in rows]
        return ids

    def _person(self, index: int, chance: random.Random, now: datetime) -> Person:
        first, last = chance.choice(FIRST), chance.choice(LAST)
        person = Person(
            name=f"{first} {last}",
            email=f"made.up.{index}@aldermoor.example",
            is_active=chance.random() > 0.02,
            signed_in_at=now - timedelta(minutes=chance.randrange(200_000)) if chance.random() > 0.2 else None,
        )
        person.set_unusable_password()
        return person

    def _devices(self, number: int, owners: Sequence[UUID], chance: random.Random, now: datetime) -> None:
        start = Device.objects.count()
        known = [(name, model) for name, brings in demonstrations().items() for model in brings.models]
        for numbers in _batches(range(start, start + number)):
            devices, lives, inventories = [], [], []
            for index in numbers:
                platform, model = chance.choice(known)
                device = Device(
                    owner_id=chance.choice(owners),
                    platform=platform,
                    hardware_id=f"MADEUP{index:010}",
                    ownership=chance.choice(Device.Ownership.values),
                    name=f"{chance.choice(FIRST)}’s {model.noun}",
                    model=model.product,
                    model_name=model.name,
                    os_name=model.system,
                    os_version=model.version,
                    serial_number=f"MU{index:010}",
                    state=chance.choice(STATES),
                    seen_at=now - timedelta(minutes=chance.randrange(20_000)),
                )
                life = Registration(
                    device=device,
                    state=device.state,
                    keys_held=False,
                    started_at=now - timedelta(days=200),
                    last_seen_at=device.seen_at,
                    ended_at=now if device.state in Registration.ENDED else None,
                )
                devices.append(device)
                lives.append(life)
                inventories.append(Inventory(device=device, collected_at=now, capacity_bytes=256 * 10**9))
            with transaction.atomic():
                Device.objects.bulk_create(devices)
                Registration.objects.bulk_create(lives)
                for name, brings in demonstrations().items():
                    brings.make_up([life for life in lives if life.device.platform == name])
                life_of = Subquery(Registration.objects.filter(device=OuterRef("pk")).values("id"))
                Device.objects.filter(id__in=[device.id for device in devices]).update(registration_id=life_of)
                Inventory.objects.bulk_create(inventories)
                DeviceWord.objects.bulk_create(word for device in devices for word in device.fresh())
            self.stderr.write(f"{numbers[-1] + 1 - start:,} devices ...")


def _batches(numbers: range) -> Iterator[Sequence[int]]:
    rest = iter(numbers)
    while part := list(itertools.islice(rest, BATCH)):
        yield part
