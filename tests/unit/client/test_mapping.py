from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client.mapping import _can_stream
from routilux_dist.errors import ConfigurationError
from routilux_dist.testing.bench import compile_for
from tests.unit.client.conftest import summing


def chain(**options: Any) -> rd.Flow:
    flow = rd.Flow("chain", **options)
    flow.add_routine(lambda x: 10 // x, "a")
    return flow


@pytest.mark.parametrize(
    ("flow", "streams"),
    [
        (chain(), True),
        (chain(max_messages=5), False),
        (chain(max_hops=5), False),
        (chain(execution_timeout=5.0), False),
        (chain(execution_mode="sequential"), False),
        (summing(), False),
    ],
)
def test_what_runs_as_one_stream(flow: rd.Flow, streams: bool) -> None:
    assert _can_stream(compile_for(flow)) is streams


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"buffersize": 0}, {"buffersize": 1.5}])
def test_wrong_arguments_are_named_before_anything_runs(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        chain().map([1], backend="local", **options)


@pytest.mark.parametrize("limits", [{}, {"max_messages": 5}], ids=["stream", "jobs"])
@pytest.mark.parametrize("ordered", [True, False])
def test_errors_of_items(limits: dict[str, Any], ordered: bool) -> None:
    items = [1, 0, 2]
    collected = list(chain(**limits).map(items, backend="local", on_error="collect", ordered=ordered))
    errors = [one for one in collected if isinstance(one, rd.ItemError)]
    assert [one.item for one in errors] == [0]
    assert sorted(one for one in collected if not isinstance(one, rd.ItemError)) == [5, 10]
    assert sorted(chain(**limits).map(items, backend="local", on_error="skip", ordered=ordered)) == [5, 10]
    with pytest.raises(rd.JobFailedError, match="ZeroDivisionError"):
        list(chain(**limits).map(items, backend="local", ordered=ordered))


@pytest.mark.parametrize("limits", [{}, {"max_messages": 5}], ids=["stream", "jobs"])
def test_items_are_taken_as_results_are_consumed(limits: dict[str, Any]) -> None:
    taken: list[int] = []
    closed: list[bool] = []

    def source() -> Any:
        try:
            for n in range(1, 10**9):
                taken.append(n)
                yield n
        finally:
            closed.append(True)

    results = chain(**limits).map(source(), backend="local", buffersize=4)
    assert taken == []
    assert next(results) == 10
    assert len(taken) <= 6
    results.close()
    assert closed == [True]
