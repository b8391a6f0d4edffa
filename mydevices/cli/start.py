"""What must be there before the server runs, and what an operator should know when it does."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError, ProgrammingError
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import providers
from mydevices.accounts import selectors as accounts_selectors
from mydevices.accounts import services as accounts
from mydevices.audit import chain
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import services as certificates
from mydevices.cli import roles
from mydevices.errors import Conflict
from mydevices.organisation import outgoing
from mydevices.port.platform import settings_pages
from mydevices.vault import checks, keys
from mydevices.vault import services as vault
from mydevices.vault.models import KnownKey

MASTER: Final = settings.DATA / "master-key"
SECRET: Final = settings.DATA / "secret-key"
_LOCK: Final = 0x4D794465  # any number that means nothing else in this database: the ASCII of "MyDe"


def prepare() -> Sequence[str]:
    """Bring the database up to this version and make what is made once. Says what it did, a line for each.

    Several servers may start at once: one prepares, the others wait. Raises Conflict when the database is away, or
    holds secrets that no given master key opens, or goes with another secret key, or must be changed by another role.
    Keys are made last of all that can be refused."""
    done = list(prepare_folder())
    try:
        roles.check_owner()
        with roles.as_owner(), _alone():
            _refuse_unreleased()
            executor = MigrationExecutor(connection)
            first = not executor.loader.applied_migrations
            pending = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
            if pending and not roles.owns_tables():
                raise Conflict(NOT_THE_OWNER)
            _make_keys()
            if pending:
                call_command(Migrate(), verbosity=0, interactive=False)
                done.append("Made the database." if first else "Brought the database up to this version.")
            _check_master_keys()
            if not chain.has_key():
                raise Conflict(chain.MISSING)
            done += _make_once()
            _finish()
        lacking = roles.lacking()
        if lacking:
            raise Conflict(lacking)
        _collect_static()
        for path in _database_files():
            path.chmod(0o600)  # what was made by now
    except OperationalError as error:
        raise Conflict(f"The database does not answer: {str(error).strip()}") from error
    except ProgrammingError as error:
        if not roles.is_refusal(error):
            raise
        raise Conflict(f"The database refuses: {str(error).strip()}") from error
    finally:
        # What is started from here must not share a connection.
        connections.close_all()
    # Not for the processes that serve.
    for name in ("MYDEVICES_DATABASE_OWNER_URL", "MYDEVICES_DATABASE_OWNER_URL_FILE"):
        os.environ.pop(name, None)
    return done


NOT_THE_OWNER: Final = (
    "The database is not of this version, and the role that the server runs under may not change it. Bring it up "
    "first, as the owner of the tables: MYDEVICES_DATABASE_OWNER_URL=postgresql://... ./run manage migrate"
)


_UNRELEASED: Final = ("accounts", "0002_people_and_groups")
"""A migration that only versions from before the first release had."""


def _refuse_unreleased() -> None:
    """The migrations were begun anew with the first release. Raises Conflict for a database of an earlier state."""
    if _UNRELEASED in MigrationRecorder(connection).applied_migrations():
        raise Conflict(
            "This database was made by a version from before 0.1.0, the first release, and can’t be brought up to it. "
            f"Start with an empty database: another MYDEVICES_DATA than {settings.DATA}, or another DATABASE_URL."
        )


def migrate(run: Callable[[], None]) -> None:
    """For `./run manage migrate`: `run` changes the tables, as their owner and with the keys that it needs. Raises
    Conflict as `prepare` does."""
    prepare_folder()
    roles.check_owner()
    with roles.as_owner(), _alone():
        if not roles.owns_tables():
            raise Conflict(NOT_THE_OWNER)
        _refuse_unreleased()
        _make_keys()
        run()
        _finish()


def _finish() -> None:
    """What follows each migration: the table of the cache, and the rights of the role that the server runs under."""
    call_command("createcachetable", verbosity=0)
    if roles.owner() is not None:
        roles.grant()


def _make_once() -> Sequence[str]:
    done = []
    if _takes_over_secret_key():
        done.append("Took over the new secret key. The older ones can go in two weeks, when nobody needs them.")
    if certificates.ensure_authority():
        done.append("Made the device authority: it issues the certificates of devices.")
    return done


def prepare_folder() -> Sequence[str]:
    """The folder of the data, readable by its owner only, and so its files. Says what was set right.

    Raises Conflict where the files of the database can be read by others and that can't be helped."""
    try:
        settings.DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.STATIC_ROOT.mkdir(exist_ok=True)
    except OSError as error:
        raise Conflict(f"The folder {settings.DATA} can’t be used: {error.strerror}.") from error
    exposed = [path for path in _database_files() if not keys.is_private(path)]
    try:
        for path in exposed:
            path.chmod(0o600)
    except OSError as error:
        raise Conflict(
            f"{path} can be read by others on this machine, and that can’t be changed: {error.strerror}. As its owner: "
            f"chmod 600 {path}"
        ) from error
    if not exposed:
        return []
    return [f"Others on this machine could read {', '.join(path.name for path in exposed)}. Now only its owner can."]


