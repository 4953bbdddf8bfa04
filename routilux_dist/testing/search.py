"""Searching schedules for one that breaks a promise."""

from __future__ import annotations

import contextlib
import gc
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from routilux_dist.testing import story
from routilux_dist.testing.faults import KINDS, Faults
from routilux_dist.testing.processes import Program
from routilux_dist.testing.tape import Tape, shrink
from routilux_dist.testing.world import World

#: Seeds that are tried in search of a simpler schedule than the one that was found.
FURTHER_SEEDS = 300
#: Worlds that are left behind before the collector of cycles looks at them.
WORLDS = 1000


class Scenario(Protocol):
    """What a schedule is made from."""

    program: Program
    faults: Faults

    def world(self, tape: Tape) -> World:
        """Return a new world; what varies is chosen from the tape."""
        ...

    def check(self, world: World) -> None:
        """Check a world in which all jobs have ended.

        Raises:
            AssertionError: It is not as it should be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Breach:
    """A schedule that breaks a promise.

    Attributes:
        seed: Seed that found it.
        tape: The shortest choices found that break it.
        error: What was raised.
        trace: What happened, line by line.
    """

    seed: int
    tape: tuple[int, ...]
    error: BaseException
    trace: tuple[str, ...]

    def __str__(self) -> str:
        lines = ["  " + line for line in self.trace]
        what = "".join(traceback.format_exception_only(type(self.error), self.error)).rstrip()
        head = f"seed {self.seed}, shrunk to the tape {list(self.tape)}, breaks:"
        return "\n".join([head, what, "this is what happened:", *lines])


@dataclass(slots=True)
class SimulationReport:
    """What a search found.

    Attributes:
        schedules: Schedules that were run.
        events: Events that the machine was told, altogether.
        faults: How often each kind of fault happened.
        statuses: How often jobs ended how.
        breach: The smallest schedule that breaks a promise, or None.
    """

    schedules: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    breach: Breach | None = None

    def add(self, other: SimulationReport) -> None:
        """Add what another search found."""
        self.schedules += other.schedules
        self.events += other.events
        self.faults += other.faults
        self.statuses += other.statuses
        self.breach = self.breach or other.breach

    def __str__(self) -> str:
        if self.breach is not None:
            return f"after {self.schedules} schedules: {self.breach}"
        mix = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items())) or "no faults"
        return f"{self.schedules} schedules, {self.events} events, nothing broken; {mix}"


def live(scenario: Scenario, tape: Tape) -> tuple[World, BaseException | None]:
    """Run one schedule; return its world, and what broke."""
    world = scenario.world(tape)
    try:
        world.run()
        scenario.check(world)
    except Exception as exc:  # an invariant of the machine, a promise, or a fault of the engine: all are findings
        return world, exc
    finally:
        world.close()
    return world, None


def search(scenario: Scenario, seeds: Iterable[int], *, small: bool = True) -> SimulationReport:
    """Run a schedule for each seed, until one breaks a promise.

    Args:
        scenario: What to run.
        seeds: Seeds.
        small: Whether to look for a small schedule that breaks the same.
    """
    report = SimulationReport()
    with no_collection():
        for seed in seeds:
            tape = Tape(seed)
            world, error = live(scenario, tape)
            report.schedules += 1
            report.events += world.events
            report.statuses.update(one.status for one in world.ledger.all)
            report.faults.update(faults_of(world))
            if error is not None:
                report.breach = (
                    _small(scenario, seed, world, error) if small else breach(scenario, seed, tape.entries, error)
                )
                break
            if report.schedules % WORLDS == 0:
                gc.collect()
    return report


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep the collector of cycles from looking at all that lives, again and again, while many small worlds come and go."""
    was = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


def faults_of(world: World) -> list[str]:
    """Return the kinds of the faults that a schedule had."""
    return [what[0] for _, kind, what in world.trace if kind == "do" and what[0] in KINDS]


def _small(scenario: Scenario, seed: int, world: World, error: BaseException) -> Breach:
    """Return a schedule that breaks the same with as few faults and choices as can be found."""
    fewest = len(faults_of(world))
    for other in range(seed + 1, seed + 1 + FURTHER_SEEDS):
        if fewest <= 1:
            break
        # To shrink a tape changes what follows; another seed may have it simpler from the start.
        found, again = live(scenario, Tape(other))
        if type(again) is type(error) and len(faults_of(found)) < fewest:
            seed, world, fewest = other, found, len(faults_of(found))

    def fails(candidate: list[int]) -> bool:
        found, again = live(scenario, Tape(entries=candidate))
        return type(again) is type(error) and len(faults_of(found)) <= fewest

    return breach(scenario, seed, shrink(world.tape.entries, fails), error)


def breach(scenario: Scenario, seed: int, tape: Sequence[int], error: BaseException) -> Breach:
    """Return a finding as it can be told."""
    world, again = live(scenario, Tape(entries=tape))
    trace = story.tell(world.program.plan, world.trace)
    return Breach(seed, tuple(tape), again if again is not None else error, tuple(trace))
