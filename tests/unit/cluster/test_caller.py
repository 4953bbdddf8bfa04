"""Calls to a hub, with a wire and a Ray that are lists."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
import ray

from routilux_dist.cluster import caller, wires
from routilux_dist.cluster.caller import Caller
from routilux_dist.cluster.inbox import Answer
from routilux_dist.cluster.wires import NotLightError
from routilux_dist.errors import ExecutionError

PATIENCE = 30.0
NEWS = Answer(3, [])


class Reference:
    def __init__(self) -> None:
        self._future: Future[Any] = Future()

    def future(self) -> Future[Any]:
        return self._future


class FakeHub:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.made: list[Future[Any]] = []

    def __getattr__(self, name: str) -> Any:
        hub = self

        class Method:
            def remote(self, *arguments: Any) -> Reference:
                reference = Reference()
                hub.calls.append((name, *arguments))
                hub.made.append(reference.future())
                return reference

        return Method()


class FakeWire:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.error: Exception | None = None
        self.hear: Callable[[Any], None] = lambda message: None
        self.ended: Callable[[], None] = lambda: None
        self.closed = False

    def send(self, message: Any) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    def listen(self, hear: Callable[[Any], None], ended: Callable[[], None], name: str) -> threading.Thread:
        self.hear, self.ended = hear, ended
        return threading.current_thread()

    def close(self) -> None:
        self.closed = True


class Context:
    def get_node_id(self) -> str:
        return "n"


class Dead(Exception):
    """What Ray says of the hub."""


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> FakeWire:
    made = FakeWire()

    def get(reference: Any, timeout: float) -> Any:
        raise Dead("the hub was killed")

    monkeypatch.setattr(wires, "dial", lambda door, node: made if door is not None else None)
    monkeypatch.setattr(caller.ray, "get_runtime_context", Context)
    monkeypatch.setattr(caller.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(caller.ray, "get", get)
    return made


def elsewhere(call: Callable[[], Any]) -> Any:
    """Call in another thread than the main one."""
    found: Future[Any] = Future()

    def run() -> None:
        try:
            found.set_result(call())
        except BaseException as exc:
            found.set_exception(exc)

    threading.Thread(target=run).start()
    return found.result(PATIENCE)


DOOR: Any = "a door"


def test_answers_find_their_calls(wire: FakeWire) -> None:
    hub = FakeHub()
    calls = Caller(hub, DOOR)
    first = elsewhere(lambda: calls.call("take", "f", 1))
    second = elsewhere(lambda: calls.call("news", "f"))
    assert wire.sent == [(0, "take", ("f", 1)), (1, "news", ("f",))]
    assert hub.calls == []
    wire.hear((1, NEWS, None))
    wire.hear((0, None, ValueError("not so")))
    wire.hear((0, NEWS, None))  # again: nobody waits
    assert second.result(PATIENCE) == NEWS
    with pytest.raises(ValueError, match="not so"):
        first.result(PATIENCE)


def test_ray_is_called_where_there_is_no_wire(wire: FakeWire) -> None:
    hub = FakeHub()
    calls = Caller(hub, None)
    assert elsewhere(lambda: calls.call("take", 1)) is hub.made[0]
    assert hub.calls == [("take", 1)]
    assert calls.thread is None
    calls.close()


def test_the_main_thread_calls_by_ray(wire: FakeWire) -> None:
    hub = FakeHub()
    assert Caller(hub, DOOR).call("take", 1) is hub.made[0], "a message must not be cut off by an interrupt"
    assert wire.sent == []


def test_references_go_by_ray_there_and_back(wire: FakeWire) -> None:
    hub = FakeHub()
    calls = Caller(hub, DOOR)
    wire.error = NotLightError("a reference")
    assert elsewhere(lambda: calls.call("take", "ref")) is hub.made[0]
    wire.error = None
    answered = elsewhere(lambda: calls.call("news"))
    wire.hear((1, 17, None))
    assert hub.calls[1:] == [("rest", 17)]
    assert not answered.done()
    hub.made[1].set_result(NEWS)
    assert answered.result(PATIENCE) == NEWS
    failed = elsewhere(lambda: calls.call("news"))
    wire.hear((2, 18, None))
    hub.made[2].set_exception(Dead("meanwhile"))
    with pytest.raises(Dead):
        failed.result(PATIENCE)


def test_what_is_out_when_the_wire_ends_fails_as_ray_says_and_then_ray_is_called(wire: FakeWire) -> None:
    hub = FakeHub()
    calls = Caller(hub, DOOR)
    out = elsewhere(lambda: calls.call("take", 1))
    wire.ended()
    with pytest.raises(Dead, match="killed"):
        out.result(PATIENCE)
    assert elsewhere(lambda: calls.call("take", 2)) is hub.made[-1]


def test_a_call_that_finds_the_wire_ended_fails_likewise(wire: FakeWire) -> None:
    calls = Caller(FakeHub(), DOOR)
    wire.error = BrokenPipeError()
    with pytest.raises(Dead):
        elsewhere(lambda: calls.call("take", 1)).result(PATIENCE)


def test_nobody_is_asked_once_it_is_closed(wire: FakeWire) -> None:
    hub = FakeHub()
    calls = Caller(hub, DOOR)
    out = elsewhere(lambda: calls.call("news"))
    calls.close()
    assert wire.closed
    wire.ended()
    with pytest.raises(ExecutionError):
        out.result(PATIENCE)
    assert hub.calls == []


def test_nothing_is_called_without_ray(wire: FakeWire, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Caller(FakeHub(), DOOR)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ExecutionError, match="shut down"):
        calls.call("take", 1)
