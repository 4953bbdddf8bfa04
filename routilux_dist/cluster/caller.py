"""How a client calls its hub: through a socket if they share a node, else by Ray's calls."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from concurrent.futures import Future
from typing import Any

import ray
import ray.exceptions

from routilux_dist.cluster import wires
from routilux_dist.cluster.inbox import Answer
from routilux_dist.cluster.wires import VERDICT_SECONDS, Door, NotLightError, Wire
from routilux_dist.errors import ExecutionError


def check_ray() -> None:
    """Raise if Ray was shut down: a call would start another one."""
    if not ray.is_initialized():
        raise ExecutionError("Ray was shut down")


class Caller:
    """Makes calls to a hub that return futures; each fails with what Ray tells of the hub if that is gone.

    Args:
        hub: The actor.
        door: Where it can be reached, if it can.
    """

    def __init__(self, hub: Any, door: Door | None) -> None:
        self._hub = hub
        self._numbers = itertools.count()
        #: Calls that are not answered yet, by number; nobody adds to them once the wire has ended.
        self._out: dict[int, Future[Answer]] = {}
        self._guard = threading.Lock()
        self._closing = False
        self._wire = wires.dial(door, ray.get_runtime_context().get_node_id())
        #: The thread that listens, if there is one.
        self.thread: threading.Thread | None = None
        if self._wire is not None:
            self.thread = self._wire.listen(self._heard, self._ended, "routilux-wire")

    def call(self, method: str, *arguments: Any) -> Future[Answer]:
        """Call "take" or "news" of the hub."""
        check_ray()
        # The main thread may be interrupted in the midst of a message.
        if self._wire is not None and threading.current_thread() is not threading.main_thread():
            with contextlib.suppress(NotLightError):
                return self._call(self._wire, method, arguments)
        return getattr(self._hub, method).remote(*arguments).future()  # type: ignore[no-any-return]

    def _call(self, wire: Wire, method: str, arguments: tuple[Any, ...]) -> Future[Answer]:
        future: Future[Answer] = Future()
        with self._guard:
            number = next(self._numbers)
            self._out[number] = future
        try:
            wire.send((number, method, arguments))
        except OSError:
            self._ended()
        except BaseException:
            self._out.pop(number, None)
            raise
        return future

    def close(self) -> None:
        """There will be no more calls."""
        self._closing = True
        if self._wire is not None:
            self._wire.close()

    def _heard(self, message: Any) -> None:
        number, answer, error = message
        future = self._out.pop(number, None)
        if future is None:
            return
        if error is not None:
            future.set_exception(error)
        elif isinstance(answer, Answer):
            future.set_result(answer)
        else:  # it is where Ray can fetch it
            self._hub.rest.remote(answer).future().add_done_callback(functools.partial(_pass_on, future))

    def _ended(self) -> None:
        """The wire has ended: what is out will not be answered, and what comes now goes by Ray."""
        self._wire = None
        with self._guard:
            out, self._out = self._out, {}
        if out:
            reason = self._verdict()
            for future in out.values():
                future.set_exception(reason)

    def _verdict(self) -> BaseException:
        """Return why the hub does not answer any more."""
        try:
            if ray.is_initialized() and not self._closing:
                ray.get(self._hub.running.remote(), timeout=VERDICT_SECONDS)
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that waits while it shuts down
            return exc if isinstance(exc, Exception) else ExecutionError("Ray was shut down")
        return ExecutionError("the connection to the coordinator has ended")


def _pass_on(future: Future[Answer], fetched: Future[Answer]) -> None:
    error = fetched.exception()
    if error is None:
        future.set_result(fetched.result())
    else:
        future.set_exception(error)
