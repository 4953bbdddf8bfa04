"""Folding concurrent writes of job data. The values of "append", "union" and "last" are carried encoded, never opened here."""

from __future__ import annotations

from typing import Any

from routilux_dist.wire.failure import Failure


def fold(old: tuple[str, Any] | None, reducer: str, value: Any) -> tuple[str, Any]:
    """Return job data after one more write.

    Args:
        old: (reducer, value) so far, or None.
        reducer: Reducer of the new write. A different one than before starts afresh: the key was redefined.
        value: A number or str for "sum", "max", "min"; a list for "append" and "union"; anything for "last".

    Raises:
        TypeError: A text and a number meet in "max" or "min".
    """
    if old is None or old[0] != reducer or reducer == "last":
        return reducer, value
    so_far = old[1]
    if reducer == "sum":
        return reducer, so_far + value
    if reducer == "max":
        return reducer, max(so_far, value)
    if reducer == "min":
        return reducer, min(so_far, value)
    if reducer == "union":
        return reducer, list(dict.fromkeys((*so_far, *value)))
    return reducer, so_far + value


def disagreement(job: str, key: str, reducer: str, exc: TypeError) -> Failure:
    """Return the failure of a job whose activations wrote values of job data that cannot be folded."""
    message = f"job data {key!r}: reducer {reducer!r} met values that cannot be compared: {exc}"
    return Failure(job=job, routine="", kind="data", error_type="ValidationError", message=message)
