"""`run`: a flow on one message, or on each of many."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routilux_dist.cli import outcomes, reading, writing
from routilux_dist.cli.loading import load_flow
from routilux_dist.cli.outcomes import Exit

if TYPE_CHECKING:
    from routilux_dist.client.flows import Flow
    from routilux_dist.client.job import Job
    from routilux_dist.client.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for on the command line; see `routilux-dist run --help`."""

    flow: str
    inputs: tuple[str, ...] = ()
    form: str = "json"
    content: bool = False
    entry: str | None = None
    backend: str = "ray"
    address: str | None = None
    workers: int | None = None
    output: str = "-"
    use_repr: bool = False
    on_error: str = "raise"
    unordered: bool = False
    timeout: float | None = None
    quiet: bool = False

    @property
    def each(self) -> bool:
        """Whether every message is run on its own, by `flow.map`.

        It depends on what was typed, never on how many messages a file happens to hold: scripts rely on the form of results.
        """
        return self.form != "json" or len(self.inputs) > 1 or self.on_error != "raise"


def run(request: Request) -> Exit:
    """Run a flow as asked, write its results, and return the exit code."""
    writer = writing.Writer(request.output, use_repr=request.use_repr)
    # What modules and routines print is not a result.
    with contextlib.redirect_stdout(sys.stderr):
        messages = reading.messages(request.inputs, request.form, content=request.content)
        flow = load_flow(request.flow)
        if request.entry is None:  # find faults before a cluster is started
            flow.compile(ship=request.backend == "ray")
        else:
            flow.entry_slot(request.entry)
        first = list(itertools.islice(messages, 1))
        messages = itertools.chain(first, messages)
        with open_runtime(request.backend, request.address, request.workers, quiet=request.quiet) as runtime:
            code = (
                _run_each(request, runtime, flow, messages, writer)
                if request.each
                else _run_one(request, runtime, flow, next(messages, None), writer)
            )
        writer.close()
    return code


def open_runtime(
    backend: str, address: str | None, workers: int | None, *, quiet: bool, namespace: str = "routilux"
) -> Runtime:
    """Connect to where flows run."""
    from routilux_dist.client.runtime import Runtime

    options = {"logging_level": "ERROR"} if quiet and backend == "ray" else None  # Ray tells where it connects to
    runtime = Runtime(address, backend=backend, max_workers=workers, ray_options=options, namespace=namespace)
    outcomes.heed_sigterm()  # Ray has its own idea of it
    return runtime


def watched(job: Job, *, quiet: bool, timeout: float | None = None) -> dict[str, list[Any]]:
    """Show how a job gets on, and return its outputs.

    Raises:
        JobFailedError: The job failed.
        TimeoutError: It took longer; it was cancelled.
    """
    from routilux_dist.client import progress

    if not progress.watch(job, quiet=quiet, timeout=timeout):
        state = job.state()
        job.cancel("the time of --timeout is over")
        raise TimeoutError(f"the job did not end within {timeout:g} s and was cancelled; {state['waits_for']}")
    return job.result(timeout=0)


def _run_one(request: Request, runtime: Runtime, flow: Flow, message: Any, writer: writing.Writer) -> Exit:
    job = runtime.submit(flow, message, entry=request.entry)
    outputs = watched(job, quiet=request.quiet, timeout=request.timeout)
    if job.errors and not request.quiet:
        outcomes.tell(f"the job met {_counted(len(job.errors), 'error')} and went on; the first: {job.errors[0]}")
    writer.write(outputs, indent=2)
    return Exit.OK


def _run_each(request: Request, runtime: Runtime, flow: Flow, messages: Iterator[Any], writer: writing.Writer) -> Exit:
    from routilux_dist.client.results import ItemError

    results = flow.map(
        messages,
        ordered=not request.unordered,
        on_error="raise" if request.on_error == "raise" else "collect",
        entry=request.entry,
        timeout=request.timeout,
        runtime=runtime,
    )
    tally = Tally(quiet=request.quiet or (request.output == "-" and _stdout_is_terminal()))
    with contextlib.closing(results):  # type: ignore[type-var]  # map returns a generator
        for result in results:
            failed = isinstance(result, ItemError)
            tally.count(failed)
            if not failed:
                writer.write(result)
            elif request.on_error == "collect":
                writer.write(writing.item_error(result.item, result.error))
            if failed and tally.failed == 1 and not request.quiet:
                outcomes.tell(f"the first item that failed: {result}")
    tally.finish()
    return Exit.PARTIAL if tally.failed else Exit.OK


def _stdout_is_terminal() -> bool:
    return sys.__stdout__ is not None and sys.__stdout__.isatty()


class Tally:
    """Counts results, and tells of them ever more rarely."""

    def __init__(self, *, quiet: bool) -> None:
        self.results = self.failed = 0
        self._quiet = quiet
        self._began = time.monotonic()
        self._told = 0
        self._next = self._began + self._gap()

    def count(self, failed: bool) -> None:
        """Count a result."""
        self.failed += failed
        self.results += not failed
        if not self._quiet and time.monotonic() >= self._next:
            self._tell("so far")

    def finish(self) -> None:
        """Tell the last state, if any was told or an item failed."""
        if not self._quiet and (self._told or self.failed):
            self._tell("in all")

    def _gap(self) -> float:
        from routilux_dist.observe import progress

        return progress.gap(self._told)

    def _tell(self, when: str) -> None:
        from routilux_dist.observe import progress

        seconds = time.monotonic() - self._began
        failed = f", {_counted(self.failed, 'item')} failed" if self.failed else ""
        rate = progress.per_second(self.results / seconds) if seconds else ""
        outcomes.tell(
            f"{_counted(self.results, 'result')} {when}{failed}, {progress.duration(seconds)}, {rate}".rstrip(", ")
        )
        self._told += 1
        self._next = time.monotonic() + self._gap()


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
