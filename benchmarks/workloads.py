"""Item functions and flows. Importable, so that the processes of every contender find them."""

from __future__ import annotations

import heapq
import os
import random
import re
import sysconfig
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import routilux_dist as rd
from benchmarks.burn import burn

WORD = re.compile(r"[A-Za-z_]\w*")


# ---- tiny messages -------------------------------------------------------------------------------------------------


def add_one(x: int) -> int:
    return x + 1


def double(x: int) -> int:
    return x * 2


def take_three(x: int) -> int:
    return x - 3


TINY = (add_one, double, take_three)


class Chain:
    """Functions one after another, as a function: what one would write by hand for a library without stages."""

    def __init__(self, functions: Sequence[Callable[[Any], Any]]) -> None:
        self.functions = tuple(functions)

    def __call__(self, value: Any) -> Any:
        for function in self.functions:
            value = function(value)
        return value


def flow_of(functions: Sequence[Callable[[Any], Any]], name: str = "bench", **options: Any) -> rd.Flow:
    """Return a flow with a routine for each function, in a row."""
    return rd.pipeline(*functions, name=name, **options)


# ---- jobs of many sizes --------------------------------------------------------------------------------------------


def spread(work: tuple[int, int]) -> Iterator[int]:
    count, loops = work
    for _ in range(count):
        yield loops


def spin(loops: int) -> int:
    burn(loops)
    return loops


SPREAD = (spread, spin)


# ---- work for the CPU ----------------------------------------------------------------------------------------------


def skewed(count: int, mean_loops: float, sigma: float = 1.5, seed: int = 7) -> list[int]:
    """Return loop counts with a lognormal distribution, scaled to their mean, always the same ones."""
    chance = random.Random(seed)
    raw = [chance.lognormvariate(0.0, sigma) for _ in range(count)]
    scale = mean_loops * count / sum(raw)
    return [max(1, int(each * scale)) for each in raw]


def sleep_a_little(ms: int) -> int:
    time.sleep(ms / 1000)
    return ms


# ---- a mixed graph: light, heavy, light, fan-out 1:50, fan-in with state -----------------------------------------------

FAN = 50


def label(loops: int) -> tuple[int, int]:
    return loops, loops % 7


def heavy(item: tuple[int, int]) -> tuple[int, int]:
    return burn(item[0]), item[1]


def shorten(item: tuple[int, int]) -> int:
    return item[0] + item[1]


def fan_out(number: int) -> Iterator[int]:
    for part in range(FAN):
        yield number + part


def mixed_item(loops: int) -> int:
    """The part of the mixed graph that one item takes, in plain Python; summing the items' sums is what is left."""
    return sum(fan_out(shorten(heavy(label(loops)))))


class Total(rd.Routine):
    """Adds up what comes."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0)

    def logic(self, number: int) -> None:
        self.state["total"] += number

    def finish(self) -> None:
        self.emit("output", self.state["total"])


def spread(items: list[Any]) -> Iterator[Any]:
    yield from items


def mixed_flow() -> rd.Flow:
    flow = rd.Flow("mixed")
    for function in (spread, label, heavy, shorten, fan_out):
        flow.add_routine(rd.routine(function), function.__name__)
    flow.add_routine(Total(), "total")
    flow.pipe("spread", "label", "heavy", "shorten", "fan_out", "total")
    return flow


# ---- large payloads ------------------------------------------------------------------------------------------------

ARRAY_BYTES = 16 << 20


def make_array(number: int) -> Any:
    import numpy as np

    return np.full(ARRAY_BYTES // 8, number, dtype=np.int64)


def add_to_array(array: Any) -> Any:
    return array + 1


def sum_array(array: Any) -> int:
    return int(array.sum())


PAYLOAD = (make_array, add_to_array, sum_array)


# ---- word count ----------------------------------------------------------------------------------------------------


def texts(words: int) -> tuple[list[str], int]:
    """Return files of the standard library that hold about so many words, in an order that is always the same, and the
    number of words in them.
    """
    root = sysconfig.get_paths()["stdlib"]
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("site-packages", "__pycache__")]
        paths += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    paths.sort(key=lambda path: zlib.crc32(os.path.relpath(path, root).encode()))
    chosen, total = [], 0
    for path in paths:
        if total >= words:
            break
        chosen.append(path)
        total += sum(1 for _ in words_of(path))
    return chosen, total


def words_of(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        for match in WORD.finditer(file.read()):
            yield match.group()


class CountKeyed(rd.Routine):
    """Counts words: a state for each."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(word="", count=0, key=same)

    def logic(self, word: str) -> None:
        self.state["word"] = word
        self.state["count"] += 1

    def finish(self) -> None:
        self.emit("output", (self.state["word"], self.state["count"]))


