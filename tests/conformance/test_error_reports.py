"""A job that fails says what happened, where, and to which message; the root cause comes last."""

from __future__ import annotations

import pickle
import traceback

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.faulty import chained, risky
from tests.conformance.support import build, completed, ended, errors_of, failure, root_cause


@pytest.fixture
def flow() -> rd.Flow:
    return build({"each": each, "picky": risky}, "each -> picky", name="report")


def test_the_error_names_flow_routine_and_message(runtime: rd.Runtime, flow: rd.Flow) -> None:
    error = failure(ended(runtime, flow, [2, 1234567]))
    text = str(error)
    assert flow.name in text
    assert "picky" in text
    assert "input" in text
    assert "1234567" in text


def test_the_error_holds_the_users_traceback(runtime: rd.Runtime, flow: rd.Flow) -> None:
    text = str(failure(ended(runtime, flow, [3])))
    assert "faulty.py" in text
    assert "in refuse_odd" in text
    assert 'raise ValueError(f"odd number {x}")' in text


def test_the_engines_own_frames_do_not_hide_the_users(runtime: rd.Runtime, flow: rd.Flow) -> None:
    text = str(failure(ended(runtime, flow, [3])))
    frames = [line for line in text.splitlines() if line.lstrip().startswith('File "')]
    assert frames
    assert all("faulty.py" in frame for frame in frames)


def test_the_root_cause_stands_last(runtime: rd.Runtime, flow: rd.Flow) -> None:
    error = failure(ended(runtime, flow, [3]))
    assert root_cause(error) == "ValueError: odd number 3"
    printed = "".join(traceback.format_exception(error)).rstrip()
    assert printed.splitlines()[-1].endswith("ValueError: odd number 3")


def test_a_chain_of_causes_is_told_in_full(runtime: rd.Runtime) -> None:
    text = str(failure(ended(runtime, build({"chained": chained}), 1)))
    assert "the inner cause" in text
    assert "RuntimeError: the outer story" in text


def test_the_error_can_be_pickled(runtime: rd.Runtime, flow: rd.Flow) -> None:
    error = failure(ended(runtime, flow, [3]))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_errors_that_did_not_stop_the_job_are_told_as_well(runtime: rd.Runtime, flow: rd.Flow) -> None:
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    text = errors_of(completed(runtime, flow, [2, 3]))
    assert "picky" in text
    assert "ValueError" in text
    assert "odd number 3" in text
