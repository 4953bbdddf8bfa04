"""In which order a home has to see the messages of a job, kept by the simulated world for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from routilux_dist.plan.plan import GroupKind, Plan
from routilux_dist.wire.block import Block

#: A job's messages for a routine at its home: (job, routine, partition, whether they wait at the door). In a sequential flow all
#: routines are one line; elsewhere those of a home may pass each other, as when one is held up because another is far behind.
Place = tuple[object, str, int, bool]


class Lines:
    """Who stands where in the line to each routine with a home.

    Messages line up as they are committed. What a slice leaves over, or did not begin, comes to the head again. Messages that are
    tried again come when they are due, so they do not line up, and neither do control blocks.

    Args:
        plan: Says which ports homes serve.
    """

    def __init__(self, plan: Plan) -> None:
        self._group = [port.group for port in plan.ports]
        self._homed = [
            port.group >= 0 and plan.groups[port.group].kind in (GroupKind.SHARDS, GroupKind.SOLO)
            for port in plan.ports
        ]
        self._line_of = [
            "" if port.group >= 0 and plan.groups[port.group].kind is GroupKind.SOLO else port.routine
            for port in plan.ports
        ]
        self._lines: dict[Place, deque[object]] = {}

    def _line(self, job: object, block: Block) -> deque[object] | None:
        if not self._homed[block.port] or block.attempt > 1 or block.rows == 0:
            return None
        place = (job, self._line_of[block.port], block.partition, block.entry)
        line = self._lines.get(place)
        if line is None:
            line = self._lines[place] = deque()
        return line

    def join(self, job: object, block: Block, marks: Iterable[object]) -> None:
        """Messages come to the end of their line."""
        line = self._line(job, block)
        if line is not None:
            line.extend(marks)

    def head(self, job: object, block: Block, marks: Iterable[object]) -> None:
        """Messages come back to the head of their line."""
        line = self._line(job, block)
        if line is not None:
            line.extendleft(reversed(list(marks)))

    def leave(self, job: object, block: Block, marks: Iterable[object]) -> bool:
        """Messages leave for their home; return whether it was their turn."""
        line = self._line(job, block)
        if line is None:
            return True
        return all(line and line.popleft() == mark for mark in marks)

    def blind(self, faceless: Callable[[Any], object]) -> None:
        """Tell messages apart no more."""
        for line in self._lines.values():
            known = list(line)
            line.clear()
            line.extend(faceless(mark) for mark in known)

    def here(self, block: Block, group: int, partition: int) -> bool:
        """Whether a block is for this home."""
        return self._homed[block.port] and self._group[block.port] == group and block.partition == partition
