"""The runtime: where flows run, and the way to them."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from routilux_dist.checkpoint.options import Checkpoint, as_checkpoint
from routilux_dist.client import reaping, saving
from routilux_dist.client.job import Job
from routilux_dist.client.worker import FlowWorker, Opener, new_id
from routilux_dist.compiler.compile import prepare
from routilux_dist.driver.session import Durable, OnNews, Opening, Session
from routilux_dist.errors import ConfigurationError, StateError
from routilux_dist.flow import checks
from routilux_dist.flow.model import ExecutionMode, FlowModel
from routilux_dist.flow.registry import FlowRegistry
from routilux_dist.plan.plan import Plan
from routilux_dist.plan.tuning import Tuning
from routilux_dist.settings import Settings
from routilux_dist.wire.codec import PICKLE, typed

if TYPE_CHECKING:
    from routilux_dist.cluster.connect import Cluster

BACKENDS = ("ray", "local")
#: Says at the end which saved jobs are left, and how to go on with them.
_log = logging.getLogger("routilux_dist")


class Runtime:
    """A place where flows run.

    Args:
        address: Which Ray to use, as in `ray.init`: None takes `RAY_ADDRESS`, a running cluster, or starts a local one. A Ray
            that this process is connected to already is used as it is and left running.
        backend: "ray", or "local" for this process.
        max_workers: Slices that may run at once. Default: the CPUs of the cluster; one thread for "local" (several for flows
            with `execution_mode="concurrent"`).
        namespace: Ray namespace of the coordinators.
        tuning: How work is cut.
        ray_options: Further arguments for `ray.init`.
        checkpoint: Where what is submitted and executed is saved, unless they say otherwise.

    Raises:
        ConfigurationError: An argument is wrong.
        ConnectError: Ray cannot be reached.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        backend: str = "ray",
        max_workers: int | None = None,
        namespace: str = "routilux",
        tuning: Tuning | None = None,
        ray_options: Mapping[str, Any] | None = None,
        checkpoint: Checkpoint | str | None = None,
    ) -> None:
        checks.refuse(
            "rd.Runtime",
            (
                checks.choice("backend", backend, BACKENDS),
                checks.text("address", address, example="10.0.0.1:6379", none="a running Ray, or a local one"),
                checks.whole("max_workers", max_workers, least=1, none="as many as there are CPUs"),
                checks.text("namespace", namespace, example="routilux"),
                checks.instance("tuning", tuning, Tuning, example="an rd.Tuning", none="the defaults"),
                checks.mapping("ray_options", ray_options, example="{'num_cpus': 4}", none="no further ones"),
            ),
        )
        if backend == "local" and address is not None:
            raise ConfigurationError(
                f"address={address!r} is for Ray; backend='local' runs in this process and has none"
            )
        self.backend = backend
        self.checkpoint = as_checkpoint(checkpoint)
        self.max_workers = max_workers
        self.tuning = tuning if tuning is not None else Tuning()
        self.settings = Settings.from_env()
        self._lock = threading.RLock()
        self._closed = False
        self._workers: dict[str, FlowWorker] = {}
        #: Instances that nobody can reach any more and that are not closed yet.
        self._retiring: set[FlowWorker] = set()
        #: Flow -> (what it was like, what retires its instance, its running instance), for flows run without `exec`.
        self._implicit: weakref.WeakKeyDictionary[FlowModel, tuple[Any, weakref.finalize[Any, Any], FlowWorker]] = (
            weakref.WeakKeyDictionary()
        )
        self._cluster: Cluster | None = None
        if backend == "ray":
            self._cluster = _connect(address, namespace, max_workers, ray_options or {})
            # Callbacks run newest first: this one has to come before Ray's own, which was registered when it was imported.
            atexit.unregister(_close_at_exit)
            atexit.register(_close_at_exit)
        _runtimes.add(self)

    # ---- running flows -------------------------------------------------------------------------------------------

    def exec(
        self,
        flow: FlowModel | str,
        worker_id: str | None = None,
        *,
        checkpoint: Checkpoint | str | None = None,
        detached: bool = False,
        force: bool = False,
    ) -> FlowWorker:
        """Start a long-running instance of a flow, or go on with one that was saved.

        Args:
            flow: A flow, its name, or "package.module:attribute".
            worker_id: What to call the instance; default: a fresh name.
            checkpoint: Where to save its jobs; default: that of the runtime. An instance of this name that is there already goes
                on, with all its jobs.
            detached: Whether it outlives this process (Ray, with a checkpoint).
            force: Go on also if it is quarantined, because it has killed its coordinator three times.

        Raises:
            ConfigurationError: The flow is not valid; the message lists every fault.
            ConnectError: The cluster can never hold it.
            CheckpointError: What is saved there cannot be read.
        """
        found = FlowRegistry.resolve(flow)
        name = new_id(found.name) if worker_id is None else checks.identifier("worker_id", worker_id)
        how = self._saved(checkpoint, detached)
        durable = None if how is None else saving.durable(found, how, name, go_on=True, detached=detached, force=force)
        return self.start(found, need_entry=False, worker_id=name, durable=durable)

    def _saved(self, checkpoint: Checkpoint | str | None, detached: bool) -> Checkpoint | None:
        """Return where something is saved, if it is."""
        how = as_checkpoint(checkpoint) or self.checkpoint
        if detached and (how is None or self.backend == "local"):
            raise ConfigurationError(
                "detached=True: needs Ray and checkpoint=, such as checkpoint='ckpt/': what outlives its process has to be saved"
            )
        return how

    def start(self, flow: FlowModel, *, need_entry: bool, worker_id: str, durable: Durable | None = None) -> FlowWorker:
        """Start an instance with a coordinator of its own; for the modules of this room."""
        return self._start(flow, self._prepare(flow, need_entry), worker_id, own=True, durable=durable)

    def make_way(self, worker_id: str) -> None:
        """Close an instance of this name whose jobs have all ended, so that another one can take its name.

        Raises:
            StateError: It has open jobs.
        """
        known = self._workers.get(worker_id)
        if known is None or not known.alive:
            return
        if known.jobs:
            raise StateError(
                f"{worker_id!r} runs in this runtime already: rt.attach({worker_id!r}) gives a handle of it; job.cancel() ends it"
            )
        known.close()

    def retire(self, worker: FlowWorker) -> None:
        """Have an instance closed once its jobs have ended. May be called by the garbage collector."""
        reaping.retire(self._workers, self._retiring, worker)

    def _prepare(self, flow: FlowModel, need_entry: bool) -> Plan:
        self._check_open()
        return prepare(flow, ship=self.backend != "local", need_entry=need_entry)

    def _start(
        self, flow: FlowModel, plan: Plan, worker_id: str, own: bool, durable: Durable | None = None
    ) -> FlowWorker:
        with self._lock:
            taken = self._workers.get(worker_id)
            if taken is not None and taken.alive:
                raise ConfigurationError(f"worker_id {worker_id!r} is taken; choose another one, or None")
            opening = Opening(
                plan=plan,
                routines=flow.routines,
                flow_handler=flow.error_handler,
                guards=flow.guards,
                workers=self._width(plan),
                tuning=self.tuning,
                validate=self.settings.validate,
                worker_id=worker_id,
                client_id=new_id("client"),
                own=own,
                durable=durable,
                codec=PICKLE if durable is None else typed(durable.checkpoint.allow_pickle),
            )
            worker = self._worker(opening, flow.routines, lambda on_news: self._open(opening, on_news))
            self._workers[worker_id] = worker
            return worker

    def _forget(self, worker: FlowWorker) -> None:
        """Let go of an instance that has ended, so that it is not used again; its session is closed if that is left."""
        with self._lock:
            for flow, (_, retire, one) in list(self._implicit.items()):
                if one is worker:
                    retire.detach()
                    del self._implicit[flow]
            if worker.closed:
                self._retiring.discard(worker)
                reaping.drop(self._workers, worker)
            else:
                reaping.retire(self._workers, self._retiring, worker)

    def _open(self, opening: Opening, on_news: OnNews) -> Session:
        if self._cluster is not None:
            return self._cluster.open(opening, on_news)
        from routilux_dist.local.session import LocalSession

        return LocalSession(opening, on_news)

    def _width(self, plan: Plan) -> int:
        """Return how many slices of a flow may run at once."""
        wanted = plan.max_workers if plan.max_workers is not None else self.max_workers
        if self._cluster is not None:
            return wanted if wanted is not None else self._cluster.cpus()
        if plan.mode == ExecutionMode.SEQUENTIAL:
            return 1
        if wanted is not None:
            return wanted
        return (os.cpu_count() or 1) if plan.mode == ExecutionMode.CONCURRENT else 1

    def worker_for(self, flow: FlowModel | str, need_entry: bool = True) -> FlowWorker:
        """Return the instance that serves a flow in `submit`, `run` and `map`; a changed flow gets a new one."""
        found = FlowRegistry.resolve(flow)
        state = found.fingerprint()
        with self._lock:
            self._check_open()
            known = self._implicit.get(found)
            if known is not None:
                if known[0] == state and known[2].alive:
                    return known[2]
                known[1]()
            worker = self._start(found, self._prepare(found, need_entry), new_id(found.name), own=False)
            # When nobody holds the flow any more, its instance ends. A finalizer that was called lets go of the worker.
            retire = weakref.finalize(found, reaping.retire, self._workers, self._retiring, worker)
            retire.atexit = False  # then there is no reaper any more; see `_close_at_exit`
            self._implicit[found] = (state, retire, worker)
            return worker

    @contextlib.contextmanager
    def held_for(self, flow: FlowModel, need_entry: bool) -> Iterator[FlowWorker]:
        """Give the instance that serves a flow, and keep it although the flow may be changed meanwhile."""
        worker = self.worker_for(flow, need_entry)
        while not worker.hold():  # it was retired just now
            worker = self.worker_for(flow, need_entry)
        try:
            yield worker
        finally:
            worker.release()

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def submit(  # noqa: PLR0913 - keyword-only from the third on
        self,
        flow: FlowModel | str,
        payload: Any = None,
        *,
        entry: str | None = None,
        job_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        checkpoint: Checkpoint | str | None = None,
        detached: bool = False,
    ) -> Job:
        """Start a job: post one message to a flow's entry.

        Args:
            flow: A flow, its name, or "package.module:attribute".
            payload: The message.
            entry: "routine.slot" or "routine", where it is not the flow's only entry.
            job_id: Identifier of the job; default: a fresh one.
            metadata: What routines see as `rd.current_job().metadata`.
            correlation_id: For following a request through several systems.
            checkpoint: Where the job is saved, so that it outlives its processes: a path or URL, or an `rd.Checkpoint`. Default:
                that of the runtime.
            detached: Whether the job goes on when this process ends (Ray, with a checkpoint); see `attach`.

        Raises:
            ConfigurationError: The flow is not valid, or there is no such entry.
            SerializationError: The message cannot be sent, or saved.
            CheckpointError: There is a saved job of this name already, or nothing can be saved there.
        """
        found = FlowRegistry.resolve(flow)
        saved = self._saved(checkpoint, detached)
        if saved is not None:
            options = {"metadata": metadata, "correlation_id": correlation_id}
            return saving.submit(
                self, found, payload, entry=entry, job_id=job_id, checkpoint=saved, detached=detached, options=options
            )
        worker = self.worker_for(found, need_entry=entry is None)
        routine, slot = found.entry_slot(entry)
        if job_id is not None and any(job.job_id == job_id for job in worker.jobs):
            raise StateError(
                f"job {job_id!r} is running already; give another job_id, or rt.post(…, job_id=) to add to it"
            )
        return worker.post(routine, slot, payload, job_id=job_id, metadata=metadata, correlation_id=correlation_id)

    def post(  # noqa: PLR0913 - keyword-only from `worker_id` on
        self,
        flow: FlowModel | str,
        routine: str,
        slot: str,
        payload: Any = None,
        *,
        worker_id: str | None = None,
        job_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        close: bool = True,
    ) -> tuple[FlowWorker, Job]:
        """Post one message to a slot of a flow.

        Args:
            flow: A flow or its name.
            routine: Routine in the flow.
            slot: Its slot.
            payload: The message.
            worker_id: Which running instance; default: the newest one of this flow, or a new one.
            job_id: A job that has not ended, to add the message to; or the name of a new one.
            metadata: What routines see as `rd.current_job().metadata`; for new jobs.
            correlation_id: For new jobs.
            close: Whether the job may end when this message is done. With False, call `job.close()` later.

        Returns:
            The running instance and the job.

        Raises:
            ConfigurationError: There is no such flow, routine, slot or instance.
            StateError: The job has ended.
        """
        worker = self._find_worker(flow, worker_id)
        job = worker.post(
            routine, slot, payload, job_id=job_id, metadata=metadata, correlation_id=correlation_id, close=close
        )
        return worker, job

    def _find_worker(self, flow: FlowModel | str, worker_id: str | None) -> FlowWorker:
        self._check_open()
        name = _name_of(flow)
        if worker_id is not None:
            worker = self._workers.get(checks.identifier("worker_id", worker_id))
            if worker is not None and worker.alive and worker.flow != name:
                raise ConfigurationError(
                    f"worker_id {worker_id!r} runs flow {worker.flow!r}, not {name!r}; name that flow, or another worker_id"
                )
            if worker is None or not worker.alive:
                known = ", ".join(one.worker_id for one in self.workers() if one.alive) or "none"
                raise ConfigurationError(
                    f"no running flow is called {worker_id!r}; running: {known}; see rt.exec(flow)"
                )
            return worker
        for worker in reversed(list(self._workers.values())):
            if worker.flow == name and worker.alive:
                return worker
        return self.worker_for(flow, need_entry=False)

    def recover(
        self,
        checkpoint: Checkpoint | str,
        flow: FlowModel | str,
        *,
        job_id: str | None = None,
        detached: bool = False,
        force: bool = False,
    ) -> Job:
        """Go on with a saved job whose processes are gone; one that still runs elsewhere is taken over.

        Args:
            checkpoint: Where it is saved.
            flow: Its flow. It may have changed, as long as nothing that waits and no state loses its place.
            job_id: Which job; not needed if only one is saved there.
            detached: Whether it goes on when this process ends.
            force: Go on also if it is quarantined, because it has killed its coordinator three times.

        Returns:
            The job. One that had ended has its results.

        Raises:
            CheckpointError: There is no such job, or what is saved is damaged: the message says what can be read.
            ConfigurationError: The flow has changed in a way that would lose something; every reason is named.
        """
        self._saved(checkpoint, detached)
        return saving.recover(self, checkpoint, FlowRegistry.resolve(flow), job_id, detached=detached, force=force)

    def attach(self, job_id: str, flow: FlowModel | str | None = None) -> Job:
        """Return a handle of a saved job that another process submitted to this cluster: status, results, control.

        Args:
            job_id: The job.
            flow: Its flow; only needed to post further messages to routines whose state has a key.

        Raises:
            ConfigurationError: There is no such job.
        """
        self._check_open()
        name = checks.identifier("job_id", job_id)
        with self._lock:
            known = self._workers.get(name)
            if known is not None and known.alive:
                return next((job for job in known.jobs if job.job_id == name), None) or known.adopt(name)
            if self._cluster is None:
                raise ConfigurationError(
                    f"attach({job_id!r}): backend='local' has no process besides this one; rt.recover(…) goes on with a saved job"
                )
            opening, opener = self._cluster.attach(name, new_id("client"))
            routines = {} if flow is None else FlowRegistry.resolve(flow).routines
            worker = self._workers[name] = self._worker(opening, routines, opener)
        return saving.holding(self, worker, worker.adopt(name))

    def overviews(self) -> dict[str, dict[str, Any] | None]:
        """Return what the running flows in the cluster's namespace are doing, whoever started them: name -> overview.

        Saved jobs and flows begun with `exec` are there, under their names; None for one that does not answer. On the `local`
        backend these are the flows of this runtime.
        """
        self._check_open()
        if self._cluster is None:
            return {worker.worker_id: worker.stats() for worker in self.workers() if worker.alive}
        return self._cluster.overviews()

    def _worker(self, opening: Opening, routines: Mapping[str, Any], opener: Opener) -> FlowWorker:
        reaping.start()
        forget = weakref.WeakMethod(self._forget)
        return FlowWorker(opening.plan, routines, opening, opener, lambda ended: _call(forget(), ended))

    def list_jobs(self) -> list[Job]:
        """Return the jobs of this process: those that have not ended, and ended ones that are still held somewhere."""
        return [job for worker in self.workers() for job in (*worker.ended, *worker.jobs)]

    def workers(self) -> Iterator[FlowWorker]:
        """Iterate over the running flows of this runtime."""
        return iter(list(self._workers.values()))

    # ---- life ----------------------------------------------------------------------------------------------------

    def shutdown(self, wait: bool = False) -> None:
        """End all running flows, and the Ray that this runtime started. Ended jobs keep their results.

        Saved jobs that are open are not cancelled: what is done is saved, and the logger `routilux_dist` warns of each and says
        how to go on with it.

        Args:
            wait: Wait for open jobs first; else they are cancelled.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        instances = [*self.workers(), *self._retiring]
        for worker in instances if wait else ():
            worker.wait()
        for worker in instances:  # before anything is closed: that may take a while, and be interrupted
            for text in saving.left(worker):
                _log.warning(text)
        for worker in instances:
            worker.stop()
        for worker in instances:
            worker.close()
        self._retiring.clear()
        self._workers.clear()
        for _, retire, _ in list(self._implicit.values()):
            retire.detach()
        self._implicit.clear()
        if self._cluster is not None:
            self._cluster.close()

    close = shutdown

    @property
    def closed(self) -> bool:
        """Whether `shutdown` was called."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("this runtime was shut down; make another rd.Runtime(…)")

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.shutdown(wait=False)

    def __repr__(self) -> str:
        state = "shut down" if self._closed else f"{len(self._workers)} running flows"
        return f"<Runtime backend={self.backend!r}: {state}>"


