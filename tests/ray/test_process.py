"""What routines do to the worker processes of Ray, and what they print there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import ray

import routilux_dist as rd
from tests.conformance.routines.faulty import Misbehaving, surroundings
from tests.conformance.support import WAIT, build, eventually

pytestmark = pytest.mark.ray


@rd.routine
def each(xs: list[Any]) -> Any:
    yield from xs


def test_what_a_routine_changes_is_put_back(ray_cluster: str) -> None:
    flow = build({"each": each, "look": surroundings, "bad": Misbehaving()}, "each -> look")
    with rd.Runtime(max_workers=1) as runtime:
        seen = []
        for _ in range(3):
            seen += runtime.submit(flow, [1], entry="each.input").result(timeout=WAIT)["look.output"]
            assert runtime.submit(flow, "surroundings", entry="bad.input").result(timeout=WAIT)
        assert len(seen) == 3
        assert seen[0] == seen[1] == seen[2]


@rd.routine
def talk(word: str) -> str:
    sys.stdout.write(f"{word}\nagain {word}\n")
    sys.stdout.flush()
    return word


@rd.routine
async def talk_later(word: str) -> str:
    sys.stderr.write(f"{word}\n")
    sys.stderr.flush()
    return word


def test_what_is_printed_says_who_printed_it(ray_cluster: str) -> None:
    """Ray sends the lines of these files to the driver."""
    flow = build({"talk": talk, "later": talk_later}, "talk -> later")
    with rd.Runtime(max_workers=1) as runtime:
        job = runtime.submit(flow, "a word that nobody else prints")
        job.result(timeout=WAIT)
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())  # type: ignore[attr-defined]

    def lines() -> set[str]:
        found = (path.read_text(errors="replace").splitlines() for path in logs.glob("worker-*"))
        return {line for some in found for line in some if "that nobody else prints" in line}

    eventually(lambda: len(lines()) == 3, "all lines are in the logs")
    start = {name: f"[{flow.name}/{name} {job.job_id}] " for name in ("talk", "later")}
    assert lines() == {
        f"{start['talk']}a word that nobody else prints",
        f"{start['talk']}again a word that nobody else prints",
        f"{start['later']}a word that nobody else prints",
    }
