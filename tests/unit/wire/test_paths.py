"""Where something is inside a value."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from routilux_dist.wire.paths import place_of
from routilux_dist.wire.registry import Registry
from tests.ids import named

CULPRIT = type("Culprit", (), {})()


@dataclass
class Row:
    when: Any = CULPRIT


@dataclass(slots=True)
class Slim:
    what: Any = CULPRIT


class Pair(NamedTuple):
    left: Any
    right: Any


class Zone(dt.tzinfo):
    pass


ZONE = Zone()


def test_of_the_value_itself_and_of_a_stranger() -> None:
    assert place_of(CULPRIT, CULPRIT, Registry()) == ""
    assert place_of([1], CULPRIT, Registry()) == ""


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"rows": [1, 2, 3, Row()]}, "['rows'][3].when"),
        ((0, (1, CULPRIT)), "[1][1]"),
        ({1: {CULPRIT: 2}}, f"[1].keys()[{CULPRIT!r:.80}]"),
        ({CULPRIT}, f".{{{CULPRIT!r:.80}}}"),
        (Slim(), ".what"),
        (Pair(1, [CULPRIT]), ".right[0]"),
        (ValueError("a", CULPRIT), ".args[1]"),
    ],
    ids=named,
)
def test_of_a_part(value: Any, place: str) -> None:
    registry = Registry()
    for cls in (Row, Slim, Pair):
        registry.register(cls)
    assert place_of(value, CULPRIT, registry) == place


def test_of_a_time_zone() -> None:
    assert place_of([dt.time(tzinfo=ZONE)], ZONE, Registry()) == "[0].tzinfo"


def test_a_value_that_contains_itself() -> None:
    value: list[Any] = []
    value.append(value)
    assert place_of(value, CULPRIT, Registry()) == ""
