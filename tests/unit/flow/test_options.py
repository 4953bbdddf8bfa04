"""Options: early refusal of what cannot be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import options


def test_replacing_leaves_the_original_alone() -> None:
    changed = options.DEFAULT.replace(num_cpus=2, timeout=30)
    assert (changed.num_cpus, changed.timeout, changed.num_gpus) == (2, 30, 0)
    assert options.DEFAULT.num_cpus is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_cpus": -1}, "num_cpus=-1"),
        ({"num_gpus": -1}, "num_gpus=-1"),
        ({"memory": -1}, "memory=-1"),
        ({"timeout": 0}, "timeout=0"),
        ({"retries": -1}, "retries=-1"),
        ({"max_concurrency": 0}, "max_concurrency=0"),
        ({"rate_limit": 0}, "rate_limit=0"),
        ({"rate_limit": float("inf")}, "rate_limit=inf"),
        ({"actors": 0}, "actors=0"),
        ({"resources": {"CPU": 1}}, "use num_cpus="),
        ({"resources": {"tape": -1}}, r"resources\['tape'\]=-1"),
        ({"num_cpus": "two"}, "num_cpus"),
    ],
)
def test_a_senseless_value_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        options.DEFAULT.replace(**changes)


def test_all_senseless_values_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.DEFAULT.replace(num_cpus=-1, actors=0)
    assert len(caught.value.problems) == 2


def test_a_misspelt_option_is_recognized() -> None:
    with pytest.raises(ConfigurationError, match=r"'num_cpu'.*did you mean 'num_cpus'"):
        options.DEFAULT.replace(num_cpu=1)


def test_nothing_is_taken_where_nothing_is_asked_for() -> None:
    assert options.Options(num_cpus=0).faults() == []
