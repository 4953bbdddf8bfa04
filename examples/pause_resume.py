"""A job is stopped in the middle, looked at, and let go on: nothing is lost and nothing is done twice.

python -m examples.pause_resume --backend local
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import routilux_dist as rd

STEPS = 200


def plan(steps: int) -> Iterator[int]:
    yield from range(steps)


def work(step: int) -> int:
    time.sleep(0.005)
    return step


class Total(rd.Routine):
    """Adds up, in state that belongs to the job."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("total")
        self.add_state(total=0)

    def logic(self, input: int) -> None:
        self.state["total"] += input

    def finish(self) -> None:
        self.emit("total", self.state["total"])


def build_flow() -> rd.Flow:
    flow = rd.Flow("pause_resume")
    flow.add_routine(plan, "plan")
    flow.add_routine(work, "work")
    flow.add_routine(Total(), "total")
    flow.pipe("plan", "work", "total")
    return flow


def steps_done(job: rd.Job) -> int:
    """Return how often `work` has run, as far as it was committed."""
    return job.state()["routines"].get("work", {}).get("activations", 0)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["ray", "local"], default="ray")
    options = parser.parse_args(argv)

    with rd.Runtime(backend=options.backend) as runtime:
        job = runtime.submit(build_flow(), STEPS)
        while not job.done() and steps_done(job) < STEPS // 10:
            time.sleep(0.02)
        job.pause()
        while job.state()["messages"]["in_flight"]:  # what is running comes to its end
            time.sleep(0.02)
        before = steps_done(job)
        print(f"{job.status} after {before} of {STEPS} steps")
        time.sleep(0.5)
        print(f"{job.status} half a second later: {steps_done(job) - before} more steps were done")

        job.resume()
        (total,) = job.result(timeout=60)["total.total"]
    print(f"{job.status}: {steps_done(job)} steps, total {total}, expected {sum(range(STEPS))}")


if __name__ == "__main__":
    main()
