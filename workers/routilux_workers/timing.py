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
        self._started = False
        #: (deadline, thread id, seconds, label) of the running call, or None.
        self._current: tuple[float, int, float, str] | None = None

    def guard(self, call: Callable[[Any], Any], seconds: float, label: str) -> Callable[[Any], Any]:
        """Return `call` with a time limit."""

        def limited(payload: Any) -> Any:
            mine = (time.monotonic() + seconds, threading.get_ident(), seconds, label)
            self._watch(mine)
            try:
                return call(payload)
            except _TimeUp:
                raise TimeoutError(f"routine {label!r} ran longer than its timeout of {seconds:g} s") from None
            finally:
                with self._changed:
                    self._current = None

        return limited

    def _watch(self, entry: tuple[float, int, float, str]) -> None:
        with self._changed:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="routilux-watchdog", daemon=True).start()
            self._current = entry
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                entry = self._current
                if entry is None:
                    self._changed.wait()
                    continue
                left = entry[0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                # Under the lock, so that the call cannot have ended meanwhile: its `finally` needs the lock too.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(entry[1]), ctypes.py_object(_TimeUp))
                self._current = None


class _TimeUp(BaseException):
    """Raised in the thread of a call whose time is up."""
