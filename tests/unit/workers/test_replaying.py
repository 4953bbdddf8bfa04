from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import JobNote
from routilux_workers import keeping, replaying
from tests.unit.workers.conftest import of, stateful

Build = Callable[..., Workbench]


def test_what_it_emits_comes_back_by_event(workbench: Build) -> None:
    one = workbench(of(("a", lambda xs: (x + 1 for x in xs))))
    assert replaying.activate(one.host, one.block("a.input", [[1, 2]]), JobNote()) == {"output": [2, 3]}


def test_what_it_raises_comes_out_as_it_is(workbench: Build) -> None:
    error = ValueError("no")

    def fail(x: Any) -> None:
        raise error

    one = workbench(of(("a", fail)))
    with pytest.raises(ValueError, match="no") as caught:
        replaying.activate(one.host, one.block("a.input", [1]), JobNote())
    assert caught.value is error
    assert caught.traceback[-1].name == "fail"


def test_it_knows_its_job(workbench: Build) -> None:
    def tell(x: Any) -> Any:
        job = rd.current_job()
        return job.job_id, job.metadata["user"], job.get_data("n"), job.attempt

    one = workbench(of(("a", tell)))
    note = JobNote({"user": "ann"}, None, data={"n": ("sum", 3)})
    block = one.block("a.input", [1], job="nightly", attempt=2)
    assert replaying.activate(one.host, block, note) == {"output": [("nightly", "ann", 3, 2)]}


def test_it_sees_the_state_that_it_saw(workbench: Build) -> None:
    """What the failed activation did was taken back, and what came later is not in the letter."""

    def act(routine: Any, x: int) -> int:
        routine.state["seen"].append(x)
        if x == 2:
            raise ValueError(f"no: {routine.state['seen']}")
        return len(routine.state["seen"])

    flow = of(("s", stateful(act, seen=[])))
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    one, other = workbench(flow, "s"), workbench(flow, "s")
    (letter,) = one.send("s.input", 0, 1, 2, 3).letters
    assert letter.seen is not None
    with pytest.raises(ValueError, match=r"\[0, 1, 2\]"):
        replaying.activate(other.host, letter.block, JobNote(), (letter.seen,))
    with pytest.raises(ValueError, match=r"no: \[2\]"):
        replaying.activate(other.host, letter.block._replace(job="another"), JobNote())


def test_large_state_and_state_that_cannot_travel_is_not_kept(
    workbench: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(routine: Any, x: Any) -> None:
        raise ValueError("no")

    flow = of(("s", stateful(act, text="x" * 1000)))
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    (letter,) = workbench(flow, "s").send("s.input", 1).letters
    assert codec.decode(letter.seen)[1] == {"text": "x" * 1000}  # type: ignore[arg-type]
    monkeypatch.setattr(keeping, "SEEN_BYTES", 500)
    (letter,) = workbench(flow, "s").send("s.input", 1).letters
    assert letter.seen is None
