"""The simulator finds every bug that is put into the engine on purpose."""

from __future__ import annotations

import pytest

from routilux_dist.testing.search import search
from tests.simulation.mutants import MUTANTS, Mutant

#: Schedules that may be needed once the seed that found a mutant finds it no more.
SEEDS = 1500


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.apply(monkeypatch)
    report = search(mutant.scenario(), [mutant.seed, *range(SEEDS)], small=False)
    assert report.breach is not None, f"{report.schedules} schedules did not find: {mutant.name}"


def test_mutants_are_up_to_date() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    old = [
        f"{mutant.name}: {mutant.where} does not hold {mutant.old!r} once" for mutant in MUTANTS if not mutant.source()
    ]
    assert not old, "write them anew, or strike them out if the bug cannot be made any more"


def test_without_a_mutant_their_seeds_find_nothing() -> None:
    for mutant in MUTANTS:
        report = search(mutant.scenario(), [mutant.seed])
        assert report.breach is None, f"{mutant.name}: {report}"
