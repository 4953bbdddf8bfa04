from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks import page, table

ROW: dict[str, Any] = {
    "case": "tiny", "figure": "activations", "unit": "/s", "digits": 0, "ours": 900_000.0, "ours_low": 8e5, "ours_high": 1e6,
    "rounds": 5, "against": "Ray <Data>", "note": "", "theirs": 300_000.0, "ratio": 3.0, "low": 2.5, "high": 3.5,
    "target": "≥ 3×", "aim": 3, "met": True,
}  # fmt: skip
ABSENT = ROW | {
    "against": "Dask",
    "theirs": None,
    "ratio": None,
    "low": None,
    "high": None,
    "met": None,
    "note": "not installed",
}
ALONE = ABSENT | {"against": "", "target": "≥ 1,000,000", "met": False, "note": ""}


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, ""),
        (1234.5, 3, "1,234"),
        (12.345, 3, "12.3"),
        (0.01234, 3, "0.0123"),
        (250.04, 3, "250.0"),
        (99.6, 0, "100"),
    ],
)
def test_numbers_have_about_three_digits(value: float | None, digits: int, text: str) -> None:
    assert table.number(value, digits) == text


def test_cells() -> None:
    assert table.cells(ROW) == (
        "tiny", "activations", "900,000 /s", "Ray <Data>", "300,000", "3×", "2.5 – 3.5", "≥ 3×", "yes",
    )  # fmt: skip


def test_somebody_who_is_absent_has_no_figure() -> None:
    assert table.cells(ABSENT)[3:7] == ("Dask", "not installed", "", "")


def test_a_figure_alone_shows_its_own_range() -> None:
    assert table.cells(ALONE)[5:] == ("", "800,000 – 1,000,000", "≥ 1,000,000", "NO")


def test_columns_line_up() -> None:
    lines = table.text([ROW, ABSENT, ALONE]).splitlines()
    assert len(lines) == 5
    assert {line.index("activations") for line in lines[2:]} == {lines[0].index("figure")}


def test_markdown() -> None:
    assert table.markdown([ROW]).splitlines()[2].startswith("| tiny | activations | 900,000 /s |")


def results(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": {
            "cpus": 2, "memory_gb": 8, "system": "Linux", "architecture": "x86_64", "python": "3.11", "versions": {"ray": "2"},
        },
        "rounds": 5,
        "note": "shared <machine>",
        "cases": {"tiny": {"title": "many & small", "rows": list(rows)}},
    }  # fmt: skip


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    html = page.as_html(results(ROW, ABSENT, ALONE))
    assert "1 of 2 targets are met" in html
    assert "many &amp; small" in html
    assert "Ray &lt;Data&gt;" in html
    assert "<Data>" not in html
    assert not re.search(r"<script|<link|src=|https?:", html)
    assert html.count("<svg") == html.count("</svg>") == 1


def test_a_workload_that_failed_is_on_the_page() -> None:
    found = results()
    found["cases"]["tiny"]["failed"] = "its process ended with 1"
    assert "its process ended with 1" in page.as_html(found)


def test_a_plot_takes_a_ratio_of_nothing() -> None:
    assert page.plot([ROW | {"low": 0.0}]).count("<rect") == 1
