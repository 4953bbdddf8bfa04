"""A job for each item of a `flow.map`: for flows whose items would meet in one job, or whose limits are per job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from routilux_dist.client import results
from routilux_dist.client.results import Chunk, Failed
from routilux_dist.client.worker import FlowWorker
from routilux_dist.errors import JobFailedError, SerializationError

if TYPE_CHECKING:
    from routilux_dist.client.job import Job


class Done(NamedTuple):
    """The job of an item has ended."""

    number: int


class ItemJobs:
    """The items of one `flow.map`; see `streams.Stream` for the arguments."""

    def __init__(
        self,
        worker: FlowWorker,
        address: tuple[str, str],
        buffersize: int | None,
        on_error: str,
        tell: Callable[[Any], None],
    ) -> None:
        self._worker, self._address, self._on_error, self._tell = worker, address, on_error, tell
        self._window = buffersize if buffersize is not None else max(64, 8 * worker.width)
        self._jobs: dict[int, tuple[Any, Job]] = {}

    # ---- on the source's threads ---------------------------------------------------------------------------------

    def rows(self) -> int:
        """Return how many items are worth being sent: each is its own job."""
        return 1

    def most(self) -> int:
        """Return how many items are sent together."""
        return 1

    def window(self, out: int) -> int:
        """Return how many items may be out at once."""
        return self._window

    def send(self, first: int, payloads: list[Any]) -> None:
        """Start a job for each item."""
        for number, item in enumerate(payloads, first):
            try:
                job = self._worker.post(*self._address, item)
            except SerializationError as exc:
                self._tell(Failed(number, item, exc))
                continue
            self._jobs[number] = item, job
            job.add_done_callback(lambda _, number=number: self._tell(Done(number)))  # type: ignore[misc]

    # ---- on the consumer's thread --------------------------------------------------------------------------------

    def absorb(self, news: Done) -> Iterator[Chunk]:
        """Yield what came of the item whose job has ended.

        Raises:
            RoutiluxError: It was cancelled, or lost with its coordinator.
        """
        item, job = self._jobs.pop(news.number)
        try:
            outputs = job.result(0)
        except JobFailedError as exc:
            yield results.failed_item(news.number, item, exc, self._on_error)
            return
        yield Chunk(news.number, 1, [payload for payloads in outputs.values() for payload in payloads])

    def close(self, through: bool) -> None:
        """End the jobs whose results nobody wants."""
        for _, job in list(self._jobs.values()):
            if not job.done() and self._worker.alive:
                job.cancel("the consumer of flow.map stopped")
