"""As many schedules as some minutes of one core allow. `make simulate` runs more."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import search
from tests.meta.repo import ROOT
from tests.simulation.scenarios import everything

#: Fixed seeds from 0 on, in parts that the processes of a test run share.
SCHEDULES, PARTS = 200_000, 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_breaks_a_promise(part: int) -> None:
    count = SCHEDULES // PARTS
    # In a process of its own: this one may have threads, and is not to be forked.
    command = [sys.executable, "-m", "tests.simulation", str(count), str(part * count), "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{count} schedules, "), done.stdout


def test_another_machine_may_go_on_at_any_moment() -> None:
    """A deep copy stands for a perfect journal: nothing of a machine may be known only to the one that died."""
    faults = Faults((*Faults.every().kinds, "restart"), 12, 12)
    report = search(everything(faults=faults, successor=copy.deepcopy), range(150))
    assert report.breach is None, str(report)
    assert report.faults["restart"] > 0


def test_deaths_are_not_added_up_over_messages_that_nobody_can_tell_apart() -> None:
    """A client posts one message five times; a worker dies under one, and a home that has what four of them were sent on as."""
    seed = 1_524_547
    report = search(everything(), range(seed, seed + 1))
    assert report.breach is None, str(report)
