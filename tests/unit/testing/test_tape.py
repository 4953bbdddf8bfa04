from __future__ import annotations

import pytest

from routilux_dist.testing.tape import Tape, shrink, stripped


def play(tape: Tape) -> list[int]:
    return [tape.choose(5), int(tape.chance(50)), tape.choose(1), tape.choose(3)]


def test_the_same_seed_gives_the_same_choices() -> None:
    assert play(Tape(7)) == play(Tape(7))
    assert {tuple(play(Tape(seed))) for seed in range(50)} > {tuple(play(Tape(0)))}


def test_what_was_chosen_can_be_played_back() -> None:
    tape = Tape(3)
    chosen = play(tape)
    assert len(tape.entries) == 3  # where there is nothing to choose, nothing is taken
    again = Tape(entries=tape.entries)
    assert not again.spent
    assert play(again) == chosen
    assert again.spent


def test_what_is_missing_or_too_large_is_still_a_tape() -> None:
    assert play(Tape(entries=[])) == [0, 0, 0, 0]
    assert play(Tape(entries=[99, 99, 99])) == [4, 1, 0, 2]


def test_chances_are_as_large_as_they_are_said_to_be() -> None:
    tape = Tape(1)
    assert sum(tape.chance(10) for _ in range(2000)) == pytest.approx(200, abs=60)
    assert not any(tape.chance(0) for _ in range(100))


def test_shrinking_deletes_and_zeroes() -> None:
    def fails(entries: list[int]) -> bool:
        return sum(entry >= 3 for entry in entries) >= 2

    assert shrink([5, 1, 0, 2, 9, 1, 7, 0, 4, 0], fails) in ([4, 4], [4, 3], [3, 4], [3, 3], [5, 4], [4, 7], [3, 7])
    assert shrink([1, 2, 3, 0, 0], lambda entries: True) == []
    assert shrink([1, 2], lambda entries: entries == [1, 2]) == [1, 2]


def test_shrinking_gives_up_after_a_while() -> None:
    tries = 0

    def fails(entries: list[int]) -> bool:
        nonlocal tries
        tries += 1
        return False

    assert shrink(list(range(1, 50)), fails, most=10) == list(range(1, 50))
    assert tries <= 10


def test_zeros_at_the_end_say_nothing() -> None:
    assert stripped([0, 1, 0, 0]) == [0, 1]
    assert stripped([0]) == []
