"""Settings of the server processes that these tests start: the product's own, on the database of the test run."""

import os

from mydevices.settings import *  # noqa: F403  what the processes run with in production
from mydevices.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
