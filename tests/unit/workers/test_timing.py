from __future__ import annotations

import time

import pytest

from routilux_workers.timing import Call, TimeUp, Watchdog


@pytest.fixture
def watchdog():
    made = Watchdog()
    yield made
    made.close()
    if made._thread is not None:
        made._thread.join(timeout=5)
        assert not made._thread.is_alive()


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_a_call_in_time_returns_its_value(watchdog: Watchdog) -> None:
    assert watchdog.guard(lambda x: x + 1, 60.0, "r")(1) == 2


def test_a_call_that_takes_too_long_is_ended(watchdog: Watchdog) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"routine 'r' ran longer than its timeout of 0\.01 s"):
        watchdog.guard(spin, 0.01, "r")(30.0)
    assert time.monotonic() - started < 10.0


def test_errors_of_the_call_pass_through(watchdog: Watchdog) -> None:
    with pytest.raises(ZeroDivisionError):
        watchdog.guard(lambda x: 1 / x, 60.0, "r")(0)


def test_calls_that_end_just_in_time_are_never_hit_later(watchdog: Watchdog) -> None:
    """Ends and strikes at the same moment, many times: each call ends as one or the other, and nothing is left over."""
    call = watchdog.guard(spin, 0.001, "r")
    ends = {"in time": 0, "late": 0}
    for n in range(200):
        try:
            call(0.0009 + (n % 5) * 0.00005)
            ends["in time"] += 1
        except TimeoutError:
            ends["late"] += 1
    spin(0.005)
    assert sum(ends.values()) == 200


def test_a_strike_after_the_end_does_nothing() -> None:
    call = Call(0.0, 1.0, "r", None)
    call.ended = True
    call.strike()
    assert not call.striking


def test_a_strike_arrives_in_its_thread() -> None:
    call = Call(0.0, 1.0, "r", None)
    with pytest.raises(TimeUp):
        call.strike()
