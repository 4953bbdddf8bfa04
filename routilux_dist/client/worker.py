"""A running flow, as its owner sees it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from routilux_dist.client.job import Job
from routilux_dist.coordinator.commands import Advise, Deliver, Refuse, Report
from routilux_dist.coordinator.events import ControlAsked, Posted
from routilux_dist.driver.driver import Gone, News
from routilux_dist.driver.session import Opening, Session
from routilux_dist.errors import ConfigurationError, ExecutionError, SerializationError, StateError
from routilux_dist.flow import checks, naming
from routilux_dist.flow.routine import Routine
from routilux_dist.flow.state import Key, key_of, partition_of
from routilux_dist.plan.plan import GroupKind, Plan, PortPlan
from routilux_dist.wire import sizes
from routilux_dist.wire.block import Block, Body, Items, Rows
from routilux_dist.wire.failure import Letter

#: Builds a session that reports to a function.
Opener = Callable[[Callable[[list[News]], None]], Session]


class FlowWorker:
    """A long-running instance of a flow: its coordinator, and the jobs that this process posted to it."""

    def __init__(
        self,
        plan: Plan,
        routines: Mapping[str, Routine],
        opening: Opening,
        opener: Opener,
        on_end: Callable[[FlowWorker], None] | None = None,
    ) -> None:
        self.plan = plan
        #: Whether `close` was called, and whether nothing more will be heard.
        self.closed = self._gone = False
        self._on_end = on_end
        #: Slices that may run at once.
        self.width = opening.workers
        self._codec = opening.codec
        self._max_payload = opening.tuning.max_payload_bytes
        #: Blocks that may wait at its door.
        self.most_blocks = opening.tuning.max_pending_blocks
        #: How and where it is saved, or None.
        self.durable = opening.durable
        self.checkpoint = None if opening.durable is None else opening.durable.checkpoint
        self.worker_id = opening.worker_id
        self.client_id = opening.client_id
        #: Keys of stateful routines: the routine objects themselves would keep their flow alive.
        self._keys: dict[str, Key] = {
            r: routines[r]._declared.state.key  # type: ignore[union-attr]
            for r in plan.routines
            if r in routines and routines[r]._declared.state is not None
        }
        self._jobs: dict[str, Job] = {}
        #: Jobs that have ended, as long as somebody holds them.
        self._ended: weakref.WeakValueDictionary[str, Job] = weakref.WeakValueDictionary()
        #: Thread that passes news on at the moment.
        self._teller: int | None = None
        self._streams: dict[str, Callable[[Deliver | Report | Gone], None]] = {}
        self._lock = threading.Lock()
        #: How many want it to stay although no job may be open, and what to call when the last of them lets go.
        self._holds = 0
        self._when_free: list[Callable[[], None]] = []
        #: Messages per block by port, as the coordinator advises.
        self.advice: dict[int, int] = {}
        self.session = opener(self._on_news)

    @property
    def flow(self) -> str:
        """Name of the flow."""
        return self.plan.flow

    # ---- posting -------------------------------------------------------------------------------------------------

    def post(
        self,
        routine: str,
        slot: str,
        payload: Any,
        *,
        job_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        close: bool = True,
    ) -> Job:
        """Post one message; see `Runtime.post`."""
        checks.refuse(
            "",
            (
                checks.text("correlation_id", correlation_id, example="order-17", none="none"),
                checks.flag("close", close),
            ),
        )
        port = self.port(routine, slot)
        block = self.block(port, [payload], None)
        packed = self._pack_metadata(metadata)
        name = check_job_id(job_id)
        with self._lock:
            job = self._jobs.get(name) or self._ended.get(name)
            known = job is not None
            if job is None:
                job = self._jobs[name] = Job(self, name, metadata)
        if known and job.done():
            raise StateError(
                f"job {name!r} has ended ({job.status}) and takes no more messages; give another job_id, or none for a fresh one"
            )
        self._send(
            job,
            Posted(
                job=job.job_id,
                blocks=(block._replace(job=job.job_id, partition=self.home(port, job.job_id, payload)),),
                last=close and not known,
                client=self.client_id,
                metadata=packed,
                correlation_id=correlation_id,
            ),
            new=not known,
        )
        return job

    def _send(self, job: Job, event: Posted, new: bool) -> None:
        """Send a message; a new job whose message could not be sent is none."""
        try:
            self.session.post(event)
        except BaseException as exc:
            # An interrupt may come when the message is saved already.
            if new and (isinstance(exc, Exception) or self.durable is None):
                with self._lock:
                    self._jobs.pop(job.job_id, None)
            raise

    def _pack_metadata(self, metadata: Mapping[str, Any] | None) -> Any:
        checks.refuse("", [checks.mapping("metadata", metadata, example="{'user': 'ann'}", none="none")])
        if metadata is None or not self.session.packed:
            return metadata
        try:
            return self._codec.encode(dict(metadata), "metadata")
        except SerializationError as exc:
            raise SerializationError(f"metadata cannot be sent to a worker: {exc}; use plain data") from exc

    def adopt(self, job_id: str) -> Job:
        """Return a handle of a job that another process posted, or that has ended and is to live again."""
        job = Job(self, job_id)
        with self._lock:
            self._jobs[job_id] = job
        self.session.control(ControlAsked(job_id, "adopt", client=self.client_id))
        return job

    def again(self, job_id: str) -> Job:
        """Return a new handle of a job that has ended, for what comes of it when it lives again."""
        job = Job(self, job_id)
        with self._lock:
            self._ended.pop(job_id, None)
            self._jobs[job_id] = job
        return job

    def post_letters(self, letters: Sequence[Letter]) -> Job:
        """Post dead letters as a new job.

        Raises:
            StateError: None of them is a message that can be posted again.
        """
        letters = [letter for letter in letters if letter.block.rows]
        if not letters:
            raise StateError(
                "there is no dead letter that can be posted again: errors in finish(), and messages that could not leave "
                "their process, have none"
            )
        job = Job(self, new_id("job"))
        with self._lock:
            self._jobs[job.job_id] = job
        blocks = []
        for letter in letters:
            block = letter.block._replace(job=job.job_id, attempt=1, entry=True, origin="")
            port = self.plan.ports[block.port]
            routine = self.plan.routines[port.routine]
            if routine.stateful and not routine.keyed:
                block = block._replace(partition=self.home(port, job.job_id, None))
            blocks.append(block)
        self._send(job, Posted(job=job.job_id, blocks=tuple(blocks), client=self.client_id), new=True)
        return job

    def open_stream(self, job_id: str, on_news: Callable[[Deliver | Report | Gone], None]) -> None:
        """Have the news of a stream sent to a function."""
        with self._lock:
            self._streams[job_id] = on_news

    def close_stream(self, job_id: str, through: bool) -> None:
        """End a stream: it is through, or nobody wants the rest."""
        with self._lock:
            self._streams.pop(job_id, None)
        action, reason = ("close", "") if through else ("cancel", "the consumer stopped")
        self.session.control(ControlAsked(job_id, action, reason))

    def port(self, routine: str, slot: str) -> PortPlan:
        """Return the port of a slot.

        Raises:
            ConfigurationError: There is no such routine or slot.
        """
        checks.refuse(
            "", (checks.text("routine", routine, example="clean"), checks.text("slot", slot, example="input"))
        )
        if routine not in self.plan.routines:
            hint = naming.did_you_mean(routine, self.plan.routines, "routines")
            raise ConfigurationError(f"flow {self.flow!r} has no routine {routine!r}; {hint}")
        slots = self.plan.routines[routine].slots
        if slot not in slots:
            raise ConfigurationError(
                f"routine {routine!r} has no slot {slot!r}; {naming.did_you_mean(slot, slots, 'slots')}"
            )
        return self.plan.ports[slots[slot]]

    def home(self, port: PortPlan, job_id: str, payload: Any) -> int:
        """Return the partition that a message belongs to."""
        routine = self.plan.routines[port.routine]
        if not routine.stateful or self.plan.groups[port.group].kind is GroupKind.SOLO:
            return 0
        partitions = self.session.partitions[port.group]
        key = self._keys.get(port.routine)
        if routine.keyed and key is None:
            raise StateError(
                f"the state of {port.routine!r} has a key, which only its flow knows: rt.attach(…, flow=…) lets you post to it"
            )
        if key is None:
            return partition_of(job_id if routine.scope == "job" else "", partitions)
        try:
            return partition_of(key_of(key, payload), partitions)
        except Exception:  # the routine will meet the same error and report it
            return 0

    def block(self, port: PortPlan, payloads: list[Any], items: Items) -> Block:
        """Return entry messages as a block, without job and partition.

        Raises:
            SerializationError: A payload cannot be sent, or is too large.
        """
        nbytes = 0
        body: Body = Rows(payloads, items)
        if self.session.packed:
            try:
                body = self._codec.pack(payloads, items)
                if body.nbytes > self._max_payload:
                    self._check_sizes(payloads, body.nbytes)
            except SerializationError as exc:
                raise SerializationError(
                    f"the message for {port.path} cannot be sent to a worker: {exc}; send plain data, or what is needed "
                    f"to make it again there"
                ) from exc
            nbytes = body.nbytes
        return Block("", port.index, 0, len(payloads), nbytes, 1, 0, True, "", body)

    def _check_sizes(self, payloads: list[Any], nbytes: int) -> None:
        for payload in payloads:
            size = nbytes if len(payloads) == 1 else self._codec.encode(payload, "payload").nbytes
            sizes.check(size, self._max_payload)

    # ---- news ----------------------------------------------------------------------------------------------------

    def may_wait(self) -> bool:
        """Whether this thread may wait for a job: not from inside of what has to return before any job can end."""
        ask = getattr(self.session, "may_wait", None)
        return self._teller != threading.get_ident() and (ask is None or ask())

    def _on_news(self, news: list[News]) -> None:
        before, self._teller = self._teller, threading.get_ident()
        try:
            self._pass_on(news)
        finally:
            self._teller = before

    def _pass_on(self, news: list[News]) -> None:
        for one in news:
            if isinstance(one, Advise):
                self.advice.update(one.rows)
                continue
            if isinstance(one, Gone):
                self._gone = True
                self._abandon(one)
                if not self.closed:
                    self._end()
                continue
            stream = self._streams.get(one.job)
            if stream is not None and not isinstance(one, Refuse):
                stream(one)
                continue
            job = self._jobs.get(one.job)
            if job is None or job.done():
                continue
            if isinstance(one, Report):
                with self._lock:
                    self._jobs.pop(one.job, None)
                    self._ended[one.job] = job
                job._ended(one)
            elif isinstance(one, Refuse):
                with self._lock:
                    self._jobs.pop(one.job, None)
                job.set_exception(StateError(one.reason))

    def _abandon(self, gone: Gone) -> None:
        """Nothing more will be heard: end everything that waits."""
        with self._lock:
            jobs, streams = list(self._jobs.values()), list(self._streams.values())
            self._jobs.clear()
        for job in jobs:
            error = ExecutionError(
                f"job {job.job_id!r} of flow {self.flow!r} ended with its coordinator: {gone.reason}"
            )
            # Its report may have arrived meanwhile: then that is how it ended.
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                job.set_exception(error)
        for stream in streams:
            stream(gone)

    def fetch(self, blocks: Iterable[Block]) -> list[Block]:
        """Return blocks with their bodies in this process."""
        fetch = getattr(self.session, "fetch", None)
        return list(blocks) if fetch is None else fetch(list(blocks))

    def unknown(self, job_id: str) -> dict[str, Any]:
        """Return the state of a job that was posted and not yet taken in."""
        counts = dict.fromkeys(
            ("accepted", "done", "dead", "discarded", "retracted", "pending", "in_flight", "outputs"), 0
        )
        return {
            "job_id": job_id, "flow": self.flow, "status": "pending", "created": time.time(), "started": None, "ended": None,
            "seconds": 0.0, "correlation_id": None, "messages": counts, "routines": {}, "waiting": 0, "history": [],
            "checkpoints": {}, "generation": 0, "waits_for": "the coordinator",
        }  # fmt: skip

    # ---- life ----------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[Job]:
        """Jobs that this process posted and that have not ended."""
        return list(self._jobs.values())

    @property
    def ended(self) -> list[Job]:
        """Jobs that have ended and that somebody still holds."""
        return list(self._ended.values())

    def stats(self) -> dict[str, Any]:
        """Return what the running flow is doing: workers, jobs, slices, queues, seconds per message."""
        return dict(self.session.ask("overview"))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the jobs that are open now have ended; return whether they have."""
        return not concurrent.futures.wait(self.jobs, checks.waiting(timeout)).not_done

    def stop(self) -> None:
        """Begin to close, where that takes time; see `Session.stop`."""
        self.closed = True
        self.session.stop()

    def close(self) -> None:
        """End the running flow; jobs that have not ended are cancelled."""
        self.closed = True
        self._end()
        self.session.close()
        # What was posted while it closed has to end too. A thread that passes news on has the rest of them still to pass.
        if self._teller != threading.get_ident():
            self._abandon(Gone("the running flow was shut down"))

    def hold(self) -> bool:
        """Keep it running until `release`, also while no job is open; return whether that came in time."""
        with self._lock:
            if self.closed or self._gone:
                return False
            self._holds += 1
            return True

    def release(self) -> None:
        """Let go of what `hold` kept."""
        with self._lock:
            self._holds -= 1
            calls, self._when_free = (self._when_free, []) if not self._holds else ([], self._when_free)
        for call in calls:
            call()

    def give_up(self, when_free: Callable[[], None]) -> bool:
        """Take no more holders; return whether there are none, else call `when_free` once there are none."""
        with self._lock:
            if self._holds:
                self._when_free.append(when_free)
                return False
            self.closed = True
            return True

    @property
    def alive(self) -> bool:
        """Whether jobs can be posted: it was not closed, and its coordinator can be reached."""
        return not (self.closed or self._gone or getattr(self.session, "closed", False))

    def _end(self) -> None:
        if self._on_end is not None:
            self._on_end(self)

    def __repr__(self) -> str:
        return f"<FlowWorker {self.worker_id!r} of flow {self.flow!r}: {len(self._jobs)} open jobs>"


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as "job-3f9c0a7be12d" (48 random bits)."""
    return f"{prefix}-{secrets.token_hex(6)}"


def check_job_id(job_id: str | None) -> str:
    """Return a job's identifier, a fresh one for None.

    Raises:
        ConfigurationError: It is not allowed.
    """
    return new_id("job") if job_id is None else checks.identifier("job_id", job_id)
