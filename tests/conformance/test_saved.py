"""Jobs that are saved: the same results, and they outlive whoever ran them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.routines import saved
from tests.conformance.support import WAIT, eventually

N, LONG = 300, 3000


def folding(slowly: bool = False) -> rd.Flow:
    flow = rd.Flow("folding")
    flow.add_routine(rd.routine(saved.numbers), "numbers")
    flow.add_routine(rd.routine(saved.slow if slowly else saved.open_known), "middle")
    flow.add_routine(saved.Fold(), "fold")
    flow.connect("numbers.output", "middle.input")
    flow.connect("middle.output", "fold.input")
    return flow


RIGHT = {"fold.output": [[sum(range(N)), N]]}


@pytest.mark.parametrize("durability", ["group", "sync", "async"])
def test_a_saved_job_gives_what_any_job_gives(runtime: rd.Runtime, tmp_path: Path, durability: str) -> None:
    checkpoint = rd.Checkpoint(str(tmp_path), durability=durability)
    job = runtime.submit(folding(slowly=True), N, job_id=f"same-{durability}", checkpoint=checkpoint)
    assert job.result(timeout=WAIT) == RIGHT
    assert job.data == {"seen": N}
    again = runtime.recover(checkpoint, folding(slowly=True)) if job else job
    assert again.result(timeout=WAIT) == RIGHT
    assert again.status == "completed"


def test_a_job_goes_on_where_its_runtime_was_shut_down(runtime: rd.Runtime, backend: str, tmp_path: Path) -> None:
    with rd.Runtime(backend=backend, max_workers=2) as first:
        job = first.submit(folding(slowly=True), N, job_id="moving", checkpoint=str(tmp_path))
        eventually(lambda: job.stats()["messages"]["done"] > 20, "some of it is done")
    with pytest.raises(rd.ExecutionError, match=r"saved.*rt\.recover"):
        job.result(timeout=WAIT)
    with pytest.raises(rd.CheckpointError, match="has a run 'moving' already"):
        runtime.submit(folding(slowly=True), N, job_id="moving", checkpoint=str(tmp_path))
    again = runtime.recover(str(tmp_path), folding(slowly=True))
    assert again.result(timeout=WAIT) == RIGHT
    assert again.stats()["messages"]["accepted"] == 2 * N + 1


def test_going_back_to_a_checkpoint(runtime: rd.Runtime, tmp_path: Path) -> None:
    worker = runtime.exec(folding(slowly=True), worker_id=f"back-{runtime.backend}", checkpoint=str(tmp_path))
    _, job = runtime.post("folding", "fold", "input", 5, worker_id=worker.worker_id, close=False)
    eventually(lambda: job.stats()["messages"]["done"] == 1, "the first message is done")
    job.checkpoint("five")
    runtime.post("folding", "fold", "input", 100, worker_id=worker.worker_id, job_id=job.job_id)
    eventually(lambda: job.data == {"seen": 2}, "the second message is done")
    assert job.rollback("five") is job
    assert job.data == {"seen": 1}
    runtime.post("folding", "fold", "input", 1, worker_id=worker.worker_id, job_id=job.job_id)
    job.close()
    assert job.result(timeout=WAIT) == {"fold.output": [[6, 2]]}
    assert job.stats()["messages"]["retracted"] == 1
    lives = job.rollback("five")
    assert lives is not job
    lives.close()
    assert lives.result(timeout=WAIT) == {"fold.output": [[5, 1]]}
    with pytest.raises(rd.ConfigurationError, match="no checkpoint 'nowhere'; it has: five"):
        lives.rollback("nowhere")
    worker.close()


def test_only_what_is_saved_can_go_back(runtime: rd.Runtime) -> None:
    job = runtime.submit(folding(slowly=True), 1)
    for call in (lambda: job.checkpoint("x"), lambda: job.rollback("x")):
        with pytest.raises(rd.StateError, match="submit it with checkpoint="):
            call()
    job.wait(WAIT)


def flow_of(function: Any) -> rd.Flow:
    flow = rd.Flow("types")
    flow.add_routine(rd.routine(function), "make")
    flow.add_routine(
        rd.routine(saved.open_known),
        "open",
    )
    flow.connect("make.output", "open.input")
    flow.routines["open"].set_options(
        actors=1
    )  # another process, or another host: what is sent there has to be encoded
    return flow


def test_types_that_are_registered_travel_and_others_are_refused(runtime: rd.Runtime, tmp_path: Path) -> None:
    job = runtime.submit(flow_of(saved.known), 3, job_id="known", checkpoint=str(tmp_path))
    assert job.result(timeout=WAIT) == {"open.output": [("Known", 3)]}
    bad = runtime.submit(flow_of(saved.unknown), 3, job_id="unknown", checkpoint=str(tmp_path))
    with pytest.raises(rd.JobFailedError, match=r"(?s)make\.output.*Unknown.*rd\.register_type"):
        bad.result(timeout=WAIT)
    with pytest.raises(rd.SerializationError, match=r"rd\.register_type"):
        runtime.submit(flow_of(saved.known), saved.Unknown(1), job_id="posted", checkpoint=str(tmp_path))
    trusting = rd.Checkpoint(str(tmp_path), allow_pickle=True)
    job = runtime.submit(flow_of(saved.unknown), 3, job_id="pickled", checkpoint=trusting)
    assert job.result(timeout=WAIT) == {"open.output": [("Unknown", 3)]}


def test_a_flow_that_lost_what_is_needed_is_refused(runtime: rd.Runtime, backend: str, tmp_path: Path) -> None:
    with rd.Runtime(backend=backend, max_workers=2) as first:
        job = first.submit(folding(slowly=True), LONG, job_id="changed", checkpoint=str(tmp_path))
        eventually(lambda: job.data.get("seen", 0) > 5, "some of it is done")
    flow = rd.Flow("folding")
    flow.add_routine(rd.routine(saved.numbers), "numbers")
    with pytest.raises(rd.ConfigurationError, match=r"state of 'fold' is kept, which is no more"):
        runtime.recover(str(tmp_path), flow)
    wider = folding(slowly=True)
    wider.add_routine(rd.routine(saved.slow), "more")
    wider.connect("middle.output", "more.input")
    result = runtime.recover(str(tmp_path), wider).result(timeout=WAIT)
    assert result["fold.output"] == [[sum(range(LONG)), LONG]]
    assert len(result["more.output"]) < LONG


def test_a_running_flow_goes_on_with_all_its_jobs(runtime: rd.Runtime, backend: str, tmp_path: Path) -> None:
    with rd.Runtime(backend=backend, max_workers=2, checkpoint=str(tmp_path)) as first:
        worker = first.exec(folding(slowly=True), worker_id="orders")
        for n in range(3):
            worker.post("fold", "input", n, job_id=f"order-{n}", close=False)
    second = runtime.exec(folding(slowly=True), worker_id="orders", checkpoint=str(tmp_path))
    jobs = [second.adopt(f"order-{n}") for n in range(3)]
    for job in jobs:
        job.close()
    assert [job.result(timeout=WAIT)["fold.output"] for job in jobs] == [[[n, 1]] for n in range(3)]
    second.close()
    with pytest.raises(rd.ConfigurationError, match="3 jobs, a running flow"):
        runtime.recover(str(tmp_path), folding(slowly=True))


def test_a_saved_message_is_tried_again_when_its_time_has_come(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = rd.Flow("retries")
    flow.add_routine(rd.routine(saved.never), "never")
    handler = rd.ErrorHandler(
        rd.ErrorStrategy.RETRY, max_retries=2, retry_delay=0.05, exhausted=rd.ErrorStrategy.CONTINUE
    )
    flow.routines["never"].set_error_handler(handler)
    job = runtime.submit(flow, 1, job_id=f"retries-{runtime.backend}", checkpoint=str(tmp_path))
    assert job.wait_for_completion(WAIT)
    assert [(letter.error_type, letter.attempts) for letter in job.dead_letters] == [("ValueError", 3)]


def test_state_moves_to_another_version_of_its_flow(runtime: rd.Runtime, backend: str, tmp_path: Path) -> None:
    with rd.Runtime(backend=backend, max_workers=2) as first:
        job = first.submit(folding(slowly=True), LONG, job_id="migrated", checkpoint=str(tmp_path))
        eventually(lambda: job.data.get("seen", 0) > 5, "some of it is done")
    flow = rd.Flow("folding")
    flow.add_routine(rd.routine(saved.numbers), "numbers")
    flow.add_routine(rd.routine(saved.slow), "middle")
    flow.add_routine(saved.Ledger(), "ledger")
    flow.connect("numbers.output", "middle.input")
    flow.connect("middle.output", "ledger.amount")
    with pytest.raises(rd.ConfigurationError, match=r"rd\.migrations\.register\('fold', 'routine', fn\)"):
        runtime.recover(str(tmp_path), flow)
    here = "only this process knows"  # a coordinator elsewhere could not run it
    rd.migrations.register(
        "fold", "ledger.amount", lambda old: {"sum": old["total"], "seen": old["count"], "note": here}
    )
    try:
        again = runtime.recover(str(tmp_path), flow)
    finally:
        rd.migrations.unregister("fold")
    assert again.result(timeout=WAIT) == {"ledger.output": [[sum(range(LONG)), LONG, here]]}


NOT_NEGATIVE = {"properties": {"total": {"minimum": 0}}}


def guarded(sign: str = "", **options: Any) -> rd.Flow:
    flow = rd.Flow("guarded")
    flow.add_routine(rd.routine(saved.numbers), "numbers")
    wild = saved.Wild()
    wild.set_config(sign=sign)
    flow.add_routine(wild, "fold")
    flow.connect("numbers.output", "fold.input")
    flow.add_validator(NOT_NEGATIVE, routine="fold", **options)
    return flow


def kinds(job: rd.Job) -> list[str]:
    return [kind for _, kind, _, _ in job.history]


def test_a_job_whose_state_is_spoilt_goes_back_and_gets_it_right(runtime: rd.Runtime, tmp_path: Path) -> None:
    job = runtime.submit(guarded(str(tmp_path / "sign")), N, job_id="spoilt", checkpoint=str(tmp_path / "ckpt"))
    assert job.result(timeout=WAIT) == RIGHT
    assert kinds(job).count("invalid") == kinds(job).count("rolled back") == 1


def test_a_job_whose_state_is_spoilt_each_time_fails(runtime: rd.Runtime, tmp_path: Path) -> None:
    text = r"(?s)StateError: the state of routine 'fold' is not valid: at state\.total: -?\d+ is less than the minimum of 0"
    job = runtime.submit(guarded(), 151, job_id="spoilt-again", checkpoint=str(tmp_path))
    with pytest.raises(rd.JobFailedError, match=text) as caught:
        job.result(timeout=WAIT)
    assert isinstance(caught.value.cause, rd.StateError)
    assert kinds(job).count("rolled back") == 3
    with pytest.raises(rd.JobFailedError, match=text):
        runtime.submit(guarded(), 151).result(timeout=WAIT)


def test_state_that_is_spoilt_can_be_repaired(runtime: rd.Runtime) -> None:
    job = runtime.submit(guarded(repair=lambda state: {**state, "total": 1000}), 151)
    assert job.result(timeout=WAIT) == {"fold.output": [[1000, 151]]}
    assert "it was repaired" in "".join(text for *_, text in job.history)


def test_what_runs_here_when_a_runtime_is_shut_down_is_committed(tmp_path: Path) -> None:
    flow = rd.pipeline(rd.routine(saved.once), name="once")
    file = tmp_path / "runs"
    with rd.Runtime(backend="local", max_workers=2) as first:
        first.submit(flow, str(file), job_id="once", checkpoint=str(tmp_path / "ckpt"))
        eventually(file.exists, "it runs")
    with rd.Runtime(backend="local") as second:
        assert second.recover(str(tmp_path / "ckpt"), flow).result(timeout=WAIT) == {"once.output": ["done"]}
    assert file.read_text() == "begun\n"
