"""When a slice goes through the socket and when by Ray, and what becomes of it; the member is a list of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import ray.exceptions

from routilux_dist.cluster import reach
from routilux_dist.cluster.reach import Reach
from routilux_dist.cluster.wires import Door
from routilux_dist.wire.block import Block, Packed, Stored
from routilux_dist.wire.slices import Receipt, Slice

PATIENCE = 30.0
WORK = Slice(id=7, attempt=1, group=2, partition=0, blocks=[], budget=1.0, jobs={}, block_rows={}, default_rows=1)


class Method:
    def __init__(self, actor: Actor, name: str) -> None:
        self.actor, self.name = actor, name

    def remote(self, *arguments: Any) -> Any:
        self.actor.calls.append((self.name, *arguments))
        loop = asyncio.get_running_loop()
        made = [loop.create_future() for _ in range(2 if self.name in ("run", "rest") else 1)]
        self.actor.made.setdefault(self.name, []).append(made)
        return made if len(made) > 1 else made[0]


class Actor:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.made: dict[str, list[list[asyncio.Future[Any]]]] = {}
        self._actor_id = ray.ActorID.nil()

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


class FakeEnd:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False
        self.hear: Callable[[Any], None] = lambda message: None
        self.ended: Callable[[], None] = lambda: None

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.closed = True


class FakeDoorway:
    def __init__(self) -> None:
        self.then: Callable[[Any], None] = lambda end: None
        self.forgotten: list[Door] = []

    def expect(self, then: Callable[[Any], None]) -> Door:
        self.then = then
        return Door("n", "name", b"key")

    def forget(self, door: Door) -> None:
        self.forgotten.append(door)


class Scene:
    def __init__(self) -> None:
        self.actor, self.doorway, self.end = Actor(), FakeDoorway(), FakeEnd()
        self.reach = Reach(self.actor, self.doorway)  # type: ignore[arg-type]

    async def connect(self) -> None:
        self.doorway.then(self.end)
        await asyncio.sleep(0)  # it begins to watch

    def run(self, turn: int, shipment: list[Any] | None = None, *arguments: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.reach.run(turn, "f", shipment, WORK, 100, *arguments))


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(scenario(Scene()), PATIENCE)

    asyncio.run(main())


def receipt(apart: bool = False) -> Receipt:
    made = Receipt(7, 1)
    if apart:
        body = Stored(None, 0)
    made.blocks = [Block("j", 0, 0, 1, 1, 1, 0, False, "", body if apart else Packed(b"x"))]
    return made


def test_ray_is_called_until_the_member_has_connected() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reach.ready()
        assert scene.actor.calls == [("ready", Door("n", "name", b"key"))]
        outcome = scene.run(0)
        scene.reach.drop(1, stop=True)
        assert scene.actor.calls[1:] == [("run", 0, "f", None, WORK, 100), ("drop", 1, True)]
        [refs] = scene.actor.made["run"]
        refs[0].set_result(receipt())
        assert await outcome == (receipt(), refs[1])

    play(scenario)


def test_what_is_light_goes_through_the_socket() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        first, second, third = scene.run(0), scene.run(1), scene.run(2)
        scene.reach.drop(2, stop=False)
        assert scene.end.sent == [*((n, "f", WORK, 100) for n in range(3)), (2, False)]
        scene.end.hear((1, receipt(), False, None))
        scene.end.hear((0, receipt(), False, None))
        scene.end.hear((2, None, False, None))
        scene.end.hear((1, receipt(), False, None))  # again: nobody waits
        assert [await first, await second, await third] == [(receipt(), None)] * 2 + [(None, None)]
        assert scene.actor.named("run") == scene.actor.named("drop") == []

    play(scenario)


def test_what_ray_has_to_see_goes_by_ray() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        scene.run(0, ["shipment"])
        scene.run(1, None, "a large body")
        assert [call[0] for call in scene.actor.named("run")] == [0, 1]
        assert scene.end.sent == []

    play(scenario)


def test_what_is_large_is_fetched_and_the_next_one_goes_by_ray_until_it_is_small_again() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        large = scene.run(0)
        await asyncio.sleep(0)
        scene.end.hear((0, receipt(apart=True), True, None))
        await asyncio.sleep(0.01)
        assert scene.actor.named("rest") == [(0,)]
        [(there, stored)] = scene.actor.made["rest"]
        assert not large.done(), "it may still be lost with its process"
        there.set_result(None)
        assert await large == (receipt(apart=True), stored)
        second, third = scene.run(1), scene.run(2)
        assert [call[0] for call in scene.actor.named("run")] == [1, 2]
        for made, apart in zip(scene.actor.made["run"], (True, False)):
            made[0].set_result(receipt(apart))
        await second
        await third
        scene.run(3)
        assert [message[0] for message in scene.end.sent] == [0, 3]

    play(scenario)


def test_an_error_is_one_of_its_call_alone() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        bad, good = scene.run(0), scene.run(1)
        scene.end.hear((0, None, False, "Traceback: oh"))
        scene.end.hear((1, receipt(), False, None))
        with pytest.raises(ray.exceptions.RayTaskError, match="oh"):
            await bad
        assert await good == (receipt(), None)

    play(scenario)


def test_the_death_of_the_process_is_that_of_all_that_is_out() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        outcomes = [scene.run(0), scene.run(1)]
        await asyncio.sleep(0)
        [[stays]] = scene.actor.made["stay"]
        stays.set_exception(ray.exceptions.ActorDiedError())
        for outcome in outcomes:
            with pytest.raises(ray.exceptions.ActorDiedError):
                await outcome
        assert scene.end.closed
        scene.end.ended()
        scene.run(2)
        assert [call[0] for call in scene.actor.named("run")] == [2], "which tells by itself that it is dead"

    play(scenario)


def test_a_socket_that_ends_without_its_process_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "VERDICT_SECONDS", 0.0)

    async def scenario(scene: Scene) -> None:
        await scene.connect()
        outcome = scene.run(0)
        scene.end.ended()
        with pytest.raises(ray.exceptions.ActorUnavailableError, match="although it lives"):
            await outcome
        scene.reach.end()
        assert scene.doorway.forgotten == [Door("n", "name", b"key")]

    play(scenario)
