"""Where an activation emits several messages for its own process: what each of them is called.

Most messages are never asked for their name, and chains have no forks. So a fork only notes whose it is and which ports its
messages go to, and a queue only where one begins and ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from routilux_dist.wire import names

if TYPE_CHECKING:
    from routilux_workers.activity import Activity
    from routilux_workers.host import Host
    from routilux_workers.steps import Message, Step

#: Between the messages of a stack: from here on, those that are taken belong to this fork, after so many of it.
Turn = tuple[None, "Fork | None", int]


class Fork:
    """Messages that one activation emitted for its own process.

    Args:
        activity: The activation.
        hops: Connections that its own message has passed.
        local: The messages.
    """

    __slots__ = ("_above", "_head", "_places", "_steps", "hops")

    def __init__(self, activity: Activity, hops: int, local: Iterable[Message]) -> None:
        self._above = activity.fork, activity.nth
        self.hops = hops
        self._steps: list[Step] = [message[0] for message in local]
        self._head = ""
        self._places: list[int] = []

    def name(self, activity: Activity, nth: int, hops: int) -> str:
        """Return what the n-th message is called, or what follows from it alone after more connections."""
        if not self._places:
            self._look(activity)
        return names.onward(f"{self._head}/{self._steps[nth].port}.{self._places[nth]}", hops - self.hops - 1)

    def _look(self, activity: Activity) -> None:
        """Work out what the names begin with, and the places of messages among those that go to the same port."""
        here, (activity.fork, activity.nth) = (activity.fork, activity.nth), self._above
        self._head = names.forked(activity.name(self.hops))
        activity.fork, activity.nth = here
        seen: dict[int, int] = {}
        for step in self._steps:
            self._places.append(seen.setdefault(step.port, 0))
            seen[step.port] += 1


def begin(activity: Activity, hops: int, local: Iterable[Message], stack: deque[Any] | list[Any]) -> None:
    """Turn to the messages that an activation has just emitted; what is on the stack comes after them."""
    stack.append((None, activity.fork, activity.nth))
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
