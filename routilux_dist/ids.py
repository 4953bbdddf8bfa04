"""Names for the identifiers that travel through the rooms, and the words that users see for states."""

from __future__ import annotations

import enum
import re
from typing import NewType

FlowId = NewType("FlowId", str)
RoutineId = NewType("RoutineId", str)
JobId = NewType("JobId", str)
#: Index of a slot, an output event or a control entry in `Plan.ports`.
Port = NewType("Port", int)
BlockId = NewType("BlockId", int)
SliceId = NewType("SliceId", int)

#: What a job, flow or routine may be called: safe as a file name, an actor name and a metric label.
NAME_RULE = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,127}")
JOB_ID_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,127}")


class JobStatus(str, enum.Enum):
    """Where a job stands."""

    PENDING = "pending"  #: accepted, nothing dispatched yet
    RUNNING = "running"  #: at least one message was dispatched
    PAUSED = "paused"  #: nothing is dispatched until it is resumed
    COMPLETED = "completed"  #: everything was done
    FAILED = "failed"  #: an error, a limit or a time-out ended it
    CANCELLED = "cancelled"  #: somebody ended it

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in _TERMINAL

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
