"""Sockets between processes, here between a loop in a thread and this one."""

from __future__ import annotations

import asyncio
import os
import pickle
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from routilux_dist.cluster import wires
from routilux_dist.cluster.wires import Door, Doorway, End, NotLightError, Wire

PATIENCE = 30.0
NODE = "n1"


class Hub:
    """A loop with a doorway; notes what is heard there, and answers it if it is told how."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ended = threading.Event()
        self.ends: queue.SimpleQueue[End] = queue.SimpleQueue()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.doorway = Doorway(NODE)
        asyncio.run_coroutine_threadsafe(self.doorway.open(), self.loop).result(PATIENCE)

    def door(self) -> Door:
        return self.doorway.expect(self._connected)

    def _connected(self, end: End) -> None:
        end.hear, end.ended = self.heard.put, self.ended.set
        self.ends.put(end)

    def send(self, end: End, message: Any) -> None:
        self.loop.call_soon_threadsafe(end.send, message)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()

    async def _close(self) -> None:
        self.doorway.close()
        while not self.ends.empty():
            self.ends.get().close()
        await asyncio.sleep(0)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def connect(hub: Hub) -> tuple[Wire, End]:
    wire = wires.dial(hub.door(), NODE)
    assert wire is not None
    end = hub.ends.get(timeout=PATIENCE)
    hub.ends.put(end)
    return wire, end


def listen(wire: Wire) -> tuple[queue.SimpleQueue[Any], threading.Event, threading.Thread]:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ended = threading.Event()
    return heard, ended, wire.listen(heard.put, ended.set, "test-wire")


def end_of(wire: Wire) -> None:
    _, ended, thread = listen(wire)
    wire.close()
    assert ended.wait(PATIENCE)
    thread.join(PATIENCE)


MESSAGES = [None, b"", b"x", (1, "two", {"three": [3.0]}), os.urandom(5 << 20), "last"]


def test_messages_of_any_size_arrive_on_both_sides_in_order(hub: Hub) -> None:
    wire, end = connect(hub)
    heard, ended, thread = listen(wire)
    for message in MESSAGES:
        wire.send(message)
        hub.send(end, message)
    assert [hub.heard.get(timeout=PATIENCE) for _ in MESSAGES] == MESSAGES
    assert [heard.get(timeout=PATIENCE) for _ in MESSAGES] == MESSAGES
    wire.close()
    assert ended.wait(PATIENCE)
    assert hub.ended.wait(PATIENCE)
    thread.join(PATIENCE)


def test_what_threads_send_at_once_is_not_mixed(hub: Hub) -> None:
    wire, _ = connect(hub)
    messages = [(n, bytes([n]) * (n * 5_000)) for n in range(40)]
    threads = [threading.Thread(target=wire.send, args=(message,)) for message in messages]
    for thread in threads:
        thread.start()
    assert sorted(hub.heard.get(timeout=PATIENCE) for _ in messages) == messages
    end_of(wire)


def test_each_side_sees_the_end_of_the_other(hub: Hub) -> None:
    wire, end = connect(hub)
    _, ended, thread = listen(wire)
    hub.loop.call_soon_threadsafe(end.close)
    assert ended.wait(PATIENCE)
    assert hub.ended.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not end.open
    with pytest.raises(OSError, match=r"closed|descriptor|pipe"):
        wire.send("nobody is there")
    hub.loop.call_soon_threadsafe(end.send, "nobody is there")  # is lost, like what was on its way


def raw(door: Door, data: bytes) -> bytes:
    """Connect and send something; return what comes until the other side ends the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(PATIENCE)
        stranger.connect(f"\0{door.name}")
        stranger.sendall(data)
        try:
            return stranger.recv(1)
        except ConnectionResetError:
            return b""


class Bomb:
    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> Any:
        return Path.touch, (self.sign,)