class CountCombined(rd.Routine):
    """Counts words: a state for each. What comes are counts, which are added up before they are sent."""

    def setup(self) -> None:
        self.add_slot("input", combine=add_counts)
        self.add_event("output")
        self.add_state(word="", count=0, key=itemgetter(0))

    def logic(self, counted: tuple[str, int]) -> None:
        self.state["word"], count = counted
        self.state["count"] += count

    def finish(self) -> None:
        self.emit("output", (self.state["word"], self.state["count"]))


def add_counts(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    return one[0], one[1] + other[1]


def ones_of(path: str) -> Iterator[tuple[str, int]]:
    for word in words_of(path):
        yield word, 1


class CountTogether(rd.Routine):
    """Counts words: one state with a dictionary, sent on in one piece."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(counts={})

    def logic(self, word: str) -> None:
        counts = self.state["counts"]
        counts[word] = counts.get(word, 0) + 1

    def finish(self) -> None:
        self.emit("output", self.state["counts"])


def same(payload: Any) -> Any:
    return payload


#: Ways to count: what gives the words, and what counts them.
COUNTS: dict[str, tuple[Callable[[str], Iterator[Any]], type[rd.Routine]]] = {
    "combined": (ones_of, CountCombined),
    "keyed": (words_of, CountKeyed),
    "together": (words_of, CountTogether),
}


def count_flow(way: str) -> rd.Flow:
    """Return a flow that counts the words of files, in one of the ways of `COUNTS`."""
    words, count = COUNTS[way]
    flow = rd.Flow(f"words_{way}")
    flow.add_routine(rd.routine(spread), "spread")
    flow.add_routine(rd.routine(words), "words")
    flow.add_routine(count(), "count")
    flow.pipe("spread", "words", "count")
    return flow


# ---- a large graph -------------------------------------------------------------------------------------------------


def pass_on(value: Any) -> Any:
    return value


def edges(routines: int, connections: int, seed: int = 1) -> list[tuple[int, int]]:
    """Return the edges of a graph without cycles in which everything is reached from 0, always the same one."""
    chance = random.Random(seed)
    found = {(chance.randrange(max(0, target - 50), target), target) for target in range(1, routines)}
    while len(found) < connections:
        target = chance.randrange(1, routines)
        found.add((chance.randrange(target), target))
    return sorted(found)


def large_flow(routines: int, connections: int) -> rd.Flow:
    flow = rd.Flow("large")
    step = rd.routine(pass_on)
    for number in range(routines):
        flow.add_routine(step, f"r{number}")
    for source, target in edges(routines, connections):
        flow.connect(f"r{source}.output", f"r{target}.input")
    return flow


# ---- splitting work ------------------------------------------------------------------------------------------------


def longest_first(costs: Sequence[int], places: int) -> list[list[int]]:
    """Split items over places, the longest first, each to the place with the least work (Graham 1969).

    Returns:
        For each place, the positions of its items.
    """
    shares: list[list[int]] = [[] for _ in range(places)]
    loads = [(0, place) for place in range(places)]
    for position in sorted(range(len(costs)), key=lambda position: -costs[position]):
        load, place = heapq.heappop(loads)
        shares[place].append(position)
        heapq.heappush(loads, (load + costs[position], place))
    return shares
