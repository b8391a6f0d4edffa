"""What must be there before the server runs, and what an operator should know when it does."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Final

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError
from django.urls import reverse
from django.utils import timezone

from mydevices.accounts import selectors as accounts_selectors
from mydevices.accounts import services as accounts
from mydevices.audit import services as audit
from mydevices.audit.actor import Actor
from mydevices.audit.verbs import Verb
from mydevices.certificates import push
from mydevices.certificates import services as certificates
from mydevices.errors import Conflict
from mydevices.organisation import outgoing
from mydevices.vault import checks
from mydevices.vault import services as vault

_LOCK: Final = 0x4D794465  # any number that means nothing else in this database: the ASCII of "MyDe"


def prepare() -> Sequence[str]:
    """Bring the database up to this version and make what is made once. Says what it did, a line for each.

    Several servers may start at once: one prepares, the others wait. Raises Conflict when the database is away, or
    holds secrets that no given master key opens, or goes with another secret key."""
    done = []
    try:
        with _alone():
            executor = MigrationExecutor(connection)
            first = not executor.loader.applied_migrations
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", verbosity=0, interactive=False)
                done.append("Made the database." if first else "Brought the database up to this version.")
            call_command("createcachetable", verbosity=0)
            _check_master_keys()
            if _takes_over_secret_key():
                done.append("Took over the new secret key. The older ones can go in two weeks, when nobody needs them.")
            if certificates.ensure_authority():
                done.append("Made the device authority: it issues the certificates of devices.")
            _collect_static()
    except OperationalError as error:
        raise Conflict(f"The database does not answer: {str(error).strip()}") from error
    finally:
        # What is started from here must not share a connection.
        connections.close_all()
    return done


def _takes_over_secret_key() -> bool:
    """Not later: machines with different secret keys refuse each other's sessions, links and registrations."""
    named = "MYDEVICES_SECRET_KEY_FILE" if "MYDEVICES_SECRET_KEY_FILE" in os.environ else "MYDEVICES_SECRET_KEY"
    file = f"{settings.DATA / 'secret-key'} (made anew if the file was missing)"
    place = named if settings.ENVIRONMENT.secret_key else file
    try:
        with transaction.atomic():
            is_new = vault.know_secret_key([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
            if is_new:
                audit.record(Verb.SECRET_KEY_CHANGED, actor=Actor.system("start"))
    except Conflict as error:
        raise Conflict(
            f"The database goes with another secret key than the one in {place}. Put back the key that belongs to this "
            "database, or give every machine the same. To change it, give the old one after the new "
            "one: MYDEVICES_SECRET_KEY=new,old. If it is lost: ./run manage accept_secret_key, after which everybody "
            "signs in anew and open links and registrations are no longer good."
        ) from error
    return is_new


def _check_master_keys() -> None:
    """Not later: with another key, devices would be answered with errors, and new secrets be sealed beside the old."""
    if not any(problem.id == "vault.E003" for problem in checks.check_stored(None, databases=["default"])):
        return
    if settings.ENVIRONMENT.master_key:
        named = "MYDEVICES_MASTER_KEY_FILE" if "MYDEVICES_MASTER_KEY_FILE" in os.environ else "MYDEVICES_MASTER_KEY"
        place = f"the key in {named}"
    else:
        place = f"the key in {settings.DATA / 'master-key'} (made anew if the file was missing)"
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
    warning = push.warning(timezone.now())
    if warning:
        lacks.append(warning)
    if not outgoing.is_set():
        lacks.append(
            "A mail server. Until one is set, no mail is sent, and the links of invitations stand in the console: set "
            "it there, or MYDEVICES_SMTP_URL=smtp://user:password@mail.example.org:587 and MYDEVICES_MAIL_FROM."
        )
    return lacks
