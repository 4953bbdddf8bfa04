"""A long search on several cores: ``python -m tests.simulation [seeds] [first seed] [processes]``.

What was searched is a range of seeds, so a search goes on where another one ended: its last line says with which seed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from routilux_dist.testing.search import SimulationReport, search
from tests.simulation.scenarios import everything

CHUNK = 500
#: Schedules per line of progress.
LINE = 1_000_000


def run(seeds: range) -> SimulationReport:
    """Search some seeds."""
    global _scenario
    if _scenario is None:
        _scenario = everything()
    return search(_scenario, seeds)


_scenario = None


def chunks(seeds: int, first: int) -> Iterator[range]:
    """Cut a range of seeds."""
    for start in range(first, first + seeds, CHUNK):
        yield range(start, min(start + CHUNK, first + seeds))


def reports(seeds: int, first: int, processes: int) -> Iterator[SimulationReport]:
    """Search in this process, or in several; in the order of seeds, so that all before the last one was searched."""
    if processes == 1:
        yield from map(run, chunks(seeds, first))
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(run, chunks(seeds, first))


def main(seeds: int = 100_000, first: int = 0, processes: int = os.cpu_count() or 1) -> int:
    """Search; return the exit code."""
    total, started = SimulationReport(), time.perf_counter()
    for report in reports(seeds, first, processes):
        total.add(report)
        if report.breach is not None:
            break
        if total.schedules % LINE == 0:
            say(total, first, started)
    say(total, first, started)
    return int(total.breach is not None)


def say(total: SimulationReport, first: int, started: float) -> None:
    """Tell how far it is."""
    seconds = time.perf_counter() - started
    sys.stdout.write(f"{total}\n{seconds:.0f} s; seeds {first} to {first + total.schedules - 1} are done\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
