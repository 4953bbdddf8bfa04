"""The findings as one HTML page that opens without a network and may run under a strict content security policy.

Style, script and charts are part of the page. Its own policy allows exactly this style and this script, by their
hashes, and nothing else: even a file name that got past the escaping could load or run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from examples.code_census import charts
from examples.code_census.report import plural

SHOWN = 4
"""How many functions of a group are in sight at once."""

_HERE = Path(__file__).parent
_WHERE = ("<th>function</th>", "<th>file</th>")


def as_html(findings: dict[str, Any], run: dict[str, Any]) -> str:
    """Write the page.

    Args:
        findings: What the census found (see `findings.findings`).
        run: How: `root`, `python`, `backend`, `workers`, `seconds`.
    """
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A code census</title>
<style>{style}</style>
</head>
<body>
<h1>A code census</h1>
<p>What <code>{_text(run["root"])}</code> is made of.</p>
{_figures(findings)}
<div class="pair">
<section>
<h2>Complexity</h2>
<p>How many functions there are of each cyclomatic complexity: 1, plus one for each decision.</p>
{charts.histogram(findings["complexity"]["histogram"])}
</section>
<section>
<h2>Length and complexity</h2>
<p>Each circle stands for all functions of one length and complexity; point at it to read it.</p>
{charts.scatter(findings["scatter"], findings["most_complex"])}
</section>
</div>
<label>Keep the rows that contain <input type="search" placeholder="a path or a name"></label>
{_most_complex(findings["most_complex"])}
{_deepest(findings["deepest"])}
{_duplicates(findings["duplicates"])}
{_not_parsed(findings["not_parsed"])}
<footer>Python {_text(run["python"])}, backend {_text(run["backend"])}, {plural(run["workers"], "worker")},
{_text(run["seconds"])} s. The findings depend on none of the last three.</footer>
<script>{script}</script>
</body>
</html>
"""


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _figures(findings: dict[str, Any]) -> str:
    totals, complexity, duplicates = findings["totals"], findings["complexity"], findings["duplicates"]
    figures = [
        (f"{totals['files']:,}", "files"),
        (f"{totals['lines']:,}", "lines"),
        (f"{totals['functions']:,}", "functions"),
        (f"{complexity['mean']}", f"mean complexity (95 % up to {complexity['p95']})"),
        (f"{findings['length']['median']}", f"median lines (95 % up to {findings['length']['p95']})"),
        (f"{duplicates['groups']:,}", f"groups of near-duplicates ({duplicates['repeated_lines']:,} lines)"),
        (f"{totals['not_parsed']:,}", "files not parsed"),
    ]
    items = "\n".join(f"<li><b>{figure}</b>{label}</li>" for figure, label in figures)
    return f'<ul class="figures">\n{items}\n</ul>'


def _most_complex(functions: Sequence[dict[str, Any]]) -> str:
    heads = [_head("complexity"), _head("lines"), *_WHERE]
    rows = ([_number(each["complexity"]), _number(each["length"]), *_where(each)] for each in functions)
    return _section("Most complex functions", "Above 20, a function is hard to test.", heads, rows)


def _deepest(functions: Sequence[dict[str, Any]]) -> str:
    heads = [_head("depth"), _head("complexity"), *_WHERE]
    rows = ([_number(each["depth"]), _number(each["complexity"]), *_where(each)] for each in functions)
    return _section("Deepest nesting", "Blocks inside blocks: if, for, while, try, with, match.", heads, rows)


def _duplicates(duplicates: dict[str, Any]) -> str:
    count = f"{plural(duplicates['functions'], 'function')} in {plural(duplicates['groups'], 'group')}"
    note = (
        f"{count} that reach over several files; names and constants may differ. These repeat the most lines. Likeness "
        "is that of the copy that differs most from the longest."
    )
    heads = [_head("repeated lines"), _head("functions"), _head("likeness"), "<th>where</th>"]
    rows = (
        [
            _number(group["repeated_lines"]),
            _number(len(group["functions"])),
            _number(group["likeness"], f"{group['likeness']:.0%}"),
            f"<td>{_members(group['functions'])}</td>",
        ]
        for group in duplicates["largest"]
    )
    return _section("Largest near-duplicate groups", note, heads, rows)


def _members(functions: Sequence[dict[str, Any]]) -> str:
    """Show the first functions of a group, and the others on demand."""
    lines = [f"<code>{_text(each['name'])} <span class=path>{_place(each)}</span></code>" for each in functions]
    if len(lines) <= SHOWN:
        return "<br>".join(lines)
    more = f"<details><summary>{len(lines) - SHOWN} more</summary>{'<br>'.join(lines[SHOWN:])}</details>"
    return "<br>".join(lines[:SHOWN]) + more


def _not_parsed(failures: Sequence[dict[str, str]]) -> str:
    rows = (
        [f"<td><code>{_text(failure['path'])}</code></td>", f"<td class=path>{_text(failure['reason'])}</td>"]
        for failure in failures
    )
    note = "Not in any other figure on this page." if failures else "None: every file is valid Python."
    return _section("Files not parsed", note, ["<th>file</th>", "<th>reason</th>"], rows)


def _section(title: str, note: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return f'<section>\n<h2>{title}</h2>\n<p>{note}</p>\n<div class="scroll">{table}</div>\n</section>'


def _head(title: str) -> str:
    return f"<th class=number>{title}</th>"


def _number(value: float, shown: str = "") -> str:
    return f'<td class=number data-value="{value}">{shown or format(value, ",")}</td>'


def _where(function: dict[str, Any]) -> list[str]:
    return [f"<td><code>{_text(function['name'])}</code></td>", f"<td class=path><code>{_place(function)}</code></td>"]


def _place(function: dict[str, Any]) -> str:
    return f"{_text(function['path'])}:{function['line']}"


def _text(value: object) -> str:
    return escape(str(value))
