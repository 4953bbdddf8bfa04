"""``classify`` overrides the strategy, exception by exception."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.faulty import Assorted, sort_errors
from tests.conformance.support import build, completed, ended, failure, root_cause


@pytest.mark.parametrize("strategy", list(rd.ErrorStrategy), ids=str)
def test_classify_overrides_every_strategy(runtime: rd.Runtime, strategy: rd.ErrorStrategy) -> None:
    routine = Assorted()
    routine.set_error_handler(rd.ErrorHandler(strategy, max_retries=2, retry_delay=0.01, classify=sort_errors))
    flow = build({"each": each, "assorted": routine}, "each -> assorted")

    job = completed(runtime, flow, ["fine", "value", "os"])
    assert sorted(job.result(timeout=0)["assorted.output"]) == ["fine", "os"]
    assert [(letter.payload, letter.attempts) for letter in job.dead_letters] == [("value", 1)]

    error = failure(ended(runtime, flow, ["fine", "key"]))
    assert root_cause(error) == "KeyError: 'a lost key'"


def test_none_leaves_the_strategy_as_it_is(runtime: rd.Runtime) -> None:
    routine = Assorted()
    routine.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE, classify=no_opinion))
    job = completed(runtime, build({"each": each, "assorted": routine}, "each -> assorted"), ["value", "key", "x"])
    assert job.result(timeout=0) == {"assorted.output": ["x"]}
    assert sorted(letter.payload for letter in job.dead_letters) == ["key", "value"]


def no_opinion(exc: BaseException) -> None:
    return None
