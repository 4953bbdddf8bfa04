"""Stateful routines: cells of state, waiting messages, and taking all of it back.

A *cell* is the state of one job and key. An activation that raises leaves no trace in it. Cells that hold only plain values are
copied before each activation. Others are kept as they were at the start of the slice: the first error makes the slice start
over (`Redo`), this time with a copy before each activation.
"""

from __future__ import annotations

import copy
import pickle
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from routilux_dist.errors import StateError, ValidationError
from routilux_dist.flow import activation, merging
from routilux_dist.flow.calls import handler_of, logic_of
from routilux_dist.flow.routine import Routine
from routilux_dist.flow.state import fingerprint, key_of
from routilux_dist.plan.plan import RoutinePlan
from routilux_workers import merges

if TYPE_CHECKING:
    from routilux_workers.activity import Activity

_PLAIN = frozenset({int, float, complex, str, bytes, bool, type(None)})


class Redo(BaseException):
    """An activation has to be taken back that cannot be: start the slice over, carefully.

    Not an `Exception`, so that no user code between here and the host can swallow it.
    """


class Cell:
    """State of one job and key. A job may have a million of them, so what is empty is shared."""

    __slots__ = ("data", "due", "fresh", "home", "key", "merged", "number", "queues", "touched")

    def __init__(self, home: str, key: Any, data: dict[str, Any], queues: int = 0, merges: bool = False) -> None:
        #: Its job, "" for scope "worker".
        self.home = home
        self.key = key
        #: The last slice that touched it, by the count of its routine.
        self.touched = 0
        #: Names it at its home, where cells are kept.
        self.number = 0
        self.data = data
        #: Waiting messages per logic slot, where logic waits for some; unused for slots that merge.
        self.queues: list[deque[Any]] = [deque() for _ in range(queues)] if queues else _NO_QUEUES
        #: Slot -> merged value, where some slot merges.
        self.merged: dict[str, Any] = {} if merges else _NOTHING_MERGED
        #: Merging logic slots with something new since the last activation.
        self.fresh: frozenset[str] = frozenset()
        #: When a time-driven policy is due, or None.
        self.due: float | None = None


#: Never changed.
_NO_QUEUES: list[deque[Any]] = []
_NOTHING_MERGED: dict[str, Any] = {}


class Picture(NamedTuple):
    """What a cell was like.

    Attributes:
        data: Its data, or a pickle of them where they are not plain.
        queues, merged, fresh, due: As in `Cell`.
    """

    data: dict[str, Any] | bytes
    queues: list[deque[Any]]
    merged: dict[str, Any]
    fresh: frozenset[str]
    due: float | None


#: What a cell was like: None if it did not exist, its plain data if nothing else can change.
Before = dict[str, Any] | Picture | None


