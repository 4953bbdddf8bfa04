"""Processes that wait for another flow."""

from __future__ import annotations

from routilux_dist.cluster.vacated import Vacant, Vacated


def test_the_last_one_is_taken_first() -> None:
    ended: list[str] = []
    kept = Vacated(3, ended.append)
    for name in ("a", "b", "c"):
        kept.add(name, f"at {name}", 1.0)
    assert kept.take() == Vacant("c", "at c", 1.0)
    kept.add("d", None, 2.0)
    assert [kept.take(), kept.take()] == [Vacant("d", None, 2.0), Vacant("b", "at b", 1.0)]
    assert kept.take() is not None
    assert kept.take() is None
    assert ended == []


def test_no_more_are_kept_than_wanted() -> None:
    ended: list[str] = []
    kept = Vacated(1, ended.append)
    kept.add("a", None, 0.0)
    kept.add("b", None, 0.0)
    assert ended == ["b"]
    taken = kept.take()
    assert taken is not None
    assert taken.actor == "a"


def test_those_that_nobody_wants_end_after_a_while() -> None:
    ended: list[str] = []
    kept = Vacated(9, ended.append)
    kept.add("a", None, 0.0)
    kept.add("b", None, 5.0)
    kept.sweep(0.0)
    assert ended == []
    kept.sweep(1.0)
    assert ended == ["a"]
    kept.sweep(6.0)
    assert ended == ["a", "b"]
    assert kept.take() is None
