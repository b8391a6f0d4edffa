"""Operators' commands: `python -m mydevices COMMAND`, which is what `./run manage COMMAND` starts."""

import os
import sys

from django.core.management import execute_from_command_line

from mydevices.cli import demonstration

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mydevices.settings")
    if sys.argv[1:2] == ["demo"] and not {"-h", "--help"} & set(sys.argv):
        demonstration.prepare(sys.argv[2:])
    try:
        execute_from_command_line(["./run manage", *sys.argv[1:]])
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C before there is anything to stop
