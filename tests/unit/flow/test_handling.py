"""Error handling: what is decided about an exception, and after how long it is tried again."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.handling import FATAL, RETRYABLE, WARNING, Decision, ErrorHandler, ErrorStrategy, Severity

STOP, CONTINUE, SKIP, RETRY = ErrorStrategy.STOP, ErrorStrategy.CONTINUE, ErrorStrategy.SKIP, ErrorStrategy.RETRY


@pytest.mark.parametrize("strategy", [STOP, CONTINUE, SKIP])
def test_other_strategies_decide_at_once(strategy: ErrorStrategy) -> None:
    assert ErrorHandler(strategy).decide(ValueError(), 1) == Decision(strategy)


def test_stop_is_the_default() -> None:
    assert ErrorHandler().decide(ValueError(), 1) == Decision(STOP)


def test_three_retries_are_four_attempts() -> None:
    handler = ErrorHandler(RETRY, max_retries=3, exhausted=CONTINUE)
    assert [handler.decide(ValueError(), attempt).strategy for attempt in (1, 2, 3, 4)] == [RETRY] * 3 + [CONTINUE]


def test_the_delay_grows_and_is_bounded() -> None:
    handler = ErrorHandler(RETRY, max_retries=9, retry_delay=1.0, retry_backoff=2.0, max_delay=10)
    assert [handler.decide(ValueError(), attempt).delay for attempt in range(1, 6)] == [1, 2, 4, 8, 10]


def test_a_delay_beyond_all_numbers_is_the_bound() -> None:
    handler = ErrorHandler(RETRY, max_retries=10**6, max_delay=60)
    assert handler.delay(5000) == 60


@settings(deadline=None)
@given(st.text(), st.integers(1, 20), st.floats(0, 1))
def test_jitter_spreads_around_the_delay_and_is_the_same_each_time(token: str, attempt: int, jitter: float) -> None:
    handler = ErrorHandler(RETRY, retry_delay=1.0, retry_backoff=1.0, jitter=jitter)
    delay = handler.delay(attempt, token)
    assert 1 - jitter - 1e-9 <= delay <= 1 + jitter + 1e-9
    assert delay == handler.delay(attempt, token)


def test_jitter_tells_messages_apart() -> None:
    handler = ErrorHandler(RETRY, jitter=0.5)
    assert len({handler.delay(1, f"message {i}") for i in range(100)}) > 90


def test_what_is_not_worth_a_retry_is_exhausted_at_once() -> None:
    handler = ErrorHandler(RETRY, retry_on=(ConnectionError,), exhausted=SKIP)
    assert handler.decide(ConnectionResetError(), 1).strategy is RETRY
    assert handler.decide(ValueError(), 1) == Decision(SKIP)


def test_one_class_needs_no_tuple() -> None:
    assert ErrorHandler(RETRY, retry_on=KeyError).retry_on == (KeyError,)  # type: ignore[arg-type]


@pytest.mark.parametrize(("answer", "strategy"), [(FATAL, STOP), (WARNING, CONTINUE), (RETRYABLE, RETRY), (None, SKIP)])
def test_classify_overrides_the_strategy(answer: Severity | None, strategy: ErrorStrategy) -> None:
    handler = ErrorHandler(SKIP, classify=lambda _: answer)
    assert handler.decide(ValueError(), 1).strategy is strategy


def test_what_is_called_retryable_is_tried_again_whatever_retry_on_says() -> None:
    handler = ErrorHandler(STOP, retry_on=(KeyError,), classify=lambda _: RETRYABLE, max_retries=1)
    assert [handler.decide(ValueError(), attempt).strategy for attempt in (1, 2)] == [RETRY, STOP]


def test_classify_answers_with_a_severity() -> None:
    classify: Callable[[BaseException], Severity] = lambda _: "fatal"  # type: ignore[assignment,return-value]  # noqa: E731
    with pytest.raises(ConfigurationError, match=r"classify= has to return rd.RETRYABLE.*'fatal'"):
        ErrorHandler(classify=classify).decide(ValueError(), 1)


@pytest.mark.parametrize("word", ["retry", "RETRY", RETRY])
def test_a_strategy_may_be_a_word(word: ErrorStrategy) -> None:
    assert ErrorHandler(word).strategy is RETRY


@pytest.mark.parametrize("word", ["again", None, 3])
def test_an_unknown_strategy_is_refused(word: ErrorStrategy) -> None:
    with pytest.raises(ConfigurationError, match=r"no error strategy.*rd.ErrorStrategy.STOP"):
        ErrorHandler(word)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ErrorHandler(
            exhausted=RETRY,
            max_retries=-1,
            retry_delay=-1,
            retry_backoff=0,
            jitter=2,
            max_delay=-1,
            retry_on=("x",),  # type: ignore[arg-type]
        )
    options = ("exhausted=", "max_retries=", "retry_delay=", "retry_backoff=", "max_delay=", "jitter=", "retry_on=")
    assert [fault[: fault.index("=") + 1] for fault in caught.value.problems] == list(options)


def test_a_handler_travels() -> None:
    handler = ErrorHandler(RETRY, retry_on=(KeyError, OSError), jitter=0.1, is_critical=True)
    assert pickle.loads(pickle.dumps(handler)) == handler
