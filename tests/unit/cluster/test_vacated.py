"""Processes that wait for another flow."""

from __future__ import annotations

from routilux_dist.cluster.vacated import Vacated


def test_the_last_one_is_taken_first() -> None:
    ended: list[str] = []
    kept = Vacated(3, ended.append)
    for name in ("a", "b", "c"):
        kept.add(name, 1.0)
    assert kept.take() == "c"
    kept.add("d", 2.0)
    assert [kept.take(), kept.take()] == ["d", "b"]
    assert kept.take() == "a"
    assert kept.take() is None
    assert ended == []


def test_no_more_are_kept_than_wanted() -> None:
    ended: list[str] = []
    kept = Vacated(1, ended.append)
    kept.add("a", 0.0)
    kept.add("b", 0.0)
    assert ended == ["b"]
    assert kept.take() == "a"


def test_those_that_nobody_wants_end_after_a_while() -> None:
    ended: list[str] = []
    kept = Vacated(9, ended.append)
    kept.add("a", 0.0)
    kept.add("b", 5.0)
    kept.sweep(0.0)
    assert ended == []
    kept.sweep(1.0)
    assert ended == ["a"]
    kept.sweep(6.0)
    assert ended == ["a", "b"]
    assert kept.take() is None


def test_all_of_them_can_be_ended() -> None:
    ended: list[str] = []
    kept = Vacated(9, ended.append)
    kept.add("a", 0.0)
    kept.add("b", 5.0)
    kept.end()
    assert sorted(ended) == ["a", "b"]
    assert kept.take() is None
