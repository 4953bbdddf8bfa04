from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from routilux_dist.plan.plan import GroupKind
from routilux_dist.testing.lines import Lines
from routilux_dist.wire.block import Block, Rows

PLAN: Any = SimpleNamespace(
    ports=[SimpleNamespace(group=group, routine=f"r{place}") for place, group in enumerate((0, 1, -1, 0))],
    groups=[SimpleNamespace(kind=GroupKind.SHARDS), SimpleNamespace(kind=GroupKind.TASKS)],
)


def block(*, port: int = 0, home: int = 0, attempt: int = 1, rows: int = 2, entry: bool = False) -> Block:
    return Block("j", port, home, rows, 0, attempt, 0, entry, "", Rows(list(range(rows))))


def test_a_home_sees_messages_in_the_order_of_their_commits() -> None:
    lines = Lines(PLAN)
    lines.join("j", block(), "ab")
    lines.join("j", block(), "cd")
    assert lines.leave("j", block(), "ab")
    assert not lines.leave("j", block(), "d")


def test_what_comes_back_is_next() -> None:
    lines = Lines(PLAN)
    lines.join("j", block(), "ab")
    assert lines.leave("j", block(), "a")
    lines.head("j", block(), "xy")
    assert lines.leave("j", block(), "xyb")
    assert not lines.leave("j", block(), "b")


def test_jobs_homes_and_the_door_have_lines_of_their_own() -> None:
    lines = Lines(PLAN)
    lines.join("j", block(), "a")
    lines.join("j", block(home=1), "b")
    lines.join("j", block(entry=True), "c")
    lines.join("k", block(), "d")
    assert lines.leave("k", block(), "d")
    assert lines.leave("j", block(entry=True), "c")
    assert lines.leave("j", block(home=1), "b")
    assert lines.leave("j", block(), "a")


def test_only_homes_have_lines() -> None:
    lines = Lines(PLAN)
    for free in (block(port=1), block(port=2), block(attempt=2), block(rows=0)):
        lines.join("j", free, "ab")
        assert lines.leave("j", free, "ba")
    assert lines.here(block(home=1), 0, 1)
    assert not lines.here(block(home=1), 0, 0)
    assert not lines.here(block(port=1), 1, 0)


def test_routines_of_a_home_may_pass_each_other_but_not_in_a_sequential_flow() -> None:
    sequential = SimpleNamespace(ports=PLAN.ports, groups=[SimpleNamespace(kind=GroupKind.SOLO), PLAN.groups[1]])
    for plan, passes in ((PLAN, True), (sequential, False)):
        lines = Lines(plan)
        lines.join("j", block(port=0), "a")
        lines.join("j", block(port=3), "b")
        assert lines.leave("j", block(port=3), "b") is passes
