"""A client's end of a running flow on Ray."""

from __future__ import annotations

import dataclasses
import itertools
import queue
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import ray
import ray.exceptions

from routilux_dist.cluster import sending
from routilux_dist.cluster.caller import Caller, check_ray
from routilux_dist.cluster.inbox import Answer
from routilux_dist.cluster.sending import Mail
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, RetryAsked
from routilux_dist.driver.driver import Gone, News
from routilux_dist.driver.session import OnNews, Opening
from routilux_dist.errors import ExecutionError, StateError
from routilux_dist.wire.block import Block, Packed, Stored
from routilux_workers.entry import Shipment, pack_code

#: Seconds between looks whether Ray is still there, and of silence after which its hub is asked.
LOOK_SECONDS, SILENT_SECONDS = 1.0, 60.0
#: Seconds that a request waits for the coordinator to take it in.
CONTROL_SECONDS = 30.0
#: Seconds that closing waits for each of the two threads.
JOIN_SECONDS = 2.0


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
            code=pack_code(opening.routines, opening.flow_handler, opening.guards),
            partitions=self.partitions,
            block_bytes=opening.tuning.block_bytes,
            payload_bytes=opening.tuning.max_payload_bytes,
            codec=opening.codec,
        )
        opened = hub.open.remote(self._running, shipment, opening.workers, opening.tuning, opening.validate, nodes)
        self._caller = Caller(hub, ray.get(opened))
        self._closed = False
        self._gone: str | None = None
        #: Jobs that the coordinator knows and that have not ended.
        self._begun: set[str] = set()
        #: Messages by job that wait here.
        self._unsent: Counter[str] = Counter()
        self._counting = threading.Lock()
        #: Numbers of calls that bring events.
        self._turns = itertools.count()
        #: What calls returned, in the order in which they returned it.
        self._answers: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        #: Number of the answer to be passed on next, and those that came before it.
        self._number = 0
        self._early: dict[int, list[News]] = {}
        self._poll: Future[Any]
        self._sender = sending.Sender(self._call, self._answers.put, self._lost)
        self._listener = threading.Thread(target=self._listen, name="routilux-listener", daemon=True)
        self._listener.start()

    # ---- for clients ---------------------------------------------------------------------------------------------

    def post(self, event: Posted) -> None:
        self._check()
        while not self._sender.wait_for_room(0.5):
            self._check()
        if any(self._is_large(block) for block in event.blocks):
            event = dataclasses.replace(event, blocks=tuple(self._place(block) for block in event.blocks))
        with self._counting:
            self._unsent[event.job] += 1
        self._send(Mail(event, counts=True))

    def _send(self, mail: Mail) -> None:
        try:
            self._sender.send(mail)
        except Exception as exc:
            self._lost(exc)
            self._check()

    def control(self, event: ControlAsked | RetryAsked) -> None:
        """Carry out a request; when this returns, the coordinator knows.

        It passes messages that wait for room: what makes room may be this very request. Only the message that makes its job goes
        first. "close" speaks of the messages before it: it stays behind those that still wait, and then nobody waits for it.
        """
        if self._closed or self._gone is not None:
            return
        if isinstance(event, ControlAsked) and event.action == "close" and event.job in self._unsent:
            self._send(Mail(event))
            return
        if event.job in self._begun:
            try:
                self._take([event]).result(timeout=CONTROL_SECONDS)
            except (ray.exceptions.RayError, ExecutionError) as exc:
                self._lost(exc)
            return
        taken = threading.Event()
        self._send(Mail(event, taken))
        taken.wait(CONTROL_SECONDS)

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

    def stop(self) -> None:
        """Nothing that closing would have to wait for for long."""

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
        self._sender.close()
        self._join()
        if self._own:
            ray.kill(self._hub)

    def _join(self) -> None:
        """Wait for the threads: one that still asks Ray for something when it is shut down ends the whole process."""
        for thread in (self._sender.thread, self._listener):
            if threading.current_thread() is not thread:
                thread.join(timeout=JOIN_SECONDS)
        self._caller.close()
        if self._caller.thread is not None and threading.current_thread() is not self._caller.thread:
            self._caller.thread.join(timeout=JOIN_SECONDS)

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

    def _call(self, events: list[Event], linger: bool) -> Future[Any]:
        call = self._take(events, self._client, linger)
        posted = [event.job for event in events if isinstance(event, Posted)]
        self._begun.update(posted)
        with self._counting:
            self._unsent.subtract(posted)
            self._unsent = +self._unsent
        return call

    def _take(self, events: list[Event], client: str = "", linger: bool = False) -> Future[Any]:
        """Have the coordinator take in events, after those of the calls before this one."""
        return self._caller.call("take", self._running, events, client, linger, (self._client, next(self._turns)))

    def _listen(self) -> None:
        """Pass on the news that calls bring, in their order; one call is always out to wait for them."""
        try:
            self._ask_for_news()
            while True:
                answer = self._next_answer()
                if answer.number is None and answer.news:
                    self._early[self._number] = answer.news  # the hub does not know the flow: nothing comes before that
                elif answer.number is not None:
                    self._early[answer.number] = answer.news
                while (news := self._early.pop(self._number, None)) is not None:
                    self._number += 1
                    if self._pass_on(news):
                        return
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that waits while it shuts down
            self._lost(exc)

    def _ask_for_news(self) -> None:
        self._poll = self._caller.call("news", self._running, self._client)
        self._poll.add_done_callback(self._answers.put)

    def _next_answer(self) -> Answer:
        future = self._wait_for_answer()
        if future is self._poll:
            answer: Answer = future.result()
            self._ask_for_news()
            return answer
        return future.result()  # type: ignore[no-any-return]

    def _wait_for_answer(self) -> Future[Any]:
        silent = 0.0
        while True:
            try:
                return self._answers.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                check_ray()
                silent += LOOK_SECONDS
                if silent > SILENT_SECONDS:  # whatever became of its calls: somebody else's Ray may run here now
                    silent = 0.0
                    ray.get(self._hub.ask.remote(self._running, "overview", ""), timeout=60)

    def _pass_on(self, news: list[News]) -> bool:
        """Pass news on; return whether they are the last ones."""
        self._begun.difference_update(one.job for one in news if isinstance(one, Report))
        gone = next((one for one in news if isinstance(one, Gone)), None)
        if gone is not None and self._gone is None:
            self._gone = gone.reason
        self._on_news(news)
        if gone is not None:
            self._sender.close()
        return gone is not None

    def _lost(self, exc: BaseException) -> None:
        """The coordinator cannot be reached any more: whoever waits has to hear of it."""
        if self._gone is None:
            self._gone = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
            self._sender.close()
            self._on_news([Gone(self._gone if not self._closed else "the running flow was shut down")])
