"""When a slice goes through the socket and when by Ray, and what becomes of it; the member is a list of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import ray.exceptions

from routilux_dist.cluster import reach
from routilux_dist.cluster.reach import HostReach, MemberReach
from routilux_dist.cluster.wires import Door, NotLightError
from routilux_dist.wire.block import Block, Packed, Stored
from routilux_dist.wire.slices import Receipt, Slice

PATIENCE = 30.0
WORK = Slice(id=7, attempt=1, group=2, partition=0, blocks=[], budget=1.0, jobs={}, block_rows={}, default_rows=1)


class Method:
    def __init__(self, actor: Actor, name: str) -> None:
        self.actor, self.name = actor, name

    def options(self, **options: Any) -> Method:
        return self

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
        self.error: Exception | None = None
        self.hear: Callable[[Any], None] = lambda message: None
        self.ended: Callable[[], None] = lambda: None

    def send(self, message: Any) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    def abort(self) -> None:
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
        self.reach = MemberReach(self.actor, self.doorway)  # type: ignore[arg-type]

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
        scene.end.error = NotLightError("a reference in it")
        scene.run(2)
        assert [call[0] for call in scene.actor.named("run")] == [0, 1, 2]
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
        assert Door("n", "name", b"key") in scene.doorway.forgotten

    play(scenario)


class Home:
    """A home that has run its first slice by a call of Ray's, and has been asked to attend to its socket."""

    def __init__(self) -> None:
        self.actor, self.doorway, self.end = Actor(), FakeDoorway(), FakeEnd()
        self.reach = HostReach(self.actor, self.doorway)  # type: ignore[arg-type]

    def run(self, number: int, *arguments: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.reach.run(WORK._replace(id=number), 100, *arguments))

    def ran(self) -> list[int]:
        """Return the slices that went by Ray."""
        return [call[0].id for call in self.actor.named("run")]

    def returned(self, apart: bool = False) -> None:
        """Let the newest call of Ray's return."""
        self.actor.made["run"][-1][0].set_result(receipt(apart))

    async def begin(self) -> None:
        first = self.run(0)
        assert self.actor.named("attend") == [], "of two calls to a new actor Ray loses one now and then"
        self.returned()
        await first
        await asyncio.sleep(0)
        assert self.actor.named("attend") == [(Door("n", "name", b"key"),)]

    async def connect(self) -> None:
        self.doorway.then(self.end)
        await asyncio.sleep(0)

    def attended(self) -> asyncio.Future[Any]:
        return self.actor.made["attend"][-1][0]


def play_home(scenario: Callable[[Home], Awaitable[None]]) -> None:
    async def main() -> None:
        home = Home()
        await home.begin()
        await asyncio.wait_for(scenario(home), PATIENCE)

    asyncio.run(main())


async def a_while() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_slice_waits_until_its_home_has_connected() -> None:
    async def scenario(home: Home) -> None:
        second = home.run(1)
        await a_while()
        assert home.ran() == [0], "it would wait there until the home leaves its socket"
        await home.connect()
        await a_while()
        assert home.end.sent == [(WORK._replace(id=1), 100)]
        home.end.hear((1, receipt(), False, None))
        assert await second == (receipt(), None)

    play_home(scenario)


def test_a_home_that_cannot_connect_is_called_by_ray_and_not_asked_again() -> None:
    async def scenario(home: Home) -> None:
        second = home.run(1)
        await a_while()
        home.attended().set_result(None)
        await a_while()
        assert home.ran() == [0, 1]
        home.returned()
        await second
        home.run(2)
        await a_while()
        assert home.ran() == [0, 1, 2]
        assert len(home.actor.named("attend")) == 1

    play_home(scenario)


@pytest.mark.parametrize("connected", [True, False])
def test_a_home_leaves_its_socket_before_ray_calls_it_and_comes_back(connected: bool) -> None:
    async def scenario(home: Home) -> None:
        if connected:
            await home.connect()
        light = None if connected else home.run(1)
        heavy = home.run(2, "a large body")
        if not connected:
            await home.connect()
        await a_while()
        assert home.end.sent == [None]
        assert home.ran() == ([0, 2] if connected else [0, 2, 1])
        home.attended().set_result(None)
        for made in home.actor.made["run"][1:]:
            made[0].set_result(receipt())
        await heavy
        if light is not None:
            await light
        await a_while()
        assert len(home.actor.named("attend")) == 2

    play_home(scenario)


