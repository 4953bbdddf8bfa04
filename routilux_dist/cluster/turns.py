"""Calls that arrive in several threads and are carried out in one, in the order of their numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Seconds between two looks of a caller that has something else to look at.
LOOK_SECONDS = 0.05


class Call(Generic[T]):
    """A call that waits for its turn, and what became of it.

    Attributes:
        result: What it returned; None if it was dropped.
        error: What it raised.
    """

    __slots__ = ("error", "function", "result", "then")

    def __init__(self, function: Callable[[], T], then: Callable[[Call[T]], object]) -> None:
        self.function, self.then = function, then
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T | None:
        """Return what it returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Turns:
    """One thread that carries out numbered calls, from 0 upwards without gaps.

    All user code of a process runs in this one thread: what it keeps per thread (connections, sessions) is there the next time.
    """

    def __init__(self) -> None:
        self._bell = threading.Condition(threading.Lock())
        #: Number of the call that runs, or that is begun next; whether it runs.
        self._turn, self._running = 0, False
        self._present: Call[Any] | None = None
        self._waiting: dict[int, Call[Any]] = {}
        #: Numbers that will not be begun.
        self._dropped: set[int] = set()
        #: Whether somebody wants the running call to end.
        self.stopping = False
        threading.Thread(target=self._serve, name="routilux-crew", daemon=True).start()

    def call(self, number: int, function: Callable[[], T], look: Callable[[], object] | None = None) -> T | None:
        """Wait for the turn of a number, have a function called, and return its result; None if it was dropped.

        Args:
            number: Its number.
            function: Called in the one thread.
            look: Called now and then while this waits.
        """
        done = threading.Lock()  # held until it is done: the cheapest thing to wait for
        done.acquire()
        call = self.begin(number, function, lambda call: done.release())
        while not done.acquire(timeout=-1 if look is None else LOOK_SECONDS):
            if look is not None:
                look()
        return call.outcome()

    def begin(self, number: int, function: Callable[[], T], then: Callable[[Call[T]], object]) -> Call[T]:
        """Have a function called when it is a number's turn; waits for nothing.

        Args:
            number: Its number.
            function: Called in the one thread.
            then: Called with what became of it, in any thread; must not raise.
        """
        call = Call(function, then)
        with self._bell:
            dropped = number in self._dropped or number < self._turn
            if not dropped:
                self._waiting[number] = call
                self._bell.notify()
        if dropped:
            then(call)
        return call

    def answer(self, result: object) -> None:
        """Answer for the call that runs: it will never return. Nothing is begun after it; the process has to end."""
        with self._bell:
            call = self._present
        assert call is not None, "only a call that runs can be answered for"
        call.result = result
        call.then(call)

    def drop(self, number: int, stop: bool = False) -> None:
        """Do not begin a call; with `stop`, ask it to end if it runs already."""
        with self._bell:
            if number < self._turn or (number == self._turn and self._running):
                self.stopping = self.stopping or (stop and number == self._turn)
                return
            self._dropped.add(number)
            waiting = self._waiting.pop(number, None)
            self._bell.notify()
        if waiting is not None:
            waiting.then(waiting)

    def _serve(self) -> None:
        while True:
            call = self._next()
            try:
                call.result = call.function()
            except BaseException as exc:  # whoever called has to hear of it; this thread goes on
                call.error = exc
            with self._bell:
                self._turn += 1
                self._running = self.stopping = False
            call.then(call)

    def _next(self) -> Call[Any]:
        with self._bell:
            while True:
                while self._turn in self._dropped:
                    self._dropped.discard(self._turn)
                    self._turn += 1
                call = self._waiting.pop(self._turn, None)
                if call is not None:
                    self._running, self._present = True, call
                    return call
                self._bell.wait()
