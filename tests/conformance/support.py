"""What the scenarios share: building a flow from a drawing, running it, waiting without sleeping blindly."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import routilux_dist as rd

WAIT = 60.0
"""Seconds after which a scenario counts as hung. No scenario needs more than a fraction of it."""

_numbers = itertools.count(1)


def unique(name: str) -> str:
    """A flow name that no other scenario of this process uses."""
    return f"{name}_{next(_numbers)}"


def build(routines: Mapping[str, Any], links: str = "", **options: Any) -> rd.Flow:
    """A flow from its routines and a drawing of its connections.

    Args:
        routines: id -> routine, in the order in which they are added.
        links: lines such as ``"each -> double -> sum"`` or ``"branch.even -> join.left"``. A step
            without a port means ``output`` where it sends and ``input`` where it receives.
        options: options of the flow; ``name`` is made unique.
    """
    flow = rd.Flow(unique(options.pop("name", "scenario")), **options)
    for routine_id, routine in routines.items():
        flow.add_routine(routine, routine_id)
    for line in links.strip().splitlines():
        steps = [step.strip() for step in line.split("->")]
        for source, target in itertools.pairwise(steps):
            flow.connect(_port(source, "output"), _port(target, "input"))
    return flow


def _port(step: str, default: str) -> str:
    return step if "." in step else f"{step}.{default}"


def run(runtime: rd.Runtime, flow: rd.Flow, payload: Any, **options: Any) -> dict[str, list[Any]]:
    """The outputs of one job with one message."""
    return runtime.submit(flow, payload, **options).result(timeout=WAIT)


def ended(runtime: rd.Runtime, flow: rd.Flow, payload: Any, **options: Any) -> rd.Job:
    """A job with one message, after its end, however it ended."""
    job = runtime.submit(flow, payload, **options)
    assert job.wait_for_completion(timeout=WAIT), f"the job hangs in status {job.status}"
    return job


def completed(runtime: rd.Runtime, flow: rd.Flow, payload: Any, **options: Any) -> rd.Job:
    """A job with one message, after it completed."""
    job = ended(runtime, flow, payload, **options)
    assert job.status == "completed", job.errors
    return job


def failure(job: rd.Job) -> rd.JobFailedError:
    """The error with which ``result()`` of a failed job raises."""
    with pytest.raises(rd.JobFailedError) as caught:
        job.result(timeout=WAIT)
    assert job.status == "failed"
    return caught.value


def root_cause(error: BaseException) -> str:
    """The last line of an error's text, where the user's own exception has to stand."""
    return str(error).rstrip().splitlines()[-1]


def errors_of(job: rd.Job) -> str:
    """All recorded errors of a job as one text."""
    return "\n".join(str(error) for error in job.errors)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; fail with ``what`` if it never does."""
    deadline = time.monotonic() + WAIT / 2
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


class Running:
    """A running flow that takes posts under short names."""

    def __init__(self, runtime: rd.Runtime, flow: rd.Flow) -> None:
        self._runtime = runtime
        self._flow = flow
        self.worker = runtime.exec(flow)

    def post(self, port: str, payload: Any, **options: Any) -> rd.Job:
        """Post to ``"routine.slot"``; the job that the message belongs to."""
        routine, slot = port.split(".")
        _, job = self._runtime.post(self._flow.name, routine, slot, payload, worker_id=self.worker.worker_id, **options)
        return job

    def run(self, port: str, payload: Any, **options: Any) -> dict[str, list[Any]]:
        """The outputs of a job of its own for this message."""
        return self.post(port, payload, **options).result(timeout=WAIT)
