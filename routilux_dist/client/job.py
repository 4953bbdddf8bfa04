"""A job, as its owner sees it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import time
from collections.abc import Iterable
from concurrent.futures import _base
from typing import TYPE_CHECKING, Any

from routilux_dist.client import results
from routilux_dist.coordinator import views
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, RetryAsked
from routilux_dist.errors import ConfigurationError, JobCancelledError, StateError
from routilux_dist.flow import checks
from routilux_dist.ids import JOB_ID_RULE, JobStatus
from routilux_dist.wire.slices import JobNote

if TYPE_CHECKING:
    import os

    from routilux_dist.client.worker import FlowWorker

#: Seconds between two looks of whoever waits for an end.
LOOK_SECONDS = 1.0
#: Seconds that `cancel` waits for the coordinator to confirm.
CANCEL_SECONDS = 10.0


class Job(concurrent.futures.Future):  # type: ignore[type-arg]  # not subscriptable at run time before 3.9 stubs
    """One run of a flow; a `concurrent.futures.Future` of its outputs.

    `concurrent.futures.wait` and `as_completed` accept it.
    """

    def __init__(self, worker: FlowWorker, job_id: str, metadata: Any = None) -> None:
        super().__init__()
        self.job_id = job_id
        self.metadata = metadata
        self._worker = worker
        self._report: Report | None = None
        #: Holds something once it has ended. Whoever waits does so here: the condition of a future is taken in Python code, and
        #: an interrupt of the main thread can leave it locked, so that the thread which tells of ends waits for it for ever.
        self._through: queue.SimpleQueue[None] = queue.SimpleQueue()
        through = self._through  # the callback must not hold the job
        self.add_done_callback(lambda _: through.put(None))
        self._outputs: dict[str, list[Any]] | None = None

    # ---- as a future ---------------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> dict[str, list[Any]]:
        """Return the outputs: {"routine.event": [payloads]}, a key for each output event of the flow.

        Args:
            timeout: Seconds to wait; None waits for ever.

        Raises:
            JobFailedError: The job failed; its text ends with the user's traceback.
            JobCancelledError: It was cancelled.
            TimeoutError: It did not end in time; it goes on.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self.outputs

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what `result()` would raise for an ended job, None if it completed.

        Raises:
            JobCancelledError: The job was cancelled.
            TimeoutError: It did not end in time; it goes on.
        """
        timeout = self._check_wait(timeout)
        try:
            self._wait(timeout)
            return super().exception(0)
        except concurrent.futures.CancelledError:
            raise JobCancelledError(
                f"job {self.job_id!r} of flow {self.flow!r} was cancelled{self._reason()}",
                job_id=self.job_id,
                flow=self.flow,
            ) from None
        except concurrent.futures.TimeoutError:
            raise TimeoutError(
                f"job {self.job_id!r} of flow {self.flow!r} did not end within {timeout:g} s; it is {self.status}"
            ) from None

    def cancel(self, reason: str = "") -> bool:
        """End the job and drop what waits; return whether it was still going.

        Receipts that arrive later are not committed. When this returns, the job is cancelled.
        """
        checks.refuse("job.cancel", [checks.instance("reason", reason, str, example="a text")])
        if self.done():
            return self.cancelled()
        self._worker.session.control(ControlAsked(self.job_id, "cancel", reason))
        if not self._worker.may_wait():
            return True  # the news come when this callback has returned
        try:
            self._wait(CANCEL_SECONDS)
            super().exception(0)
        except concurrent.futures.CancelledError:
            return True
        except concurrent.futures.TimeoutError:
            raise StateError(f"job {self.job_id!r}: the coordinator did not confirm the cancellation") from None
        return False

    def running(self) -> bool:
        """Whether the job has started and not ended."""
        return self.status in (JobStatus.RUNNING, JobStatus.PAUSED)

    def wait_for_completion(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended, however; return whether it has.

        Raises:
            StateError: This thread is the one that has to run the job, or to tell that it has ended.
        """
        self._wait(self._check_wait(timeout))
        return self.done()

    wait = wait_for_completion

    def done(self) -> bool:
        """Whether the job has ended, however."""
        return self._state not in (_base.PENDING, _base.RUNNING)  # without its condition: see `_through`

    def _wait(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            left = LOOK_SECONDS if until is None else min(LOOK_SECONDS, until - time.monotonic())
            if left <= 0:
                return
            with contextlib.suppress(queue.Empty):
                self._through.get(timeout=left)  # an interrupt may take it away from others, who look again
                self._through.put(None)

    def _check_wait(self, timeout: float | None) -> float | None:
        timeout = checks.waiting(timeout)
        if timeout != 0 and not self.done() and not self._worker.may_wait():
            raise StateError(
                f"job {self.job_id!r} of flow {self.flow!r} cannot be waited for here: this thread has to return before it can "
                f"go on. Wait in another thread, or go on in a done callback (job.add_done_callback)"
            )
        return timeout

    def _reason(self) -> str:
        history = self._report.summary["history"] if self._report is not None else ()
        reason = next((text for _, kind, _, text in reversed(history) if kind == "cancelled" and text), "")
        return f": {reason}" if reason else ""

    # ---- looking -------------------------------------------------------------------------------------------------

    @property
    def flow(self) -> str:
        """Name of the flow."""
        return self._worker.plan.flow

    @property
    def status(self) -> JobStatus:
        """Where the job stands: pending, running, paused, completed, failed or cancelled."""
        return JobStatus(self.state()["status"])

    def state(self) -> dict[str, Any]:
        """Return everything that is known of the job but its messages, as plain data.

        Keys: job_id, flow, status, created, started, ended (wall-clock seconds or None), seconds, correlation_id,
        messages (counts), routines (counts per routine), waiting, history, waits_for.
        """
        if self._report is not None:
            plan, summary = self._worker.plan, dict(self._report.summary)
            summary["history"] = views.recent(plan.limits, summary["history"], time.time())
            return summary
        answer = self._worker.session.ask("summary", self.job_id)
        if answer is None:  # posted, but not taken in yet
            return self._worker.unknown(self.job_id)
        return dict(answer)

    def stats(self) -> dict[str, Any]:
        """Return the counts of `state()`: "messages", "routines", "waiting", "seconds"."""
        state = self.state()
        return {key: state[key] for key in ("messages", "routines", "waiting", "seconds")}

    @property
    def history(self) -> list[tuple[float, str, str, str]]:
        """What happened, oldest first: (wall-clock seconds, kind, routine, text)."""
        return list(self.state()["history"])

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """The outputs so far; all of them once the job has ended."""
        if self._outputs is not None:
            return self._outputs
        if self._report is None:
            return results.outputs(self._worker.plan, self._worker.fetch(self._contents()[0]))
        self._outputs = results.outputs(self._worker.plan, self._worker.fetch(self._report.outputs))
        return self._outputs

    @property
    def errors(self) -> list[results.ErrorRecord]:
        """Errors that were met and decided upon, retries excepted."""
        return results.error_records(self._report.failures if self._report is not None else self._contents()[1])

    @property
    def dead_letters(self) -> list[results.DeadLetter]:
        """Messages that ended without success."""
        if self._report is not None:
            letters, data = self._report.letters, self._report.data
        else:
            letters, data = self._contents()[2:4]
        if not letters:
            return []
        note = JobNote(self.metadata, self.state().get("correlation_id"), data=data or None)
        return [results.dead_letter(self._worker.plan, letter, note) for letter in letters]

    def export_letters(self, path: str | os.PathLike[str]) -> int:
        """Write the dead letters to a file, one JSON object a line; return how many there are.

        Keys: job, flow, routine, slot, payload (its `repr`), error, error_type, attempts, traceback.
        """
        from routilux_dist.client import replaying

        return replaying.export(path, self.job_id, self.flow, self.dead_letters)

    @property
    def data(self) -> dict[str, Any]:
        """Job data as committed."""
        return results.open_data(self._report.data if self._report is not None else self._contents()[3])

    def _contents(self) -> Any:
        contents = self._worker.session.ask("contents", self.job_id)
        return contents if contents is not None else ((), (), (), {})

    # ---- control -------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Dispatch nothing further; what is running finishes and is committed."""
        self._worker.session.control(ControlAsked(self.job_id, "pause"))

    def resume(self) -> None:
        """Go on after `pause()`."""
        self._worker.session.control(ControlAsked(self.job_id, "resume"))

    def close(self) -> None:
        """Promise that no more messages will be posted, so that the job may end."""
        self._worker.session.control(ControlAsked(self.job_id, "close"))

    @property
    def checkpoints(self) -> dict[str, float]:
        """Names of the checkpoints that the job can be rolled back to -> when they were taken (wall-clock seconds)."""
        state = self._worker.session.ask("summary", self.job_id)
        return {} if state is None else dict(state["checkpoints"])

    def checkpoint(self, name: str) -> None:
        """Note what the job is like now, under a name, to be able to go back to it.

        Args:
            name: Letters, digits, '.', '_' and '-'. A later checkpoint of the same name takes its place.

        Raises:
            StateError: The job is not saved, or has ended.
            ConfigurationError: The name is not allowed.
        """
        self._check_saved("checkpoint")
        if self.done():
            raise StateError(f"job {self.job_id!r} has ended ({self.status}): there is nothing more to come back from")
        asked: Any = name
        if not isinstance(asked, str) or not JOB_ID_RULE.fullmatch(name) or name == "last_good":
            raise ConfigurationError(
                f"checkpoint name {name!r}: letters, digits, '.', '_' and '-', starting with a letter or digit, and not "
                f"'last_good', which is the engine's own"
            )
        self._worker.session.control(ControlAsked(self.job_id, "checkpoint", name, self._worker.client_id))

    def rollback(self, name: str = "last_good") -> Job:
        """Make the job what it was at a checkpoint: messages, state, job data and outputs. What came after is retracted.

        Outside effects of what came after stay, and happen again.

        Args:
            name: One of `checkpoints`; "last_good" is the one that the engine took last (see `rd.Checkpoint.every`).

        Returns:
            This job, or a new handle of it if it had ended: it goes on.

        Raises:
            StateError: The job is not saved.
            ConfigurationError: There is no such checkpoint.
        """
        self._check_saved("rollback")
        known = self.checkpoints
        if name not in known:
            raise ConfigurationError(
                f"job {self.job_id!r} has no checkpoint {name!r}; it has: {', '.join(known) or 'none yet'}; "
                f"take one with job.checkpoint(name)"
            )
        job = self if not self.done() else self._worker.again(self.job_id)
        self._worker.session.control(ControlAsked(self.job_id, "rollback", name, self._worker.client_id))
        return job

    def _check_saved(self, what: str) -> None:
        if self._worker.checkpoint is None:
            raise StateError(
                f"job {self.job_id!r} is not saved, so {what}() has nothing to go by: submit it with checkpoint=, such as "
                f"rt.submit(flow, …, checkpoint='ckpt/')"
            )

    def retry_failed(self, letters: Iterable[int] | None = None) -> Job:
        """Post dead letters again, after what made them fail was put right.

        Args:
            letters: Their places in `dead_letters`; None for all, an empty list for none.

        Returns:
            This job if it is still going or nothing was chosen, else a new job of the same running flow.

        Raises:
            ConfigurationError: There is no such dead letter.
            StateError: None of them is a message that can be posted again.
        """
        asked: Any = letters
        checks.refuse(
            "job.retry_failed",
            [checks.instance("letters", asked, Iterable, example="places such as [0, 2]", none="all")],
        )
        chosen: tuple[Any, ...] | None = (
            None if letters is None else tuple(dict.fromkeys(letters))
        )  # a place that is named twice is one letter
        if chosen is not None and not chosen:
            return self
        ended = self._report
        if chosen is not None:
            count = len(ended.letters if ended is not None else self._contents()[2])
            wrong = [n for n in chosen if checks.whole("place", n, least=0, most=count - 1)]
            if wrong:
                there = f"its places are 0 to {count - 1}" if count else "it has none"
                raise ConfigurationError(
                    f"job {self.job_id!r} has no dead letter {', '.join(map(repr, wrong))}; {there}; see job.dead_letters"
                )
        if not self.done():
            self._worker.session.control(RetryAsked(self.job_id, chosen or ()))
            return self
        found = self._report.letters if self._report is not None else ()
        return self._worker.post_letters(list(found) if chosen is None else [found[n] for n in chosen])

    def watch(self, quiet: bool = False) -> Job:
        """Show progress until the job has ended; return the job.

        A live table on a terminal (with rich, if it is installed), plain lines otherwise.
        """
        from routilux_dist.client import progress

        progress.watch(self, quiet=quiet)
        return self

    # ---- for the worker ------------------------------------------------------------------------------------------

    def _ended(self, report: Report) -> None:
        """Take in how the job ended."""
        self._report = report
        if report.status == JobStatus.CANCELLED:
            super().cancel()
            self.set_running_or_notify_cancel()
        elif report.failure is not None:
            self.set_exception(results.job_error(self.flow, self.job_id, report.failure))
        else:
            self.set_result(None)

    def __repr__(self) -> str:
        status = self._report.status if self._report is not None else "open"
        return f"<Job {self.job_id!r} of flow {self.flow!r}: {status}>"

    def _repr_html_(self) -> str:
        from routilux_dist.client import progress

        return progress.as_html(self.state())
