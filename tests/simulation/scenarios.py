"""What is simulated, and what has to come of it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from typing import Any

import routilux_dist as rd
from routilux_dist.client import results
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Instance
from routilux_dist.testing.processes import Program
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import Client, Knobs, Successor, World
from routilux_dist.wire import codec
from routilux_dist.wire.block import Rows
from tests.property.model import interpret, random_spec
from tests.property.routines import build
from tests.simulation import routines
from tests.simulation.routines import DOUBLE, POISON, ROTTEN, link

FAULTS = Faults.every(12)

#: What happens in the smallest worlds: all that concerns slices, and what changes whose they are.
SMALL_KINDS = ("death", "false death", "innocent", "twice", "again", "alien", "home", "cancel", "pause")


class Base:
    """A flow, its clients, and what has to come of their jobs."""

    entry = "work.input"
    natures = 7
    stream = False

    def __init__(
        self, flow: rd.Flow, *, small: bool = False, faults: Faults = FAULTS, successor: Successor | None = None
    ) -> None:
        self.program, self.faults, self.successor = Program.of(flow, reuse=True), faults, successor
        self.small = small
        if small:
            self.faults = replace(faults, most=min(faults.most, 6))

    def world(self, tape: Tape) -> World:
        routines.reset()
        knobs = Knobs.drawn(tape, packed=1 if self.small else 4)
        clients = [
            self.client(tape, f"j{n}") for n in range(1 + (tape.choose(6) == 5 if self.small else tape.choose(2)))
        ]
        return World(self.program, knobs, clients, self.faults, tape, self.successor)

    def client(self, tape: Tape, job: str) -> Client:
        """A client that posts in one or two parts; some post to a new job of the same name afterwards."""
        steps: deque[tuple[Any, ...]] = deque()
        number = 0
        most = 2 if self.small else 3
        for again in range(1 + (tape.choose(12 if self.small else 4) == 3)):
            if again:
                steps.append(("release",))
            parts = 1 + tape.choose(2)
            how_it_ends = tape.choose(2)
            for part in range(parts):
                count = 1 + tape.choose(most)
                last = part == parts - 1 and how_it_ends == 0
                steps.append(("post", self.entry, self.items(tape, job, number, count), last))
                number += count
            if how_it_ends:
                steps.append(("close",))
        return Client(job, steps, self.stream, self.stream)

    def items(self, tape: Tape, job: str, first: int, count: int) -> list[Any]:
        return [(job, first + n, self.nature(tape)) for n in range(count)]

    def nature(self, tape: Tape) -> int:
        """Choose a nature; where there are few messages, more of them are plain."""
        nature = tape.choose(self.natures * (2 if self.small else 1))
        return nature if nature < self.natures else routines.PLAIN

    def check(self, world: World) -> None:
        for one in world.ledger.all:
            self.check_end(world, one)
            if one.status == "completed":
                self.check_completed(world, one)

    def check_end(self, world: World, one: Instance) -> None:
        messages = one.summary["messages"]
        assert messages["accepted"] == messages["done"] + messages["dead"] + messages["discarded"]
        assert messages["pending"] == messages["in_flight"] == 0
        for letter in one.letters:
            if letter.failure.kind == "lost":
                assert letter.failure.attempts == 3
                assert one.losses >= 3
        if one.status == "failed":
            assert one.failure is not None
            assert one.failure.kind == "lost", f"{one.name} failed: {one.failure}"
            assert world.homes_lost or one.losses >= 3, f"nothing was lost that could fail {one.name}: {one.failure}"

    def check_completed(self, world: World, one: Instance) -> None:
        raise NotImplementedError


def outputs(world: World, one: Instance) -> dict[str, list[Any]]:
    return results.outputs(world.program.plan, one.outputs)


def lost(one: Instance) -> bool:
    """Whether a message died with too many workers: then it may stand for others, or miss somewhere on the way."""
    return any(letter.failure.kind == "lost" for letter in one.letters)


class Books(Base):
    """The fold of what was committed, in a chain, in a book, in batches."""

    def __init__(self, mode: str, keys: int, parts: tuple[str, ...] = routines.PARTS, **options: Any) -> None:
        super().__init__(routines.ledger_flow(mode, keys, parts), small=parts != routines.PARTS, **options)
        self.keys, self.fifo = keys, mode == "sequential"
        if not self.fifo:
            self.natures = 8

    def check_completed(self, world: World, one: Instance) -> None:
        out = outputs(world, one)
        posted = Counter(payload for _, payload in one.posted)
        killers = Counter(
            codec.rows_of(letter.block).payloads[0] for letter in one.letters if letter.failure.kind == "lost"
        )
        posted -= killers
        assert not any(item[2] == routines.DEADLY for item in posted), "what kills its workers has to be put aside"
        if not world.deaths:
            assert all(item[2] == routines.DEADLY for item in killers), f"put aside for nothing: {killers}"
        reached: Counter[Any] = Counter()
        for item, times in posted.items():
            reached[item] += times * (0 if item[2] == POISON else 2 if item[2] in (DOUBLE, routines.MOODY) else 1)
        reached = +reached
        self._letters(one, posted, reached)
        steps = out["chain.step"]
        self._chain(steps, [out["chain.end"]] if self.small else out["last.output"])
        assert Counter(item[:3] for _, _, _, item in steps) == reached
        serials = Counter(item for _, _, _, item in steps)
        assert max(serials.values(), default=1) == 1, f"committed twice: {serials}"
        if "book.output" in out:
            (book,) = out["book.output"]
            assert Counter(book) == Counter({item: n for item, n in serials.items() if item[2] != ROTTEN})
        for name in ("batch.output", "every.output"):
            if name in out:
                assert Counter(item for batch in out[name] for item in batch) == serials, name
        assert all(1 <= len(batch) <= 2 for batch in out.get("batch.output", ()))
        worked = sum(times for item, times in posted.items() if item[2] != POISON)
        assert results.open_data(one.data).get("worked", 0) == worked
        if self.fifo:
            plain = [item for _, item in one.posted if item[2] in (routines.PLAIN, DOUBLE, ROTTEN)]
            seen = [step[3][:3] for step in steps if step[3][2] in (routines.PLAIN, DOUBLE, ROTTEN)]
            assert list(dict.fromkeys(seen)) == list(dict.fromkeys(plain)), "first in, first out"
            numbers = [step[3][3] for step in steps if step[3][2] in (routines.PLAIN, DOUBLE, ROTTEN)]
            assert numbers == sorted(numbers), "first in, first out"

    def _letters(self, one: Instance, posted: Counter[Any], reached: Counter[Any]) -> None:
        dead = Counter(
            (letter.failure.routine, codec.rows_of(letter.block).payloads[0][:3])
            for letter in one.letters
            if letter.failure.kind not in ("late", "lost")
        )
        expected = Counter({("work", item): n for item, n in posted.items() if item[2] == POISON})
        if "book" in self.program.recipes:
            expected += Counter({("book", item): n for item, n in reached.items() if item[2] == ROTTEN})
        assert dead == expected

    def _chain(self, steps: list[Any], last: list[Any]) -> None:
        chains: dict[Any, tuple[int, int]] = {}
        for key, n, digest, item in steps:
            so_far, before = chains.get(key, (0, 0))
            assert n == so_far + 1, f"message {n} of key {key} was committed after {so_far}"
            assert digest == link(before, item), f"the state of key {key} is not the fold of its first {n} messages"
            chains[key] = (n, digest)
        (told,) = last
        ends = {key: (n, digest) for key, n, digest in told}
        assert len(ends) == len(told), f"finish ran twice: {told}"
        if self.keys or chains:
            assert ends == chains, "finish saw another state than the last message left"


class Names(Books):
    """One client that uses a name again."""

    def world(self, tape: Tape) -> World:
        world = super().world(tape)
        item = self.items(tape, "j0", 0, 2)
        world.clients[:] = [
            Client("j0", deque([("post", self.entry, item, True), ("release",), ("post", self.entry, item, True)]))
        ]
        return world


class Stops(Base):
    """An error that stops the job."""

    entry = "careful.input"

    def __init__(self, **options: Any) -> None:
        super().__init__(routines.stop_flow(), **options)

    def check_end(self, world: World, one: Instance) -> None:
        if one.failure is not None and one.failure.kind == "error":
            assert one.failure.error_type == "ValueError"
            assert any(item[2] == POISON for _, item in one.posted)
        else:
            super().check_end(world, one)

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        assert not any(item[2] == POISON for _, item in one.posted)
        steps = outputs(world, one)["chain.step"]
        assert Counter(step[3] for step in steps) == Counter(item for _, item in one.posted)


class Limited(Base):
    """Limits end jobs, and only those that reach them."""

    def __init__(self, parts: tuple[str, ...] = routines.PARTS, most: int = 14, **options: Any) -> None:
        limits = {"max_messages": most, "execution_timeout": 4.0, "no_progress_timeout": 8.0}
        flow = routines.ledger_flow("distributed", 2, parts, **limits)
        super().__init__(flow, small=parts != routines.PARTS, **options)
        self.most = most

    def check_end(self, world: World, one: Instance) -> None:
        kind = "" if one.failure is None else one.failure.kind
        if kind == "limit":
            assert one.summary["messages"]["accepted"] > self.most
        elif kind == "timeout":
            assert one.summary["seconds"] > 3.999
        else:
            super().check_end(world, one)

    def check_completed(self, world: World, one: Instance) -> None:
        assert one.summary["messages"]["accepted"] <= self.most
        assert one.summary["seconds"] < 4.001


class Streams(Base):
    """Results of a stream, item by item and in order."""

    entry = "spread.input"
    stream = True

    def __init__(self, **options: Any) -> None:
        super().__init__(routines.stream_flow(), **options)

    def items(self, tape: Tape, job: str, first: int, count: int) -> list[Any]:
        return list(range(first, first + count))

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        marked = []
        for block in one.outputs:
            body = codec.unpack(block.body)
            assert isinstance(body, Rows)
            assert isinstance(body.items, list)
            marked.extend(zip(body.items, body.payloads, strict=True))
        marked.sort(key=lambda pair: pair[0])
        expected = [("far", n, i) if i % 2 else ("far", n, i, "even") for _, n in one.posted for i in range(n % 4)]
        assert [payload for _, payload in marked] == expected


class Random(Base):
    """A random flow against the interpreter of the property tests."""

    entry = "n0.input"

    def __init__(self, number: int, mode: str, **options: Any) -> None:
        import random

        rng = random.Random(number)
        self.spec = random_spec(rng.randint, most_nodes=3 if options.get("small") else 5)
        super().__init__(build(self.spec, f"random_{number}", execution_mode=mode), **options)

    def items(self, tape: Tape, job: str, first: int, count: int) -> list[Any]:
        most = 1 if self.small else 2
        return [[1 + tape.choose(40) for _ in range(1 + tape.choose(most))] for _ in range(count)]

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        expected = interpret(self.spec, [x for _, items in one.posted for x in items])
        found = {
            (int(port.split(".")[0].removeprefix("n")), port.split(".")[1]): Counter(payloads)
            for port, payloads in outputs(world, one).items()
        }
        assert found == expected.outputs
        refused = Counter(
            codec.rows_of(letter.block).payloads[0] for letter in one.letters if letter.failure.kind != "late"
        )
        assert refused == expected.refused


class Small(Base):
    """Two messages for a chain, by way of a stateless routine: small enough for every schedule."""

    entry = "pass.input"

    def __init__(self, mode: str, kinds: tuple[str, ...] = SMALL_KINDS) -> None:
        super().__init__(routines.small_flow(mode), faults=Faults(kinds, deaths=3))

    def world(self, tape: Tape) -> World:
        routines.reset()
        items = [("j", number, routines.PLAIN, number) for number in range(2)]
        steps = deque([("post", self.entry, items[:1], False), ("post", self.entry, items[1:], True)])
        knobs = Knobs(workers=2, homes=1, lookahead=True, block_rows=1)
        return World(self.program, knobs, [Client("j", steps)], self.faults, tape)

    def check_completed(self, world: World, one: Instance) -> None:
        if lost(one):
            return
        steps = outputs(world, one)["chain.step"]
        digest = 0
        for place, (_, n, seen, item) in enumerate(steps):
            digest = link(digest, item)
            assert (n, seen) == (place + 1, digest)
        assert sorted(item for *_, item in steps) == sorted(item for _, item in one.posted)
        assert outputs(world, one)["chain.end"] == [(None, len(steps), digest)]


class Crowd(Small):
    """Jobs with state in one home, which does not live long, and clients that change their minds."""

    entry = "chain.input"

    def __init__(self, posts: int = 4, **options: Any) -> None:
        super().__init__("distributed", ("cancel", "home"))
        self.faults, self.posts = replace(self.faults, most=6), posts

    def world(self, tape: Tape) -> World:
        routines.reset()
        clients = []
        for job in ("j0", "j1", "j2")[: 2 + tape.choose(2)]:
            last = self.posts - 1
            posts = [("post", self.entry, [(job, n, routines.PLAIN, n)], n == last) for n in range(last + 1)]
            clients.append(Client(job, deque(posts)))
        return World(self.program, Knobs(homes=1, block_rows=1), clients, self.faults, tape)


class Mixed:
    """All of them; the tape chooses. Most schedules are small: they find most of what there is to be found, and soonest."""

    def __init__(self, small: list[Base], large: list[Base]) -> None:
        self.small, self.large = small, large
        self.program, self.faults = small[0].program, small[0].faults
        self._last = small[0]

    def world(self, tape: Tape) -> World:
        some = self.large if tape.choose(LARGE_ONES) == 1 else self.small
        self._last = some[tape.choose(len(some))]
        return self._last.world(tape)

    def check(self, world: World) -> None:
        self._last.check(world)


#: One schedule in so many is of full size.
LARGE_ONES = 20


def everything(**options: Any) -> Mixed:
    """All scenarios."""
    return Mixed(
        [
            Books("distributed", 0, ("chain",), **options),
            Books("distributed", 2, ("chain",), **options),
            Books("sequential", 2, ("chain",), **options),
            Books("distributed", 2, ("chain", "book"), **options),
            Books("distributed", 0, ("chain", "batch"), **options),
            Books("distributed", 0, ("chain", "every"), **options),
            Names("distributed", 0, ("chain",), **options),
            Names("sequential", 0, ("chain",), **options),
            Crowd(2),
            Stops(small=True, **options),
            Limited(("chain",), 5, **options),
            Streams(small=True, **options),
            *(Random(n, ("distributed", "sequential")[n % 4 == 3], small=True, **options) for n in range(100, 116)),
        ],
        [
            Books("distributed", 2, **options),
            Books("distributed", 0, **options),
            Books("sequential", 2, **options),
            Names("distributed", 0, **options),
            Names("sequential", 2, **options),
            Crowd(),
            Stops(**options),
            Limited(**options),
            Streams(**options),
            *(Random(n, ("distributed", "sequential")[n % 4 == 3], **options) for n in range(12)),
        ],
    )
