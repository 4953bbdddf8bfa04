"""A client's end of a running flow that is saved: what it sends arrives once; its coordinator may come back as another one."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Mapping
from typing import Any

import ray
import ray.exceptions

from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, Posted, RetryAsked
from routilux_dist.driver.driver import Gone, News
from routilux_dist.driver.session import DRAIN_SECONDS, OnNews, Opening
from routilux_dist.errors import ExecutionError, StateError
from routilux_dist.wire.block import Block

#: Seconds in which a coordinator that died has to be back.
PATIENCE = 120.0
#: Seconds between tries meanwhile.
PAUSE = 0.1
#: Seconds that a coordinator has to save what was done and to end, once nothing runs.
SAVE_SECONDS = 20.0
#: Seconds that a coordinator has to let go of a client.
RELEASE_SECONDS = 5.0
#: Seconds that closing waits for the listening thread.
JOIN_SECONDS = 2.0


class SavedSession:
    """A running flow on Ray that is saved.

    A post returns when it is durable. Posts are numbered, so that one that is sent again, because the answer was lost with a
    coordinator, is taken in once.

    Args:
        opening: What it was opened with.
        on_news: Who is told.
        hub: The actor.
        partitions: Homes by group.
        detached: Whether it goes on when this session is closed.
    """

    packed = True

    def __init__(
        self, opening: Opening, on_news: OnNews, hub: Any, partitions: Mapping[int, int], detached: bool
    ) -> None:
        self.partitions = partitions
        self._on_news, self._hub, self._detached = on_news, hub, detached
        self._running, self._client = opening.worker_id, opening.client_id
        self._closed = False
        #: The call that has it shut down, once it was made.
        self._ending: Any = None
        self._gone: str | None = None
        self._open_jobs: set[str] = set()
        #: Guards the numbers of posts: they are sent one by one, in their order.
        self._posting = threading.Lock()
        self._posted = 0
        self._listener = threading.Thread(target=self._listen, name="routilux-listener", daemon=True)
        self._listener.start()

    # ---- for clients ---------------------------------------------------------------------------------------------

    def post(self, event: Posted) -> None:
        """Send messages; returns when they are durable and there is room for more."""
        with self._posting:
            self._check()
            self._posted += 1
            self._open_jobs.add(event.job)
            self._call(self._hub.take, self._running, [dataclasses.replace(event, request=self._posted)])

    def control(self, event: ControlAsked | RetryAsked) -> None:
        """Carry out a request; when this returns, the coordinator knows."""
        if self._closed or self._gone is not None:
            return
        if isinstance(event, ControlAsked) and event.action in ("adopt", "rollback"):
            self._open_jobs.add(event.job)
        self._call(self._hub.take, self._running, [event])

    def ask(self, question: str, job: str = "") -> Any:
        """Return the answer to a question, see `Driver.ask`."""
        self._check()
        return self._call(self._hub.ask, self._running, question, job)

    def fetch(self, blocks: list[Block]) -> list[Block]:
        """Return blocks with their bodies in this process: they come with the news."""
        return blocks

    def stop(self) -> None:
        """Begin to close: what runs comes to its end, and nothing new begins. Waits for nothing."""
        if self._ending is None and not (self._closed or self._detached) and ray.is_initialized():
            self._ending = self._hub.shut_down.remote(self._running)

    def close(self) -> None:
        """End the running flow, unless it is detached: what has not ended goes on where somebody recovers it."""
        if self._closed:
            return
        self.stop()
        self._closed = True
        if not ray.is_initialized():
            return
        if self._detached:
            with contextlib.suppress(Exception):  # it is gone, or hangs
                ray.get(self._hub.release.remote(self._running, self._client), timeout=RELEASE_SECONDS)
            self._on_news([Gone("this process let go of it; it goes on: rt.attach(…) finds it again")])
            return
        try:
            ray.get(self._ending, timeout=DRAIN_SECONDS + SAVE_SECONDS)
        except Exception:  # it is gone or hangs: killing it is what is left
            pass
        if threading.current_thread() is not self._listener:
            self._listener.join(timeout=JOIN_SECONDS)
        ray.kill(self._hub, no_restart=True)

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages: it was closed, or its coordinator is gone for good."""
        return self._closed or self._gone is not None

    # ---- inside --------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._closed:
            raise StateError("the running flow was shut down; go on with it by rt.recover(…)")
        if self._gone is not None:
            raise ExecutionError(f"the coordinator of this running flow is gone: {self._gone}")

    def _call(self, method: Any, *arguments: Any) -> Any:
        """Call the coordinator; one that died is given time to come back."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ray.get(method.remote(*arguments))
            except ray.exceptions.RayTaskError as exc:
                raise exc.cause from None
            except ray.exceptions.RayActorError as exc:
                if self._closed:
                    raise StateError("the running flow was shut down; go on with it by rt.recover(…)") from None
                if self._gone is not None or time.monotonic() > until:
                    self._lost(exc)
                    raise ExecutionError(f"the coordinator of this running flow is gone: {self._gone}") from None
                time.sleep(PAUSE)

    def _listen(self) -> None:
        try:
            away_since: float | None = None
            while not (self._closed and self._detached):
                try:
                    news: list[News] = ray.get(self._hub.news.remote(self._running, self._client)).news
                except ray.exceptions.RayActorError as exc:
                    away_since = away_since if away_since is not None else time.monotonic()
                    if self._closed or time.monotonic() > away_since + PATIENCE:
                        self._lost(exc)
                        return
                    time.sleep(PAUSE)
                    continue
                if away_since is not None:  # another one has taken its place, and knows nothing of this client's news
                    away_since = None
                    for job in list(self._open_jobs):
                        self._call(self._hub.take, self._running, [ControlAsked(job, "adopt", client=self._client)])
                if news and self._pass_on(news):
                    return
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that waits while it shuts down
            self._lost(exc)

    def _pass_on(self, news: list[News]) -> bool:
        """Tell; return whether nothing more will come."""
        self._open_jobs.difference_update(one.job for one in news if isinstance(one, Report))
        gone = next((one for one in news if isinstance(one, Gone)), None)
        if gone is not None and self._gone is None:
            self._gone = gone.reason
        self._on_news(news)
        return gone is not None

    def _lost(self, exc: BaseException) -> None:
        """The coordinator cannot be reached any more: whoever waits has to hear of it."""
        if self._gone is None:
            first = str(exc).strip().splitlines()
            self._gone = first[0] if first else type(exc).__name__
            reason = "the running flow was shut down" if self._closed else self._gone
            self._on_news([Gone(f"{reason}; its jobs are saved: go on with rt.recover(…)")])