def _database_files() -> Sequence[Path]:
    """Those of SQLite, with what it has not yet moved into the main one."""
    if connection.vendor != "sqlite":
        return []
    main = str(connection.settings_dict["NAME"])
    return [path for ending in ("", "-wal", "-shm", "-journal") if (path := Path(main + ending)).is_file()]


def _make_keys() -> None:
    """The keys of a new installation. Raises Conflict for a database that goes with others, before any is made."""
    makes_master = not settings.ENVIRONMENT.master_key and not MASTER.exists()
    makes_secret = not has_secret_key()
    tables = set(connection.introspection.table_names())
    if makes_master and checks.check_stored(None, databases=["default"]):
        raise Conflict(
            f"The database holds secrets that were sealed with another master key, and {MASTER} is missing. Put it "
            "back from its backup."
        )
    if makes_secret and KnownKey._meta.db_table in tables and vault.knows_secret_key():  # noqa: SLF001  Django's own way
        raise Conflict(OTHER_KEY.format(place=f"{SECRET}, which is missing"))
    if makes_master:
        keys.make_missing(MASTER, keys.create_file)
    make_secret_key()


def has_secret_key() -> bool:
    return bool(settings.ENVIRONMENT.secret_key) or SECRET.exists()


def make_secret_key() -> None:
    """For a server whose secret key is lost, and for a new one."""
    if not settings.ENVIRONMENT.secret_key:
        keys.make_missing(SECRET, keys.create_secret_file)
    read_keys()


def read_keys() -> None:
    """From now on this process has the keys that are there now."""
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys.secret_keys(settings.ENVIRONMENT.secret_key, SECRET) or [
        ""
    ]
    settings.MASTER_KEYS = keys.load(settings.ENVIRONMENT.master_key, MASTER)


def unprepared(*, without_secret_key: bool = False) -> str:
    """Why a command that works with the database can't, in words; empty where it can. Makes nothing."""
    begin = (
        "Start the server once, which makes what is missing: ./run serve (or, without serving: ./run manage migrate)"
    )
    try:
        if connection.vendor == "sqlite" and not _database_files():
            return f"Nothing is set up in {settings.DATA} yet. {begin}"
        executor = MigrationExecutor(connection)
        if not executor.loader.applied_migrations:
            return f"The database is empty. {begin}"
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return f"The database is not of this version. {begin}"
    except OperationalError as error:
        return f"The database does not answer: {str(error).strip()}"
    for path, is_given in ((MASTER, settings.MASTER_KEYS), (SECRET, without_secret_key or has_secret_key())):
        if not is_given:
            return f"{path} is missing, and this database has secrets that go with it. Put it back from its backup."
    return ""


OTHER_KEY: Final = (
    "The database goes with another secret key than the one in {place}. Put back the key that belongs to this "
    "database, or give every machine the same. To change it, give the old one after the new "
    "one: MYDEVICES_SECRET_KEY=new,old. If it is lost: ./run manage accept_secret_key, after which everybody "
    "signs in anew and open links and registrations are no longer good."
)


