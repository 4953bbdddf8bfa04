"""Routines with state, ``finish`` or job data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import routilux_dist as rd


class Total(rd.Routine):
    """Count and sum of a job, given at its end."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0, sum=0)

    def logic(self, x: int) -> None:
        self.state["count"] += 1
        self.state["sum"] += x

    def finish(self) -> None:
        self.emit("output", count=self.state["count"], sum=self.state["sum"])


class Announce(Total):
    """As Total; writes its name to the job data when it finishes, and gives the sum only."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.title = name

    def finish(self) -> None:
        rd.current_job().update("finished", self.title, reducer="append")
        self.emit("output", self.state["sum"])


class TotalByField(rd.Routine):
    """Sum of ``amount`` per ``user``."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(user=None, sum=0, key="user")

    def logic(self, sale: dict[str, Any]) -> None:
        self.state["user"] = sale["user"]
        self.state["sum"] += sale["amount"]

    def finish(self) -> None:
        self.emit("output", (self.state["user"], self.state["sum"]))


class TotalByRemainder(rd.Routine):
    """Members and count per remainder; the key is a function of the payload."""

    def __init__(self, modulus: int) -> None:
        super().__init__()
        self.modulus = modulus

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(members=[], key=lambda x: x % self.modulus)

    def logic(self, x: int) -> None:
        self.state["members"].append(x)

    def finish(self) -> None:
        self.emit("output", sorted(self.state["members"]))


class CombinedTotals(rd.Routine):
    """Sum by remainder of pairs (remainder, number), which are added up on their way."""

    def __init__(self, modulus: int, *, bad: bool = False) -> None:
        super().__init__()
        self.modulus, self.bad = modulus, bad

    def add(self, one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        if self.bad:
            raise ArithmeticError("no sums today")
        return one[0], one[1] + other[1]

    def setup(self) -> None:
        self.add_slot("input", combine=self.add)
        self.add_event("output")
        self.add_state(remainder=None, sum=0, key=lambda pair: pair[0])

    def logic(self, pair: tuple[int, int]) -> None:
        self.state["remainder"] = pair[0]
        self.state["sum"] += pair[1]

    def finish(self) -> None:
        self.emit("output", (self.state["remainder"], self.state["sum"]))


class CountByKey(rd.Routine):
    """How often each ``key`` came, told with each message."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0, key="key")

    def logic(self, x: dict[str, Any]) -> None:
        self.state["count"] += 1
        self.emit("output", (x["key"], self.state["count"]))


class Visits(rd.Routine):
    """Numbers the messages of all jobs of one running flow."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(visits=0, scope="worker")

    def logic(self, x: Any) -> None:
        self.state["visits"] += 1
        self.emit("output", self.state["visits"])


class VisitsByUser(rd.Routine):
    """As Visits, per user."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(visits=0, scope="worker", key="user")

    def logic(self, x: dict[str, Any]) -> None:
        self.state["visits"] += 1
        self.emit("output", (x["user"], self.state["visits"]))


class Record(rd.Routine):
    """The messages of a job in the order of arrival, given at its end."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(seen=[])

    def logic(self, x: Any) -> None:
        self.state["seen"].append(x)

    def finish(self) -> None:
        self.emit("output", list(self.state["seen"]))


class CountingLoop(rd.Routine):
    """A countdown that counts its laps; ``finish`` tells them."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")
        self.add_event("laps")
        self.add_state(laps=0)

    def logic(self, left: int) -> None:
        self.state["laps"] += 1
        if left > 0:
            self.emit("again", left - 1)

    def finish(self) -> None:
        self.emit("laps", self.state["laps"])


class LeaveMark(rd.Routine):
    """Touches a file in ``finish``."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def setup(self) -> None:
        self.add_slot("input")

    def logic(self, x: Any) -> None:
        """Only the end counts."""

    def finish(self) -> None:
        Path(self.path).touch()


class FailingFinish(Total):
    """Breaks at the end."""

    def finish(self) -> None:
        raise ArithmeticError("the books do not balance")


@rd.routine
def reduce_all(x):
    """Every reducer once per message."""
    job = rd.current_job()
    job.update("sum", x, reducer="sum")
    job.update("max", x, reducer="max")
    job.update("min", x, reducer="min")
    job.update("append", x, reducer="append")
    job.update("union", [x % 3], reducer="union")
    job.update("last", x, reducer="last")
    job.update("first_name", f"name {x:03}", reducer="min")


@rd.routine
def write_then_read(x):
    """A write is visible to its own activation."""
    job = rd.current_job()
    before = job.get_data("note", "nothing")
    job.set_data("note", f"note {x}")
    job.update("seen", 1, reducer="sum")
    yield {"before": before, "after": job.get_data("note"), "seen": job.get_data("seen")}


@rd.routine
def read_note(_):
    """A write is visible to the messages that were sent after it."""
    job = rd.current_job()
    return {"note": job.get_data("note"), "seen": job.get_data("seen")}


@rd.routine
def add_text_to_sum(x):
    rd.current_job().update("total", x, reducer="sum")
    return x


@rd.routine
def whoami(x):
    """The identity of the running job, as a routine sees it."""
    job = rd.current_job()
    job.trace("looked in the mirror")
    return {
        "job_id": job.job_id,
        "flow_id": job.flow_id,
        "routine_id": job.routine_id,
        "metadata": dict(job.metadata),
        "correlation_id": job.correlation_id,
        "attempt": job.attempt,
        "idempotency_key": job.idempotency_key,
        "cancelled": bool(job.cancelled),
    }
