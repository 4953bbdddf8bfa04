"""Processes whose running flow has ended, kept for a while for the next one: to start one takes most of a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Vacant(NamedTuple):
    """A process that serves nothing.

    Attributes:
        actor: Its handle.
        since: When it was vacated.
    """

    actor: Any
    since: float


class Vacated:
    """The processes that a hub has kept. They ask for nothing special, so that any of them suits any place.

    Args:
        most: Processes kept at once.
        end: Ends a process.
    """

    def __init__(self, most: int, end: Callable[[Any], None]) -> None:
        self._most, self._end = most, end
        #: In the order in which they were vacated.
        self._kept: list[Vacant] = []

    def add(self, actor: Any, now: float) -> None:
        """Keep a process; it is ended if there are enough."""
        if len(self._kept) >= self._most:
            self._end(actor)
        else:
            self._kept.append(Vacant(actor, now))

    def take(self) -> Any:
        """Return the process that was vacated last; None if there is none."""
        return self._kept.pop().actor if self._kept else None

    def sweep(self, before: float) -> None:
        """End processes that were vacated before some moment: nobody had a use for them."""
        while self._kept and self._kept[0].since < before:
            self._end(self._kept.pop(0).actor)

    def end(self) -> None:
        """End all of them."""
        while self._kept:
            self._end(self._kept.pop().actor)
