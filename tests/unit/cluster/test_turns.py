"""Calls in the order of their numbers, in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from routilux_dist.cluster.turns import Turns

PATIENCE = 30.0


def call(turns: Turns, number: int, function: Callable[[], object]) -> Future[object]:
    """Call from a thread of its own."""
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(turns.call(number, function))
        except BaseException as exc:
            future.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return future


class Gate:
    """A call that tells when it runs, and ends when it is told to."""

    def __init__(self) -> None:
        self.began, self.open = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.open.wait(PATIENCE)
        return "through"


def test_calls_are_carried_out_in_the_order_of_their_numbers_in_one_thread() -> None:
    turns, seen = Turns(), []
    threads = set()

    def note(number: int) -> int:
        threads.add(threading.get_ident())
        seen.append(number)
        return number * 10

    calls = {n: call(turns, n, lambda n=n: note(n)) for n in (2, 1, 3, 0)}  # type: ignore[misc]
    assert {n: f.result(PATIENCE) for n, f in calls.items()} == {0: 0, 1: 10, 2: 20, 3: 30}
    assert seen == [0, 1, 2, 3]
    assert len(threads) == 1


def test_an_error_is_the_callers_and_the_next_call_goes_on() -> None:
    turns = Turns()

    def fails() -> None:
        raise SystemExit("no")

    with pytest.raises(SystemExit, match="no"):
        turns.call(0, fails)
    assert turns.call(1, lambda: "fine") == "fine"


def test_what_waits_can_be_dropped_and_what_comes_after_it_runs() -> None:
    turns, gate = Turns(), Gate()
    first = call(turns, 0, gate)
    assert gate.began.wait(PATIENCE)
    ran: list[int] = []
    second, third = call(turns, 1, lambda: ran.append(1)), call(turns, 2, lambda: ran.append(2))
    turns.drop(1)
    assert second.result(PATIENCE) is None
    gate.open.set()
    assert first.result(PATIENCE) == "through"
    third.result(PATIENCE)
    assert ran == [2]


def test_a_call_that_was_dropped_before_it_came_is_not_carried_out() -> None:
    turns, ran = Turns(), []
    turns.drop(0)
    turns.drop(2)
    assert turns.call(1, lambda: "one") == "one"
    assert turns.call(0, lambda: ran.append(0)) is None
    assert turns.call(2, lambda: ran.append(2)) is None
    assert turns.call(3, lambda: "three") == "three"
    assert ran == []


def test_only_the_running_call_is_asked_to_stop() -> None:
    turns, gate = Turns(), Gate()
    first = call(turns, 0, gate)
    assert gate.began.wait(PATIENCE)
    turns.drop(0)
    assert not turns.stopping, "taken back too late: it goes on"
    turns.drop(0, stop=True)
    assert turns.stopping
    gate.open.set()
    assert first.result(PATIENCE) == "through"
    turns.drop(0, stop=True)
    assert turns.call(1, lambda: turns.stopping) is False


def test_a_call_that_never_returns_is_answered_for() -> None:
    turns, gate = Turns(), Gate()
    stuck, after = call(turns, 0, gate), call(turns, 1, lambda: "after")
    assert gate.began.wait(PATIENCE)
    turns.answer("what it would have said")
    assert stuck.result(PATIENCE) == "what it would have said"
    assert not after.done()
    gate.open.set()


def test_who_waits_can_look_at_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routilux_dist.cluster.turns.LOOK_SECONDS", 0.001)
    gate = Gate()
    assert Turns().call(0, gate, gate.open.set) == "through"
