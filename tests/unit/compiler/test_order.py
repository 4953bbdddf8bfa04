"""Order in graphs that may have cycles."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.compiler.order import components, has_cycle

Graph = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(0, 9))
    nodes = [f"n{i}" for i in range(size)]
    targets = st.lists(st.sampled_from(nodes), unique=True, max_size=4) if nodes else st.just([])
    return {node: draw(targets) for node in draw(st.permutations(nodes))}


def reachable(graph: Graph) -> dict[str, set[str]]:
    """By the definition: what can be got to in one step or more."""
    found = {node: set(targets) for node, targets in graph.items()}
    for _ in graph:
        for node in graph:
            found[node] |= {further for target in found[node] for further in found[target]}
    return found


@settings(deadline=None)
@given(graphs())
def test_a_component_is_what_can_get_to_each_other(graph: Graph) -> None:
    far = reachable(graph)
    found = components(graph)
    assert sorted(node for members in found for node in members) == sorted(graph)
    home = {node: number for number, members in enumerate(found) for node in members}
    for a in graph:
        for b in graph:
            assert (home[a] == home[b]) == (a == b or (b in far[a] and a in far[b]))


@settings(deadline=None)
@given(graphs())
def test_what_feeds_comes_before_what_is_fed(graph: Graph) -> None:
    home = {node: number for number, members in enumerate(components(graph)) for node in members}
    for source, targets in graph.items():
        for target in targets:
            assert home[source] <= home[target]


@settings(deadline=None)
@given(graphs())
def test_a_cycle_is_a_way_back(graph: Graph) -> None:
    far = reachable(graph)
    for members in components(graph):
        assert has_cycle(members, graph) == (members[0] in far[members[0]])


@settings(deadline=None)
@given(graphs())
def test_members_keep_the_order_in_which_they_were_added(graph: Graph) -> None:
    order = list(graph)
    for members in components(graph):
        assert members == sorted(members, key=order.index)


def test_independent_parts_keep_the_order_in_which_they_were_added() -> None:
    """::

    a --> b      c --> e
                  '--> d
    """
    assert components({"a": ["b"], "b": [], "c": ["e", "d"], "d": [], "e": []}) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_a_chain_of_any_length_needs_no_stack() -> None:
    size = 100_000
    chain: Graph = {f"n{i}": [f"n{i + 1}"] if i + 1 < size else [] for i in range(size)}
    assert components(chain) == [[f"n{i}"] for i in range(size)]
    chain[f"n{size - 1}"] = ["n0"]
    assert len(components(chain)) == 1
