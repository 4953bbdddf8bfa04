"""Who stands still, and for how long."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable

from routilux_dist.cluster import lookout
from routilux_dist.cluster.lookout import Lookout, Whereabouts

HERE, THERE = Whereabouts("n1", 11), Whereabouts("n2", 11)


class Table:
    """Knows where some actors are; notes which it was asked for."""

    def __init__(self, **places: Whereabouts) -> None:
        self.places = places
        self.asked: list[str] = []

    async def __call__(self, actors: Iterable[str]) -> dict[str, Whereabouts]:
        wanted = sorted(actors)
        self.asked += wanted
        return {actor: self.places[actor] for actor in wanted if actor in self.places}


class Nodes:
    """Answers for nodes; notes what they were asked."""

    def __init__(self) -> None:
        self.stopped: dict[str, set[int]] = {}
        self.asked: list[tuple[str, list[int], str]] = []

    async def __call__(self, node: str, pids: list[int], do: Callable[[Iterable[int]], set[int]]) -> set[int]:
        self.asked.append((node, pids, do.__name__))
        return self.stopped.get(node, set()) & set(pids)


def test_only_who_stands_still_for_long_is_ended() -> None:
    nodes = Nodes()
    table = Table(here=HERE, there=THERE)
    watch = Lookout(30, table, nodes)
    slices = {1: "here", 2: "here", 3: "there"}
    look = lambda now: asyncio.run(watch.look(now, slices))  # noqa: E731
    assert look(0) == {}
    assert sorted(nodes.asked) == [("n1", [11], "stopped"), ("n2", [11], "stopped")], "each node is asked once"
    nodes.stopped = {"n1": {11}}
    assert look(10) == look(39) == {}
    nodes.stopped = {}
    assert look(40) == {}, "it goes on"
    nodes.stopped = {"n1": {11}}
    assert look(41) == {}, "that it stood still before does not count"
    assert look(71) == {1: HERE, 2: HERE}
    assert table.asked == ["here", "there"], "no actor moves"
    nodes.asked.clear()
    asyncio.run(watch.end([HERE, HERE]))
    assert nodes.asked == [("n1", [11], "end_stopped")]


def test_a_process_that_is_not_there_yet_is_looked_for_again() -> None:
    nodes, table = Nodes(), Table()
    watch = Lookout(30, table, nodes)
    nodes.stopped = {"n1": {11}}
    assert asyncio.run(watch.look(0, {1: "here"})) == {}
    assert nodes.asked == []
    table.places["here"] = HERE
    assert asyncio.run(watch.look(10, {1: "here"})) == {}
    assert asyncio.run(watch.look(40, {1: "here"})) == {1: HERE}
    assert asyncio.run(watch.look(50, {})) == {}, "what nobody waits for is forgotten"
    assert asyncio.run(watch.look(60, {1: "here"})) == {}
    assert table.asked == ["here"] * 3


def test_looks_are_a_part_of_the_patience_apart() -> None:
    assert Lookout(30, Table(), Nodes()).pause == lookout.LONGEST == 10
    assert Lookout(0.6, Table(), Nodes()).pause == 0.6 / lookout.LOOKS


def test_the_process_table_tells() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert lookout.stopped([child.pid, os.getpid()]) == set()
        os.kill(child.pid, signal.SIGSTOP)
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert lookout.stopped([child.pid, os.getpid()]) == {child.pid}
        assert lookout.end_stopped([child.pid, os.getpid()]) == {child.pid}
        assert child.wait(timeout=60) == -signal.SIGKILL
    finally:
        child.kill()
        child.communicate()
    assert lookout.stopped([child.pid]) == set(), "there is no such process"
