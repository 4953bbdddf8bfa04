"""How work is cut into blocks and slices."""

from __future__ import annotations

from dataclasses import dataclass

from routilux_dist.flow import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How work is cut. The defaults suit nearly every flow; tests use odd values to prove that results do not depend on them.

    Attributes:
        slice_seconds: Work that one slice should hold. Longer slices cost less to manage, shorter ones balance better.
        block_rows: Most messages in one block.
        block_bytes: Most bytes of messages in one block, unless a single message is larger.
        max_payload_bytes: A larger message is refused where it would leave its process: at the post, or as an error of whoever
            emitted it. What stays in a process is not measured: on the local backend nothing is, unless the job is saved.
        inline_bytes: Larger blocks travel through the object store instead of inside a call.
        max_pending_bytes: Bytes of entry messages that may wait in a running flow before a producer has to; and of inner messages
            that may wait for a routine before the routines that lead to it have to.
        max_pending_blocks: Blocks of messages that may wait, likewise.
        max_ended_bytes: Bytes that a running flow keeps of jobs that have ended, for rollback and for whoever attaches later; the
            oldest ones are forgotten first, the newest never.
        stopped_seconds: On Ray, a process that is stopped by a signal (SIGSTOP) for so long while it owes work is ended, and what
            it ran is tried again; None never ends one.
    """

    slice_seconds: float = 0.08
    block_rows: int = 8192
    block_bytes: int = 4 << 20
    max_payload_bytes: int = 1 << 30
    inline_bytes: int = 64 << 10
    max_pending_bytes: int = 256 << 20
    max_pending_blocks: int = 4096
    max_ended_bytes: int = 64 << 20
    stopped_seconds: float | None = 30.0

    def __post_init__(self) -> None:
        counts = [name for name in self.__slots__ if not name.endswith("_seconds")]
        checks.refuse(
            "Tuning",
            (
                checks.seconds("slice_seconds", self.slice_seconds, above=0, none=""),
                checks.seconds("stopped_seconds", self.stopped_seconds, above=0, none="for ever"),
                *(checks.whole(name, getattr(self, name), least=1) for name in counts),
            ),
        )
