"""What may go wrong in a simulated schedule."""

from __future__ import annotations

from dataclasses import dataclass

#: Kind of fault -> what happens.
KINDS: dict[str, str] = {
    "death": "a worker process dies before or while it runs a slice: part of it ran, nothing of it is known",
    "false death": "a slice is reported lost although it ran to its end; its receipt may come later",
    "innocent": "a slice is lost that never began to run",
    "twice": "a slice runs a second time somewhere else, and both receipts come",
    "again": "a receipt, or the news of a loss, comes a second time",
    "alien": "a receipt comes that belongs to another attempt",
    "early": "a timer rings before its time",
    "pause": "a job is paused, and resumed at some time",
    "cancel": "a job is cancelled",
    "close": "a job is closed before all its messages came",
    "retry": "dead letters are posted again while the job runs",
    "repost": "a client posts the same messages a second time",
    "resize": "the number of workers changes",
    "home": "a process dies that holds the state of jobs, idle or busy",
    "restart": "the coordinator dies, and another one goes on in its place",
}
#: What a correct routine has to bear: what is kept in homes survives, and nobody ends a job.
BEARABLE = ("death", "false death", "innocent", "twice", "again", "alien", "early", "pause", "resize")


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults a schedule may have, and how many.

    Each schedule draws a part of them, so that some have few kinds and those often.

    Attributes:
        kinds: Names of `KINDS`.
        most: Faults per schedule, at most.
        deaths: Processes without state that die, or are said to have died, at most: a message that was in three is given up.

    Raises:
        ValueError: There is no such kind.
    """

    kinds: tuple[str, ...] = BEARABLE
    most: int = 4
    deaths: int = 2

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"Faults: there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}")

    @classmethod
    def every(cls, most: int = 4) -> Faults:
        """Return all that may happen except restarts, which need somebody who knows how to go on."""
        return cls(tuple(kind for kind in KINDS if kind != "restart"), most, most)
