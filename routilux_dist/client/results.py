"""From what a job reports to what users see: outputs, errors, dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from routilux_dist.errors import (
    JobFailedError,
    JobTimeoutError,
    LimitExceededError,
    NoProgressError,
    RoutiluxError,
    SlotHandlerError,
    WorkerLostError,
)
from routilux_dist.plan.plan import Plan, PortKind
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import JobNote

_BY_KIND: dict[str, type[JobFailedError]] = {
    "limit": LimitExceededError,
    "timeout": JobTimeoutError,
    "stall": NoProgressError,
}


def outputs(plan: Plan, blocks: Iterable[Block]) -> dict[str, list[Any]]:
    """Return payloads by output event; every output event of the flow has a list."""
    found: dict[str, list[Any]] = {name: [] for name in plan.names()}
    for block in blocks:
        found[plan.ports[block.port].path].extend(codec.rows_of(block).payloads)
    return found


def revive(failure: Failure) -> BaseException:
    """Return the user's exception, or a `SlotHandlerError` with its text where it could not be carried over."""
    if failure.exception is not None:
        try:
            exc = codec.decode(failure.exception)
            if isinstance(exc, BaseException):
                return exc
        except Exception:  # the class is not importable here: the text has to do
            pass
    if failure.kind == "lost":
        return WorkerLostError(failure.message)
    return SlotHandlerError(f"{failure.error_type}: {failure.message}", error_type=failure.error_type)


def job_error(flow: str, job_id: str, failure: Failure) -> JobFailedError:
    """Return what `job.result()` raises for a failed job. The user's traceback ends the message, root cause last."""
    where = f" in routine {failure.routine!r}" if failure.routine else ""
    slot = f", slot {failure.slot!r}" if failure.slot else ""
    tries = f", attempt {failure.attempts}" if failure.attempts > 1 else ""
    shown = f", payload {failure.payload}" if failure.payload else ""
    head = f"job {job_id!r} of flow {flow!r} failed{where}{slot}{tries}{shown}"
    text = failure.traceback.rstrip() if failure.traceback else f"{failure.error_type}: {failure.message}"
    error = _BY_KIND.get(failure.kind, JobFailedError)(f"{head}\n{text}")
    error.job_id, error.flow, error.routine, error.failure = job_id, flow, failure.routine, failure
    if failure.kind in ("error", "open", "serialization", "lost", "invalid"):
        error.cause = revive(failure)
        error.__cause__ = error.cause
    return error


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dead letter comes from.

    Attributes:
        kind, slot: The port that it was for.
        block: The message; one without rows is none.
        note: What its activation was told of the job, with the job's data as committed by now.
        seen: The cell of state that it saw, if that was kept.
    """

    kind: PortKind
    slot: str
    block: Block
    note: JobNote
    seen: Packed | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that ended without success.

    Attributes:
        routine: Routine that could not serve it.
        slot: Slot it came to, or "logic" for a call that took several messages.
        payload: The message; for such a call a list of its arguments.
        error: What was raised.
        error_type: Name of its class.
        attempts: Tries it had.
        traceback: The user's frames, root cause last.
        source: What `rd.replay` needs; None for a letter that you made yourself.
        message: What the message is called, see `rd.current_job().idempotency_key`; by this `rd.replay_saved` finds it.
    """

    routine: str
    slot: str
    payload: Any
    error: BaseException
    error_type: str
    attempts: int
    traceback: str
    source: Source | None = field(default=None, repr=False, compare=False)
    message: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.routine}.{self.slot}: {self.error_type}: {self.error} (attempt {self.attempts})"


def dead_letter(plan: Plan, letter: Letter, note: JobNote | None = None) -> DeadLetter:
    """Return a dead letter as users see it."""
    failure, block = letter.failure, letter.block
    payload = codec.rows_of(block).payloads[0]
    if block.port in {r.logic_port for r in plan.routines.values()}:
        payload = payload[1]
    elif block.rows == 0:
        payload = None
    port = plan.ports[block.port]
    return DeadLetter(
        failure.routine,
        failure.slot,
        payload,
        revive(failure),
        failure.error_type,
        failure.attempts,
        failure.traceback,
        Source(port.kind, port.name, block, note or JobNote(), letter.seen),
        failure.key,
    )


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """One error of a job, as `job.errors` shows it."""

    routine: str
    slot: str
    error: BaseException
    strategy: str
    attempts: int
    traceback: str

    def __str__(self) -> str:
        return f"{self.routine}.{self.slot}: {type(self.error).__name__}: {self.error} ({self.strategy})"


def error_records(failures: Sequence[Failure]) -> list[ErrorRecord]:
    """Return errors as users see them."""
    return [ErrorRecord(f.routine, f.slot, revive(f), f.strategy, f.attempts, f.traceback) for f in failures]


def open_data(data: Any) -> dict[str, Any]:
    """Return job data as users see it."""

    def value(stored: Any) -> Any:
        return codec.decode(stored) if isinstance(stored, Packed) else stored

    opened: dict[str, Any] = {}
    for key, (reducer, stored) in (data or {}).items():
        if reducer == "append":
            opened[key] = [value(v) for v in stored]
        elif reducer == "union":
            opened[key] = {value(v) for v in stored}
        else:
            opened[key] = value(stored)
    return opened


@dataclass(frozen=True, slots=True)
class ItemError:
    """Stands in the results of `flow.map(..., on_error="collect")` for an item that failed."""

    item: Any
    error: RoutiluxError

    def __str__(self) -> str:
        return f"{self.item!r}: {self.error}"


class Chunk(NamedTuple):
    """What came of `size` neighbouring items of a `flow.map`, from number `first` on."""

    first: int
    size: int
    payloads: list[Any]
    #: What to raise when their turn comes.
    error: BaseException | None = None


class Failed(NamedTuple):
    """An item could not be sent."""

    number: int
    item: Any
    error: RoutiluxError


def failed_item(number: int, item: Any, error: RoutiluxError, on_error: str) -> Chunk:
    """Return what comes of an item that failed."""
    if on_error == "raise":
        return Chunk(number, 1, [], error)
    return Chunk(number, 1, [ItemError(item, error)] if on_error == "collect" else [])
