"""What earlier releases wrote is read by this one. The files were written once and are never written again.

A change of format adds files of the new version beside the old ones; `python -m tests.upgrade.test_golden 2` writes those of
version 2.
"""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import shutil
import sys
import time
import uuid
from typing import Any, NamedTuple

import numpy as np
import pytest

import routilux_dist as rd
from routilux_dist.checkpoint.directory import DirectoryStore
from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.wire import typed
from routilux_dist.wire.registry import Registry

GOLDEN = pathlib.Path(__file__).parent / "golden"
KEY = bytes(range(32))


class Pair(NamedTuple):
    left: Any
    right: Any


TYPES = Registry()
TYPES.register(Pair, "golden.pair")

VALUES: dict[str, Any] = {
    "plain": {"a": [1, -1, 2.5, None, True, "größe", b"\x00\xff"], "b": {}},
    "keys": {1: 2, None: 3, (1, "x"): [4], b"k": 5, frozenset({6}): 7},
    "numbers": [2**64, -(2**200), 1 + 2j, decimal.Decimal("1.50"), range(1, 9, 2), -0.0],
    "texts": ["\ud800", bytearray(b"ab"), uuid.UUID(int=7), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:\\d")],
    "times": [
        dt.date(2024, 2, 29), dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc), dt.timedelta(-1, 2, 3),
        dt.time(1, 2, 3, 4, dt.timezone(dt.timedelta(hours=1), "one"), fold=1),
    ],
    "sets": ({1, 2}, frozenset({"a"}), ()),
    "errors": [KeyError("a", 1), OSError(2, "gone", "file")],
    "arrays": [np.arange(6, dtype="<i4").reshape(2, 3), np.float64(1.5), np.zeros(2, dtype=[("a", "<i4"), ("b", "<U2")])],
    "buffers": [bytes(40_000), np.arange(10_000, dtype="<f8")],
    "registered": [Pair(1, Pair("x", None))],
}  # fmt: skip
RECORDS = [b"one", b"", b"three" * 20, b"four", b"five"]


def versions() -> list[str]:
    return sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def test_there_are_files_of_version_1() -> None:
    assert "v1" in versions()


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("name", VALUES)
def test_typed_values(version: str, name: str) -> None:
    files = sorted((GOLDEN / version / "typed").glob(f"{name}.*"))
    data, *buffers = (path.read_bytes() for path in files)
    again = typed.loads(data, tuple(buffers), registry=TYPES)
    assert repr(again) == repr(VALUES[name])
    assert typed.dumps(again, registry=TYPES)[0] == typed.dumps(VALUES[name], registry=TYPES)[0]


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
def test_journals(version: str, key: bytes | None) -> None:
    run = "signed" if key else "plain"
    there = DirectoryStore(GOLDEN / version / "journals")
    copy = MemoryStore()  # opening writes
    for folder in ("epochs", "segments", "snapshots"):
        for name in there.list(f"{run}/{folder}"):
            copy.files[f"{run}/{folder}/{name}"] = there.read(f"{run}/{folder}/{name}") or b""
    journal, recovered = Journal.open(copy, run, key=key)
    assert (recovered.epoch, recovered.snapshot, recovered.records, recovered.seq) == (3, b"state of 3", RECORDS[3:], 5)
    assert journal.load("good") == (2, b"state of 2")


class Fold(rd.Routine):
    """All it has seen, in the end; by parity."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0, seen=[], key=parity)

    def logic(self, input: int) -> None:
        self.state["total"] += input
        self.state["seen"].append(input)
        rd.current_job().update("count", 1, reducer="sum")

    def finish(self) -> None:
        self.emit("output", [self.state["total"], sorted(self.state["seen"])])


def parity(n: int) -> int:
    return n % 2


def folding() -> rd.Flow:
    flow = rd.Flow("golden")
    flow.add_routine(Fold(), "fold")
    flow.add_validator(not_negative, routine="fold")
    return flow


def not_negative(state: dict[str, Any]) -> bool:
    return bool(state["total"] >= 0)


@pytest.mark.parametrize("version", versions())
def test_saved_jobs(version: str, tmp_path: pathlib.Path) -> None:
    shutil.copytree(GOLDEN / version / "jobs", tmp_path / "jobs")  # opening writes
    with rd.Runtime(backend="local") as runtime:
        job = runtime.recover(str(tmp_path / "jobs"), folding())
        assert set(job.state()["checkpoints"]) == {"last_good", "five"}
        assert (job.status, job.data) == ("running", {"count": 7})
        job.rollback("five")
        runtime.post("golden", "fold", "input", 10, worker_id="folded", job_id="folded")
        job.close()
        assert sorted(job.result(timeout=60)["fold.output"]) == [[4, [1, 3]], [16, [0, 2, 4, 10]]]
        assert job.stats()["messages"] == {
            "accepted": 8, "done": 6, "dead": 0, "discarded": 0, "retracted": 2, "pending": 0, "in_flight": 0, "outputs": 2,
        }  # fmt: skip


def write_job(home: pathlib.Path) -> None:
    """Write a saved job that has not ended: a snapshot with all that a job can have, and a journal after it."""
    for numbers in (range(5), range(5, 7)):
        with rd.Runtime(backend="local") as runtime:
            worker = runtime.exec(folding(), worker_id="folded", checkpoint=str(home / "jobs"))
            for n in numbers:
                job = worker.post("fold", "input", n, job_id="folded", close=False, metadata={"who": "golden"})
            while job.stats()["messages"]["done"] <= numbers[-1]:
                time.sleep(0.01)
            if numbers[-1] == 4:
                job.checkpoint("five")


def write(version: str) -> None:
    """Write the files of a new version."""
    home = GOLDEN / version
    (home / "typed").mkdir(parents=True)
    for name, value in VALUES.items():
        data, buffers = typed.dumps(value, registry=TYPES)
        (home / "typed" / f"{name}.0.bin").write_bytes(data)
        for place, buffer in enumerate(buffers, 1):
            (home / "typed" / f"{name}.{place}.bin").write_bytes(buffer)
    write_job(home)
    for run, key in (("plain", None), ("signed", KEY)):
        store = DirectoryStore(home / "journals")
        journal, _ = Journal.open(store, run, key=key)
        for record in RECORDS[:2]:
            journal.append(record)
        journal.snapshot(b"state of 2", "good")
        journal, _ = Journal.open(store, run, key=key)
        journal.append(RECORDS[2])
        journal.snapshot(b"state of 3")
        for record in RECORDS[3:]:
            journal.append(record)
        journal.close()


if __name__ == "__main__":
    write(f"v{sys.argv[1]}")
