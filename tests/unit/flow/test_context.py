"""The job context: a window on the running activation."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from routilux_dist.errors import StateError, ValidationError
from routilux_dist.flow import context


class FakeActivity:
    job_id, flow_id, routine_id = "job-1", "words", "clean"
    metadata = {"user": "ann"}
    correlation_id = "c-7"
    attempt = 2
    idempotency_key = "job-1/4.0"
    cancelled = False

    def __init__(self) -> None:
        self.writes: list[tuple[str, str, Any]] = []
        self.traces: list[str] = []

    def emit(self, event: str, payload: Any) -> None:
        raise AssertionError("nobody emits here")

    def read(self, key: str, default: Any) -> Any:
        return {"known": 1}.get(key, default)

    def write(self, key: str, reducer: str, value: Any) -> None:
        self.writes.append((key, reducer, value))

    def trace(self, text: str) -> None:
        self.traces.append(text)


@pytest.fixture
def activity() -> Iterator[FakeActivity]:
    made = FakeActivity()
    token = context.ACTIVITY.set(made)
    yield made
    context.ACTIVITY.reset(token)


def test_the_context_shows_the_activation(activity: FakeActivity) -> None:
    job = context.current_job()
    for name in (
        *("job_id", "flow_id", "routine_id", "metadata", "correlation_id"),
        *("attempt", "idempotency_key", "cancelled"),
    ):
        assert getattr(job, name) == getattr(activity, name)


def test_cancelled_is_read_each_time(activity: FakeActivity) -> None:
    job = context.current_job()
    activity.cancelled = True
    assert job.cancelled


def test_job_data_is_read_and_written(activity: FakeActivity) -> None:
    job = context.current_job()
    assert (job.get_data("known"), job.get_data("new"), job.get_data("new", 0)) == (1, None, 0)
    job.set_data("place", "here")
    job.update("seen", 1, reducer="sum")
    job.update("any", [1])
    assert activity.writes == [("place", "last", "here"), ("seen", "sum", 1), ("any", "last", [1])]


def test_a_trace_is_text(activity: FakeActivity) -> None:
    context.current_job().trace(3)  # type: ignore[arg-type]
    assert activity.traces == ["3"]


@pytest.mark.parametrize(
    ("reducer", "value", "says"),
    [
        ("mean", 1, "unknown reducer 'mean'; use one of sum, max, min, append, union, last"),
        ("sum", "1", "'sum' takes a number, got str"),
        ("max", [1], "'max' takes a number or str, got list"),
        ("min", None, "'min' takes a number or str, got NoneType"),
    ],
)
def test_a_value_fits_its_reducer(activity: FakeActivity, reducer: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        context.current_job().update("key", value, reducer=reducer)
    assert activity.writes == []


@pytest.mark.parametrize(
    ("reducer", "value"), [("max", "b"), ("min", 2.5), ("append", None), ("union", {1}), ("last", {})]
)
def test_other_values_pass(activity: FakeActivity, reducer: str, value: Any) -> None:
    context.current_job().update("key", value, reducer=reducer)
    assert activity.writes == [("key", reducer, value)]


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_keys_of_job_data_are_text(activity: FakeActivity, key: Any) -> None:
    with pytest.raises(ValidationError, match="has to be a str"):
        context.current_job().set_data(key, 1)


def test_there_is_no_job_outside_of_a_routine() -> None:
    with pytest.raises(StateError, match="inside a running routine only"):
        contextvars.Context().run(context.current_job)


@pytest.mark.parametrize("value", [5, None, [[1]], [{}]])
def test_a_union_takes_hashable_items(value: object) -> None:
    with pytest.raises(ValidationError, match="takes an iterable of hashable items"):
        context.check_reducer("k", "union", value)
    assert context.check_reducer("k", "union", [1, "a"]) == "union"
