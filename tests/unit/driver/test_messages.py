"""What a journal knows of single messages."""

from __future__ import annotations

from pathlib import Path

import pytest

import routilux_dist as rd
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver import messages
from routilux_dist.errors import CheckpointError, StateError
from routilux_dist.wire import codec

WAIT = 30.0


class Sum(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0)

    def logic(self, x: int) -> None:
        if x < 0:
            raise ValueError(f"negative after {self.state['total']}")
        self.state["total"] += x
        rd.current_job().update("sum", x, reducer="sum")


def numbers(n: int) -> object:
    yield from range(1, n)
    yield -1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A saved job that has ended, with a dead letter, and one that is paused."""
    made = Checkpoint(str(tmp_path_factory.mktemp("store")))
    flow = rd.Flow("sums")
    flow.add_routine(rd.routine(numbers), "numbers")
    flow.add_routine(Sum(), "sum")
    flow.pipe("numbers", "sum")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    with rd.Runtime(backend="local") as runtime:
        runtime.submit(flow, 4, job_id="done", checkpoint=made).result(WAIT)
        worker = runtime.exec(flow, worker_id="many", checkpoint=made)
        runtime.post("sums", "sum", "input", 5, worker_id=worker.worker_id, job_id="a", close=False)
        job = runtime.post("sums", "numbers", "input", 4, worker_id=worker.worker_id, job_id="b", close=False)[1]
        job.pause()
        runtime.post("sums", "sum", "input", 6, worker_id=worker.worker_id, job_id="b", close=False)
    return made


def test_every_message_that_was_sent_waits_or_died_has_a_name(place: Checkpoint) -> None:
    found = list(messages.every(place, "done"))
    [dead] = [one for one in found if one.status == "dead"]
    assert (dead.routine, dead.slot, dead.flow) == ("sum", "input", "sums")
    assert dead.failure is not None
    assert dead.name == dead.failure.key
    assert {one.status for one in found} == {"dead", "past"}
    assert len({one.name for one in found}) == len(found) == 5, "one for numbers, four for sum"
    assert [one.name for one in messages.listed(messages._told(place, "done", lambda *_: None).machine)] == [dead.name]  # type: ignore[union-attr]


def test_a_message_is_found_with_what_it_saw(place: Checkpoint) -> None:
    by_payload = {
        codec.rows_of(one.block).payloads[one.row]: one.name
        for one in messages.every(place, "done")
        if one.routine == "sum" and one.block is not None
    }
    dead = messages.find(place, "done", by_payload[-1])
    assert [codec.decode(cell)[1] for cell in dead.cells or ()] == [{"total": 6}]
    assert dead.note.data == {"sum": ("sum", 6)}
    assert "job's data as it is saved now" in dead.nearly()
    first = messages.find(place, "done", by_payload[1].partition("/")[2])
    assert (first.status, first.cells, first.ahead, first.nearly()) == ("past", (), 0, "")
    assert first.schema["state"] == "total: int"
    third = messages.find(place, "done", by_payload[3])
    assert len(third.cells or ()) == (third.ahead < 2), "what its slice saw at its beginning"


def test_what_waits(place: Checkpoint) -> None:
    waiting = [one for one in messages.every(place, "many") if one.status == "waits"]
    assert {one.name.partition("/")[0] for one in waiting} == {"b"}
    found = messages.find(place, "many", next(one.name for one in waiting if one.routine == "sum"))
    assert (found.status, found.failure) == ("waits", None)
    assert "has not run yet" in found.nearly()


def test_what_is_not_there(place: Checkpoint) -> None:
    with pytest.raises(StateError, match=r"no message 'done/1\.5'; did you mean 'done/1\.0'"):
        messages.find(place, "done", "done/1.5")
    with pytest.raises(StateError, match="only if it died"):
        messages.find(place, "done", "done/1.0.9")
    with pytest.raises(CheckpointError, match="has no run 'other'; it has: done, many"):
        messages.find(place, "other", "other/1.0")


def test_the_past_goes_back_to_the_oldest_snapshot(tmp_path: Path) -> None:
    """Each writer leaves a snapshot; what was sent before the newest one is still found."""
    place = Checkpoint(str(tmp_path), keep=9)
    flow = rd.pipeline(rd.routine(abs), name="absolute")
    with rd.Runtime(backend="local") as runtime:
        runtime.submit(flow, -3, job_id="old", checkpoint=place).result(WAIT)
    with rd.Runtime(backend="local") as runtime:
        assert runtime.recover(place, flow).result(WAIT) == {"abs.output": [3]}
    assert rd.replay_saved(place, "old/1.0", flow) == {"output": [3]}


def test_an_engine_that_decides_otherwise_by_now_goes_back_to_the_newest_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Checkpoint(str(tmp_path), keep=9)
    flow = rd.pipeline(rd.routine(abs), name="absolute", error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    with rd.Runtime(backend="local") as runtime:
        worker = runtime.exec(flow, worker_id="long", checkpoint=place)
        for _ in range(2):
            worker.post("abs", "input", "no number").wait_for_completion(WAIT)
    monkeypatch.setattr(Machine, "mark", property(lambda machine: 127))
    dead = [one.name for one in messages.every(place, "long") if one.status == "dead"]
    assert len(dead) == 2
    assert messages.find(place, "long", dead[0]).failure is not None
