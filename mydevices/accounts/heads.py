"""Where the head of the audit's chain goes once a day: to a mail address, to a file, or to both. Whoever can write to
the database can cut the chain off at its end; a head that is kept elsewhere shows it."""

import os
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mydevices.accounts import services
from mydevices.accounts.notices import Notice
from mydevices.audit import chain

_PRIVATE: Final = 0o600


def mail() -> None:
    """Leave the mail for the worker, where an address is set."""
    to: str = settings.ENVIRONMENT.audit_head_to
    if not to:
        return
    head, entries = chain.head()
    with transaction.atomic():
        facts: dict[str, str | int] = {
            "head": head,
            "entries": entries,
            "at": timezone.now().isoformat(timespec="seconds"),
        }
        services.post_mail(notice=Notice.AUDIT_HEAD, address=to, facts=facts)


def write() -> None:
    """Append a line to the file, where one is set. Raises OSError, and is then tried again."""
    path = settings.ENVIRONMENT.audit_head_log
    if path is None:
        return
    head, entries = chain.head()
    line = f"{timezone.now().isoformat(timespec='seconds')} head={head} entries={entries}\n"
    # Appended in one piece, and never read or rewritten: the file may be one to which can only be appended.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
    try:
        os.write(file, line.encode("ascii"))
        os.fsync(file)
    finally:
        os.close(file)
