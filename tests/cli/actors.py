"""Processes for the supervisor's tests: python -m tests.cli.actors ROLE [FOLDER]

supervise    run the programs below, until told to stop
steady       live, with a grandchild in the same group
stubborn     live, and ignore SIGTERM
crashing     end at once
grandchild   live as long as its parent
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mydevices.cli import processes

FOREVER = 60


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def program(role: str, folder: Path, output: Path | None = None) -> processes.Program:
    return processes.Program(role, [sys.executable, "-m", "tests.cli.actors", role, str(folder)], output=output)


def supervise(folder: Path) -> None:
    programs = [
        program("steady", folder),
        program("stubborn", folder),
        program("crashing", folder, folder / "crashing.log"),
    ]
    with processes.Supervisor(programs, say=say, grace=1.0) as supervisor:
        say("supervising")
        supervisor.run()
    say("stopped")


def main(role: str, folder: Path) -> None:
    if role == "supervise":
        supervise(folder)
        return
    if role == "grandchild":
        processes.die_with_parent()
    else:
        processes.follow_supervisor(grace=1.0)
    if role == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"{role} is {os.getpid()}")
    if role == "crashing":
        raise SystemExit(3)
    if role == "steady":
        sys.stdout.write("half a line, ")
        sys.stdout.flush()
        time.sleep(0.1)
        say("and the rest")
        with subprocess.Popen([sys.executable, "-m", "tests.cli.actors", "grandchild", str(folder)]):
            time.sleep(FOREVER)
    time.sleep(FOREVER)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
