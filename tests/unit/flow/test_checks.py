"""What a value may be: each sentence names the argument, what was given, and the rule."""

from __future__ import annotations

import math
from typing import Any

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks


@pytest.mark.parametrize("value", [True, "3", None, math.nan, math.inf, -math.inf, [], 0.4, 6])
def test_what_is_no_number_in_the_bounds(value: Any) -> None:
    fault = checks.number("n", value, least=0.5, most=5)
    assert fault == f"n={value!r}: has to be a number from 0.5 to 5"


@pytest.mark.parametrize("value", [0.5, 1, 5])
def test_bounds_are_in(value: float) -> None:
    assert checks.number("n", value, least=0.5, most=5) == ""
    assert "greater than" in checks.number("n", value, above=value)


@pytest.mark.parametrize("value", [True, 1.0, "1", 0, 9, math.nan])
def test_what_is_no_whole_number_in_the_bounds(value: Any) -> None:
    assert "from 1 to 8" in checks.whole("n", value, least=1, most=8)
    assert checks.whole("n", 8, least=1, most=8) == ""


def test_nothing_is_named_where_it_is_allowed() -> None:
    assert checks.whole("n", None, least=1, none="the default") == ""
    assert checks.whole("n", 0, least=1, none="the default").endswith("or None for the default")
    assert "None" not in checks.whole("n", 0, least=1)


@pytest.mark.parametrize("value", [math.inf, 1e10])
def test_for_ever_is_none(value: float) -> None:
    assert "None means no bound" in checks.seconds("timeout", value)


@pytest.mark.parametrize("value", [math.nan, "1", True, 0])
def test_a_time_is_seconds(value: Any) -> None:
    assert checks.seconds("timeout", value, above=0).startswith(f"timeout={value!r}: has to be seconds greater than 0")


def test_keys_are_names() -> None:
    assert checks.mapping("m", {1: 2}, example="{'a': 1}") == "m={1: 2}: its keys are names, 1 is none"
    assert checks.mapping("m", {"a": 1}, example="{'a': 1}") == ""
    assert checks.mapping("m", 5, example="{'a': 1}") == "m=5: has to be a mapping such as {'a': 1}"


def test_the_rest() -> None:
    assert checks.flag("f", 1)
    assert not checks.flag("f", False)
    assert checks.text("t", " ", example="x")
    assert not checks.text("t", "x", example="x")
    assert checks.function("f", 3, example="len")
    assert not checks.function("f", len, example="len")
    assert checks.instance("i", 3, str, example="a str")
    assert not checks.instance("i", "", str, example="a str")
    assert checks.choice("c", ["a"], ("a", "b")) == "c=['a']: use one of 'a', 'b'"


def test_all_faults_are_told_at_once() -> None:
    checks.refuse("thing", ["", ""])
    with pytest.raises(ConfigurationError, match=r"^thing: a; b$") as caught:
        checks.refuse("thing", ["a", "", "b"])
    assert caught.value.problems == ("a", "b")


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a" * 129, 5, None, "a/b"])
def test_what_cannot_name_a_job(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"job_id.*not allowed"):
        checks.identifier("job_id", name)


@pytest.mark.parametrize(("given", "waits"), [(None, None), (-1, 0.0), (0, 0.0), (2, 2.0)])
def test_less_than_nothing_is_nothing(given: float | None, waits: float | None) -> None:
    assert checks.waiting(given) == waits
