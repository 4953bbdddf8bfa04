"""Running flows that nobody can reach any more are closed by a thread of their own, each once its jobs have ended."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routilux_dist.client.worker import FlowWorker


class _Reaper:
    """The thread that closes instances nobody can reach any more, each once its jobs have ended."""

    def __init__(self) -> None:
        #: Instances to look at, and the sets to take them out of. Its `put` may be called from anywhere, finalizers included.
        self.queue: queue.SimpleQueue[tuple[set[FlowWorker], FlowWorker]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it does not run yet. Not for finalizers."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="routilux-reaper", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._look_at(*self.queue.get())

    def _look_at(self, retiring: set[FlowWorker], worker: FlowWorker) -> None:
        job = next((job for job in worker.jobs if not job.done()), None)
        if job is not None:
            job.add_done_callback(lambda _: self.queue.put((retiring, worker)))
            return
        if not worker.give_up(lambda: self.queue.put((retiring, worker))):
            return
        with contextlib.suppress(Exception):  # whatever it is: the others have to be closed too
            worker.close()
        retiring.discard(worker)


_reaper = _Reaper()


def _new_reaper() -> None:
    global _reaper
    _reaper = _Reaper()


# A forked child has no thread.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_reaper)


def start() -> None:
    """Have somebody there to close what is retired. Not for finalizers."""
    _reaper.start()


def retire(workers: dict[str, FlowWorker], retiring: set[FlowWorker], worker: FlowWorker) -> None:
    """Hand an instance that nobody can reach any more to the reaper.

    Called by the garbage collector, on any thread, whatever that thread holds: it takes no lock and waits for nothing.
    """
    drop(workers, worker)
    retiring.add(worker)
    _reaper.queue.put((retiring, worker))


def drop(workers: dict[str, FlowWorker], worker: FlowWorker) -> None:
    """Let go of an instance, unless another one has its name."""
    if workers.get(worker.worker_id) is worker:
        del workers[worker.worker_id]
