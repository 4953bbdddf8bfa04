from __future__ import annotations

import pytest

from benchmarks import burn, workloads
from benchmarks.cases import CASES
from benchmarks.measuring import OURS


def test_a_burnt_loop_is_told() -> None:
    assert burn.burn(10) == 10
    assert burn.calibrate(seconds=0.0005, tries=3) > 0


def test_skewed_costs_have_their_mean_and_are_always_the_same() -> None:
    costs = workloads.skewed(400, 1000)
    assert costs == workloads.skewed(400, 1000)
    assert sum(costs) / 400 == pytest.approx(1000, rel=0.01)
    assert max(costs) > 8 * 1000


def test_longest_first_is_near_to_even() -> None:
    costs = workloads.skewed(400, 1000)
    shares = workloads.longest_first(costs, 2)
    assert sorted(place for share in shares for place in share) == list(range(400))
    loads = [sum(costs[place] for place in share) for share in shares]
    assert max(loads) - min(loads) <= max(costs) * 0.01 + min(costs)


def test_longest_first_of_a_few() -> None:
    assert workloads.longest_first([1, 5, 3, 3], 2) == [[1, 0], [2, 3]]


def test_a_chain_goes_through_all_functions() -> None:
    assert workloads.Chain(workloads.TINY)(5) == (5 + 1) * 2 - 3


def test_the_flows_give_what_the_plain_functions_give() -> None:
    (tiny,) = workloads.flow_of(workloads.TINY).run(5, backend="local").values()
    assert tiny == [9]
    items = [3, 4, 5]
    found = workloads.mixed_flow().run(items, backend="local")["total.output"]
    assert found == [sum(map(workloads.mixed_item, items))]


def test_all_word_counts_agree_with_a_plain_one() -> None:
    paths, total = workloads.texts(3000)
    words = [word for path in paths for word in workloads.words_of(path)]
    assert len(words) == total >= 3000
    expected = {word: words.count(word) for word in set(words)}
    found = {way: workloads.count_flow(way).run(paths, backend="local")["count.output"] for way in workloads.COUNTS}
    (together,) = found.pop("together")
    assert together == expected
    assert all(dict(pairs) == expected and len(pairs) == len(expected) for pairs in found.values())


def test_a_large_graph_has_the_size_that_was_asked_for() -> None:
    pairs = workloads.edges(50, 200)
    assert len(set(pairs)) == 200
    assert all(source < target for source, target in pairs)
    assert len(workloads.large_flow(50, 200).compile(ship=False).routines) == 50


@pytest.mark.parametrize("name", list(CASES))
def test_targets_name_figures_and_contenders_that_exist(name: str) -> None:
    case = CASES[name]
    assert case.name == name
    assert case.contenders[0].name == OURS
    assert len({c.name for c in case.contenders}) == len(case.contenders)
    for target in case.targets:
        assert target.figure in {figure.name for figure in case.figures}
        assert target.against in {"", *(c.name for c in case.contenders[1:])}
