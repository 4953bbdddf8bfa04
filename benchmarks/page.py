"""The results as a page: one file, no script, nothing to load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from benchmarks import table

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --dim: #6a7183; --line: #d8dce5; --ours: #2463c2; --low: #b5452c;
  --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ee; --dim: #98a0b3; --line: #343a48; --ours: #7fb0ff; --low: #ff9a7d; --paper: #14171e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 66rem; margin: 2.5rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem; }
p { margin: .3rem 0 .8rem; } .dim { color: var(--dim); }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; } svg .dim { fill: var(--dim); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .15rem .9rem .15rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.no { color: var(--low); font-weight: 600; }
"""

#: Geometry of a plot, in pixels.
WIDTH, LEFT, RIGHT, ROW = 960, 210, 190, 26


def as_html(results: Mapping[str, Any]) -> str:
    """Return the page."""
    facts = results["machine"]
    rows = [row for case in results["cases"].values() for row in case["rows"]]
    aims = [row for row in rows if row["target"] and row["met"] is not None]
    met = sum(1 for row in aims if row["met"])
    versions = ", ".join(f"{escape(name)} {escape(text)}" for name, text in facts["versions"].items())
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Benchmarks of routilux_dist</title><style>{STYLE}</style></head><body>",
        "<h1>Benchmarks of routilux_dist</h1>",
        f"<p>Each bar says how many times better routilux_dist is than another way to do the same work, on the same machine, "
        f"in the same run: the median of {results['rounds']} rounds and their range. Left of 1 the other one is "
        f"better. A dashed mark is a target; {met} of {len(aims)} targets are met.</p>",
        f'<p class="dim">{facts["cpus"]} CPUs, {facts["memory_gb"]} GB, {escape(facts["system"])} '
        f"{escape(facts['architecture'])}, Python {escape(facts['python'])}, {versions}. {escape(results.get('note', ''))}</p>",
    ]
    for name, case in results["cases"].items():
        parts.append(f'<h2 id="{escape(name)}">{escape(name)}</h2><p class="dim">{escape(case["title"])}</p>')
        if case.get("failed"):
            parts.append(f'<p class="no">{escape(case["failed"])}</p>')
        parts += plots(case["rows"])
    parts += ["<h2>All figures</h2>", '<div class="scroll">', *html_table(rows), "</div>", "</body></html>"]
    return "\n".join(parts) + "\n"


def document(title: str, body: Sequence[str]) -> str:
    """Return a page in the same dress."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *body, "</body></html>"]) + "\n"


def curves(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Return lines of parts of one (upwards) over a logarithmic scale (across)."""
    reach = sorted({x for points in series.values() for x, _ in points})
    low, high = math.log10(reach[0]), math.log10(reach[-1])
    height, right = 340, 250

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + (math.log10(x) - low) / (high - low) * (WIDTH - 60 - right), 20 + (1 - y) * (height - 60)

    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><text x="4" y="12">{escape(up)}</text>']
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        left, y = place(reach[0], level)
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{WIDTH - right}" stroke="var(--line)"/>')
        parts.append(f'<text class="dim" x="50" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>')
    for mark in reach:
        x, y = place(mark, 0.0)
        parts.append(
            f'<text class="dim" x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{mark:,g} {escape(across)}</text>'
        )
    # Names keep their distance; each stands beside the end of its line, or a little below.
    free = 0.0
    for number, (name, points) in enumerate(sorted(series.items(), key=lambda one: -one[1][-1][1])):
        colour = f"hsl({number * 360 // len(series)} 60% 50%)"
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in points))
        free = max(free + 16, place(*points[-1])[1])
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - right + 12}" y="{free + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def plots(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield, for each figure, a plot of the ratios, or our value where there is none."""
    for figure in dict.fromkeys(row["figure"] for row in rows):
        mine = [row for row in rows if row["figure"] == figure]
        first = mine[0]
        said = f"{figure}: {table.number(first['ours'], first['digits'])} {first['unit']}"
        alone = [row for row in mine if not row["against"] and row["target"]]
        if alone:
            verdict = "met" if alone[0]["met"] else "missed"
            kind = "" if alone[0]["met"] else ' class="no"'
            said += f" (target {alone[0]['target']}: <span{kind}>{verdict}</span>)"
        yield f"<p>{said}</p>"
        compared = [row for row in mine if row["ratio"] is not None]
        if compared:
            yield plot(compared)
        yield from (
            f'<p class="dim">{escape(row["against"])}: {escape(row["note"])}</p>'
            for row in mine
            if row["against"] and row["ratio"] is None
        )


def plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return bars of ratios on a logarithmic scale, with the range of the rounds and the targets."""
    reach = [1.0]
    for row in rows:
        reach += [bound for bound in (row["low"], row["high"], row["aim"]) if bound]
    low, high = math.log10(min(reach)) - 0.05, math.log10(max(reach)) + 0.05
    low, high = min(low, -0.1), max(high, 0.1)

    def x(ratio: float) -> float:
        return LEFT + (max(math.log10(ratio or 1e-9), low) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    height = ROW * len(rows) + 10
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img">']
    for number, row in enumerate(rows):
        middle = ROW * number + ROW / 2 + 5
        colour = "var(--ours)" if row["ratio"] >= 1 else "var(--low)"
        start, end = sorted((x(1), x(row["ratio"])))
        title = f"{row['against']}: {table.number(row['theirs'], row['digits'])} {row['unit']}"
        parts += [
            f"<g><title>{escape(title)}</title>",
            f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(row["against"])}</text>',
            f'<rect x="{start:.1f}" y="{middle - 7:.1f}" width="{max(end - start, 1):.1f}" height="14" fill="{colour}" '
            f'opacity=".8"/>',
            f'<path d="M{x(row["low"]):.1f} {middle:.1f}H{x(row["high"]):.1f}" stroke="currentColor" stroke-width="2"/>',
        ]
        if row["target"]:
            aim = x(row["aim"])
            parts.append(
                f'<path d="M{aim:.1f} {middle - 10:.1f}v20" stroke="currentColor" stroke-width="2" stroke-dasharray="4 2"/>'
            )
        told = f"{table.number(row['ratio'])}×"
        if row["target"]:
            told += f"  (target {row['target']}{'' if row['met'] else ': missed'})"
        kind = "dim" if row["met"] is not False else "no"
        parts.append(f'<text class="{kind}" x="{WIDTH - RIGHT + 12}" y="{middle + 4:.1f}">{escape(told)}</text></g>')
    parts.append(f'<path d="M{x(1):.1f} 0V{height}" stroke="var(--dim)"/></svg>')
    return "".join(parts)


def html_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of all figures."""
    yield "<table><tr>" + "".join(f"<th>{escape(name)}</th>" for name in table.HEAD) + "</tr>"
    for row in rows:
        mark = ' class="no"' if row["met"] is False else ""
        yield f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in table.cells(row)) + "</tr>"
    yield "</table>"
