"""A plan as a drawing, in the languages of Mermaid, Graphviz and D2.

Groups are boxes, stateful routines are cylinders, outputs are small ends. An edge is named where its ports are not the
usual ones; errors are dashed. The same plan always gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from routilux_dist.flow.ports import ERROR_EVENT
from routilux_dist.plan.plan import Plan, RoutinePlan


class _Node(NamedTuple):
    """A routine: `key` is a name that is safe in every language."""

    key: str
    lines: tuple[str, ...]
    stateful: bool


class _Edge(NamedTuple):
    source: str
    target: str
    label: str
    is_error: bool


class _Drawing(NamedTuple):
    """What all languages draw."""

    #: (key, title, nodes) of each group.
    groups: list[tuple[str, str, list[_Node]]]
    #: (key, label) of each output.
    ends: list[tuple[str, str]]
    #: Key of the routine where messages enter, or "".
    entry: str
    edges: list[_Edge]


def to_mermaid(plan: Plan) -> str:
    """Return the plan as a Mermaid flowchart, which many web pages and editors show as a picture."""
    drawing = _draw(plan)
    lines = ["flowchart LR"]
    for key, title, nodes in drawing.groups:
        lines.append(f'  subgraph {key}["{_mermaid(title)}"]')
        for node in nodes:
            text = "<br/>".join(map(_mermaid, node.lines))
            lines.append(f'    {node.key}[("{text}")]' if node.stateful else f'    {node.key}["{text}"]')
        lines.append("  end")
    if drawing.entry:
        lines += ['  entry(["in"])', f"  entry --> {drawing.entry}"]
    lines += [f'  {key}(["{_mermaid(label)}"])' for key, label in drawing.ends]
    for edge in drawing.edges:
        arrow = "-.->" if edge.is_error else "-->"
        label = f'|"{_mermaid(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.source} {arrow}{label} {edge.target}")
    return "\n".join(lines) + "\n"


def to_dot(plan: Plan) -> str:
    """Return the plan in Graphviz's language."""
    drawing = _draw(plan)
    lines = [
        f"digraph {_quoted(plan.flow)} {{",
        "  rankdir=LR;",
        '  graph [fontname="sans-serif", style=rounded, color=gray50];',
        '  node [fontname="sans-serif", shape=box];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for key, title, nodes in drawing.groups:
        lines += [f"  subgraph cluster_{key} {{", f"    label={_quoted(title)};"]
        for node in nodes:
            shape = ", shape=cylinder" if node.stateful else ""
            lines.append(f"    {node.key} [label={_quoted(*node.lines)}{shape}];")
        lines.append("  }")
    if drawing.entry:
        lines += ['  entry [label="in", shape=plaintext];', f"  entry -> {drawing.entry};"]
    lines += [f"  {key} [label={_quoted(label)}, shape=plaintext];" for key, label in drawing.ends]
    for edge in drawing.edges:
        looks = [f"label={_quoted(edge.label)}"] if edge.label else []
        looks += ["style=dashed"] if edge.is_error else []
        attributes = f" [{', '.join(looks)}]" if looks else ""
        lines.append(f"  {edge.source} -> {edge.target}{attributes};")
    return "\n".join([*lines, "}"]) + "\n"


def to_d2(plan: Plan) -> str:
    """Return the plan in the language of D2."""
    drawing = _draw(plan)
    lines = ["direction: right"]
    place = {}
    for key, title, nodes in drawing.groups:
        lines.append(f"{key}: {_d2(title)} {{")
        for node in nodes:
            place[node.key] = f"{key}.{node.key}"
            shape = " {shape: cylinder}" if node.stateful else ""
            lines.append(f"  {node.key}: {_d2(*node.lines)}{shape}")
        lines.append("}")
    if drawing.entry:
        lines += ["entry: in {shape: text}", f"entry -> {place[drawing.entry]}"]
    lines += [f"{key}: {_d2(label)} {{shape: text}}" for key, label in drawing.ends]
    for edge in drawing.edges:
        label = f": {_d2(edge.label)}" if edge.label else ""
        style = " {style.stroke-dash: 4}" if edge.is_error else ""
        tail = f"{label}{style}" if label or not style else f":{style}"
        lines.append(f"{place[edge.source]} -> {place.get(edge.target, edge.target)}{tail}")
    return "\n".join(lines) + "\n"


# ---- what is drawn -------------------------------------------------------------------------------------------------


def _draw(plan: Plan) -> _Drawing:
    keys = {routine_id: f"r{routine.index}" for routine_id, routine in plan.routines.items()}
    groups = []
    for group in plan.groups:
        nodes = [_node(keys[r], plan.routines[r]) for r in group.routines]
        title = f"{group.name}: {group.needs}" if group.needs.amounts() else group.name
        groups.append((f"g{group.index}", title, nodes))
    ends = [(f"o{number}", plan.ports[port].path) for number, port in enumerate(plan.outputs)]
    entry = "" if plan.entry is None else keys[plan.ports[plan.entry].routine]
    return _Drawing(groups, ends, entry, [*_edges(plan, keys), *_exits(plan, keys)])


def _node(key: str, routine: RoutinePlan) -> _Node:
    lines = (routine.id,) if routine.label == routine.id else (routine.id, routine.label)
    return _Node(key, lines, routine.stateful)


def _edges(plan: Plan, keys: dict[str, str]) -> Iterator[_Edge]:
    for source_path, target_path in plan.connections:
        source, _, event = source_path.partition(".")
        target, _, slot = target_path.partition(".")
        label = "" if (event, slot) == ("output", "input") else f"{event} → {slot}"
        yield _Edge(keys[source], keys[target], label, event == ERROR_EVENT)


def _exits(plan: Plan, keys: dict[str, str]) -> Iterator[_Edge]:
    for number, port in enumerate(plan.outputs):
        yield _Edge(keys[plan.ports[port].routine], f"o{number}", "", False)


# ---- quoting -------------------------------------------------------------------------------------------------------

_MERMAID = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}


def _mermaid(text: str) -> str:
    return "".join(_MERMAID.get(c, c) for c in _one_line(text))


def _quoted(*lines: str) -> str:
    escaped = (_one_line(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _d2(*lines: str) -> str:
    return _quoted(*lines).replace("$", "\\$")


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
