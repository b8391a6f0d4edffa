"""Settings of a test run: the product's own, with a data folder and a database that nobody else uses.

The environment of the developer does not reach the tests. `MYDEVICES_TEST_DATABASE_URL` (set by `tests.postgresql`)
runs them on PostgreSQL; without it they run on an SQLite file, so that the threads of a test see one database, as in
production.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_CONTROLLER = "PYTEST_XDIST_WORKER" not in os.environ

if _CONTROLLER:
    _folder = Path(tempfile.mkdtemp(prefix="mydevices-tests-"))
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["MYDEVICES_TEST_FOLDER"] = str(_folder)
else:
    _folder = Path(os.environ["MYDEVICES_TEST_FOLDER"]) / os.environ["PYTEST_XDIST_WORKER"]
    _folder.mkdir(exist_ok=True)

_kept = {"MYDEVICES_TEST_FOLDER", "MYDEVICES_TEST_DATABASE_URL"}
for _name in [name for name in os.environ if name.startswith(("MYDEVICES_", "DATABASE_URL")) and name not in _kept]:
    del os.environ[_name]
os.environ["MYDEVICES_DATA"] = str(_folder)
os.environ["MYDEVICES_TEST_SQLITE"] = str(_folder / "test.sqlite3")
if "MYDEVICES_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["MYDEVICES_TEST_DATABASE_URL"]

from mydevices.vault import keys as _keys  # noqa: E402  the environment above must stand before anything is read

# What `cli.start` makes before anything serves.
(_folder / "static").mkdir(exist_ok=True)
_keys.make_missing(_folder / "master-key", _keys.create_file)
_keys.make_missing(_folder / "secret-key", _keys.create_secret_file)

from mydevices.settings import *  # noqa: E402, F403  the environment above decides what these settings are
from mydevices.settings import PASSWORD_HASHERS as _HASHERS  # noqa: E402  the same

# Argon2id, as in production, at the cost of a moment: tests make many people.
PASSWORD_HASHERS = ["tests.hashers.QuickArgon2id", *_HASHERS]

# Straight from the source folder: the pages of a unit test need no collected files. The journeys use the real ones.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
