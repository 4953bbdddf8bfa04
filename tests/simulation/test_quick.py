"""As many schedules as a minute or two allow. `make simulate` runs more."""

from __future__ import annotations

import copy
import subprocess
import sys

from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import search
from tests.meta.repo import ROOT
from tests.simulation.scenarios import everything

#: On two cores; fixed seeds from 0 on.
SCHEDULES, PROCESSES = 30_000, 2


def test_no_schedule_breaks_a_promise() -> None:
    # In a process of its own: this one may have threads, and is not to be forked.
    command = [sys.executable, "-m", "tests.simulation", str(SCHEDULES), "0", str(PROCESSES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{SCHEDULES} schedules, "), done.stdout


def test_another_machine_may_go_on_at_any_moment() -> None:
    """A deep copy stands for a perfect journal: nothing of a machine may be known only to the one that died."""
    faults = Faults((*Faults.every().kinds, "restart"), 12, 12)
    report = search(everything(faults=faults, successor=copy.deepcopy), range(150))
    assert report.breach is None, str(report)
    assert report.faults["restart"] > 0
