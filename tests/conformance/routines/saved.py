"""Routines of jobs that are saved. They live in a module, so that a process that goes on with a job can import them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import routilux_dist as rd


@dataclass(frozen=True)
class Unknown:
    """A type that nobody registered."""

    n: int


@dataclass(frozen=True)
class Known:
    """A type that is registered."""

    n: int


rd.register_type(Known, name="tests.saved.Known")


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def slow(n: int) -> int:
    time.sleep(0.002)
    return n


def unknown(n: int) -> Unknown:
    return Unknown(n)


def known(n: int) -> Known:
    return Known(n)


def open_known(x: Any) -> Any:
    return type(x).__name__, x.n


class Fold(rd.Routine):
    """What it has seen, in a chain that tells of the order; in the end all of it."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0, count=0)

    def logic(self, input: int) -> None:
        self.state["total"] += input
        self.state["count"] += 1
        rd.current_job().update("seen", 1, reducer="sum")

    def finish(self) -> None:
        self.emit("output", [self.state["total"], self.state["count"]])


def never(n: int) -> int:
    raise ValueError(f"never {n}")


class Ledger(rd.Routine):
    """What `Fold` became in a newer version: other names, and a field more."""

    def setup(self) -> None:
        self.add_slot("amount")
        self.add_event("output")
        self.add_state(sum=0, seen=0, note="")

    def logic(self, amount: int) -> None:
        self.state["sum"] += amount
        self.state["seen"] += 1

    def finish(self) -> None:
        self.emit("output", [self.state["sum"], self.state["seen"], self.state["note"]])


class Wild(Fold):
    """Spoils its state at one message: once if `sign` names a file that marks it, else each time."""

    def logic(self, input: int) -> None:
        super().logic(input)
        sign = self.get_config("sign")
        if input == 150 and not (sign and os.path.exists(sign)):
            self.state["total"] = -(10**9)  # what follows in the same slice does not hide it
            if sign:
                with open(sign, "w") as file:
                    file.write("here")


def once(file: str) -> str:
    with open(file, "a") as lines:
        lines.write("begun\n")
    time.sleep(1.5)
    return "done"