_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _call(forget: Callable[[FlowWorker], None] | None, worker: FlowWorker) -> None:
    if forget is not None:
        forget(worker)


def _name_of(flow: FlowModel | str) -> str:
    """Return what a flow is called; one that runs may have been collected, so that only its name is left."""
    if isinstance(flow, str) and ":" not in flow and flow not in FlowRegistry.kept():
        return flow
    return FlowRegistry.resolve(flow).name


@atexit.register
def _close_at_exit() -> None:
    """Close the routines of instances that have nothing to do when the process ends; on Ray close everything.

    What runs on Ray ends with this process anyway, and a thread that still asks Ray for something while Ray shuts down would
    have the process end with an error.
    """
    for runtime in list(_runtimes):
        if runtime._cluster is not None:
            runtime.shutdown()
            continue
        for worker in [*(one for _, _, one in list(runtime._implicit.values())), *runtime._retiring]:
            if not worker.jobs:
                worker.close()


def _connect(address: str | None, namespace: str, max_workers: int | None, options: Mapping[str, Any]) -> Cluster:
    try:
        from routilux_dist.cluster.connect import Cluster
    except ModuleNotFoundError as exc:
        if exc.name != "ray":
            raise
        raise ConfigurationError(
            "Ray is not installed: pip install ray, or run in this process with backend='local'"
        ) from None
    return Cluster(address, namespace, max_workers, options)
