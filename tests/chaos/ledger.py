"""The workload: numbers go through a stateless step into hash chains, and every execution leaves a line outside the system."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

import routilux_dist as rd

KEYS = 7


def note(path: str, routine: str, n: int) -> None:
    """Append a line to the witness file; a line is written as a whole, whatever dies."""
    line = f"{routine} {n} {os.getpid()} {time.monotonic():.4f}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def place(path: str) -> str:
    """Return the witness file of the job that runs: its name may stand in the path as {job}."""
    return path.replace("{job}", rd.current_job().job_id) if "{job}" in path else path


def link(chain: str, n: int) -> str:
    """Return the next link of a chain: it tells of all numbers before it, and of their order."""
    return hashlib.sha256(f"{chain}:{n}".encode()).hexdigest()[:16]


def key_of(n: int) -> int:
    return n % KEYS


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


class Work(rd.Routine):
    """A few milliseconds of work on a number."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, input: int) -> None:
        note(place(self.get_config("witness")), "work", input)
        time.sleep(self.get_config("seconds"))
        self.emit("output", input)


class Chain(rd.Routine):
    """One chain for each key; every link is an output, and in the end the state is one."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_event("state")
        self.add_state(key=key_of, count=0, chain="", of=-1)

    def logic(self, input: int) -> None:
        note(place(self.get_config("witness")), "chain", input)
        time.sleep(self.get_config("seconds") / 4)
        self.state["of"] = key_of(input)
        self.state["count"] += 1
        self.state["chain"] = link(self.state["chain"], input)
        self.emit("output", [self.state["of"], self.state["count"], input, self.state["chain"]])

    def finish(self) -> None:
        self.emit("state", [self.state["of"], self.state["count"], self.state["chain"]])


def flow(witness: str, seconds: float) -> rd.Flow:
    """Return the flow.

    Args:
        witness: The file that executions are written to; {job} in it stands for the job.
        seconds: What a number takes.
    """
    made = rd.Flow("ledger")
    made.add_routine(rd.routine(numbers), "numbers")
    for name, routine in (("work", Work()), ("chain", Chain())):
        routine.set_config(witness=witness, seconds=seconds)
        made.add_routine(routine, name)
    made.connect("numbers.output", "work.input")
    made.connect("work.output", "chain.input")
    return made
