"""Operators' commands: `python -m mydevices COMMAND`, which is what `./run manage COMMAND` starts."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mydevices.settings")
    execute_from_command_line(["./run manage", *sys.argv[1:]])
