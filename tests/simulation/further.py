"""What else is simulated: async pools, state that jobs share, routines with a pace."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Any

import routilux_dist as rd
from routilux_dist.coordinator.events import SliceFinished, SliceLost
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Instance
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import Client, Knobs, World
from tests.simulation.routines import POISON, SHY, Item, link
from tests.simulation.scenarios import FAULTS, Base, lost, outputs

#: Jobs share what their homes hold, so none is ended and no home dies.
PEACEFUL = Faults(
    ("death", "false death", "innocent", "twice", "again", "alien", "early", "pause", "resize", "repost"), 8, 2
)


class Slow(rd.Routine, max_concurrency=3):
    """Waits for as many turns of its loop as its item says, and gives the item."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_error_handler(
            rd.ErrorHandler(rd.ErrorStrategy.RETRY, 2, retry_delay=1.0, exhausted=rd.ErrorStrategy.CONTINUE)
        )

    async def logic(self, item: Item) -> None:
        attempt = rd.current_job().attempt
        self.emit("output", item)
        for _ in range(item[1] * 3 % 7):
            await asyncio.sleep(0)
        if item[2] == POISON or (item[2] == SHY and attempt == 1):
            raise ValueError(f"{item} on try {attempt}")


class Shared(rd.Routine):
    """A chain of all jobs' messages."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(n=0, digest=0, scope="worker")

    def logic(self, item: Item) -> None:
        self.state["n"] += 1
        self.state["digest"] = link(self.state["digest"], item)
        self.emit("output", (self.state["n"], self.state["digest"], item))


class Async(Base):
    """Messages that wait for one another in an async pool; each comes out once, or is a dead letter."""

    entry = "slow.input"
    natures = 4

    def __init__(self, faults: Faults = FAULTS) -> None:
        flow = rd.Flow("async")
        flow.add_routine(Slow(), "slow")
        super().__init__(flow, small=True, faults=faults)

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        expected = Counter(item for _, item in one.posted if item[2] != POISON)
        assert Counter(outputs(world, one)["slow.output"]) == expected


class Together(Base):
    """Several jobs, one state: it is the fold of all their messages."""

    entry = "shared.input"

    def __init__(self, faults: Faults = PEACEFUL) -> None:
        flow = rd.Flow("together")
        flow.add_routine(Shared(), "shared")
        super().__init__(flow, small=True, faults=faults)

    def world(self, tape: Tape) -> World:
        world = super().world(tape)
        world.clients[:] = [self.client(tape, f"j{number}") for number in range(2 + tape.choose(2))]
        return world

    def check(self, world: World) -> None:
        super().check(world)
        told = sorted(step for one in world.ledger.all for step in outputs(world, one)["shared.output"])
        assert [n for n, _, _ in told] == list(range(1, len(told) + 1)), (
            "each message counts once, for all jobs together"
        )
        digest = 0
        for _, seen, item in told:
            digest = link(digest, item)
            assert seen == digest, f"the state is not the fold of what was committed before {item}"

    def check_completed(self, world: World, one: Instance) -> None:
        found = Counter(item for _, _, item in outputs(world, one)["shared.output"])
        assert found == Counter(item for _, item in one.posted)


class Sums(rd.Routine):
    """Counts items by key; what travels are counters of several."""

    def setup(self) -> None:
        self.add_slot("input", combine=lambda one, other: (one[0], one[1] + other[1]))
        self.add_event("output")
        self.add_state(number=0, items=(), key=lambda told: told[0])

    def logic(self, told: tuple[int, Counter[Item]]) -> None:
        self.state["number"] = told[0]
        self.state["items"] += tuple(told[1].elements())

    def finish(self) -> None:
        self.emit("output", (self.state["number"], self.state["items"]))


class Combined(Base):
    """Messages that become one on their way: each counts once all the same."""

    entry = "spread.input"
    natures = 1

    def __init__(self, faults: Faults = FAULTS) -> None:
        flow = rd.Flow("combined")
        flow.add_routine(lambda item: ((n % 2, Counter([(*item, n)])) for n in range(5)), "spread")
        flow.add_routine(Sums(), "sums")
        flow.connect("spread.output", "sums.input")
        super().__init__(flow, small=True, faults=faults)

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        told = outputs(world, one)["sums.output"]
        assert len({key for key, _ in told}) == len(told), "finish ran twice"
        expected = Counter((*item, n) for _, item in one.posted for n in range(5))
        assert Counter(item for _, items in told for item in items) == expected


#: Messages per second, and what may begin at once.
RATE, BURST = 2.0, 1.0


@rd.routine(rate_limit=RATE)
def paced(item: Item) -> Item:
    return item


@rd.routine(max_concurrency=1)
def alone(item: Item) -> Item:
    return item


class Paced(Base):
    """A routine that begins only so many messages a second, and one that runs in one place at a time."""

    entry = "paced.input"

    def __init__(self) -> None:
        flow = rd.Flow("paced")
        flow.add_routine(paced, "paced")
        flow.add_routine(alone, "alone")
        flow.connect("paced.output", "alone.input")
        kinds = ("death", "false death", "twice", "again", "alien", "early", "pause", "cancel", "resize", "repost")
        super().__init__(flow, small=True, faults=Faults(kinds, 8, 2))

    def world(self, tape: Tape) -> World:
        world = super().world(tape)
        items = self.items(tape, "j0", 0, 2 + tape.choose(4))
        steps: deque[tuple[Any, ...]] = deque(("post", self.entry, [item], item is items[-1]) for item in items)
        # Nothing is given back here for lack of time: what was sent has begun.
        knobs = Knobs(workers=world.knobs.workers, block_rows=world.knobs.block_rows, lookahead=world.knobs.lookahead)
        return World(self.program, knobs, [Client("j0", steps), *world.clients[1:]], self.faults, tape)

    def check(self, world: World) -> None:
        super().check(world)
        plan = self.program.plan
        slow, single = plan.routines["paced"].group, plan.routines["alone"].group
        assert slow != single
        begun: list[float] = []
        out: set[int] = set()
        for now, kind, what in world.trace:
            if kind == "dispatch" and what.group == slow:
                begun.extend(now for _, block in what.blocks for _ in range(block.rows))
            elif kind == "dispatch" and what.group == single:
                out.add(what.id)
                assert len(out) == 1, f"slices {out} are out at once"
            elif kind == "event" and isinstance(what, SliceFinished) and what.receipt.attempt == 1:
                out.discard(what.receipt.slice_id)
            elif kind == "event" and isinstance(what, SliceLost) and what.attempt == 1:
                out.discard(what.slice_id)
        for place, first in enumerate(begun):
            for count, last in enumerate(begun[place:], start=1):
                assert count <= BURST + RATE * (last - first) + 0.01, f"{count} messages began within {last - first} s"

    def check_completed(self, world: World, one: Instance) -> None:
        if not lost(one):
            assert Counter(outputs(world, one)["alone.output"]) == Counter(item for _, item in one.posted)
