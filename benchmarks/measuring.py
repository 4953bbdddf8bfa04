"""Contenders, rounds and ratios.

In each round every contender runs once; the next round goes the other way round. A ratio is taken within a round, between
runs that were seconds apart, so that a machine that gets slower or busier meets both. What is shown is the median of the
rounds' ratios and their range.
"""

from __future__ import annotations

import gc
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import environment

if TYPE_CHECKING:
    import routilux_dist as rd

#: The first contender of a case.
OURS = "routilux_dist"
#: What one run of a contender gives: figure -> value.
Values = Mapping[str, float]
Run = Callable[[], Values]


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured."""

    name: str
    unit: str
    more_is_better: bool = False
    digits: int = 3
    #: Whether a ratio to others says anything.
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be.

    Attributes:
        figure: Its name.
        against: The contender to compare with; "" for the figure itself.
        at_least: Smallest ratio (how many times better than the contender), or smallest value.
        at_most: Largest value.
    """

    figure: str
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Whether a ratio or value is as it should be."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def bound(self) -> float:
        """Where to draw the target."""
        return self.at_least if self.at_least is not None else self.at_most or 0.0

    @property
    def text(self) -> str:
        """The target in short: "≥ 3×", "≤ 200", "0.95 – 1.05"."""
        times = "×" if self.against else ""
        low, high = (None if bound is None else f"{bound:,.10g}{times}" for bound in (self.at_least, self.at_most))
        if low is None or high is None:
            return f"≥ {low}" if low is not None else f"≤ {high}"
        return f"{low} – {high}"


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who does the work.

    Attributes:
        name: What the table calls it.
        open: Gets ready and yields what runs once.
        module: What has to be installed.
        brief: Whether it is closed again after each run, because it does something while it waits.
        note: What is different, such as a smaller number of messages.
    """

    name: str
    open: Callable[[Setup], AbstractContextManager[Run]]
    module: str = "routilux_dist"
    brief: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A workload: what is measured, who takes part, what is aimed at."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()
    #: Logical CPUs of its Ray; 0 for none.
    ray_cpus: int = environment.CORES


@dataclass(slots=True)
class Setup:
    """What a contender may ask for."""

    quick: bool
    #: Loops of `burn` per millisecond.
    loops_per_ms: float
    #: What is shared by the contenders of a case, by name.
    shared: dict[str, Any] = field(default_factory=dict)

    def pick(self, full: int, quick: int) -> int:
        """Return a size."""
        return quick if self.quick else full

    def loops(self, ms: float) -> int:
        """Return the loops that take so many milliseconds of a free core."""
        return max(1, int(ms * self.loops_per_ms))

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return something that is made once per case."""
        if name not in self.shared:
            self.shared[name] = make()
        return self.shared[name]

    def runtime(self, backend: str = "ray") -> rd.Runtime:
        """Return the case's runtime."""
        import routilux_dist as rd

        runtime: rd.Runtime = self.once(f"runtime {backend}", lambda: rd.Runtime(backend=backend))
        return runtime


class WrongResultError(Exception):
    """A contender did not do the work."""


def check(found: Any, expected: Any) -> None:
    """Raise unless a result is right."""
    if found != expected:
        raise WrongResultError(f"the result is {found!r:.80}; it should be {expected!r:.80}")


def seconds(call: Callable[[], Any], expected: Any) -> float:
    """Return how long a call takes; its result has to be right."""
    started = time.perf_counter()
    found = call()
    taken = time.perf_counter() - started
    check(found, expected)
    return taken


# ---- rounds --------------------------------------------------------------------------------------------------------


def measure(case: Case, setup: Setup, rounds: int, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Run a case; return its values by contender, figure and round.

    A contender that fails is left out from then on, with the reason; a case without our own figures raises.
    """
    values: dict[str, dict[str, list[float]]] = {contender.name: {} for contender in case.contenders}
    absent = {c.name: "not installed" for c in case.contenders if not environment.installed(c.module)}
    with ExitStack() as stack:
        if case.ray_cpus:
            stack.enter_context(environment.ray_cluster(case.ray_cpus))
        runs: dict[str, Run] = {}
        for number in range(rounds):
            for contender in case.contenders if number % 2 == 0 else case.contenders[::-1]:
                if contender.name in absent:
                    continue
                say(f"{case.name}: round {number + 1} of {rounds}, {contender.name}")
                try:
                    found = _run_once(contender, setup, runs, stack)
                except Exception as exc:
                    if contender is case.contenders[0]:
                        raise
                    traceback.print_exc()
                    absent[contender.name] = f"failed: {type(exc).__name__}: {exc}"[:120]
                    continue
                for figure, value in found.items():
                    values[contender.name].setdefault(figure, []).append(value)
        for thing in setup.shared.values():
            if hasattr(thing, "shutdown"):
                thing.shutdown()
    return {"values": {name: found for name, found in values.items() if name not in absent}, "absent": absent}


def _run_once(contender: Contender, setup: Setup, runs: dict[str, Run], stack: ExitStack) -> Values:
    if contender.brief:
        with contender.open(setup) as run:
            return run()
    if contender.name not in runs:
        runs[contender.name] = stack.enter_context(contender.open(setup))
    gc.collect()
    return runs[contender.name]()


# ---- rows ----------------------------------------------------------------------------------------------------------


def rows(case: Case, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the table for a case."""
    values = measured["values"]
    lines = []
    for figure in case.figures:
        ours = values[case.contenders[0].name].get(figure.name)
        if not ours:
            continue
        alone = [t for t in case.targets if t.figure == figure.name and not t.against]
        others = [
            c
            for c in case.contenders[1:]
            if figure.compared and (c.name in measured["absent"] or figure.name in values.get(c.name, {}))
        ]
        if alone or not others:
            lines.append(_row(case, figure, ours, None, None, alone))
        for other in others:
            theirs = values.get(other.name, {}).get(figure.name)
            aims = [t for t in case.targets if t.figure == figure.name and t.against == other.name]
            line = _row(case, figure, ours, other, theirs, aims)
            if other.name in measured["absent"]:
                line["note"] = measured["absent"][other.name]
            lines.append(line)
    return lines


def _row(
    case: Case,
    figure: Figure,
    ours: Sequence[float],
    other: Contender | None,
    theirs: Sequence[float] | None,
    targets: Sequence[Target],
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "case": case.name,
        "figure": figure.name,
        "unit": figure.unit,
        "digits": figure.digits,
        "ours": statistics.median(ours),
        "ours_low": min(ours),
        "ours_high": max(ours),
        "rounds": len(ours),
        "against": other.name if other is not None else "",
        "note": other.note if other is not None else "",
        "theirs": None,
        "ratio": None,
        "low": None,
        "high": None,
        "target": targets[0].text if targets else "",
        "aim": targets[0].bound if targets else None,
        "met": None,
    }
    if theirs:
        ratios = [mine / yours if figure.more_is_better else yours / mine for mine, yours in zip(ours, theirs)]
        line.update(
            theirs=statistics.median(theirs), ratio=statistics.median(ratios), low=min(ratios), high=max(ratios)
        )
    value = line["ratio"] if other is not None else line["ours"]
    if targets and value is not None:
        line["met"] = targets[0].met(value)
    return line