def test_who_has_no_key_is_turned_away_and_not_read(hub: Hub, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    bomb = pickle.dumps(Bomb(sign))
    door = hub.door()
    for key in (bytes(wires.KEY_BYTES), door.key[::-1], door.key[:-1] + b"?"):
        assert raw(door, key + len(bomb).to_bytes(8, "big") + bomb) == b""
    assert not sign.exists()
    wire = wires.dial(door, NODE)
    assert wire is not None, "others have not used it up"
    wire.send(Bomb(sign))
    hub.heard.get(timeout=PATIENCE)
    assert sign.exists(), "it would have gone off"
    end_of(wire)


def test_a_key_opens_once_and_not_after_it_was_forgotten(hub: Hub) -> None:
    door, forgotten = hub.door(), hub.door()
    wire = wires.dial(door, NODE)
    assert wire is not None
    wire.send("first")
    assert hub.heard.get(timeout=PATIENCE) == "first"
    hub.doorway.forget(forgotten)
    assert raw(door, door.key) == raw(forgotten, forgotten.key) == b""
    end_of(wire)


def test_there_is_no_wire_to_another_node_nor_to_a_hub_that_is_gone() -> None:
    hub = Hub()
    door = hub.door()
    assert wires.dial(door, "n2") is None
    assert wires.dial(None, NODE) is None
    hub.close()
    assert wires.dial(door, NODE) is None


def test_references_are_refused_on_both_sides_and_the_wire_goes_on(hub: Hub) -> None:
    wire, end = connect(hub)
    reference = ray.ObjectRef(bytes(28), skip_adding_local_ref=True)  # type: ignore[call-arg]
    for send in (wire.send, end.send):
        with pytest.raises(NotLightError):
            send({"deep": [reference]})
    wire.send("light")
    assert hub.heard.get(timeout=PATIENCE) == "light"
    end_of(wire)


def test_a_forked_child_says_nothing(hub: Hub) -> None:
    wire, _ = connect(hub)
    child = os.fork()
    if child == 0:
        wire.send("from the child")
        os._exit(0)
    os.waitpid(child, 0)
    wire.send("from its parent")
    assert hub.heard.get(timeout=PATIENCE) == "from its parent"
    end_of(wire)


class OtherTransport:
    """What uvloop gives: of no class of asyncio's."""

    def __init__(self, connected: socket.socket) -> None:
        self.connected, self.written = connected, b""

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.connected

    def write(self, data: bytes) -> None:
        self.written += data


def test_transports_of_other_loops_are_as_good() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        doorway, transport = Doorway(NODE), OtherTransport(ours)
        ends: list[End] = []
        door = doorway.expect(ends.append)
        end = End(doorway._admit)
        end.connection_made(transport)  # type: ignore[arg-type]
        end.data_received(door.key)
        assert (ends, transport.written) == ([], b"!"), "it has to show that it still listens"
        end.data_received(b"!")
        assert ends == [end]
        end.send("hello")
        assert transport.written == b"!" + wires.pack("hello")
        doorway.close()


def test_a_hub_that_takes_nobody_in_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "DIAL_SECONDS", 0.05)
    doorway = Doorway(NODE)
    assert wires.dial(doorway.expect(lambda end: None), NODE) is None
    doorway.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_fails_ends_the_connection(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    wire, end = connect(hub)
    ended = threading.Event()

    def hear(message: Any) -> None:
        raise RuntimeError("cannot bear it")

    thread = wire.listen(hear, ended.set, "test-wire")
    hub.send(end, "hello")
    assert ended.wait(PATIENCE)
    assert hub.ended.wait(PATIENCE), "whoever waits for an answer has to hear of it"
    thread.join(PATIENCE)
    assert "cannot bear it" in capsys.readouterr().err


def test_what_cannot_be_pickled_is_not_light() -> None:
    with pytest.raises(NotLightError, match="cannot be pickled"):
        wires.pack(lambda: None)
    with pytest.raises(NotLightError, match="cannot be pickled"):
        wires.pack(threading.Lock())
