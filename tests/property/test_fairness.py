"""Whoever shares a flow gets a share: in simulated time, one huge job does not hold up a hundred small ones."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.testing import Bench
from routilux_dist.wire.slices import Slice
from tests.unit.coordinator.conftest import chain, summing

#: Seconds per message, messages of a small job, and how many small jobs there are.
COST, ROWS, SMALL = 0.001, 10, 100
WORKERS = 4


class Clockwork:
    """Workers that take the time that their messages cost, over a bench.

    Each serves the slices that it got one after the other, keeps to their budget, and gives back what it did not begin.
    """

    def __init__(self, flow: rd.Flow) -> None:
        self.bench = Bench(flow, workers=WORKERS, homes=WORKERS, lookahead=True)
        self.bench.machine.validate = False  # it is about time here, and there are many messages
        self.free = [0.0] * WORKERS
        self.ending: list[tuple[float, int, Slice, list[int]]] = []
        self.seen: set[int] = set()
        self.ended: dict[str, float] = {}

    def begin(self) -> None:
        """Have idle workers begin what was dispatched."""
        for number, work in self.bench.slices.items():
            if number in self.seen:
                continue
            self.seen.add(number)
            worker = min(range(WORKERS), key=self.free.__getitem__)
            at = max(self.free[worker], self.bench.clock.now)
            untouched, spent = [], 0.0
            for block_id, block in work.blocks:
                if spent >= work.budget:
                    untouched.append(block_id)
                else:
                    spent += block.rows * COST
            self.free[worker] = at + spent
            heapq.heappush(self.ending, (at + spent, number, work, untouched))

    def step(self) -> None:
        """Let the next slice end."""
        at, _, work, untouched = heapq.heappop(self.ending)
        self.bench.tick(max(0.0, at - self.bench.clock.now))
        begun = [block for number, block in work.blocks if number not in untouched]
        rows: Counter[int] = Counter()
        for block in begun:
            rows[block.port] += block.rows
        costs = {port: (count, count * COST) for port, count in rows.items() if count}
        before = set(self.bench.machine.ended)
        self.bench.finish(work, untouched=untouched, costs=costs)
        for job in set(self.bench.machine.ended) - before:
            self.ended[job] = self.bench.clock.now

    def run(self, jobs: set[str]) -> None:
        """Go on until these jobs have ended."""
        self.begin()
        while not jobs <= self.ended.keys():
            self.step()
            self.begin()


def post_huge(one: Clockwork, path: str) -> None:
    """A minute of work for one worker, in blocks as the coordinator advises them."""
    for _ in range(6000):
        one.bench.post("huge", path, 10, last=False)


def small_jobs(one: Clockwork, path: str, huge: bool) -> dict[str, float]:
    """Seconds until each of a hundred small jobs has ended, posted together, with or without a huge one before them."""
    if huge:
        post_huge(one, path)
    one.begin()
    for _ in range(50 if huge else 0):  # it is well under way
        one.step()
        one.begin()
    began = one.bench.clock.now
    names = {f"small{number}" for number in range(SMALL)}
    for name in sorted(names):
        one.bench.post(name, path, ROWS)
    one.run(names)
    return {name: one.ended[name] - began for name in names}


@pytest.mark.parametrize(
    ("flow", "path"),
    [(chain, "a.input"), (summing, "total.input")],
    ids=["stateless", "stateful"],
)
def test_small_jobs_end_within_three_times_their_time_alone(flow: Callable[[], rd.Flow], path: str) -> None:
    alone = small_jobs(Clockwork(flow()), path, huge=False)
    beside = small_jobs(Clockwork(flow()), path, huge=True)
    # Two slices of the huge job may be with each worker already, or with the home.
    ahead = 2 * 0.08
    assert max(beside.values()) <= 3 * max(alone.values()) + ahead
    assert sum(beside.values()) <= 3 * sum(alone.values()) + SMALL * ahead


def test_a_huge_job_goes_on_beside_small_ones() -> None:
    """Turns are for both sides."""
    one = Clockwork(chain())
    post_huge(one, "a.input")
    one.begin()
    for number in range(2000):
        one.bench.post(f"small{number}", "a.input", ROWS)
        one.begin()
        one.step()
    assert one.bench.job("huge").done >= 2000
