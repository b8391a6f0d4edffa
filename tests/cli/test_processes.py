import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, is_alive, until

Start = Callable[..., Run]


@pytest.fixture
def supervised(start: Start, tmp_path: Path) -> Run:
    run = start("-m", "tests.cli.actors", "supervise", str(tmp_path))
    run.wait_for("steady   | grandchild is")
    run.wait_for("stubborn | stubborn is")
    return run


def test_a_killed_child_is_started_again_and_what_it_left_behind_is_swept_up(supervised: Run) -> None:
    (child,), (grandchild,) = supervised.pids("steady"), supervised.pids("grandchild")
    os.kill(child, signal.SIGKILL)
    until(lambda: len(supervised.pids("grandchild")) == 2, 10, "a second life")
    assert "steady   | was ended by SIGKILL; starting it again in 0.25 s" in supervised.said
    assert supervised.pids("steady")[1] != child
    assert not is_alive(grandchild)
    assert len(supervised.pids("stubborn")) == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_within_seconds_even_what_ignores_it(supervised: Run, signum: int) -> None:
    processes = supervised.descendants()
    assert len(processes) >= 3
    assert supervised.stop(signum) == 0
    assert supervised.said.rstrip().endswith("stopped")
    assert "stubborn | did not stop in 1 s and was killed" in supervised.said
    assert [pid for pid in processes if is_alive(pid)] == []


def test_a_killed_supervisor_leaves_no_orphans(supervised: Run) -> None:
    processes = supervised.descendants()
    supervised.stop(signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in processes), 6, "everybody gone")


def test_a_child_that_crashes_at_once_is_tried_less_and_less_often(supervised: Run, tmp_path: Path) -> None:
    time.sleep(2.5)
    tries = (tmp_path / "crashing.log").read_text().count("crashing is")
    # After 0, 0.25, 0.5, 1 and 2 seconds of pause; starting Python takes its time as well.
    assert 2 <= tries <= 5
    assert "crashing | ended with status 3; starting it again in 0.5 s" in supervised.said
    assert len(supervised.pids("steady")) == 1


def test_output_is_passed_on_in_whole_lines_with_the_name_before_them(supervised: Run, tmp_path: Path) -> None:
    assert "steady   | half a line, and the rest\n" in supervised.said
    assert "crashing is" not in supervised.said
    assert "crashing is" in (tmp_path / "crashing.log").read_text()
