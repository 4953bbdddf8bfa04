"""What a routine can see of the job it works for: `current_job()`."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from routilux_dist.errors import StateError, ValidationError

#: How concurrent writes of job data come together.
REDUCERS = ("sum", "max", "min", "append", "union", "last")


class Activity(Protocol):
    """What the worker knows about the activation that is running."""

    job_id: str
    flow_id: str
    attempt: int

    @property
    def metadata(self) -> Mapping[str, Any]: ...
    @property
    def correlation_id(self) -> str | None: ...
    @property
    def cancelled(self) -> bool: ...
    @property
    def routine_id(self) -> str: ...
    @property
    def idempotency_key(self) -> str: ...
    def emit(self, event: str, payload: Any) -> None: ...
    def read(self, key: str, default: Any) -> Any: ...
    def write(self, key: str, reducer: str, value: Any) -> None: ...
    def trace(self, text: str) -> None: ...


class JobContext:
    """The job of the running activation.

    It is valid while the activation runs; writes take effect together with its emits when it returns.
    """

    __slots__ = ("_activity",)

    def __init__(self, activity: Activity) -> None:
        self._activity = activity

    @property
    def job_id(self) -> str:
        """The job's identifier."""
        return self._activity.job_id

    @property
    def flow_id(self) -> str:
        """Name of the flow."""
        return self._activity.flow_id

    @property
    def routine_id(self) -> str:
        """The routine that is running, as it is called in the flow."""
        return self._activity.routine_id

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What was given as `metadata=` when the job was posted. Read-only."""
        return self._activity.metadata

    @property
    def correlation_id(self) -> str | None:
        """What was given as `correlation_id=`, for following a request through several systems."""
        return self._activity.correlation_id

    @property
    def attempt(self) -> int:
        """Which try of this activation it is, counted from 1."""
        return self._activity.attempt

    @property
    def idempotency_key(self) -> str:
        """A text that is the same whenever this activation runs again, and different for all others.

        Hand it to outside systems that can refuse a second request with the same key. It stays when the activation is tried again
        after an error, and when it runs again because a worker, a node or the coordinator was lost. It is made of where the
        message comes from: an activation that emits other messages when it runs again, or in another order, gives its messages
        other keys. A `finish` or flush that had to be broken off gets a new one, and so does what a rollback runs again.
        """
        return self._activity.idempotency_key

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled meanwhile; long loops may look at it and return."""
        return self._activity.cancelled

    def get_data(self, key: str, default: Any = None) -> Any:
        """Return job data: what was committed when the slice started, plus this slice's own writes."""
        return self._activity.read(_key(key), default)

    def set_data(self, key: str, value: Any) -> None:
        """Write job data; the last commit wins."""
        self._activity.write(_key(key), "last", value)

    def update(self, key: str, value: Any, reducer: str = "last") -> None:
        """Fold `value` into job data, whatever other workers do at the same time.

        Args:
            key: Name of the datum. All writers of one key have to use the same reducer.
            value: Number for "sum"; number or str for "max" and "min"; one item for "append"; an iterable of hashable
                items for "union"; anything for "last".
            reducer: One of "sum", "max", "min", "append", "union", "last".

        Raises:
            ValidationError: The reducer is unknown, or the value does not fit it.
        """
        if reducer == "union" and isinstance(value, Iterator):
            value = list(value)  # looking at it would use it up
        self._activity.write(_key(key), check_reducer(key, reducer, value), value)

    def trace(self, text: str) -> None:
        """Add a line to the job's history."""
        self._activity.trace(str(text))


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValidationError(f"a job data key has to be a str, got {key!r}")
    return key


def check_reducer(key: str, reducer: str, value: Any) -> str:
    """Return `reducer` if it can take `value`, else raise `ValidationError`."""
    if reducer not in REDUCERS:
        raise ValidationError(f"job data {key!r}: unknown reducer {reducer!r}; use one of {', '.join(REDUCERS)}")
    numbers = isinstance(value, (int, float))
    if reducer == "sum" and not numbers:
        raise ValidationError(f"job data {key!r}: reducer 'sum' takes a number, got {type(value).__name__}")
    if reducer in ("max", "min") and not numbers and not isinstance(value, str):
        raise ValidationError(
            f"job data {key!r}: reducer {reducer!r} takes a number or str, got {type(value).__name__}"
        )
    if reducer == "union":
        try:
            set(value)
        except TypeError as exc:
            raise ValidationError(
                f"job data {key!r}: reducer 'union' takes an iterable of hashable items, such as [1, 2], got {value!r:.80}: {exc}"
            ) from None
    return reducer


#: The activity of the slice that runs in this thread or asyncio task, None where user code runs for none. Set by the worker.
ACTIVITY: contextvars.ContextVar[Activity | None] = contextvars.ContextVar("routilux_activity")


def current_job() -> JobContext:
    """Return the job that the running activation works for.

    Raises:
        StateError: Called outside of a routine.
    """
    activity = ACTIVITY.get(None)
    if activity is None:
        raise StateError("rd.current_job() works inside a running routine only; hand the context over explicitly")
    return JobContext(activity)
