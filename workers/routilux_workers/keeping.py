"""State of a home leaves with each receipt and can be put into another process: a home that is lost is built again from it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import SerializationError
from routilux_dist.flow.state import key_of
from routilux_dist.wire import codec
from routilux_dist.wire.block import Form, Packed
from routilux_dist.wire.slices import FINISHED, Kept
from routilux_workers.stateful import Cell

if TYPE_CHECKING:
    from routilux_workers.stateful import StatefulRoutine


#: Most bytes of state in a dead letter: there may be many.
SEEN_BYTES = 64 << 10

#: Turns a value into bytes.
Encode = Callable[[Any], Packed]


def keep(stateful: StatefulRoutine, encode: Encode) -> tuple[list[Kept], list[tuple[str, SerializationError]]]:
    """Return the cells that a slice touched, as it left them, and (job, why) of those that cannot be encoded.

    That ends a job alone; one without a name is the running flow.
    """
    kept: list[Kept] = []
    failed: list[tuple[str, SerializationError]] = []
    index = stateful.plan.index

    def add(job: str, number: int, value: Any) -> None:
        try:
            kept.append(Kept(job, index, number, encode(value)))
        except SerializationError as exc:
            failed.append((job, exc))

    for cell, _ in stateful.before:
        home = cell.home
        if stateful.cells.get(home, {}).get(cell.key) is cell:
            add(home, cell.number, _picture(cell, stateful.now))
    finished: dict[str, list[Any]] = {}
    for job, key in stateful.finished_now:
        finished.setdefault(job, []).append(key)
    for job, keys in finished.items():
        number = stateful.finished_pieces.get(job, 0)
        add(job, FINISHED - number, keys)
        stateful.finished_pieces[job] = number + 1
    return kept, failed


def seen(stateful: StatefulRoutine, payload: Any, joined: tuple[Any, ...] | None, encode: Encode) -> Packed | None:
    """Return the cell of a message whose activation failed and was taken back, or None if it is large or cannot be encoded."""
    home = stateful.activity.job_id if stateful.per_job else ""
    try:
        key = joined[0] if joined is not None else None if stateful.key is None else key_of(stateful.key, payload)
        body = encode(_picture(stateful.cells[home][key], stateful.now))
    except Exception:  # its key cannot be read, or its state cannot travel: the letter goes without
        return None
    return body if body.nbytes <= SEEN_BYTES else None


def _picture(cell: Cell, now: Callable[[], float]) -> tuple[Any, ...]:
    # Other processes have other monotonic clocks.
    due = None if cell.due is None else cell.due - now() + time.time()
    return cell.key, cell.data, [list(queue) for queue in cell.queues], cell.merged, sorted(cell.fresh), due


def load(routines: Iterable[StatefulRoutine], state: Iterable[Kept]) -> None:
    """Put kept state in the place of all state that the routines of a home have."""
    by_index = {stateful.plan.index: stateful for stateful in routines}
    for stateful in by_index.values():
        stateful.clear()
    for piece in state:
        found = by_index.get(piece.routine)
        if found is None:
            continue  # of a routine that has moved or gone; whoever recovers has checked that nothing is lost by it
        value = codec.decode(piece.body)
        if piece.cell <= FINISHED:
            found.finished.setdefault(piece.job, set()).update(value)
            pieces = found.finished_pieces
            pieces[piece.job] = max(pieces.get(piece.job, 0), FINISHED - piece.cell + 1)
            continue
        key, data, queues, merged, fresh, due = value
        cell = found.new_cell(piece.job, key, data)
        cell.number = piece.cell
        if queues:
            cell.queues = [deque(queue) for queue in queues]
        if merged:
            cell.merged = merged
        cell.fresh = frozenset(fresh)
        cell.due = None if due is None else due - time.time() + found.now()
        found.cells.setdefault(piece.job, {})[key] = cell
        found.next_number = max(found.next_number, piece.cell + 1)


def changed(body: Packed, change: Callable[[dict[str, Any]], dict[str, Any]] | None, other_slots: bool) -> Packed:
    """Return a kept cell for another version of its routine.

    Args:
        body: The cell.
        change: Makes its state of now.
        other_slots: Whether its slots are others than they were.

    Raises:
        ValueError: It holds messages that wait in slots which are others now, or *change* returned no state.
        SerializationError: The new state cannot be encoded.
    """
    key, data, queues, merged, fresh, due = codec.decode(body)
    if other_slots:
        if merged or any(queues):
            raise ValueError("messages wait for each other there, and its slots are others now")
        queues, fresh = [], []
    if change is not None:
        made: Any = change(data)
        if not isinstance(made, dict):
            raise ValueError(f"fn returned {made!r:.200}; it has to return the state, a dict by names")
        data = made
    return codec.Codec(Form(body.form)).encode((key, data, queues, merged, fresh, due), "state")
