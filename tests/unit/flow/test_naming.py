"""Names: which are allowed, what is proposed instead of the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import naming
from routilux_dist.ids import NAME_RULE


@pytest.mark.parametrize("name", ["a", "_", "clean-2", "A_b", "x" * 128])
def test_an_allowed_name_is_returned_as_it_is(name: str) -> None:
    assert naming.check("slot", name) == name


@pytest.mark.parametrize("name", ["", "1st", "-x", "two words", "a.b", "ä", "x" * 129, "a\n"])
def test_another_name_is_refused_with_one_that_is_allowed(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        naming.check("slot", name)
    proposed = naming.suggest_name(name)
    assert repr(name) in caught.value.message
    assert f"try {proposed!r}" in caught.value.message
    assert naming.check("slot", proposed) == proposed


@pytest.mark.parametrize("name", [None, 3, b"x"])
def test_a_name_is_text(name: object) -> None:
    with pytest.raises(ConfigurationError, match=f"event name has to be a str, got {type(name).__name__}"):
        naming.check("event", name)


@settings(deadline=None)
@given(st.text())
def test_every_proposal_is_allowed(text: str) -> None:
    assert NAME_RULE.fullmatch(naming.suggest_name(text))


def test_a_proposal_looks_like_what_was_meant() -> None:
    assert naming.suggest_name("<lambda>") == "_lambda_"
    assert naming.suggest_name(" two words ") == "two_words"
    assert naming.suggest_name("1st") == "_1st"


def test_the_closest_known_name_comes_first() -> None:
    hint = naming.did_you_mean("outptu", ["input", "output"], "events")
    assert hint == "did you mean 'output'? known events: 'input', 'output'"


def test_nothing_close_lists_what_there_is() -> None:
    assert naming.did_you_mean("zzz", ["b", "a"], "slots") == "known slots: 'a', 'b'"
    assert naming.did_you_mean("zzz", [], "slots") == "it has no slots"


def test_a_long_list_is_cut() -> None:
    hint = naming.did_you_mean("zzz", [f"r{i:02}" for i in range(50)], "routines")
    assert hint.endswith("'r11', …")
    assert "r12" not in hint