class StatefulRoutine:
    """A routine and its cells on this host."""

    def __init__(
        self,
        routine: Routine,
        plan: RoutinePlan,
        activity: Activity,
        now: Callable[[], float],
        emit: Callable[[Any], None],
    ) -> None:
        declared = routine._declared
        self.routine, self.plan, self.activity, self.now = routine, plan, activity, now
        #: Emits a returned value; for activations beyond the one that a message asks for.
        self.emit = emit
        self.policy = declared.policy
        self.logic = logic_of(routine)
        self.slots = [name for name, slot in declared.slots.items() if slot.handler is None]
        #: Whether logic runs for each message as it comes.
        self.direct = activation.is_direct(self.policy, len(self.slots))
        self.merge = {name: slot.merge for name, slot in declared.slots.items()}
        #: Whether some slot merges.
        self.merges = any(merge is not None for merge in self.merge.values())
        self.per_job = plan.scope == "job"
        self.initial = declared.state.initial if declared.state is not None else {}
        self.key = declared.state.key if declared.state is not None else None
        self.has_state = declared.state is not None
        self.plain_initial = all(type(v) in _PLAIN for v in self.initial.values())
        #: Job ("" for scope "worker") -> key -> cell.
        self.cells: dict[str, dict[Any, Cell]] = {}
        self.next_number = 0
        #: Job -> keys whose `finish` has run, and those of them that ran in this slice.
        self.finished: dict[str, set[Any]] = {}
        self.finished_now: list[tuple[str, Any]] = []
        #: (job, key) of those that had run before this slice and run again in it.
        self.reopened_now: list[tuple[str, Any]] = []
        #: Job -> pieces in which its finished keys were kept, where state is kept.
        self.finished_pieces: dict[str, int] = {}
        #: Job ("" for scope "worker") -> when the coordinator will wake this routine for it.
        self.armed: dict[str, float] = {}
        self.attributes = routine.__dict__
        #: Whether slices on this host may have to start over: some routine of it declares state. Set by the host.
        self.track = self.has_state
        #: Take a copy before each activation, whatever it costs.
        self.careful = False
        #: Cells touched by this slice, as they were before; and which slice it is.
        self.before: list[tuple[Cell, Before]] = []
        self.slice = 1
        #: The activation that runs, if it is not simply the message at hand: ("logic", key, arguments).
        self.joined: tuple[Any, ...] | None = None
        #: Seconds that this slice spent on copies of state.
        self.overhead = 0.0
        #: Logic calls since the last look, and change of waiting messages.
        self.runs = 0
        self.waiting = 0
        #: Put back the state of the activation that runs; None when only `Redo` can.
        self.restore: Callable[[], None] | None = None
        #: A cell of plain values, and what it held before the activation that runs.
        self.saved: tuple[Cell, dict[str, Any]]

    # ---- messages ------------------------------------------------------------------------------------------------

    def slot_call(self, name: str) -> Callable[[Any], Any]:
        """Return what serves a slot: a function of one payload."""
        slot = self.routine._declared.slots[name]
        handler = handler_of(self.routine, slot)
        merge = slot.merge
        if handler is not None:
            return self._handling(handler, name, merge)
        assert self.logic is not None
        if not self.direct:
            return lambda payload: self._arrive(name, payload)
        if len(self.slots) == 1:
            return self._handling(self.logic, name, merge)
        place, width, logic = self.slots.index(name), len(self.slots), self.logic

        def spread(value: Any) -> Any:
            arguments = [None] * width
            arguments[place] = value
            return logic(*arguments)

        return self._handling(spread, name, merge)

    def _handling(self, function: Callable[[Any], Any], name: str, merge: merging.Merge) -> Callable[[Any], Any]:
        if merge is None and self.has_state:
            return self._handling_state(function)
        key, cell_of, attributes = self.key, self.cell, self.attributes

        def handle(payload: Any) -> Any:
            self.restore = _nothing  # what an earlier activation did stays, even if this one does not get far
            cell = cell_of(None if key is None else key_of(key, payload))
            self._guard(cell)
            if merge is not None:
                payload = merges.add(merge, cell.merged, name, payload)
            attributes["state"] = cell.data
            self.runs += 1
            return function(payload)

        return handle

    def _handling_state(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return what `_handling` would, in one piece: it is called for every message."""
        key, activity, attributes, per_job = self.key, self.activity, self.attributes, self.per_job
        put_back, nothing, plain = self._put_back, _nothing, _PLAIN

        def handle(payload: Any) -> Any:
            self.restore = nothing  # what an earlier activation did stays, even if this one does not get far
            self.joined = None
            at = None if key is None else key_of(key, payload)
            home = activity.job_id if per_job else ""
            cell: Cell | None = None
            try:
                cell = self.cells[home][at]
            except (KeyError, TypeError):  # new, or not hashable
                pass
            if cell is None:  # out there, so that the lookup does not appear in its errors
                cell = self.cell(at)
            attributes["state"] = data = cell.data
            for value in data.values():
                if type(value) not in plain:
                    self._touch(cell)
                    self.restore = self._thawing(cell) if self.careful else None
                    break
            else:
                kept = data.copy()
                if cell.touched != self.slice:
                    self._touch(cell, kept)
                self.saved = cell, kept
                self.restore = put_back
            self.runs += 1
            return function(payload)

        return handle

    def _put_back(self) -> None:
        cell, data = self.saved
        cell.data = data.copy()  # it may also be what the slice would start over with

    def _arrive(self, name: str, payload: Any) -> None:
        """A message for a slot that waits for others."""
        self.restore = _nothing
        cell = self.cell(None if self.key is None else key_of(self.key, payload))
        self._touch(cell)
        merge = self.merge[name]
        merged, fresh = merges.picture(self.merge, cell.merged), cell.fresh
        if merge is None:
            cell.queues[self.slots.index(name)].append(payload)
            self.waiting += 1
        else:
            merges.add(merge, cell.merged, name, payload)
            cell.fresh = fresh | {name}
        try:
            arguments = self._take(cell)
        except BaseException:  # the user's policy function: the message is the one that failed
            cell.merged, cell.fresh = merges.put_back(cell.merged, merged), fresh
            if merge is None:
                cell.queues[self.slots.index(name)].pop()
                self.waiting -= 1
            raise
        # One arrival completes at most one activation, whatever the policy: it was asked after each earlier one.
        if arguments is not None:
            self._run_logic(cell, arguments)

    def run_again(self, payload: Any) -> Any:
        """Serve the logic port: (key, arguments) of a call that failed before."""
        key, arguments = payload
        self.restore = _nothing
        cell = self.cell(key)
        self._guard(cell)
        self.joined = (key, arguments)
        self.attributes["state"] = cell.data
        self.runs += 1
        assert self.logic is not None
        result = self.logic(*arguments)
        self.joined = None
        return result

    def _run_logic(self, cell: Cell, arguments: list[Any]) -> None:
        self._guard(cell)
        self.joined = (cell.key, arguments)
        self.attributes["state"] = cell.data
        self.runs += 1
        assert self.logic is not None
        result = self.logic(*arguments)
        if result is not None:
            self.emit(result)
        self.joined = None

    # ---- policies ------------------------------------------------------------------------------------------------

    def _take(self, cell: Cell) -> list[Any] | None:
        """Take the arguments of the next activation out of the cell, or return None if it is not due."""
        policy = self.policy
        if isinstance(policy, activation.AllReady):
            return self._one_each(cell) if self._ready(cell, 1) else None
        if isinstance(policy, activation.Batch):
            arguments = None
            if self._ready(cell, policy.size):
                cell.due = None
                arguments = self._lists(cell, [policy.size] * len(self.slots))
            self._arm(cell, policy.timeout)
            return arguments
        if isinstance(policy, activation.Every):
            self._arm(cell, policy.seconds)
            return None
        assert isinstance(policy, activation.Custom)
        return self._ask(cell, policy)

    def _ready(self, cell: Cell, size: int) -> bool:
        return all(
            len(cell.queues[place]) >= size if self.merge[name] is None else name in cell.fresh
            for place, name in enumerate(self.slots)
        )

    def _one_each(self, cell: Cell) -> list[Any]:
        """Take the oldest message of each slot; merged slots give their value."""
        arguments = []
        for place, name in enumerate(self.slots):
            if self.merge[name] is None:
                arguments.append(cell.queues[place].popleft())
                self.waiting -= 1
            else:
                cell.fresh -= {name}
                arguments.append(cell.merged[name])
        return arguments

    def _lists(self, cell: Cell, counts: list[int]) -> list[Any]:
        """Take that many messages of each slot, as lists; merged slots give a list of their value if it is new."""
        arguments: list[Any] = []
        for place, name in enumerate(self.slots):
            if self.merge[name] is None:
                queue = cell.queues[place]
                taken = [queue.popleft() for _ in range(min(counts[place], len(queue)))]
                self.waiting -= len(taken)
                arguments.append(taken)
            else:
                arguments.append([cell.merged[name]] if name in cell.fresh else [])
                cell.fresh -= {name}
        return arguments

    def _ask(self, cell: Cell, policy: activation.Custom) -> list[Any] | None:
        views = {name: activation.SlotView(name, tuple(q)) for name, q in zip(self.slots, cell.queues)}
        answer = policy.decide(views)
        if not answer:
            return None
        if answer is True:
            counts = [len(q) for q in cell.queues]
        else:
            unknown = set(answer) - set(self.slots)
            if unknown:
                raise ValidationError(
                    f"routine {self.plan.id!r}: its activation policy asks for slot {sorted(unknown)[0]!r}; "
                    f"it has {', '.join(self.slots)}"
                )
            counts = [max(0, min(int(answer.get(name, 0)), len(q))) for name, q in zip(self.slots, cell.queues)]
        # Taking nothing would ask for ever.
        return self._lists(cell, counts) if any(counts) else None

    def _arm(self, cell: Cell, seconds: float | None) -> None:
        if seconds is None or cell.due is not None or not self._waits(cell):
            return
        cell.due = self.now() + seconds
        self._wake_at(cell.due)

    def _wake_at(self, due: float) -> None:
        """Have the coordinator wake this routine, unless it will do so before that anyway: `due_cells` asks again."""
        home, a = self._home(), self.activity
        if self.armed.get(home, float("inf")) > due:
            self.armed[home] = due
            a.receipt.wakes.append((a.job_id, self.plan.wake_port, max(0.0, due - self.now())))

    @staticmethod
    def _waits(cell: Cell) -> bool:
        return bool(cell.fresh) or any(cell.queues)

    # ---- ends and alarms -----------------------------------------------------------------------------------------

    def due_cells(self) -> Iterator[Cell]:
        """Yield the job's cells whose time has come; arm the others again."""
        self.armed.pop(self._home(), None)
        for cell in list(self.cells.get(self._home(), {}).values()):
            if cell.due is None:
                continue
            if cell.due <= self.now() + 0.001:
                yield cell
            else:
                self._wake_at(cell.due)

    def ending_cells(self) -> Iterator[Cell]:
        """Yield the job's cells for which something may be left to do; an unkeyed routine has one even if nothing came."""
        if self.key is None:
            self.cell(None)
        cells = self.cells.get(self._home(), {})
        if self.plan.flushes:
            yield from list(cells.values())
        elif self.plan.has_finish:
            done = self.finished.get(self.activity.job_id, ())
            yield from [cell for key, cell in cells.items() if key not in done]

    def flush(self, cell: Cell) -> None:
        """Run logic once with what waits, as lists."""
        self.restore = _nothing
        if not self._waits(cell):
            return
        size = self.policy.size if isinstance(self.policy, activation.Batch) else None
        counts = [len(q) if size is None else min(size, len(q)) for q in cell.queues]
        self._touch(cell)
        cell.due = None
        self._run_logic(cell, self._lists(cell, counts))

    def finish(self, cell: Cell) -> Any:
        """Run the user's `finish`, once for a job and key."""
        self.restore = _nothing
        if not self.unfinished(cell):
            return None
        self._guard(cell)
        self.attributes["state"] = cell.data
        self.runs += 1
        result = self.routine.finish()
        self.conclude(cell)
        return result

    def conclude(self, cell: Cell) -> None:
        """Note that the cell's `finish` had its turn."""
        job = self.activity.job_id
        self.finished.setdefault(job, set()).add(cell.key)
        self.finished_now.append((job, cell.key))

    def unfinished(self, cell: Cell) -> bool:
        """Whether the cell's `finish` still has to run."""
        return self.plan.has_finish and cell.key not in self.finished.get(self.activity.job_id, ())

    def reopened(self, key: Any) -> Cell:
        """Return the cell of a `finish` that is to be tried again."""
        job = self.activity.job_id
        finished = self.finished.get(job, set())
        if key in finished:
            finished.discard(key)
            self.reopened_now.append((job, key))
        return self.cell(key)

    def forget(self, job: str) -> None:
        """Drop the state of a job that has ended."""
        self.finished.pop(job, None)
        self.finished_pieces.pop(job, None)
        if self.per_job:
            self.cells.pop(job, None)
            self.armed.pop(job, None)

    def clear(self) -> None:
        """Forget all state."""
        self.cells.clear()
        self.finished.clear()
        self.finished_pieces.clear()
        self.armed.clear()  # at worst the coordinator rings twice
        self.begin()

    # ---- cells ---------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        return self.activity.job_id if self.per_job else ""

    def cell(self, key: Any) -> Cell:
        """Return the cell of the running job and a key; make it if need be."""
        home = self.activity.job_id if self.per_job else ""
        cells = self.cells.get(home)
        if cells is None:
            cells = self.cells[home] = {}
        try:
            cell = cells.get(key)
        except TypeError:  # not hashable: fingerprint says what is
            cell = None
        if cell is None:
            if key is not None:
                fingerprint(key)  # says which types can be keys
            data = dict(self.initial) if self.plain_initial else copy.deepcopy(self.initial)
            cell = self.new_cell(home, key, data)
            cell.number = self.next_number
            self.next_number += 1
            if self.track:
                cell.touched = self.slice
                self.before.append((cell, None))
            cells[key] = cell
        return cell

    def new_cell(self, home: str, key: Any, data: dict[str, Any]) -> Cell:
        """Return a cell in which nothing waits."""
        return Cell(home, key, data, 0 if self.direct else len(self.slots), self.merges)

    def _touch(self, cell: Cell, plain: dict[str, Any] | None = None) -> None:
        """Note what the cell was like when the slice began; `plain` is a copy of its data, if they are plain."""
        if self.track and cell.touched != self.slice:
            bare = plain is not None and self.direct and not self.merges  # then nothing else of a cell ever changes
            self.before.append((cell, plain if bare else self._picture(cell, plain)))
            cell.touched = self.slice  # last: to take the picture may fail, or be interrupted by a time-out

    def _picture(self, cell: Cell, plain: dict[str, Any] | None) -> Picture:
        if plain is not None or _is_plain(cell.data):
            data: Any = cell.data.copy()
        else:
            started = self.now()
            data = _freeze(cell.data, self.plan.id)
            self.overhead += self.now() - started
        queues = [deque(q) for q in cell.queues]
        return Picture(data, queues, merges.picture(self.merge, cell.merged), cell.fresh, cell.due)

    def _guard(self, cell: Cell) -> None:
        """Make it possible to take back what follows."""
        self.joined = None
        data = cell.data
        kept = data.copy() if _is_plain(data) else None
        self._touch(cell, kept)
        if self.has_state and kept is not None and not self.merges:
            self.saved, self.restore = (cell, kept), self._put_back
            return
        merged = merges.picture(self.merge, cell.merged)
        if not self.has_state:

            def back() -> None:
                cell.merged = merges.put_back(cell.merged, merged)

            self.restore = back if self.merges else _nothing
            return
        if kept is None:
            self.restore = self._thawing(cell) if self.careful else None
            return

        def put_back() -> None:
            cell.data, cell.merged = kept.copy(), merges.put_back(cell.merged, merged)

        self.restore = put_back

    def _thawing(self, cell: Cell) -> Callable[[], None]:
        frozen, merged = _freeze(cell.data, self.plan.id), merges.picture(self.merge, cell.merged)

        def thaw() -> None:
            cell.data = pickle.loads(frozen)  # noqa: S301 - pickled by this process
            cell.merged = merges.put_back(cell.merged, merged)

        return thaw

    def take_back(self) -> None:
        """Undo what the failed activation did to its cell.

        Raises:
            Redo: Only starting over can.
        """
        if self.restore is None:
            raise Redo
        self.restore()
        self.restore = _nothing

    def begin(self) -> None:
        """A slice begins."""
        self.before = []
        self.slice += 1
        self.finished_now.clear()
        self.reopened_now.clear()
        self.restore = _nothing

    def rewind(self) -> None:
        """Put every cell back to where it was when the slice began."""
        # From the last one: a time-out may have come before a cell was marked, which is there twice then.
        for cell, before in reversed(self.before):
            self.put_cell_back(cell, before)
        for job, key in self.finished_now:
            self.finished[job].discard(key)
        for job, key in self.reopened_now:
            self.finished[job].add(key)
        self.armed.clear()  # at worst the coordinator rings twice
        self.begin()
        self.runs = self.waiting = 0
        self.careful = True

    def put_cell_back(self, cell: Cell, before: Before) -> None:
        """Put a cell that the slice touched back to where it was when the slice began."""
        if before is None:
            self.cells.get(cell.home, {}).pop(cell.key, None)
        elif isinstance(before, Picture):
            data = before.data
            cell.data = pickle.loads(data) if isinstance(data, bytes) else data  # noqa: S301 - pickled by this process
            cell.queues, cell.fresh, cell.due = before.queues, before.fresh, before.due
            cell.merged = merges.put_back(cell.merged, before.merged)
        else:
            cell.data = before


def _is_plain(data: dict[str, Any]) -> bool:
    return _PLAIN.issuperset(map(type, data.values()))


def _nothing() -> None:
    """Nothing has to be put back."""


def _freeze(data: dict[str, Any], routine_id: str) -> bytes:
    try:
        return pickle.dumps(data, protocol=5)
    except Exception as exc:
        names = [name for name, value in data.items() if not _pickles(value)]
        raise StateError(
            f"routine {routine_id!r}: state {', '.join(names) or '?'} cannot be pickled ({exc}); state has to be plain data, "
            f"so that it can be saved and put back: keep resources in open() instead"
        ) from exc


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
