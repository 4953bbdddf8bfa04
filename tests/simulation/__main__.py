"""A long search on several cores: ``python -m tests.simulation [seeds] [first seed] [processes]``."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from routilux_dist.testing.search import SimulationReport, search
from tests.simulation.scenarios import everything

CHUNK = 500


def run(seeds: range) -> SimulationReport:
    """Search some seeds."""
    return search(everything(), seeds)


def chunks(seeds: int, first: int) -> Iterator[range]:
    """Cut a range of seeds."""
    for start in range(first, first + seeds, CHUNK):
        yield range(start, min(start + CHUNK, first + seeds))


def main(seeds: int = 100_000, first: int = 0, processes: int = os.cpu_count() or 1) -> int:
    """Search; return the exit code."""
    total, started = SimulationReport(), time.perf_counter()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for report in pool.imap_unordered(run, chunks(seeds, first)):
            total.schedules += report.schedules
            total.events += report.events
            total.faults += report.faults
            total.statuses += report.statuses
            if report.breach is not None:
                total.breach = report.breach
                pool.terminate()
                break
    sys.stdout.write(f"{total}\n{time.perf_counter() - started:.0f} s\n")
    return int(total.breach is not None)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
