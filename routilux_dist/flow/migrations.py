"""Where messages and state of older versions of a flow go: told by name, used when a saved job goes on with another version.

A migration counts only where it is needed: to another name while the flow of now has no routine of the old one, to the same name
while its state is declared another way. So migrations may stay registered from version to version, and follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks

#: Makes the state that a routine has now of the state that it had.
Change = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Migration:
    """Where things of a routine go.

    Attributes:
        source: Routine of an older version.
        target: Routine of a newer one.
        slot: Its slot that gets all messages; None for that of the same name, or the only one.
        change: What becomes of each kept state; None if it stays as it is.
    """

    source: str
    target: str
    slot: str | None = None
    change: Change | None = None


_known: dict[str, Migration] = {}


def register(source: str, target: str, fn: Change | None = None) -> None:
    """Say where messages and state of a routine of an older version go when a saved job goes on.

    Args:
        source: The routine, as the older version called it.
        target: "routine" or "routine.slot" of the flow of now; may be *source* itself if only its state has changed.
        fn: Takes the state of each key as a dict and returns what it is now. It runs in the process that recovers.

    Raises:
        ConfigurationError: An argument is not allowed.
    """
    wrong = [
        checks.text("source", source, example="old"),
        checks.text("target", target, example="new"),
        checks.function("fn", fn, example="lambda state: {**state, 'count': 0}", none="state that stays as it is"),
    ]
    checks.refuse("migrations.register", wrong)
    routine, _, slot = target.partition(".")
    if "." in source or not routine:
        raise ConfigurationError(
            f"migrations.register({source!r}, {target!r}): the first names a routine, the second 'routine' or 'routine.slot'"
        )
    if routine == source and fn is None and not slot:
        raise ConfigurationError(
            f"migrations.register({source!r}, {target!r}) changes nothing: give fn=, which makes the new state of the old one"
        )
    _known[source] = Migration(source, routine, slot or None, fn)


def unregister(source: str) -> None:
    """Forget what was said of a routine; an unknown one is fine."""
    _known.pop(source, None)


def registered() -> Mapping[str, Migration]:
    """Return what is known, by the name of the routine of the older version."""
    return dict(_known)
