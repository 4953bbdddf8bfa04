"""Events on their way: their order, their batches, and who waits for what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from routilux_dist.cluster import sending
from routilux_dist.cluster.sending import Mail, Sender
from routilux_dist.coordinator.events import ControlAsked, Event

PATIENCE = 30.0


class Hub:
    """Notes calls; the test says when they return."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], bool]] = []
        self.futures: list[Future[Any]] = []
        self.answers: list[Future[Any]] = []
        self.errors: list[BaseException] = []
        self.came = threading.Condition()
        self.fault: Exception | None = None
        self.sender = Sender(self.call, self.answers.append, self.errors.append)

    def call(self, events: list[Event], linger: bool) -> Future[Any]:
        if self.fault is not None:
            raise self.fault
        future: Future[Any] = Future()
        with self.came:
            self.calls.append(([event.job for event in events], linger))  # type: ignore[union-attr]
            self.futures.append(future)
            self.came.notify_all()
        return future

    def send(self, *jobs: str) -> None:
        apart(lambda: [self.sender.send(mail(job)) for job in jobs])

    def until_all_came(self, events: int) -> list[str]:
        """Let one call after another return until so many events have come; return their jobs."""
        number = 0
        while sum(len(jobs) for jobs, _ in self.calls) < events:
            with self.came:
                assert self.came.wait_for(lambda: len(self.calls) > number, PATIENCE)  # noqa: B023
            self.futures[number].set_result(None)
            number += 1
        return [job for jobs, _ in self.calls for job in jobs]


def mail(job: str, **options: Any) -> Mail:
    return Mail(ControlAsked(job, "pause"), **options)


def apart(call: Callable[[], Any]) -> None:
    """Call in a thread that is not the main one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result(PATIENCE)


def test_the_main_thread_makes_no_call_itself() -> None:
    """It may be interrupted between a call and the note that it was made."""
    hub, threads = Hub(), []
    call = hub.sender._call
    hub.sender._call = lambda *arguments: (threads.append(threading.current_thread()), call(*arguments))[1]  # type: ignore[func-returns-value]
    hub.sender.send(mail("a"))
    assert hub.until_all_came(1) == ["a"]
    assert hub.calls == [(["a"], True)], "nothing follows"
    assert threads == [hub.sender.thread]


def test_an_event_goes_at_once_where_nothing_is_on_its_way() -> None:
    hub = Hub()
    hub.send("a")
    assert hub.calls == [(["a"], True)], "in that very thread"
    hub.futures[0].set_result("answer")
    assert [future.result() for future in hub.answers] == ["answer"]
    hub.send("b")
    assert hub.calls[1] == (["b"], True)


def test_what_comes_while_calls_are_out_goes_in_batches_and_keeps_its_order() -> None:
    hub = Hub()
    jobs = [f"j{n}" for n in range(2000)]
    hub.send(*jobs)
    assert hub.until_all_came(len(jobs)) == jobs
    assert max(len(call) for call, _ in hub.calls) <= sending.MAX_BATCH
    lingers = [linger for _, linger in hub.calls]
    assert lingers[0]
    assert not any(lingers[1:-1])  # the last one may: what was out before it may have been answered by then


def test_who_waits_for_an_event_hears_when_it_was_taken_in_or_cannot_be() -> None:
    hub = Hub()
    first, second = threading.Event(), threading.Event()
    apart(lambda: hub.sender.send(mail("a", taken=first)))
    assert not first.is_set()
    hub.futures[0].set_exception(RuntimeError("gone"))
    assert first.is_set()
    hub.fault = ValueError("no connection")
    with pytest.raises(ValueError, match="no connection"):
        apart(lambda: hub.sender.send(mail("b", taken=second)))
    assert second.is_set()


def test_only_so_much_may_wait() -> None:
    hub = Hub()
    for _ in range(sending.MAX_WAITING):
        assert hub.sender.wait_for_room(PATIENCE)
    assert not hub.sender.wait_for_room(0.0)
    hub.sender.send(mail("a", counts=True))
    assert hub.sender.wait_for_room(PATIENCE), "what was sent does not wait"


def test_a_fault_of_the_thread_is_told() -> None:
    hub = Hub()
    told = threading.Event()
    hub.sender._on_error = lambda exc: (hub.errors.append(exc), told.set())  # type: ignore[func-returns-value, assignment]
    hub.send("a")
    hub.fault = ValueError("no connection")
    hub.send("b")
    assert told.wait(PATIENCE)
    assert [str(error) for error in hub.errors] == ["no connection"]


def test_what_waits_is_sent_before_it_ends() -> None:
    hub = Hub()
    hub.send("a", "b", "c")
    hub.sender.close()
    assert hub.until_all_came(3) == ["a", "b", "c"]
