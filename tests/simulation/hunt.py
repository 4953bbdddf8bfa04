"""Tell for each mutant which seed finds it: ``python -m tests.simulation.hunt [seeds] [part of a name]``."""

from __future__ import annotations

import sys
import time

import pytest

from routilux_dist.testing.search import search
from tests.simulation.mutants import MUTANTS


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(seeds: int = 3000, part: str = "") -> None:
    for mutant in MUTANTS:
        if part not in mutant.name:
            continue
        if mutant.source() is None:
            say(f"{'out of date':>12}  {mutant.name}")
            continue
        started = time.perf_counter()
        with pytest.MonkeyPatch.context() as patch:
            mutant.apply(patch)
            report = search(mutant.scenario(), range(seeds), small=False)
        seconds = time.perf_counter() - started
        found = "NOT FOUND" if report.breach is None else f"{report.breach.seed}"
        why = (
            ""
            if report.breach is None
            else f"{type(report.breach.error).__name__}: {report.breach.error}".split("\n")[0]
        )
        say(f"{found:>12}  {mutant.name:55} {seconds:5.1f} s  {why[:110]}")


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))
