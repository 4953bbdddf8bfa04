"""Homes and actor pools that serve one flow after another."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.support import build, run

pytestmark = pytest.mark.ray


class Home(rd.Routine):
    """Tells its process and how many messages it had."""

    def __init__(self, scope: str = "job") -> None:
        super().__init__()
        self.scope = scope

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0, scope=self.scope)

    def logic(self, x: Any) -> tuple[int, int, str]:
        self.state["count"] += 1
        if x == "die":
            os._exit(1)
        return os.getpid(), self.state["count"], os.environ.get("LEFT_BEHIND", "")


class Opened(Home):
    def open(self) -> None:
        os.environ["LEFT_BEHIND"] = "something"


async def pool(x: Any) -> tuple[int, int, str]:
    await asyncio.sleep(0)
    return os.getpid(), 1, os.environ.get("LEFT_BEHIND", "")


def pooled() -> Any:
    return rd.routine(max_concurrency=2)(pool)


def told(runtime: rd.Runtime, routine: Callable[[], Any]) -> tuple[int, int, str]:
    """What a flow of its own says, which is closed afterwards."""
    flow = build({"one": routine()})
    ((answer,),) = run(runtime, flow, None).values()
    for worker in runtime.workers():
        worker.close()
    return answer  # type: ignore[no-any-return]


def test_a_home_serves_the_next_flow_and_begins_anew(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        first, *_ = told(runtime, lambda: Home("worker"))
        for routine in (lambda: Home("worker"), Home, pooled, Home, pooled):
            assert told(runtime, routine) == (first, 1, "")


def test_what_was_opened_is_not_left_to_others(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        first, _, left = told(runtime, Opened)
        assert left == "something"
        second, _, left = told(runtime, Home)
        assert second != first
        assert left == ""


def test_one_that_has_died_meanwhile_costs_nothing(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        for _ in range(3):
            first, *_ = told(runtime, Home)
            os.kill(first, signal.SIGKILL)
            second, count, _ = told(runtime, Home)
            assert second != first
            assert count == 1


def test_what_kills_it_then_is_blamed(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        told(runtime, Home)
        with pytest.raises(rd.JobFailedError, match="the worker that held its state died"):
            run(runtime, build({"one": Home()}), "die")


class Leaves(Home):
    """Leaves something behind when it is closed."""

    def close(self) -> None:
        os.environ["LEFT_BEHIND"] = "something"


def test_what_a_routine_leaves_behind_is_not_for_others(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        first, *_ = told(runtime, Leaves)
        second, _, left = told(runtime, Home)
        assert second != first
        assert left == ""
