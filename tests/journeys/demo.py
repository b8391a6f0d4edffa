"""The demo as a program of the journeys: `python -m tests.journeys.demo SECONDS` is `./run demo --fresh` in which a
wipe can be undone for that many seconds. The demo itself knows no such setting, and puts an operator's aside."""

import os
import sys

from django.core.management import execute_from_command_line

from mydevices.cli import demonstration

if __name__ == "__main__":
    demonstration.prepare(["--fresh"])
    os.environ["MYDEVICES_UNDO_SECONDS"] = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "mydevices.settings"
    execute_from_command_line(["./run", "demo"])
