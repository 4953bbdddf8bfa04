"""Merged values of slots: grown in place where nobody can tell, and put back.

`merge="append"` gives an activation the list of all messages so far. A new list for each would make a job of n messages cost
n * n; so the list grows in place as long as the cell is the only one who has it. Whoever kept it keeps what was in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from routilux_dist.flow import merging


class Length(NamedTuple):
    """Stands for the first `n` values of a list that has only grown since."""

    n: int


def add(merge: merging.Merge, merged: dict[str, Any], name: str, new: Any) -> Any:
    """Fold a message into the merged value of a slot; return the value."""
    if merge == "append":
        values = merged.get(name)
        if values is not None and sys.getrefcount(values) <= _ALONE:
            values.append(new)
            return values
        del values
    value = merged[name] = merging.fold(merge, merged.get(name, merging.EMPTY), new)
    return value


def picture(merges: Mapping[str, merging.Merge], merged: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `put_back` needs. It holds no list that may grow: holding it would make it shared."""
    return {name: Length(len(value)) if merges[name] == "append" else value for name, value in merged.items()}


def put_back(merged: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged values as they were when the picture was taken."""
    return {name: merged[name][: value.n] if isinstance(value, Length) else value for name, value in before.items()}


def _alone() -> int:
    """Return what `sys.getrefcount` says in `add` of a list that only its cell has; that depends on the interpreter."""
    merged = {"slot": [0]}
    values = merged.get("slot")
    return sys.getrefcount(values)


_ALONE = _alone()
