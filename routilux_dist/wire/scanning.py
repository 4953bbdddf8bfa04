"""A look into plain containers at the speed of C: level by level, never a Python call per value.

`gc.get_referents` gives the members of many containers at once. Keys of dicts are among them unless all are of type str.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routilux_dist.errors import SerializationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a body may ask for; refused on writing as on reading. Memory is bounded besides, see `wire/weighing.py`.

    Attributes:
        bytes: Size of the message without its buffers.
        nodes: Values in it.
        depth: Containers within containers.
        room: Memory that it may need; None for ten times its bytes and 64 MiB.
    """

    bytes: int = 1 << 30
    nodes: int = 10_000_000
    depth: int = 256
    room: int | None = None


LIMITS = Limits()

CONTAINERS = frozenset({list, dict, tuple, set, frozenset})
_KNOWN = CONTAINERS | {type(None), bool, int, float, str, bytes}
#: Size from which a level is counted before it is opened.
_MANY = 50_000


def levels(value: Any, limits: Limits) -> Iterator[tuple[set[type], list[Any]]]:
    """Yield the values of a value's containers level by level, each with the set of their types.

    Objects of other types than `CONTAINERS` are not looked into.

    Args:
        value: Where to start; it is the first level.
        limits: Most levels of containers, and most values.

    Raises:
        SerializationError: There are more.
    """
    level, seen = [value], 0
    for _ in range(limits.depth + 1):
        kinds = set(map(type, level))
        yield kinds, level
        if not kinds & CONTAINERS:
            return
        if not kinds <= _KNOWN or len(level) > _MANY:
            level = [one for one in level if type(one) in CONTAINERS]
        if len(level) > _MANY:  # a container that holds itself many times grows without end
            _check(seen + sum(map(len, level)), limits.nodes)
        level = gc.get_referents(*level)
        if not level:
            return
        seen += len(level)
        _check(seen, limits.nodes)
    raise SerializationError(f"nested deeper than {limits.depth} levels (limit 'depth'), or it contains itself")


def _check(seen: int, nodes: int) -> None:
    if seen > nodes:
        raise SerializationError(
            f"more than {nodes} values in one body (limit 'nodes'); send smaller pieces, or an array"
        )
