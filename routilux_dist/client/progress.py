"""Showing how a job gets on, on a terminal or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from routilux_dist.observe import progress
from routilux_dist.observe.progress import as_html as as_html
from routilux_dist.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group

    from routilux_dist.client.job import Job


#: Seconds that a thread sleeps at most: a signal that comes in the moment before it falls asleep does not wake it.
HEED_SECONDS = 1.0


class Screen(Protocol):
    """Something that shows states."""

    def pause(self) -> float:
        """Return the seconds to wait before the next state."""
        ...

    def show(self, state: Mapping[str, Any]) -> None:
        """Show a state."""
        ...


def watch(
    job: Job, *, quiet: bool = False, interval: float = 0.2, timeout: float | None = None, file: TextIO | None = None
) -> bool:
    """Show the progress of a job until it has ended; return whether it has.

    A table that changes in place, on a terminal where rich is installed; elsewhere lines that come ever more rarely.
    What goes wrong in showing is left out: the job does not suffer.

    Args:
        job: The job.
        quiet: Only wait.
        interval: Seconds between two states of the table.
        timeout: Seconds to wait; None waits for ever.
        file: Where to show it; default: standard error, so that results may be sent elsewhere.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    if not quiet:
        try:
            _show(job, sys.stderr if file is None else file, interval, deadline)
        except Exception:
            pass
    return wait(job, _left(deadline))


def wait(job: Job, seconds: float | None = None) -> bool:
    """Wait for a job for so many seconds, and listen to signals meanwhile; return whether it has ended."""
    while True:
        step = HEED_SECONDS if seconds is None else min(seconds, HEED_SECONDS)
        if job.wait_for_completion(step):
            return True
        if seconds is not None:
            seconds -= step
            if seconds <= 0:
                return False


def _show(job: Job, file: TextIO, interval: float, deadline: float | None) -> None:
    screen, frame = _screen(file, interval)
    with frame:
        while not wait(job, _left(deadline, screen.pause())):
            if deadline is not None and time.monotonic() >= deadline:
                break
            screen.show(job.state())
        screen.show(job.state())


def _left(deadline: float | None, most: float | None = None) -> float | None:
    if deadline is None:
        return most
    left = max(0.0, deadline - time.monotonic())
    return left if most is None else min(left, most)


def _screen(file: TextIO, interval: float) -> tuple[Screen, AbstractContextManager[Any]]:
    if file.isatty() and not Settings.from_env().plain_progress:
        try:
            return _live(file, interval)
        except ImportError:  # rich is not installed
            pass
    return Lines(file), nullcontext()


class Lines:
    """States as plain lines, ever more rarely."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._meter = progress.Meter()
        self._number = 0
        self._before: Mapping[str, Any] | None = None

    def pause(self) -> float:
        return progress.gap(self._number)

    def show(self, state: Mapping[str, Any]) -> None:
        self._file.write(progress.line(state, self._meter.rates(state), self._before) + "\n")
        self._file.flush()
        self._number += 1
        self._before = state


def _live(file: TextIO, interval: float) -> tuple[Screen, AbstractContextManager[Any]]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=file)
    if console.is_dumb_terminal or not console.is_terminal:
        raise ImportError("this terminal has no cursor to move")
    # Only what would garble the table is led around it; a stdout that goes elsewhere is left alone.
    live = Live(
        console=console, auto_refresh=False, redirect_stdout=sys.stdout.isatty(), redirect_stderr=sys.stderr.isatty()
    )
    return LiveTable(live, interval), live


class LiveTable:
    """States as a table that changes in place."""

    def __init__(self, live: Any, interval: float) -> None:
        self._live = live
        self._interval = interval
        self._meter = progress.Meter()

    def pause(self) -> float:
        return self._interval

    def show(self, state: Mapping[str, Any]) -> None:
        self._live.update(table(state, self._meter.rates(state)), refresh=True)


def table(state: Mapping[str, Any], rates: Mapping[str, float]) -> Group:
    """Return a state as a headline and a table, for rich."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(progress.HEADS):
        shown.add_column(head, justify="right" if number else "left", style="red" if head == "errors" else None)
    for row in progress.rows(state, rates):
        shown.add_row(*(Text(cell) for cell in row.cells()))
    return Group(Text(progress.headline(state)), shown)
