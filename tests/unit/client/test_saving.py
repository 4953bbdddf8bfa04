"""Jobs that are saved, in this process."""

from __future__ import annotations

import errno
import itertools
import logging
import threading
from pathlib import Path

import pytest

import routilux_dist as rd
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.client.worker import FlowWorker

WAIT = 30.0
_names = itertools.count()


def held(gate: threading.Event) -> rd.Flow:
    """Return a flow whose one routine waits for a gate."""

    def wait(x: str) -> str:
        gate.wait(WAIT)
        return x

    return rd.pipeline(wait, name="held")


def test_what_is_left_is_told_with_the_way_to_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    url = str(tmp_path)
    with caplog.at_level(logging.WARNING, "routilux_dist"):
        with rd.Runtime(backend="local") as runtime:
            ended = runtime.submit(rd.pipeline(len, name="short"), "abc", job_id="ended", checkpoint=url)
            ended.result(timeout=WAIT)
            runtime.submit(rd.pipeline(len, name="passing"), "abc")  # is cancelled: nothing to go on with
            kept = runtime.submit(held(gate), "x", job_id="nightly", checkpoint=url)
            first = next(one for one in runtime.workers() if one.worker_id == "nightly")
            worker = runtime.exec(held(gate), worker_id="orders", checkpoint=url)
            other = worker.post("wait", "input", "y", job_id="order-1", close=False)
            monkeypatch.setattr(first, "close", lambda: (gate.set(), FlowWorker.close(first)))  # all is said before it
        assert kept.done()
        assert isinstance(other.exception(timeout=WAIT), rd.ExecutionError)
    assert sorted(record.message for record in caplog.records) == [
        f"job 'nightly' of flow 'held' has not ended and is saved; go on with it: rt.recover({url!r}, flow, job_id='nightly')",
        f"job 'order-1' of flow 'held' has not ended and is saved; go on with it: rt.exec(flow, worker_id='orders', "
        f"checkpoint={url!r})",
    ]
    with rd.Runtime(backend="local") as runtime:
        again = runtime.recover(url, held(gate), job_id="nightly")
        assert again.result(timeout=WAIT) == {"wait.output": ["x"]}


def test_a_place_that_cannot_be_written_to_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    full = MemoryStore.named(f"full-{next(_names)}")

    def fault(operation: str, name: str) -> None:
        if operation in ("create", "append", "write"):
            raise OSError(errno.ENOSPC, "No space left on device")

    full.fault = fault
    flow = rd.pipeline(len, name="f")
    with rd.Runtime(backend="local") as runtime:
        for url, said in (
            (str(tmp_path / "file"), "Not a directory"),
            (str(tmp_path / "file" / "deeper"), "Not a directory"),
            (full.url, "No space left on device"),
        ):
            with pytest.raises(
                rd.StoreError, match=rf"job 'j' cannot be saved at '.*{said}; checkpoint= has to name a place"
            ):
                runtime.submit(flow, "abc", job_id="j", checkpoint=url)
        with pytest.raises(rd.ConfigurationError, match="Protocol not known: nope"):
            runtime.submit(flow, "abc", checkpoint="nope://here")
        full.fault = None
        assert runtime.submit(flow, "abc", job_id="j", checkpoint=full.url).result(timeout=WAIT) == {"len.output": [3]}


def test_a_store_that_goes_away_is_told_of_and_waited_for() -> None:
    store = MemoryStore.named(f"away-{next(_names)}")
    gate = threading.Event()
    refused = threading.Event()

    def away(operation: str, name: str) -> None:
        if operation == "sync":
            refused.set()
            raise OSError(errno.EIO, "the disk is gone")

    with rd.Runtime(backend="local") as runtime:
        job = runtime.submit(held(gate), "x", checkpoint=store.url)
        store.fault = away
        gate.set()
        assert refused.wait(WAIT)
        told = threading.Event()
        while "the disk is gone" not in job.state()["waits_for"]:
            assert not told.wait(0.01)
        assert not job.done(), "nobody is told what is not saved"
        store.fault = None
        assert job.result(timeout=WAIT) == {"wait.output": ["x"]}
        assert job.state()["waits_for"] == ""


def test_a_run_without_a_job_is_told_from_a_running_flow(tmp_path: Path) -> None:
    flow = rd.pipeline(len, name="f")
    with rd.Runtime(backend="local") as runtime:
        runtime.exec(flow, worker_id="nothing", checkpoint=str(tmp_path))
    with (
        rd.Runtime(backend="local") as runtime,
        pytest.raises(rd.CheckpointError, match="holds 'nothing' without a job"),
    ):
        runtime.recover(str(tmp_path), flow)


def test_overviews_of_this_process() -> None:
    with rd.Runtime(backend="local") as runtime:
        runtime.exec(rd.pipeline(len, name="f"), worker_id="mine")
        overviews = runtime.overviews()
        assert overviews["mine"] is not None
        assert overviews["mine"]["flow"] == "f"
