"""Time-outs for activations that run in a thread of this process."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from types import FrameType, TracebackType
from typing import Any

#: Seconds that code has to react to its time-out before it counts as stuck.
GRACE = 1.0


class Watchdog:
    """Ends calls that take too long by raising `TimeoutError` in their thread.

    The exception arrives between two bytecodes: Python code ends at once, a call into C when it returns. Where nothing arrives
    within a grace, `on_stuck` takes over and the thread never leaves the call. The watching thread starts with the first guarded
    call.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: The running call, or None.
        self._current: Call | None = None
        self._closed = False
        #: Called in the watching thread with a call that does not end.
        self.on_stuck: Callable[[Call], None] | None = None

    def guard(self, call: Callable[[Any], Any], seconds: float, label: str) -> Callable[[Any], Any]:
        """Return `call` with a time limit."""

        def limited(payload: Any) -> Any:
            return self._limit(Call(time.monotonic() + seconds, seconds, label, payload), call, payload)

        return limited

    def steps(self, awaitable: Awaitable[Any], seconds: float, label: str, about: Any = None) -> Awaitable[Any]:
        """Return an awaitable with a time limit for the code that runs between two waits; who waits keeps the time of waiting.

        Args:
            awaitable: What to await.
            seconds: How long it may take, from now on.
            label: The routine, for the error's text.
            about: What `Call.payload` will be.
        """
        return _Steps(self, awaitable, time.monotonic() + seconds, seconds, label, about)

    def _limit(self, mine: Call, call: Callable[[Any], Any], argument: Any) -> Any:
        self._watch(mine)
        try:
            try:
                return call(argument)
            finally:
                # No lock from here on: the exception may arrive at any moment, and would leave it locked.
                mine.ended = True
                while mine.striking or mine.taken:
                    time.sleep(0 if mine.striking else 3600.0)
                _arrive()
        except TimeUp:
            raise mine.error() from None

    def close(self) -> None:
        """End the watching thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self, call: Call) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="routilux-watchdog", daemon=True)
                self._thread.start()
            self._current = call
            self._changed.notify()

    def _run(self) -> None:
        while (call := self._next_late()) is not None:
            if not call.struck:
                call.strike()
            elif self.on_stuck is not None and call.take():
                self.on_stuck(call)
                return

    def _next_late(self) -> Call | None:
        """Wait until a call is late; None when the watching ends."""
        with self._changed:
            while not self._closed:
                call = self._current
                if call is None or call.ended:
                    self._current = None
                    self._changed.wait()
                    continue
                left = call.deadline + (self._grace if call.struck else 0.0) - time.monotonic()
                if left <= 0:
                    if call.struck:
                        self._current = None
                    return call
                self._changed.wait(left)
        return None


class Call:
    """A guarded call.

    Its thread sets `ended` and then reads `striking` and `taken`; the watching thread the other way round: one of them sees the
    other, so that the exception arrives inside of the call or not at all.
    """

    __slots__ = ("deadline", "ended", "label", "payload", "seconds", "striking", "struck", "taken", "thread")

    def __init__(self, deadline: float, seconds: float, label: str, payload: Any) -> None:
        self.deadline, self.seconds, self.label, self.payload = deadline, seconds, label, payload
        self.thread = threading.get_ident()
        self.ended = self.striking = self.struck = self.taken = False

    def strike(self) -> None:
        """Raise in the call's thread."""
        self.striking = self.struck = True
        if not self.ended:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(TimeUp))
        self.striking = False

    def take(self) -> bool:
        """Keep the call's thread in the call for ever; return False if it has left it."""
        self.striking = self.taken = True
        if self.ended:
            self.taken = False
        self.striking = False
        return self.taken

    def error(self, more: str = "") -> TimeoutError:
        """Return what the call fails with."""
        return TimeoutError(f"routine {self.label!r} ran longer than its timeout of {self.seconds:g} s{more}")

    def stuck_error(self) -> TimeoutError:
        """Return what a call fails with that does not end: its traceback shows where it is."""
        error = self.error(", in code that cannot be interrupted: its process was replaced")
        return error.with_traceback(_traceback_of(sys._current_frames().get(self.thread)))


class _Steps:
    """An awaitable whose steps are guarded."""

    def __init__(
        self, watchdog: Watchdog, awaitable: Awaitable[Any], deadline: float, seconds: float, label: str, about: Any
    ) -> None:
        self._watchdog, self._awaitable, self._deadline = watchdog, awaitable, deadline
        self._seconds, self._label, self._about = seconds, label, about

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Any = self._awaitable.__await__()
        step: Callable[[Any], Any] = getattr(inner, "send", lambda _: next(inner))
        argument: Any = None
        try:
            while True:
                now, grace = time.monotonic(), self._watchdog._grace
                # Once it is late, whoever waits has cancelled it: it gets the grace for cleaning up.
                deadline = self._deadline if now < self._deadline else now + grace
                call = Call(deadline, self._seconds, self._label, self._about)
                try:
                    yielded = self._watchdog._limit(call, step, argument)
                except StopIteration as end:
                    return end.value
                try:
                    step, argument = getattr(inner, "send", lambda _: next(inner)), (yield yielded)
                except GeneratorExit:
                    raise
                except BaseException as exc:
                    # Cancelled again after that, it has to go, whatever it catches.
                    overdue = time.monotonic() > self._deadline + grace
                    step, argument = inner.throw, TimeUp() if overdue else exc
        finally:
            with contextlib.suppress(Exception):
                inner.close()


def _traceback_of(frame: FrameType | None) -> TracebackType | None:
    """Return a traceback of a running stack, the innermost frame last."""
    traceback: TracebackType | None = None
    while frame is not None:
        traceback = TracebackType(traceback, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return traceback


def _arrive() -> None:
    """A call of a Python function: an exception on its way is raised here at the latest."""


class TimeUp(BaseException):
    """Raised in the thread of a call whose time is up."""
