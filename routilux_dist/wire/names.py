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

import hashlib
from collections.abc import Iterable, Iterator

from routilux_dist.wire.block import Block

#: (what a name begins with, without the job; its last number; how many names follow each other from there on).
Run = tuple[str, int, int]

#: A list of runs as text: ``5.7*20;5.3/7.2*4``. A job's name has neither sign.
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
    place = first + row
    for head, start, count in _read(block.origin):
        if place < count:
            return f"{block.job}/{head}.{start + place}"
        place -= count
    raise AssertionError(f"block {number} has no name for row {row}: {block.origin}")


def rest(number: int, block: Block, row: int) -> list[Run]:
    """Return the names of a block's messages from a row on."""
    first, source = block.part or (0, number)
    if not block.origin:
        return [(str(source), first + row, block.rows - row)]
    if _TIMES not in block.origin:
        return [parse(block.origin)]
    return cut(_read(block.origin), first + row, block.rows - row)


def parse(name: str) -> Run:
    """Return a single name as a run."""
    head, _, last = name.partition("/")[2].rpartition(".")
    return head, int(last), 1


def cut(runs: Iterable[Run], start: int, rows: int) -> list[Run]:
    """Return the names from `start` on, `rows` of them."""
    found = []
    for head, first, count in runs:
        skipped = min(start, count)
        start -= skipped
        taken = min(count - skipped, rows)
        rows -= taken
        if taken:
            found.append((head, first + skipped, taken))
    return found


def add(runs: list[Run], head: str, last: int) -> None:
    """Add a name to a list of runs."""
    if runs:
        before, start, count = runs[-1]
        if start + count == last and before == head:
            runs[-1] = before, start, count + 1
            return
    runs.append((head, last, 1))


def origin(runs: Iterable[Run]) -> str:
    """Return the `origin` of a block whose messages have these names."""
    return _NEXT.join(f"{head}.{start}{_TIMES}{count}" for head, start, count in runs)


def onward(name: str, steps: int) -> str:
    """Return the name of what a message has led to, one message at a time, after `steps` connections."""
    if not steps:
        return name
    head, slash, last = name.rpartition("/")
    numbers = last.split(".")
    taken = int(numbers[2]) if len(numbers) > 2 else 0
    return f"{head}{slash}{'.'.join(numbers[:2])}.{taken + steps}"


def forked(name: str) -> str:
    """Return what the names of several messages begin with that one with this name emitted."""
    job, slash, place = name.partition("/")
    if len(place) > MAX_HEAD:
        place = "~" + hashlib.blake2b(place.encode(), digest_size=12).hexdigest()
    return f"{job}{slash}{place}"


def _read(text: str) -> Iterator[Run]:
    for run in text.split(_NEXT):
        name, _, count = run.partition(_TIMES)
        head, _, start = name.rpartition(".")
        yield head, int(start), int(count)
