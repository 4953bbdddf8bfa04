"""A client's end of a running flow on Ray: two threads, one that sends, one that listens."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import ray
import ray.exceptions

from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, RetryAsked
from routilux_dist.driver.driver import Gone, News
from routilux_dist.driver.session import OnNews, Opening
from routilux_dist.errors import ExecutionError, StateError
from routilux_dist.wire.block import Block, Packed, Stored
from routilux_workers.entry import Shipment, pack_code

#: Events in one call, and calls that may be on their way at once.
MAX_BATCH, MAX_CALLS = 512, 3
#: Seconds that a request waits for the coordinator to take it in.
CONTROL_SECONDS = 30.0
#: Seconds that closing waits for each of the two threads.
JOIN_SECONDS = 2.0
#: Events that may wait here for the coordinator to have room.
MAX_WAITING = 2048


class _Mail(NamedTuple):
    """Something to be sent, and what is set when the coordinator has taken it in."""

    event: Event
    sent: threading.Event | None = None


class RaySession:
    """A running flow on Ray."""

    packed = True

    def __init__(
        self, opening: Opening, on_news: OnNews, hub: Any, own: bool, nodes: Mapping[str, Mapping[str, float]]
    ) -> None:
        self.partitions = opening.partitions(opening.workers)
        self._tuning = opening.tuning
        self._on_news = on_news
        self._running = opening.worker_id
        self._client = opening.client_id
        self._hub, self._own = hub, own
        shipment = Shipment(
            plan=opening.plan,
            code=pack_code(opening.routines, opening.flow_handler),
            partitions=self.partitions,
            block_bytes=opening.tuning.block_bytes,
            payload_bytes=opening.tuning.max_payload_bytes,
            codec=opening.codec,
        )
        ray.get(hub.open.remote(self._running, shipment, opening.workers, opening.tuning, opening.validate, nodes))
        self._closed = False
        self._gone: str | None = None
        self._outbox: queue.SimpleQueue[_Mail | None] = queue.SimpleQueue()
        #: Jobs that the coordinator knows and that have not ended.
        self._begun: set[str] = set()
        #: Messages by job that wait here.
        self._unsent: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._room = threading.Semaphore(MAX_WAITING)
        self._sender = threading.Thread(target=self._send_all, name="routilux-sender", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="routilux-listener", daemon=True)
        self._sender.start()
        self._listener.start()

    # ---- for clients ---------------------------------------------------------------------------------------------

    def post(self, event: Posted) -> None:
        self._check()
        while not self._room.acquire(timeout=0.5):
            self._check()
        if any(self._is_large(block) for block in event.blocks):
            event = dataclasses.replace(event, blocks=tuple(self._place(block) for block in event.blocks))
        with self._counting:
            self._unsent[event.job] += 1
        self._outbox.put(_Mail(event))

    def control(self, event: ControlAsked | RetryAsked) -> None:
        """Carry out a request; when this returns, the coordinator knows.

        It passes messages that wait for room: what makes room may be this very request. Only the message that makes its job goes
        first. "close" speaks of the messages before it: it stays behind those that still wait, and then nobody waits for it.
        """
        if self._closed or self._gone is not None:
            return
        if isinstance(event, ControlAsked) and event.action == "close" and event.job in self._unsent:
            self._outbox.put(_Mail(event))
            return
        if event.job in self._begun:
            try:
                ray.get(self._hub.take.remote(self._running, [event]), timeout=CONTROL_SECONDS)
            except ray.exceptions.RayActorError as exc:
                self._lost(exc)
            return
        mail = _Mail(event, threading.Event())
        self._outbox.put(mail)
        assert mail.sent is not None
        mail.sent.wait(CONTROL_SECONDS)

    def ask(self, question: str, job: str = "") -> Any:
        self._check()
        try:
            return ray.get(self._hub.ask.remote(self._running, question, job), timeout=60)
        except ray.exceptions.RayActorError as exc:
            raise ExecutionError(f"the coordinator is gone: {exc}") from None

    def fetch(self, blocks: list[Block]) -> list[Block]:
        """Return blocks with stored bodies brought to this process."""
        refs = list({b.body.ref: None for b in blocks if isinstance(b.body, Stored)})
        if not refs:
            return blocks
        found = dict(zip(refs, ray.get(refs)))
        return [b._replace(body=found[b.body.ref][b.body.place]) if isinstance(b.body, Stored) else b for b in blocks]

    def close(self) -> None:
        if self._closed:
            self._join()  # whoever closes it is not through yet, perhaps
            return
        self._closed = True
        if not ray.is_initialized():
            return
        try:
            ray.get(self._hub.shut_down.remote(self._running), timeout=10)
        except Exception:  # it is gone or hangs: killing it is what is left
            pass
        self._outbox.put(None)
        self._join()
        if self._own:
            ray.kill(self._hub)

    def _join(self) -> None:
        """Wait for the threads: one that still asks Ray for something when it is shut down ends the whole process."""
        for thread in (self._sender, self._listener):
            if threading.current_thread() is not thread:
                thread.join(timeout=JOIN_SECONDS)

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages: it was closed, or its coordinator is gone."""
        return self._closed or self._gone is not None

    # ---- inside --------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._closed:
            raise StateError("the running flow was shut down; run it again with rt.exec(flow)")
        if self._gone is not None:
            raise ExecutionError(f"the coordinator of this running flow is gone: {self._gone}")

    def _is_large(self, block: Block) -> bool:
        return block.nbytes > self._tuning.inline_bytes and isinstance(block.body, Packed)

    def _place(self, block: Block) -> Block:
        """Put a large body into the object store."""
        return block._replace(body=Stored(ray.put([block.body]), 0)) if self._is_large(block) else block

    def _send_all(self) -> None:
        """Send what waits in as few calls as the flow of events allows."""
        calls: deque[Any] = deque()
        try:
            while True:
                mail = self._outbox.get()
                batch: list[_Mail] = []
                while mail is not None:
                    batch.append(mail)
                    if self._outbox.empty() or len(batch) >= MAX_BATCH:
                        break
                    mail = self._outbox.get()
                if batch:
                    calls.append(self._send(batch))
                if mail is None:
                    return
                while len(calls) >= MAX_CALLS:
                    ray.get(calls.popleft())
                while calls and ray.wait([calls[0]], timeout=0)[0]:
                    ray.get(calls.popleft())
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that waits while it shuts down
            self._lost(exc)

    def _send(self, batch: list[_Mail]) -> Any:
        """Send a batch; wait for the answer only if somebody else waits for it too."""
        call = self._hub.take.remote(self._running, [mail.event for mail in batch])
        posted = [mail.event.job for mail in batch if isinstance(mail.event, Posted)]
        self._begun.update(posted)
        if posted:  # a batch may hold requests only
            self._room.release(len(posted))
            with self._counting:
                self._unsent.subtract(posted)
                self._unsent = +self._unsent
        waiting = [mail.sent for mail in batch if mail.sent is not None]
        if waiting:
            ray.wait([call], timeout=CONTROL_SECONDS)
            for sent in waiting:
                sent.set()
        return call

    def _listen(self) -> None:
        try:
            while ray.is_initialized():  # else a call would start another Ray
                news: list[News] = ray.get(self._hub.news.remote(self._running, self._client))
                if news:
                    self._begun.difference_update(one.job for one in news if isinstance(one, Report))
                    gone = next((one for one in news if isinstance(one, Gone)), None)
                    if gone is not None and self._gone is None:
                        self._gone = gone.reason
                    self._on_news(news)
                    if gone is not None:
                        self._outbox.put(None)
                        return
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that waits while it shuts down
            self._lost(exc)

    def _lost(self, exc: BaseException) -> None:
        """The coordinator cannot be reached any more: whoever waits has to hear of it."""
        if self._gone is None:
            self._gone = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
            self._outbox.put(None)
            self._on_news([Gone(self._gone if not self._closed else "the running flow was shut down")])
