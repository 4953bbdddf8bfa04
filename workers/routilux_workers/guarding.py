"""State is looked at before it is committed: what the flow's validators find wrong is repaired, or stops its job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from routilux_dist.errors import StateError
from routilux_dist.flow.guards import Guard, State
from routilux_workers.stateful import Cell, StatefulRoutine


class Ready(NamedTuple):
    """A guard on its host."""

    wrong: Callable[[State], str]
    guard: Guard


class Finding(NamedTuple):
    """What was wrong with a state.

    Attributes:
        job: Whose state, "" for the running flow's.
        text: What was wrong, or what was repaired.
        error: Why it cannot be committed, or None if it was repaired.
    """

    job: str
    text: str
    error: StateError | None


def ready(guards: Sequence[Guard], stateful: StatefulRoutine) -> list[Ready]:
    """Return the guards of a routine."""
    mine = [guard for guard in guards if guard.routine in (None, stateful.plan.id)] if stateful.has_state else []
    return [Ready(guard.finder(), guard) for guard in mine]


def look(stateful: StatefulRoutine, guards: Sequence[Ready]) -> Iterator[Finding]:
    """Look at the cells that a slice touched, and repair what can be repaired."""
    for cell, _ in stateful.before:
        job, key = cell.home, cell.key
        if stateful.cells.get(job, {}).get(key) is not cell:
            continue
        where = f"the state of routine {stateful.plan.id!r}" + ("" if key is None else f", key {key!r:.80},")
        for one in guards:
            if text := _wrong(one, cell.data):
                yield _settle(one, cell, job, f"{where} is not valid: {text}")


def _wrong(one: Ready, state: State) -> str:
    try:
        return one.wrong(dict(state))
    except Exception as exc:  # a schema that cannot be applied, such as one that refers to another one
        return f"{type(exc).__name__}: {exc}"


def _settle(one: Ready, cell: Cell, job: str, text: str) -> Finding:
    repair = one.guard.repair
    if repair is None:
        return Finding(job, text, StateError(text))
    try:
        state = repair(dict(cell.data))
        still = one.wrong(dict(state))
    except Exception as exc:  # whatever the user's function raises
        error = StateError(f"{text}; its repair failed: {type(exc).__name__}: {exc}")
        error.__cause__ = exc
        return Finding(job, text, error)
    if still:
        return Finding(job, text, StateError(f"{text}; it was repaired, and is not valid all the same: {still}"))
    cell.data = state
    return Finding(job, f"{text}; it was repaired", None)