def test_a_home_leaves_its_socket_so_that_what_is_large_can_be_fetched() -> None:
    async def scenario(home: Home) -> None:
        await home.connect()
        large = home.run(1)
        await a_while()
        home.end.hear((1, receipt(apart=True), True, None))
        await a_while()
        assert home.end.sent[1:] == [None]
        assert home.actor.named("rest") == [(1,)]
        [(there, stored)] = home.actor.made["rest"]
        there.set_result(None)
        assert await large == (receipt(apart=True), stored)
        home.run(2)
        assert home.ran() == [0, 2]
        home.returned(apart=True)
        await a_while()
        assert len(home.actor.named("attend")) == 1, "it makes large things"

    play_home(scenario)


def test_a_receipt_that_is_not_for_a_socket_is_fetched_whole() -> None:
    async def scenario(home: Home) -> None:
        await home.connect()
        outcome = home.run(1)
        await a_while()
        home.end.hear((1, None, True, None))
        await a_while()
        [(there, stored)] = home.actor.made["rest"]
        there.set_result(receipt())
        assert await outcome == (receipt(), stored)

    play_home(scenario)


def test_a_slice_is_stopped_in_the_way_in_which_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[Any] = []
    monkeypatch.setattr(reach, "cancel", cancelled.append)

    async def scenario(home: Home) -> None:
        early = home.run(1)
        home.reach.stop(1)
        await home.connect()
        assert await early == (None, None)
        home.run(2)
        await a_while()
        home.reach.stop(2)
        assert home.end.sent == [(WORK._replace(id=2), 100), 2]
        home.run(3, "a large body")
        await a_while()
        home.reach.stop(3)
        assert cancelled == [home.actor.made["run"][-1][0]]

    play_home(scenario)


def test_the_death_of_a_home_is_that_of_what_is_out_or_waits() -> None:
    async def scenario(home: Home) -> None:
        waits = home.run(1)
        await a_while()
        home.attended().set_exception(ray.exceptions.ActorDiedError())
        await a_while()
        home.actor.made["run"][-1][0].set_exception(ray.exceptions.ActorDiedError())
        with pytest.raises(ray.exceptions.ActorDiedError):
            await waits

    async def connected(home: Home) -> None:
        await home.connect()
        out = home.run(1)
        await a_while()
        home.attended().set_exception(ray.exceptions.ActorDiedError())
        with pytest.raises(ray.exceptions.ActorDiedError):
            await out

    play_home(scenario)
    play_home(connected)


def test_a_home_leaves_its_socket_before_it_is_vacated() -> None:
    async def scenario(home: Home) -> None:
        await home.connect()
        home.reach.vacate()
        assert home.end.sent == [None]
        assert home.actor.named("vacate") == [()]

    play_home(scenario)


def test_a_slice_that_ends_after_its_home_was_vacated_does_not_have_it_attend() -> None:
    async def scenario(home: Home) -> None:
        home.run(1, "a large body")
        home.attended().set_result(None)
        home.reach.vacate()
        home.returned()
        await a_while()
        assert len(home.actor.named("attend")) == 1, "whoever it serves next would wait for ever"

    play_home(scenario)


def test_what_waits_for_a_line_that_was_left_does_not_end_up_behind_the_next_one() -> None:
    """A pool has two slices at once: a light one that waits for the first line, and a heavy one before which that is left."""

    async def scenario(home: Home) -> None:
        light, heavy = home.run(1), home.run(2, "a large body")
        home.actor.made["run"][-1][0].set_result(receipt())
        await heavy
        await a_while()
        assert len(home.actor.named("attend")) == 1, "not while one waits"
        await home.connect()
        home.attended().set_result(None)
        await a_while()
        assert home.ran() == [0, 2, 1]
        home.returned()
        assert await light == (receipt(), home.actor.made["run"][-1][1])
        await a_while()
        assert len(home.actor.named("attend")) == 2

    play_home(scenario)


def test_a_slice_is_stopped_through_a_line_that_was_left_meanwhile() -> None:
    async def scenario(home: Home) -> None:
        await home.connect()
        home.run(1)
        await a_while()
        home.run(2, "a large body")
        home.reach.stop(1)
        assert home.end.sent[1:] == [None, 1]

    play_home(scenario)


def test_nothing_is_sent_after_the_death() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.connect()
        await a_while()
        [[stays]] = scene.actor.made["stay"]
        stays.set_exception(ray.exceptions.ActorDiedError())
        await a_while()
        scene.run(1)
        assert scene.end.sent == []
        assert [call[0] for call in scene.actor.named("run")] == [1]

    play(scenario)
