"""What the machine can do at best: the same items, split perfectly over bare processes, nobody running them.

Two virtual cores are not two cores, and others may be at work. So no runner is compared with "items x seconds / cores", but with
this, in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import aside, workloads
from benchmarks.environment import CORES


@contextmanager
def split(function: Callable[[Any], int], items: Sequence[Any], costs: Sequence[int]) -> Iterator[Callable[[], int]]:
    """Start processes that know their items already; yield what makes them run and returns the sum of their results.

    Args:
        function: What to do with an item; module-level.
        items: The items.
        costs: What each takes, relative to the others.
    """
    shares = [[items[place] for place in share] for share in workloads.longest_first(costs, CORES)]
    with ExitStack() as stack:
        lines = [stack.enter_context(aside.process(_work, function, share)) for share in shares]

        def run() -> int:
            for line in lines:
                line.begin()
            return sum(line.end() for line in lines)

        yield run


def _work(function: Callable[[Any], int], items: list[Any]) -> int:
    total = 0
    for item in items:
        total += function(item)
    return total
