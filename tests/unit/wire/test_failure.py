"""Failures: records that are read by people and survive processes."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.failure import Failure, Letter


@pytest.mark.parametrize(
    ("routine", "slot", "text"),
    [
        ("clean", "input", "clean.input: ValueError: no"),
        ("clean", "", "clean: ValueError: no"),
        ("", "", "ValueError: no"),
    ],
)
def test_a_failure_says_where_and_what(routine: str, slot: str, text: str) -> None:
    assert str(Failure(job="j", routine=routine, slot=slot, error_type="ValueError", message="no")) == text


def test_a_failure_stops_its_job_unless_it_says_otherwise() -> None:
    failure = Failure(job="j", routine="clean")
    assert (failure.kind, failure.strategy, failure.attempts, failure.exception) == ("error", "stop", 1, None)


def test_a_letter_travels_with_the_message_and_the_exception() -> None:
    exception = codec.encode(KeyError("user"))
    failure = Failure(job="j", routine="clean", slot="input", attempts=3, item=7, exception=exception)
    letter = Letter(failure, Block("j", 0, 0, 1, 0, 3, 0, False, "key", Rows([{"a": 1}])))
    again = pickle.loads(pickle.dumps(letter))
    assert again == letter
    assert repr(codec.decode(again.failure.exception)) == "KeyError('user')"


def test_a_failure_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Failure(job="j", routine="clean").message = "other"  # type: ignore[misc]