def _takes_over_secret_key() -> bool:
    """Not later: machines with different secret keys refuse each other's sessions, links and registrations."""
    named = "MYDEVICES_SECRET_KEY_FILE" if "MYDEVICES_SECRET_KEY_FILE" in os.environ else "MYDEVICES_SECRET_KEY"
    try:
        with transaction.atomic():
            is_new = vault.know_secret_key([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
            if is_new:
                audit.record(Verb.SECRET_KEY_CHANGED, actor=Actor.system("start"))
    except Conflict as error:
        place = named if settings.ENVIRONMENT.secret_key else SECRET
        raise Conflict(OTHER_KEY.format(place=place)) from error
    return is_new


def _check_master_keys() -> None:
    """Not later: with another key, devices would be answered with errors, and new secrets be sealed beside the old."""
    if not any(problem.id == "vault.E003" for problem in checks.check_stored(None, databases=["default"])):
        return
    if settings.ENVIRONMENT.master_key:
        named = "MYDEVICES_MASTER_KEY_FILE" if "MYDEVICES_MASTER_KEY_FILE" in os.environ else "MYDEVICES_MASTER_KEY"
        place = f"the key in {named}"
    else:
        place = f"the key in {MASTER}"
    raise Conflict(
        f"The database holds secrets that were sealed with another master key than {place}. Put back the key that "
        "belongs to this database, from its backup, and start again. If both keys are in use, give the "
        "old one after the new one: MYDEVICES_MASTER_KEY=new,old"
    )


def _collect_static() -> None:
    """Fill the folder of static files, named after their content, when the source's are not those of the last time.

    Older versions stay: a page that is open asks for them."""
    known = settings.STATIC_ROOT / ".source"
    found = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            found.update(f"{path} {storage.size(path)} {storage.get_modified_time(path).timestamp()}\n".encode())
    if known.exists() and known.read_text(encoding="ascii") == found.hexdigest():
        return
    call_command("collectstatic", verbosity=0, interactive=False)
    known.write_text(found.hexdigest(), encoding="ascii")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Of the session, not of a transaction: migrations have several.
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    else:
        with (settings.DATA / "start.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def setup_link() -> str:
    """Where the first administrator sets a password; empty when there is one. Good for a day, and for one only."""
    if accounts_selectors.has_administrator():
        return ""
    return settings.PUBLIC_URL + reverse("portal:setup", args=[accounts.first_administrator_token()])


def missing() -> Sequence[str]:
    """What people and real devices need and do not find here, each with where to set it."""
    lacks = []
    if not settings.PUBLIC_URL.startswith("https://"):
        lacks.append(
            "A public https address. Put a reverse proxy with a certificate in front of this port, and set "
            "MYDEVICES_PUBLIC_URL=https://devices.example.org and MYDEVICES_TRUSTED_PROXIES=1."
        )
    elif not settings.ENVIRONMENT.trusted_proxies:
        lacks.append(
            "The addresses of clients. MYDEVICES_PUBLIC_URL is https, so a reverse proxy stands in front, and "
            "MYDEVICES_TRUSTED_PROXIES is 0: everybody has the proxy's address, in the history and where attempts are "
            "counted, and browsers are not told to stay with https. Set "
            "MYDEVICES_TRUSTED_PROXIES=1, or how many proxies there are."
        )
    cautions = [page.caution(timezone.now()) for page in settings_pages().values()]
    lacks += [caution.text for caution in cautions if caution is not None]
    lacks += filter(None, [roles.warning()])
    lacks += [
        f"The sign-in provider {issuer}, which {number} people are linked to. If you have replaced it, "
        f"`./run manage end_provider_links {issuer}` lets them set a password and link their account anew."
        for issuer, number in providers.issuers_gone()
    ]
    if not outgoing.is_set():
        lacks.append(
            "A mail server. Until one is set, no mail is sent, and the links of invitations stand in the console: set "
            "it there, or MYDEVICES_SMTP_URL=smtp://user:password@mail.example.org:587 and MYDEVICES_MAIL_FROM."
        )
    return lacks
