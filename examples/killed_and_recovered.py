"""A job's process is killed in the middle; another process goes on with the job, and the result is exact.

python -m examples.killed_and_recovered
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import routilux_dist as rd

STEPS = 300


def plan(steps: int) -> Iterator[int]:
    yield from range(steps)


def work(step: int) -> int:
    time.sleep(0.005)
    return step


class Total(rd.Routine):
    """Adds up, in state that is saved with the job."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("total")
        self.add_state(total=0)

    def logic(self, input: int) -> None:
        self.state["total"] += input

    def finish(self) -> None:
        self.emit("total", self.state["total"])


def build_flow() -> rd.Flow:
    flow = rd.Flow("killed_and_recovered")
    flow.add_routine(plan, "plan")
    flow.add_routine(work, "work")
    flow.add_routine(Total(), "total")
    flow.pipe("plan", "work", "total")
    return flow


def steps_done(job: rd.Job) -> int:
    """Return how often `work` has run, as far as it was committed."""
    return job.state()["routines"].get("work", {}).get("activations", 0)


def begin(folder: str) -> None:
    """Begin the job, and say how far it is: what the process does that is going to be killed."""
    with rd.Runtime(backend="local") as runtime:
        job = runtime.submit(build_flow(), STEPS, job_id="sum", checkpoint=folder)
        while not job.done():
            print(steps_done(job), flush=True)
            time.sleep(0.02)


def kill_in_the_middle(folder: str) -> None:
    """Have another process begin the job, and kill it when it has done some of it."""
    with subprocess.Popen([sys.executable, __file__, folder], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        done = next(int(line) for line in process.stdout if int(line) >= STEPS // 8)
        process.kill()  # SIGKILL: it has no time for anything
    print(f"killed after {done} of {STEPS} steps")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kill_in_the_middle(folder)
        with rd.Runtime(backend="local") as runtime:
            job = runtime.recover(folder, build_flow())
            print(f"{job.job_id} goes on after {steps_done(job)} steps")
            (total,) = job.result(timeout=60)["total.total"]
            print(f"{job.status}: {steps_done(job)} steps, total {total}, expected {sum(range(STEPS))}")


if __name__ == "__main__":
    begin(sys.argv[1]) if len(sys.argv) > 1 else main()
