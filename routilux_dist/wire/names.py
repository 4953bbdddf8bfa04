"""What messages are called: the idempotency keys of their activations.

A name says where a message comes from, and not which slice or block brought it: a slice whose worker died runs again, may be cut
elsewhere then, and gives what it has no time for to others; whoever runs a message at last has to find the key that the first one
had used. So the name of a message is made of

* the number of a block that was committed, and its row there: ``job/5.3``;
* the steps from there to it within a process, as long as each activation emitted one message: ``job/5.3.2``;
* and where one emitted several: the port that each went to, and its place among those that went there: ``job/5.3.2/7.0``.

Messages that leave their slice unrun keep their names: the `origin` of their block is a list of *runs*, consecutive names.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from routilux_dist.wire.block import Block


class Run(NamedTuple):
    """Names that follow each other.

    Attributes:
        head: What they begin with, without the job.
        start: Place of the first one.
        size: How many there are.
        steps: Connections from each place on; nothing is said of 0.
    """

    head: str
    start: int
    size: int
    steps: int = 0


#: A list of runs as text: ``5.7*20;5.3/7.2.1*4``. A job's name has neither sign.
_TIMES, _NEXT = "*", ";"
#: Characters that a name may have before a fork. Longer ones are replaced by their hash: a cycle would make them ever longer.
MAX_HEAD = 60


def name_of(number: int, block: Block, row: int = 0) -> str:
    """Return what a message is called.

    Args:
        number: The number of its block.
        block: The block.
        row: Its place there.
    """
    first, source = block.part or (0, number)
    if not block.origin:
        return f"{block.job}/{source}.{first + row}"
    if _TIMES not in block.origin:
        return block.origin
    runs, ends = _read(block.origin)
    place = bisect_right(ends, first + row)
    run = runs[place]
    return f"{block.job}/{text_of(run, run.start + run.size - ends[place] + first + row)}"


def rest(number: int, block: Block, row: int) -> list[Run]:
    """Return the names of a block's messages from a row on."""
    first, source = block.part or (0, number)
    if not block.origin:
        return [Run(str(source), first + row, block.rows - row)]
    if _TIMES not in block.origin:
        return [parse(block.origin)]
    return next(shares(_read(block.origin)[0], [first + row, block.rows - row], skip=1))


def parse(name: str) -> Run:
    """Return a single name as a run."""
    head, slash, last = name.partition("/")[2].rpartition("/")
    first, place, *steps = last.split(".")
    return Run(f"{head}{slash}{first}", int(place), 1, int(steps[0]) if steps else 0)


def shares(runs: Iterable[Run], sizes: Iterable[int], skip: int = 0) -> Iterator[list[Run]]:
    """Yield runs in shares of so many names, one after the other; without the first `skip` shares."""
    left = iter(runs)
    head, start, count, steps = "", 0, 0, 0
    for number, size in enumerate(sizes):
        share = []
        while size:
            if not count:
                head, start, count, steps = next(left)
            taken = min(size, count)
            share.append(Run(head, start, taken, steps))
            start, count, size = start + taken, count - taken, size - taken
        if number >= skip:
            yield share


def add(runs: list[Run], one: Run) -> None:
    """Add a single name to a list of runs."""
    if runs:
        head, start, count, steps = runs[-1]
        if start + count == one.start and head == one.head and steps == one.steps:
            runs[-1] = Run(head, start, count + 1, steps)
            return
    runs.append(one)


def origin(runs: Iterable[Run]) -> str:
    """Return the `origin` of a block whose messages have these names."""
    return _NEXT.join(f"{text_of(run, run.start)}{_TIMES}{run.size}" for run in runs)


def onward(name: str, steps: int) -> str:
    """Return the name of what a message has led to, one message at a time, after `steps` connections."""
    if not steps:
        return name
    job, slash, _ = name.partition("/")
    run = parse(name)
    return f"{job}{slash}{text_of(run._replace(steps=run.steps + steps), run.start)}"


def head_of(name: str) -> str:
    """Return what the names of several messages begin with, without the job, that one with this name emitted."""
    place = name.partition("/")[2]
    return place if len(place) <= MAX_HEAD else "~" + hashlib.blake2b(place.encode(), digest_size=12).hexdigest()


def text_of(run: Run, place: int) -> str:
    """Return the name of a place in a run, without the job."""
    return f"{run.head}.{place}.{run.steps}" if run.steps else f"{run.head}.{place}"


@functools.lru_cache(maxsize=64)
def _read(text: str) -> tuple[list[Run], list[int]]:
    """Return the runs in an `origin`, and how many names there are up to the end of each; blocks are asked row by row."""
    runs = []
    for one in text.split(_NEXT):
        name, _, count = one.partition(_TIMES)
        runs.append(parse(f"/{name}")._replace(size=int(count)))
    return runs, list(itertools.accumulate(run.size for run in runs))
