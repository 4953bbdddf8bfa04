"""What routines can do to the process they run in, and how the next slice is kept from it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import Any, NoReturn

from routilux_dist.flow.context import ACTIVITY

#: Handlers of these are put back.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Surroundings:
    """Working directory, environment variables, recursion limit and signal handlers, as they were at some moment.

    What `open()` sets is there to stay; what an activation sets is put back after its slice, because the process serves others.
    For worker processes; on the local backend the process is the user's own.
    """

    def __init__(self) -> None:
        self._folder = _folder()
        self._environment = dict(os.environ)
        self._recursion = sys.getrecursionlimit()
        self._handlers = [signal.getsignal(number) for number in _SIGNALS]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surroundings) and vars(self) == vars(other)

    def put_back(self) -> None:
        """Put back what has changed since."""
        if self._folder is not None and _folder() != self._folder:
            with contextlib.suppress(OSError):  # it was removed
                os.chdir(self._folder)
        if os.environ != self._environment:
            for name in [n for n in os.environ if n not in self._environment]:
                del os.environ[name]
            os.environ.update(self._environment)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        if threading.current_thread() is threading.main_thread():  # no other can have changed them
            for number, handler in zip(_SIGNALS, self._handlers):
                if signal.getsignal(number) is not handler and handler is not None:
                    signal.signal(number, handler)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


class _Leave:
    """Stands in for the number of the activation in a child that a routine forked: whoever comes to use it ends the child.

    The child may do what it was forked for, as long as it does not come back from the routine: it would go on as a second worker
    and run the rest of the slice again. Asking for each message whether this is a child would cost every message.
    """

    def __bool__(self) -> bool:
        leave()

    def __add__(self, other: Any) -> int:
        leave()


def leave(exc: BaseException | None = None) -> NoReturn:
    """End a forked child."""
    status = exc.code if isinstance(exc, SystemExit) else 0 if exc is None else 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def is_child(activity: Any) -> bool:
    """Whether this is a child that the activation forked."""
    return isinstance(activity.ordinal, _Leave)


def _before_fork() -> None:
    try:
        _here.loop = asyncio.get_running_loop()
    except RuntimeError:
        _here.loop = None


def _after_fork() -> None:
    activity: Any = ACTIVITY.get(None)
    if activity is None:
        return
    activity.ordinal = _Leave()
    if _here.loop is not None:  # else the child would go on with what its parent awaits
        _here.loop.call_soon(leave)


_here = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
