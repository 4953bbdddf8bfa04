"""State: declarations add up; keys are found, and sent to the same partition everywhere."""

from __future__ import annotations

import enum
import math
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.errors import ConfigurationError, ValidationError
from routilux_dist.flow.state import StateDeclaration, fingerprint, key_of, partition_of


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):
    A = "a"


SCALARS = st.one_of(
    *(st.text(), st.binary(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
    st.sampled_from([Colour.RED, Number.ONE, Word.A]),
)
KEYS = st.recursive(SCALARS, lambda k: st.tuples(k, k) | st.frozensets(k, max_size=3), max_leaves=6)


# ---- declarations --------------------------------------------------------------------------------------------------


def declared(*calls: tuple[dict[str, Any], str, Any]) -> StateDeclaration:
    state = StateDeclaration()
    for values, scope, key in calls:
        state.extend(values, scope, key)
    return state


def test_declarations_add_up() -> None:
    state = declared(({"count": 0}, "job", None), ({"sum": 1}, "job", None))
    assert state == StateDeclaration({"count": 0, "sum": 1}, "job", None)


def test_scope_and_key_hold_for_all_state_whatever_comes_later() -> None:
    state = declared(({"a": 0}, "worker", "user"), ({"b": 0}, "job", None))
    assert (state.scope, state.key) == ("worker", "user")


def test_there_is_one_key() -> None:
    assert declared(({}, "job", "user"), ({}, "job", "user")).key == "user"
    with pytest.raises(ConfigurationError, match="keyed by 'user' already"):
        declared(({}, "job", "user"), ({}, "job", "city"))


@pytest.mark.parametrize(("scope", "key"), [("flow", None), (None, None), ("job", 3)])
def test_other_scopes_and_keys_are_refused(scope: Any, key: Any) -> None:
    with pytest.raises(ConfigurationError, match="add_state"):
        declared(({}, scope, key))


# ---- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_is_a_field_or_what_a_function_says() -> None:
    assert key_of("user", {"user": "ann"}) == "ann"
    assert key_of("user", SimpleNamespace(user="bob")) == "bob"
    assert key_of(len, "four") == 4
    assert key_of(None, {"user": "ann"}) is None


def test_a_payload_without_the_field_says_what_it_has() -> None:
    with pytest.raises(ValidationError, match=r"keyed by 'user'.*\['city'\]"):
        key_of("user", {"city": "x"})
    with pytest.raises(ValidationError, match=r"keyed by 'user'.*int.*emit a dict"):
        key_of("user", 7)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("user", 2375276105),
        (b"user", 2375276105),
        (None, 0),
        (1, 304476159),
        (2.5, 4153905006),
        (Colour.RED, 1824922885),
    ],
)
def test_fingerprints_never_change(key: Any, number: int) -> None:
    """Checkpoints hold state by partition: a change would look for it in the wrong place."""
    assert fingerprint(key) == number


@settings(deadline=None)
@given(KEYS)
def test_a_fingerprint_fits_four_bytes(key: Any) -> None:
    assert 0 <= fingerprint(key) < 2**32


@settings(deadline=None)
@given(st.lists(KEYS, max_size=8))
def test_equal_keys_have_equal_fingerprints(keys: list[Any]) -> None:
    for a in keys:
        for b in keys:
            assert a != b or fingerprint(a) == fingerprint(b)


@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (1, True), (0, -0.0), (Number.ONE, 1), (Word.A, "a"), (2**53, 2.0**53)])
def test_keys_of_different_types_may_be_equal(a: Any, b: Any) -> None:
    assert a == b
    assert fingerprint(a) == fingerprint(b)
    assert fingerprint((a, "x")) == fingerprint((b, "x"))


def test_fingerprints_are_the_same_in_every_process() -> None:
    code = (
        "from routilux_dist.flow.state import fingerprint as f; "
        "print(f(('a', 1, 2.5, None, b'x', frozenset({'p', 'q'}))))"
    )
    here = fingerprint(("a", 1, 2.5, None, b"x", frozenset({"q", "p"})))
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert int(there.stdout) == here


@pytest.mark.parametrize("key", [[1], {}, {1}, Decimal(1), object(), math.nan, ("a", [1])])
def test_other_values_are_no_keys(key: Any) -> None:
    with pytest.raises(ValidationError, match="cannot be a state key"):
        fingerprint(key)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_bad_key_is_bad_however_many_partitions_there_are(partitions: int) -> None:
    with pytest.raises(ValidationError, match="a list cannot be a state key"):
        partition_of([1], partitions)


@settings(deadline=None)
@given(KEYS, st.integers(1, 100))
def test_a_partition_is_one_of_them(key: Any, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


@pytest.mark.parametrize("step", [1, 2, 8, 10, 1000])
def test_keys_spread_over_the_partitions(step: int) -> None:
    """Round numbers too: ids often come in tens or thousands."""
    for keys in ([i * step for i in range(2000)], [f"user{i * step}" for i in range(2000)]):
        for partitions in (2, 4, 8, 10):
            counts = Counter(partition_of(key, partitions) for key in keys)
            assert len(counts) == partitions
            assert max(counts.values()) < 2 * 2000 / partitions
