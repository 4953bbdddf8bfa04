"""Every error a user can meet, in one tree.

::

    RoutiluxError
    ├── ConfigurationError        a flow, routine or option is wrong; `.problems` lists every fault
    │   └── ConnectError          the backend cannot be reached or cannot hold the flow
    ├── ExecutionError            running went wrong
    │   ├── JobFailedError        a job ended as failed; `.failure` says where, `.cause` is the user's exception
    │   │   ├── JobTimeoutError   it ran longer than `execution_timeout`
    │   │   ├── LimitExceededError    it passed `max_messages` or `max_hops`
    │   │   └── NoProgressError   it stood still; the message says what waits for what
    │   ├── JobCancelledError     a job ended as cancelled
    │   ├── SlotHandlerError      a handler or `logic` raised something that cannot be shown as it was
    │   └── WorkerLostError       a worker process died with state that exists nowhere else
    ├── StateError                something was done in the wrong state
    ├── SerializationError        a value cannot travel between processes
    ├── ValidationError           a payload does not fit the routine that received it
    ├── CheckpointError           stored state cannot be written or trusted
    │   ├── StoreError            the store failed; nothing is lost, and the same call may be made again
    │   ├── FencedError           another process has taken over; this one must stop
    │   ├── CheckpointDamagedError    stored bytes are not what was written; `.file`, `.offset` and `.intact` say where
    │   └── CheckpointVersionError    written in a format that this version does not know
    └── InternalError             a rule of the engine was broken; carries the engine's story

The class docstring is the default message. Every error pickles: it has one positional argument, the message, and keeps
everything else as plain attributes.
"""

from __future__ import annotations

import concurrent.futures
import pickle
from typing import Any


class RoutiluxError(Exception):
    """Something went wrong in routilux_dist."""

    def __init__(self, message: str | None = None, **fields: Any) -> None:
        super().__init__(message if message is not None else (self.__doc__ or "").strip())
        self.__dict__.update(fields)

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self.args[0])


class ConfigurationError(RoutiluxError):
    """The flow cannot run as it is configured."""

    #: Every fault found, one sentence each.
    problems: tuple[str, ...] = ()


class ConnectError(ConfigurationError):
    """The backend cannot be reached or cannot hold the flow."""


class ExecutionError(RoutiluxError):
    """Running the flow went wrong."""


class JobFailedError(ExecutionError):
    """The job failed."""

    job_id: str = ""
    flow: str = ""
    #: Routine that met the error, or "" when the job as a whole did.
    routine: str = ""
    #: The user's exception where it could be carried over, else None.
    cause: BaseException | None = None
    #: The whole record (`routilux_dist.wire.failure.Failure`) or None.
    failure: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # The user's exception travels as bytes of its own: one that cannot be unpickled must not take this one along.
        state = dict(self.__dict__)
        if state.get("cause") is not None:
            state["cause"] = _pickled(self.cause)
        return type(self), self.args, state

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        if isinstance(state.get("cause"), bytes):
            self.__cause__ = self.cause = _unpickled(state["cause"])


class JobTimeoutError(JobFailedError):
    """The job ran longer than its execution_timeout."""


class LimitExceededError(JobFailedError):
    """The job passed one of its limits."""


class NoProgressError(JobFailedError):
    """The job stood still."""


class JobCancelledError(ExecutionError, concurrent.futures.CancelledError):
    """The job was cancelled."""

    job_id: str = ""
    flow: str = ""


class SlotHandlerError(ExecutionError):
    """A handler raised an exception that cannot be carried over as it was."""

    error_type: str = ""


class WorkerLostError(ExecutionError):
    """A worker process was lost."""


class StateError(RoutiluxError):
    """This cannot be done in the present state."""


class SerializationError(RoutiluxError):
    """A value cannot travel between processes."""


class ValidationError(RoutiluxError):
    """A payload does not fit the routine that received it."""


class CheckpointError(RoutiluxError):
    """Stored state cannot be written or trusted."""


class StoreError(CheckpointError):
    """The store failed. Nothing is lost; the same call may be made again."""


class FencedError(CheckpointError):
    """Another process has taken over what this one was writing."""

    #: The epoch of this writer, and the one that took over.
    epoch: int = 0
    newer: int = 0


class CheckpointDamagedError(CheckpointError):
    """Stored bytes are not what was written."""

    file: str = ""
    #: Where in the file, in bytes.
    offset: int = 0
    #: Number of the last record before the damage that can be trusted.
    intact: int = 0


class CheckpointVersionError(CheckpointError):
    """It was written in a format that this version does not know."""


class InternalError(RoutiluxError):
    """A rule of the engine was broken. Please report this with the text below."""


def _pickled(exc: BaseException | None) -> bytes | None:
    try:
        data = pickle.dumps(exc)
        pickle.loads(data)  # noqa: S301 - made in the line above
    except Exception:  # whatever a user's exception does: the message has its text
        return None
    return data


def _unpickled(data: bytes | None) -> BaseException | None:
    try:
        exc = None if data is None else pickle.loads(data)  # noqa: S301 - whoever unpickles the error trusts its sender
    except Exception:  # its class cannot be imported here
        return None
    return exc if isinstance(exc, BaseException) else None
