"""Where a group may run, by what it says of nodes: labels, kinds of accelerators, scheduling strategies. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: "value", "!value", "in(a, b)" or "!in(a, b)".
_SELECTOR = re.compile(r"(?P<no>!?)(?:in\((?P<several>[^()]+)\)|(?P<one>[^()!]+))")


class Node(NamedTuple):
    """A living node of the cluster."""

    id: str
    amounts: Mapping[str, float]
    labels: Mapping[str, str]


def found(nodes: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Return the living nodes of what `ray.nodes()` tells."""
    return [Node(n["NodeID"], n["Resources"], n.get("Labels") or {}) for n in nodes if n["Alive"]]


def allowed(extra: Mapping[str, Any], nodes: Sequence[Node]) -> tuple[list[Node], str]:
    """Return the nodes that the options of a group allow, and what is said if there are none.

    Args:
        extra: Further options of the group, see `Needs.extra`.
        nodes: All living nodes.
    """
    left = list(nodes)
    selector = extra.get("label_selector")
    if selector:
        choices = [selector, *(f["label_selector"] for f in extra.get("fallback_strategy") or ())]
        left = [node for node in left if any(matches(choice, node.labels) for choice in choices)]
        if not left:
            return [], f"needs label_selector={selector!r}, no node has it; {_labels(nodes, selector)}"
    kind = extra.get("accelerator_type")
    if kind:
        left = [node for node in left if f"accelerator_type:{kind}" in node.amounts]
        if not left:
            there = sorted({r.partition(":")[2] for n in nodes for r in n.amounts if r.startswith("accelerator_type:")})
            return [], f"needs accelerator_type={kind!r}, the nodes have {', '.join(there) or 'none'}"
    return _by_strategy(extra.get("scheduling_strategy"), left)


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is one that a label selector means."""
    return all(_has(labels.get(key), rule) for key, rule in selector.items())


def _has(label: str | None, rule: str) -> bool:
    parsed = _SELECTOR.fullmatch(rule.strip())
    if parsed is None:
        return True  # Ray says what is wrong with it
    values = [value.strip() for value in (parsed["several"] or parsed["one"]).split(",")]
    return (label in values) is not bool(parsed["no"])


def _labels(nodes: Sequence[Node], selector: Mapping[str, str]) -> str:
    told = []
    for key in selector:
        values = sorted({node.labels[key] for node in nodes if key in node.labels})
        told.append(f"{key} is {' or '.join(values)} there" if values else f"no node has a label {key!r}")
    return ", ".join(told)


def _by_strategy(strategy: Any, nodes: list[Node]) -> tuple[list[Node], str]:
    # Ray's classes are told by their attributes, so that this needs no Ray.
    node_id = getattr(strategy, "node_id", None)
    if node_id is not None:
        if strategy.soft:
            return nodes, ""
        left = [node for node in nodes if node.id == node_id]
        return left, f"needs to run on node {node_id}, which is not among the living ones that suit it; use soft=True"
    hard = getattr(strategy, "hard", None)
    if hard:
        left = [node for node in nodes if all(_fits(node.labels.get(rule.key), rule.operator) for rule in hard)]
        wanted = ", ".join(f"{rule.key} {type(rule.operator).__name__}" for rule in hard)
        return left, f"needs a node with the labels of its scheduling_strategy ({wanted}), no node has them"
    return nodes, ""


def _fits(label: str | None, operator: Any) -> bool:
    name, values = type(operator).__name__, getattr(operator, "values", ())
    if name in ("Exists", "DoesNotExist"):
        return (label is not None) is (name == "Exists")
    return (label in values) is (name == "In")
