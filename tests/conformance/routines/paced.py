"""Routines that tell when they ran, on a clock that all processes of a machine share."""

from __future__ import annotations

import time
from typing import Any

import routilux_dist as rd


def stamp(x: Any) -> float:
    return time.monotonic()


async def stamp_waiting(x: Any) -> float:
    return time.monotonic()


def span(x: Any) -> tuple[float, float]:
    began = time.monotonic()
    time.sleep(0.02)
    return began, time.monotonic()


class Stamps(rd.Routine):
    """Has state, so that its messages go to homes."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(n=0, key=lambda x: x)

    def logic(self, x: Any) -> None:
        self.state["n"] += 1
        self.emit("output", time.monotonic())


class Paced(Stamps, rate_limit=40.0):
    """At the pace of the scenario."""


def stamping(kind: str, rate_limit: float) -> Any:
    """A routine that tells when it began, of a kind: "plain", "stateful" or "waiting"."""
    if kind == "stateful":
        return Paced()
    return rd.routine(rate_limit=rate_limit)(stamp_waiting if kind == "waiting" else stamp)


def spanning(max_concurrency: int) -> Any:
    """A routine that tells from when to when it ran."""
    return rd.routine(max_concurrency=max_concurrency)(span)
