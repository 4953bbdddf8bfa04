"""Time-outs for activations that run in a thread of this process."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any


class Watchdog:
    """Ends calls that take too long by raising `TimeoutError` in their thread.

    The exception arrives between two bytecodes: Python code ends at once, a call into C when it returns. The watching thread
    starts with the first guarded call.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: The running call, or None.
        self._current: _Call | None = None
        self._closed = False

    def guard(self, call: Callable[[Any], Any], seconds: float, label: str) -> Callable[[Any], Any]:
        """Return `call` with a time limit."""

        def limited(payload: Any) -> Any:
            mine = _Call(time.monotonic() + seconds, threading.get_ident())
            self._watch(mine)
            try:
                try:
                    return call(payload)
                finally:
                    # No lock from here on: the exception may arrive at any moment, and would leave it locked.
                    mine.ended = True
                    while mine.striking:
                        time.sleep(0)
                    _arrive()
            except _TimeUp:
                raise TimeoutError(f"routine {label!r} ran longer than its timeout of {seconds:g} s") from None

        return limited

    def close(self) -> None:
        """End the watching thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self, call: _Call) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="routilux-watchdog", daemon=True)
                self._thread.start()
            self._current = call
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                call = self._current
                if call is None or call.ended:
                    self._current = None
                    self._changed.wait()
                    continue
                left = call.deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                self._current = None
                call.strike()


class _Call:
    """A guarded call.

    Its thread sets `ended` and then reads `striking`; the watching thread the other way round: one of them sees the other, so
    that the exception arrives inside of the call or not at all.
    """

    __slots__ = ("deadline", "ended", "striking", "thread")

    def __init__(self, deadline: float, thread: int) -> None:
        self.deadline, self.thread = deadline, thread
        self.ended = self.striking = False

    def strike(self) -> None:
        self.striking = True
        if not self.ended:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(_TimeUp))
        self.striking = False


def _arrive() -> None:
    """A call of a Python function: an exception on its way is raised here at the latest."""


class _TimeUp(BaseException):
    """Raised in the thread of a call whose time is up."""
