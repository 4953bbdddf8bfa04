from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_workers.surroundings import Surroundings
from tests.unit.workers.conftest import of

Build = Callable[..., Workbench]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def test_what_was_changed_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTILUX_KEPT", "as it was")
    folder, limit = os.getcwd(), sys.getrecursionlimit()
    before = Surroundings()
    os.chdir(tmp_path)
    os.environ["ROUTILUX_KEPT"] = "changed"
    os.environ["ROUTILUX_NEW"] = "x"
    sys.setrecursionlimit(limit + 1)
    before.put_back()
    assert os.getcwd() == folder
    assert os.environ["ROUTILUX_KEPT"] == "as it was"
    assert "ROUTILUX_NEW" not in os.environ
    assert sys.getrecursionlimit() == limit


def test_a_folder_that_is_gone_is_no_obstacle(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    here = os.getcwd()
    os.chdir(gone)
    gone.rmdir()
    try:
        before = Surroundings()
        before.put_back()
    finally:
        os.chdir(here)
    before.put_back()
    assert os.getcwd() == here


class Forks(rd.Routine):
    """Forks; the child goes on as if nothing had happened, or raises."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> int:
        child = os.fork()
        if child == 0:
            if self.how == "exit":
                sys.exit(3)
            if self.how == "raise":
                raise ValueError("in the child")
            return -1
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("how", "status"), [("return", 0), ("raise", 1), ("exit", 3)])
@pytest.mark.parametrize("mode", ["distributed", "sequential"])
def test_a_forked_child_never_goes_on_as_a_worker(workbench: Build, how: str, status: int, mode: str) -> None:
    one = workbench(of(("a", Forks(how)), execution_mode=mode))
    assert one.sent(one.send("a.input", 1, 2)) == [status, status]


def test_nor_does_a_child_of_a_coroutine(workbench: Build) -> None:
    @rd.routine
    async def fork(x: int) -> Any:
        child = os.fork()
        if child == 0:
            await asyncio.sleep(60)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    one = workbench(of(("a", fork)))
    # Either its loop ends it, or it finds that it has none.
    assert set(one.sent(one.send("a.input", 1, 2))) <= {0, 1}
