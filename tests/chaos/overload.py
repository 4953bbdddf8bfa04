"""More than can be taken: ``python -m tests.chaos.overload consumer`` and so on; prints one JSON line for each run.

`consumer`: a routine a hundred times slower than the one that feeds it, a gigabyte on its way, and another branch of the same
running flow that should not notice. `emitter`: a routine that emits for ever. `payload`: a message that is larger than allowed.
`store`: an object store an eighth as large as what waits. `disk`: a saved job on a disk that fills up while it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray

import routilux_dist as rd
from tests.chaos import processes

MIB = 1 << 20
#: Bytes that may wait for a routine, and resident bytes that a coordinator or a driver may have.
PENDING, RSS_BOUND = 64 * MIB, 512 * MIB
#: Seconds of one message of the slow routine, how much faster the one before it is, and seconds of one of the other branch.
SLOW, FACTOR, BRISK = 0.02, 100, 0.01
WORKERS = 3


class Watch:
    """Looks at the memory of this process and its descendants, by what they are, until it is stopped."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, int]:
        """Return the highest resident sizes that were seen, in MiB."""
        self._over.set()
        self._thread.join()
        return {name: peak // MIB for name, peak in sorted(self.peaks.items())}

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for pid in processes.tree(os.getpid()):
                name = "driver" if pid == os.getpid() else _role(processes.title(pid))
                if name:
                    self.peaks[name] = max(self.peaks.get(name, 0), resident(pid))
            self.peaks["object store"] = max(self.peaks.get("object store", 0), _store_use())


def resident(pid: int) -> int:
    """Return the resident bytes of a process that are its own: the object store is everybody's, and counted apart."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return sum(int(found[name][0]) << 10 for name in ("RssAnon", "RssFile") if name in found)


def _role(title: str) -> str:
    if title.startswith(("ray::Hub", "ray::SavedHub")):
        return "coordinator"
    return "crew" if title.startswith(("ray::CrewMember", "ray::HostActor")) else ""


def _store_use() -> int:
    total = ray.cluster_resources().get("object_store_memory", 0.0)
    return int(total - ray.available_resources().get("object_store_memory", 0.0))


# ---- flows -----------------------------------------------------------------------------------------------------------


def produce(number: int) -> bytes:
    """A megabyte."""
    time.sleep(SLOW / FACTOR)
    return number.to_bytes(8, "big") * (MIB // 8)


@rd.routine(max_concurrency=1)
def consume(data: bytes) -> int:
    """Slow, one at a time, so that it leaves the other workers to others."""
    time.sleep(SLOW)
    return int.from_bytes(data[:8], "big")


@rd.routine(max_concurrency=1)
def brisk(number: int) -> int:
    """A branch of its own."""
    time.sleep(BRISK)
    return number


def endless(number: int) -> Iterator[int]:
    """Emits for ever."""
    while True:
        yield number


def echo(number: int) -> int:
    """Sends on what comes."""
    return number


def overloaded() -> rd.Flow:
    """A slow routine behind a fast one, and a branch beside them."""
    flow = rd.Flow("overloaded")
    for name, function in {"produce": produce, "consume": consume, "brisk": brisk}.items():
        flow.add_routine(function if isinstance(function, rd.Routine) else rd.routine(function), name)
    flow.pipe("produce", "consume")
    return flow


def _branch(worker: Any, n: int) -> float:
    """Return how many messages per second the other branch does."""
    started = time.perf_counter()
    jobs = [worker.post("brisk", "input", number) for number in range(n)]
    for job in jobs:
        job.result(300)
    return n / (time.perf_counter() - started)


def consumer(megabytes: int, folder: Path) -> dict[str, Any]:
    """See the module."""
    with rd.Runtime(max_workers=WORKERS, tuning=rd.Tuning(max_pending_bytes=PENDING)) as runtime:
        worker = runtime.exec(overloaded())
        for job in [worker.post("produce", "input", number) for number in range(30)]:  # all workers are there
            job.result(300)
        _branch(worker, 50)
        watch = Watch()  # it takes time itself
        alone = _branch(worker, 300)
        job = worker.post("produce", "input", 0, close=False)
        for number in range(1, megabytes):
            worker.post("produce", "input", number, job_id=job.job_id)
        job.close()
        beside = _branch(worker, 300)
        numbers = sorted(job.result(600)["consume.output"])
        peaks = watch.stop()
    bounds = {name: peaks[name] * MIB < RSS_BOUND for name in ("driver", "coordinator")}
    return {
        "peaks": peaks,
        "per second": [round(alone), round(beside)],
        "ok": numbers == list(range(megabytes)) and beside >= 0.8 * alone and all(bounds.values()),
    }


def emitter(megabytes: int, folder: Path) -> dict[str, Any]:
    """See the module: `endless` is one activation, so only a time-out ends it; a cycle of emits is ended by `max_messages`."""
    watch = Watch()
    flow = rd.Flow("echo", max_messages=100_000)
    flow.add_routine(echo, "echo")
    flow.connect("echo.output", "echo.input")
    one = rd.pipeline(rd.routine(timeout=2.0)(endless), name="endless")
    said = {}
    with rd.Runtime(max_workers=WORKERS) as runtime:
        for made in (flow, one):
            job = runtime.submit(made, 1, entry=f"{next(iter(made.routines))}.input")
            error = job.exception(300)
            said[made.name] = f"{type(error).__name__}: {str(error).splitlines()[-1]:.200}"
    ok = "max_messages" in said["echo"] and "TimeoutError" in said["endless"]
    return {"peaks": watch.stop(), "said": said, "ok": ok}


def payload(megabytes: int, folder: Path) -> dict[str, Any]:
    """See the module."""
    flow = rd.pipeline(produce, len, name="large")
    with rd.Runtime(max_workers=WORKERS, tuning=rd.Tuning(max_payload_bytes=MIB // 2)) as runtime:
        error = runtime.submit(rd.pipeline(produce, name="large"), 1).exception(300)
        said = str(error).splitlines()[-1]
        try:
            runtime.submit(flow, bytes(MIB))
        except rd.SerializationError as exc:
            posted = str(exc)
        else:
            posted = "was taken"
    return {"said": [posted[:300], said[:300]], "ok": "524,288" in posted and "524,288" in said}


def store(megabytes: int, folder: Path) -> dict[str, Any]:
    """See the module: twice the object store waits, since nothing bounds it; Ray spills, and nothing is lost."""
    watch = Watch()
    with rd.Runtime(max_workers=WORKERS, tuning=rd.Tuning(max_pending_bytes=4 << 30)) as runtime:
        worker = runtime.exec(overloaded())
        job = worker.post("produce", "input", 0, close=False)
        for number in range(1, megabytes):
            worker.post("produce", "input", number, job_id=job.job_id)
        job.close()
        numbers = sorted(job.result(600)["consume.output"])
    return {"peaks": watch.stop(), "ok": numbers == list(range(megabytes))}


def disk(megabytes: int, folder: Path) -> dict[str, Any]:
    """See the module. Needs the right to mount a file system of 64 MB."""
    place = folder / "small"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=64m tmpfs {place}"):
        return {"said": "not tried: this user may not mount a file system", "ok": None}
    try:
        with rd.Runtime(max_workers=WORKERS) as runtime:
            flow = rd.pipeline(brisk, name="saved")
            worker = runtime.exec(flow, worker_id="full", checkpoint=str(place / "ckpt"))
            job = worker.post("brisk", "input", 0, close=False)
            filler = place / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            poster = threading.Thread(target=_post_all, args=(worker, job, 200))
            poster.start()
            waits = _eventually(lambda: "takes nothing" in job.state()["waits_for"])
            filler.unlink()
            poster.join(120)
            job.close()
            numbers = sorted(job.result(300)["brisk.output"])
    finally:
        os.system(f"umount {place}")
    return {"paused": waits, "ok": waits and numbers == list(range(200))}


def _post_all(worker: Any, job: rd.Job, n: int) -> None:
    for number in range(1, n):
        worker.post("brisk", "input", number, job_id=job.job_id)


def _eventually(look: Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if look():
            return True
        time.sleep(0.1)
    return False


#: What there is -> megabytes of the object store.
KINDS = {consumer: 1024, emitter: 256, payload: 128, store: 128, disk: 128}


def main() -> int:
    """Run; return the exit code."""
    names = {kind.__name__: kind for kind in KINDS}
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.overload")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(names)}; all if none")
    parser.add_argument("--megabytes", type=int, default=1024, help="how much flows")
    arguments = parser.parse_args()
    bad = False
    for name in arguments.kinds or names:
        started = time.monotonic()
        ray.init(
            num_cpus=WORKERS,
            object_store_memory=KINDS[names[name]] * MIB,
            include_dashboard=False,
            log_to_driver=False,
        )
        with tempfile.TemporaryDirectory(prefix="routilux-overload-") as folder:
            found = names[name](arguments.megabytes, Path(folder))
        ray.shutdown()
        seconds = round(time.monotonic() - started, 1)
        sys.stdout.write(
            json.dumps({"kind": name, "megabytes": arguments.megabytes, **found, "seconds": seconds}) + "\n"
        )
        sys.stdout.flush()
        bad = bad or found["ok"] is False
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
