"""A user's error as a record that survives processes."""

from __future__ import annotations

from dataclasses import dataclass

from routilux_dist.wire.block import Block, Packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong in one activation.

    Attributes:
        job: The job.
        routine: Routine that raised; "" when the job as a whole failed.
        slot: Slot (or "logic", "finish") that was served.
        kind: "error" (user code raised), "limit", "timeout", "stall", "lost" (worker died), "serialization", "invalid" (what the
            flow's validators say of a state), "combine" (messages that `combine=` could not make one).
        error_type: Name of the exception's class.
        message: Text of the exception, bounded.
        traceback: The user's frames, formatted, root cause last.
        strategy: What was decided: "stop", "continue", "skip", "retry".
        attempts: Tries so far.
        payload: Short `repr` of the payload.
        item: Number of the stream item it belongs to, or None.
        exception: The pickled exception, if it can be carried over.
        key: Idempotency key of the message, "" if it has none; what a dead letter is called in a saved run.
    """

    job: str
    routine: str
    slot: str = ""
    kind: str = "error"
    error_type: str = ""
    message: str = ""
    traceback: str = ""
    strategy: str = "stop"
    attempts: int = 1
    payload: str = ""
    item: int | None = None
    exception: Packed | None = None
    key: str = ""

    def __str__(self) -> str:
        where = f"{self.routine}.{self.slot}" if self.slot else self.routine
        return f"{where}: {self.error_type}: {self.message}" if where else f"{self.error_type}: {self.message}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: a message that ended without success, and why. `block` can be posted again.

    Attributes:
        failure: Why.
        block: The message.
        seen: The cell of state that its activation saw, encoded, if it has one and it is small.
    """

    failure: Failure
    block: Block
    seen: Packed | None = None
