"""Long looks on several cores: pieces of work go out, what they found comes back in order, a line now and then says how far."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Found = TypeVar("Found")

#: Seconds between two lines of progress.
EVERY = 20.0


def shared(function: Callable[[Task], Found], tasks: Iterable[Task], processes: int) -> Iterator[Found]:
    """Yield what a function returns for each task, in their order; tasks are taken as they are needed and may be endless."""
    if processes == 1:
        yield from map(function, tasks)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        out: deque[multiprocessing.pool.AsyncResult[Found]] = deque()
        for task in tasks:
            out.append(pool.apply_async(function, (task,)))
            if len(out) > 2 * processes:
                yield out.popleft().get()
        while out:
            yield out.popleft().get()


class Progress:
    """Says on standard output how far a long look is, at most once in a while."""

    def __init__(self) -> None:
        self.started = self._said = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.started

    def at(self, text: str) -> None:
        """Say it, if nothing was said for a while."""
        if time.perf_counter() - self._said >= EVERY:
            self.say(text)

    def say(self, text: str) -> None:
        """Say it now, with the time."""
        self._said = time.perf_counter()
        sys.stdout.write(f"{text}, {self.seconds:.0f} s\n")
        sys.stdout.flush()


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Let a command be told how many processes it may use."""
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
