"""`Flow`: the graph, and the short ways to run it."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routilux_dist.client.job import Job
from routilux_dist.client.mapping import map_flow
from routilux_dist.client.runtime import BACKENDS, Runtime
from routilux_dist.compiler.compile import prepare
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks, naming
from routilux_dist.flow.functions import as_routine
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.registry import FlowRegistry
from routilux_dist.plan import explain, pictures
from routilux_dist.plan.plan import Plan


class Flow(FlowModel):
    """A graph of routines.

    Args:
        name: Letters, digits, "_" and "-".
        execution_mode: "distributed" (processes), "concurrent" (threads, on the local backend) or "sequential" (one place,
            first in, first out).
        max_workers: Slices that may run at once; default: the runtime's.
        entry: "routine.slot" where messages enter, if it is not the only routine without incoming connections.
        error_handler: What to do about errors of routines without a handler of their own.
        execution_timeout, max_messages, max_hops, max_history_size, history_ttl_seconds, no_progress_timeout: Bounds of each
            job, see `routilux_dist.flow.model.Limits`.
    """

    def __init__(self, name: str = "flow", **options: Any) -> None:
        super().__init__(name, **options)
        FlowRegistry.notice(self)

    # ---- looking -------------------------------------------------------------------------------------------------

    def validate(self) -> tuple[str, ...]:
        """Check the whole flow; return warnings.

        Raises:
            ConfigurationError: Something is wrong; the message (and `.problems`) lists every fault, with its fix.
        """
        return self.compile().warnings

    def compile(self, *, ship: bool = True) -> Plan:
        """Return the compiled plan.

        Args:
            ship: Check that every routine can be sent to other processes.

        Raises:
            ConfigurationError: The flow is not valid.
        """
        return prepare(self, ship=ship, need_entry=True)

    def explain(self) -> str:
        """Return the compiled plan in words: what runs where, what is fused, and why not."""
        return explain.explain(self._plan())

    def to_mermaid(self) -> str:
        """Return the graph as Mermaid text."""
        return pictures.to_mermaid(self._plan())

    def to_dot(self) -> str:
        """Return the graph as Graphviz DOT text."""
        return pictures.to_dot(self._plan())

    def to_d2(self) -> str:
        """Return the graph as D2 text."""
        return pictures.to_d2(self._plan())

    def _plan(self) -> Plan:
        return prepare(self, ship=False, need_entry=False)

    # ---- running -------------------------------------------------------------------------------------------------

    def run(
        self,
        payload: Any = None,
        *,
        backend: str = "ray",
        entry: str | None = None,
        timeout: float | None = None,
        runtime: Runtime | None = None,
    ) -> dict[str, list[Any]]:
        """Run the flow on one message and return its outputs.

        Args:
            payload: The message.
            backend: "ray", or "local" for this process.
            entry: "routine.slot" or "routine".
            timeout: Seconds to wait; the job is cancelled when they are over.
            runtime: Where to run; default: one runtime per process and backend.

        Raises:
            ConfigurationError: The flow is not valid.
            JobFailedError: The job failed.
            TimeoutError: It took longer than `timeout`.
        """
        checks.refuse("flow.run", [checks.seconds("timeout", timeout, least=0)])
        job = self.submit(payload, backend=backend, entry=entry, runtime=runtime)
        try:
            return job.result(timeout)
        except (TimeoutError, KeyboardInterrupt):
            job.cancel("flow.run gave up waiting")
            raise

    def submit(
        self,
        payload: Any = None,
        *,
        backend: str = "ray",
        entry: str | None = None,
        runtime: Runtime | None = None,
        job_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
    ) -> Job:
        """Start a job and return it; see `Runtime.submit`."""
        place = _place(runtime, backend)
        return place.submit(self, payload, entry=entry, job_id=job_id, metadata=metadata, correlation_id=correlation_id)

    def map(  # noqa: PLR0913 - keyword-only, each with a default that is right for most
        self,
        items: Iterable[Any],
        *,
        buffersize: int | None = None,
        ordered: bool = True,
        on_error: str = "raise",
        backend: str = "ray",
        entry: str | None = None,
        timeout: float | None = None,
        runtime: Runtime | None = None,
    ) -> Iterator[Any]:
        """Run the flow on each item and yield the outputs, as they come.

        Items are taken from the iterable only as far as results are consumed. Leaving the loop early ends the work.

        Args:
            items: The messages; may be endless.
            buffersize: Most items taken beyond those whose results were consumed. Default: enough to keep workers busy.
            ordered: Yield in the order of the items; else in the order of completion.
            on_error: For items whose error would stop a job: "raise" ends the iteration with it, "skip" leaves the item out,
                "collect" yields an `ItemError` in its place.
            backend: As in `run`.
            entry: As in `run`.
            runtime: As in `run`.
            timeout: Seconds for the whole iteration.

        Yields:
            Output payloads; an item may give none or many.
        """
        place = _place(runtime, backend)
        return map_flow(
            place, self, items, buffersize=buffersize, ordered=ordered, on_error=on_error, entry=entry, timeout=timeout
        )

    def execute(
        self,
        entry_routine: str | None = None,
        entry_params: Any = None,
        *,
        entry_slot: str | None = None,
        backend: str = "ray",
        runtime: Runtime | None = None,
        **options: Any,
    ) -> Job:
        """Start a job at a routine: `flow.execute("clean", entry_params="a b")`; see `submit`."""
        entry = entry_routine
        if entry_slot is not None:
            if entry_routine is None:
                entry_routine = self.entry_slot()[0]
            entry = f"{entry_routine}.{entry_slot}"
        return self.submit(entry_params, backend=backend, entry=entry, runtime=runtime, **options)

    def wait_for_completion(self, job: Job, timeout: float | None = None) -> bool:
        """Wait until a job has ended; return whether it has."""
        checks.refuse(
            "flow.wait_for_completion", [checks.instance("job", job, Job, example="a job, as submit returns it")]
        )
        return job.wait_for_completion(timeout)

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self.to_mermaid()}\n```"


def pipeline(*steps: Any, name: str = "pipeline", **options: Any) -> Flow:
    """Return a flow that runs functions or routines one after another.

    Args:
        *steps: Functions, routine functions or routines.
        name: Name of the flow.
        **options: Options of the flow.

    Raises:
        ConfigurationError: There is no step, or one cannot be a routine.
    """
    if not steps:
        raise ConfigurationError("rd.pipeline() has no steps; give functions or routines: rd.pipeline(clean, tokenize)")
    flow = Flow(name, **options)
    ids = []
    for step in steps:
        routine = as_routine(step)
        wanted = naming.suggest_name(routine.name or type(routine).__name__)
        ids.append(flow.add_routine(routine, flow.free_id(wanted)))
    if len(ids) > 1:
        flow.pipe(*ids)
    return flow


def _place(runtime: Runtime | None, backend: str) -> Runtime:
    checks.refuse("", [checks.instance("runtime", runtime, Runtime, example="an rd.Runtime", none="the shared one")])
    return runtime if runtime is not None else default_runtime(backend)


_defaults: dict[str, Runtime] = {}
_defaults_lock = threading.Lock()


def default_runtime(backend: str) -> Runtime:
    """Return the runtime that `flow.run` and `flow.map` share in this process."""
    checks.refuse("", [checks.choice("backend", backend, BACKENDS)])
    with _defaults_lock:
        runtime = _defaults.get(backend)
        if runtime is None or runtime.closed:
            runtime = _defaults[backend] = Runtime(backend=backend)
        return runtime


def shutdown() -> None:
    """Shut down the runtimes that `flow.run` and `flow.map` started."""
    with _defaults_lock:
        for runtime in _defaults.values():
            runtime.shutdown()
        _defaults.clear()


atexit.register(shutdown)
# A forked child has the objects but not the threads behind them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_defaults.clear)
