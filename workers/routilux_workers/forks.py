"""Where an activation emits several messages for its own process: what each of them is called.

Most messages are never asked for their name, and chains have no forks. So a fork only notes whose it is and which ports its
messages go to, and a queue only where one begins and ends. A cycle may nest forks without end: after some of them the names are
worked out, and what is above is forgotten.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from routilux_dist.wire import names
from routilux_dist.wire.names import Run

if TYPE_CHECKING:
    from routilux_dist.wire.block import Block
    from routilux_workers.activity import Activity
    from routilux_workers.host import Host
    from routilux_workers.steps import Message, Step

#: Forks within forks whose names have not been worked out.
MAX_OPEN = 32


class Fork:
    """Messages that one activation emitted for its own process.

    Args:
        activity: The activation.
        hops: Connections that its own message has passed.
        local: The messages.
        cells: What each of them is for, if they are a control block's: which there are depends on the time.
    """

    __slots__ = ("_above", "_cells", "_head", "_open", "_places", "hops", "steps")

    def __init__(
        self, activity: Activity, hops: int, local: Sequence[Message], cells: Sequence[Any] | None = None
    ) -> None:
        above = activity.fork
        self._above: tuple[Fork | None, int] | None = above, activity.nth
        self._open: int = 0 if above is None else above._open + 1
        self._cells = cells
        self.hops = hops
        self.steps: list[Step] = [message[0] for message in local]
        self._head = ""
        self._places: list[int] = []
        if self._open > MAX_OPEN:
            self._look(activity)

    def run(self, activity: Activity, nth: int, hops: int) -> Run:
        """Return the name of the n-th message, or of what follows from it alone after more connections."""
        if self._above is not None:
            self._look(activity)
        return Run(f"{self._head}/{self.steps[nth].port}", self._places[nth], 1, hops - self.hops - 1)

    def _look(self, activity: Activity) -> None:
        """Work out what the names begin with, and the places of messages among those that go to the same port."""
        assert self._above is not None
        here, (activity.fork, activity.nth) = (activity.fork, activity.nth), self._above
        self._head = names.head_of(activity.name(self.hops))
        activity.fork, activity.nth = here
        self._above, self._open = None, 0
        seen: dict[Any, int] = {}
        for nth, step in enumerate(self.steps):
            of, first = (
                (step.port, 0) if self._cells is None else ((step.port, self._cells[nth]), _hash(self._cells[nth]))
            )
            count = seen.get(of, 0)
            seen[of] = count + 1
            self._places.append(first + count)


def _hash(cell: Any) -> int:
    """Return a number for a cell that leaves room for some that follow."""
    return int.from_bytes(hashlib.blake2b(repr(cell).encode(), digest_size=7).digest(), "big") << 16


def asked(activity: Activity, block: Block, local: Sequence[Message]) -> Fork | None:
    """Return the fork of what a control block asks for; none for a finish that is tried again, which has its name."""
    activity.fork = None  # it follows from nothing that ran before, such as an earlier part of the same ending
    return None if block.origin else Fork(activity, block.hops - 1, local, [cell.key for _, cell, _ in local])


def begin(activity: Activity, hops: int, local: Sequence[Message], stack: deque[Any] | list[Any]) -> None:
    """Turn to the messages that an activation has just emitted; what is on the stack comes after them."""
    above = activity.fork
    if above is not None and activity.nth + 1 < len(above.steps):
        stack.append((None, above, activity.nth))
    activity.fork, activity.nth = Fork(activity, hops, local), -1


def spill(host: Host, activity: Activity, local: list[Message]) -> None:
    """Give back what an activation has emitted."""
    if len(local) == 1:
        host.spill(activity, *local[0])
    elif local:
        here = activity.fork, activity.nth
        activity.fork = Fork(activity, activity.depth - 1, local)
        for activity.nth, message in enumerate(local):
            host.spill(activity, *message)
        activity.fork, activity.nth = here


def spill_stack(host: Host, activity: Activity, stack: Iterable[Any]) -> int:
    """Give back what is on a stack, given from its top on; return how many messages."""
    count = 0
    for step, payload, hops in stack:
        if step is None:
            activity.fork, activity.nth = payload, hops
            continue
        activity.nth += 1
        count += 1
        host.spill(activity, step, payload, hops)
    return count
