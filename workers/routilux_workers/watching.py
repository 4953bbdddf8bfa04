"""Finding what a routine changed inside its attributes, where it may only read. For hunting bugs: ``ROUTILUX_VALIDATE=1``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from routilux_dist.flow.routine import Routine

#: How deep containers are looked into, and how many elements of one are.
DEPTH, ELEMENTS = 4, 1000
_PLAIN = (str, bytes, int, float, complex, bool, type(None))


class Watch:
    """The attributes of some routines, as they were.

    Args:
        routines: Routines by id, before `open()`. What that makes or replaces belongs to the process and may change.
    """

    def __init__(self, routines: Mapping[str, Routine]) -> None:
        self._routines = dict(routines)
        self._before = {r: _attributes(routine) for r, routine in self._routines.items()}
        self._prints: dict[tuple[str, str], Any] = {}

    def begin(self) -> None:
        """Start to watch, after `open()`."""
        for routine_id, before in self._before.items():
            now = _attributes(self._routines[routine_id])
            for name, value in before.items():
                if name in now and now[name] is value:
                    self._prints[routine_id, name] = fingerprint(value)
        self._before.clear()

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield (routine, attribute) of what has changed since it was last looked at."""
        for (routine_id, name), before in self._prints.items():
            now = fingerprint(vars(self._routines[routine_id]).get(name))
            if now != before:
                self._prints[routine_id, name] = now
                yield routine_id, name


def rule(routine_id: str, name: str) -> str:
    """Say what is wrong with a change, and what to do instead."""
    return (
        f"routine {routine_id!r} changes what is inside self.{name} while a job runs: other processes do not see it, and it "
        f"outlives the job. Use self.add_state({name}=…) and self.state[{name!r}], job data (rd.current_job().update), or make "
        f"it in open() if it is a resource of the process"
    )


def fingerprint(value: Any, depth: int = DEPTH) -> Any:
    """Return something that differs when what a value holds has changed. Other objects are told by their identity only."""
    kind = type(value)
    if isinstance(value, _PLAIN):
        return kind, value
    if isinstance(value, bytearray):
        return kind, bytes(value)
    if depth == 0:
        return kind, id(value)
    if isinstance(value, Mapping):
        return (
            kind,
            len(value),
            [(fingerprint(k, depth - 1), fingerprint(v, depth - 1)) for k, v in islice(value.items(), ELEMENTS)],
        )
    if isinstance(value, (list, tuple, deque)):
        return kind, len(value), [fingerprint(v, depth - 1) for v in islice(value, ELEMENTS)]
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(value)
    return kind, id(value)


def _attributes(routine: Routine) -> dict[str, Any]:
    return {name: value for name, value in vars(routine).items() if not name.startswith("_declared")}
