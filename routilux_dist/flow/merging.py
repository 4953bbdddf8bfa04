"""How a slot folds the messages of a job into one value, and makes fewer messages of many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from routilux_dist.errors import ConfigurationError

#: None keeps messages apart.
Merge: TypeAlias = str | Callable[[Any, Any], Any] | None

#: Makes one message of two with the same key, before they are sent; None keeps them apart.
Combine: TypeAlias = Callable[[Any, Any], Any] | None

#: Stands for "nothing merged yet": None is a payload like any other.
EMPTY: Any = type("Empty", (), {"__repr__": lambda self: "<nothing merged yet>", "__slots__": ()})()


def check(slot: str, merge: Merge) -> Merge:
    """Return `merge` if it is a merge strategy, else raise `ConfigurationError`."""
    if merge is None or merge in ("append", "override") or callable(merge):
        return merge
    raise ConfigurationError(
        f"slot {slot!r}: merge={merge!r} is no merge strategy; "
        f"use 'append', 'override' or a function (so_far, new) -> merged"
    )


def check_combine(slot: str, combine: Combine, merge: Merge) -> Combine:
    """Return `combine` if it can be one beside `merge`, else raise `ConfigurationError`."""
    if combine is None:
        return None
    if not callable(combine):
        raise ConfigurationError(
            f"slot {slot!r}: combine={combine!r} is no function; use a function (first, second) -> one payload for both"
        )
    if merge is not None:
        raise ConfigurationError(
            f"slot {slot!r}: merge= is given every message of a job, and combine= makes fewer of them; use one of the two"
        )
    return combine


def fold(merge: Merge, so_far: Any, new: Any) -> Any:
    """Return the merged value after `new` has come. `so_far` is `EMPTY` at first; it is never changed in place."""
    if merge == "override":
        return new
    if merge == "append":
        return [new] if so_far is EMPTY else [*so_far, new]
    assert callable(merge)
    return new if so_far is EMPTY else merge(so_far, new)
