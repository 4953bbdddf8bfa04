"""Activation policies: values that name themselves and refuse what makes no sense."""

from __future__ import annotations

import math
import pickle

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import activation


def enough(slots: object) -> bool:
    return bool(slots)


POLICIES = {
    "all_ready()": activation.all_ready(),
    "immediate()": activation.immediate(),
    "batch(3)": activation.batch(3),
    "batch(3, timeout=0.5)": activation.batch(3, timeout=0.5),
    "every(2)": activation.every(2),
    "custom(enough)": activation.as_policy(enough),
}


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_reads_as_it_is_written(text: str) -> None:
    assert str(POLICIES[text]) == text


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_is_a_value(text: str) -> None:
    policy = POLICIES[text]
    assert activation.as_policy(policy) is policy
    again = pickle.loads(pickle.dumps(policy))
    assert again == policy
    assert hash(again) == hash(policy)


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", None, True])
def test_a_batch_holds_at_least_one(size: object) -> None:
    with pytest.raises(ConfigurationError, match=r"rd.batch.*n=.*has to be a whole number of at least 1"):
        activation.batch(size)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_times_are_positive(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds greater than 0"):
        activation.batch(2, timeout=seconds)
    with pytest.raises(ConfigurationError, match="seconds greater than 0"):
        activation.every(seconds)


@pytest.mark.parametrize("thing", [None, 3, "immediate"])
def test_something_else_is_no_policy(thing: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"rd.all_ready\(\).* got {thing!r}"):
        activation.as_policy(thing)


def test_a_view_is_as_long_as_what_waits() -> None:
    view = activation.SlotView("left", ("a", "b"))
    assert (len(view), bool(view), view.payloads[0]) == (2, True, "a")
    assert not activation.SlotView("left", ())
