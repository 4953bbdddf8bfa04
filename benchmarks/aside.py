"""A function in a process of its own that is kept ready: for what must not share this process, such as what forks."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


class Line:
    """The way to such a process: `begin()` makes it run its function, `end()` waits for the result."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self) -> None:
        self._connection.send(True)

    def end(self) -> Any:
        return self._connection.recv()


@contextmanager
def process(function: Callable[..., Any], *arguments: Any) -> Iterator[Line]:
    """Start a process for a function.

    Args:
        function: Module-level; what it returns has to be picklable.
        *arguments: Sent once.
    """
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    child = spawn.Process(target=_serve, args=(there, function, arguments))
    child.start()
    there.close()  # so that the end of the child is the end of the line
    here.recv()
    try:
        yield Line(here)
    finally:
        here.close()
        child.join(10)


def _serve(line: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    line.send("ready")
    while True:
        try:
            line.recv()
        except EOFError:  # the other end was closed, or its process has ended
            return
        line.send(function(*arguments))
