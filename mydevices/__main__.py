"""Operators' commands: `python -m mydevices COMMAND`, which is what `./run manage COMMAND` starts."""

import sys

from mydevices.cli import operators

if __name__ == "__main__":
    try:
        operators.main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C before there is anything to stop
