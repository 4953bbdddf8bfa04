"""The page: complete in itself, allowed to load nothing, and safe from what files and functions are called."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from examples.code_census import page
from examples.code_census.findings import findings
from examples.code_census.measure import Function
from examples.code_census.tally import EMPTY, tally

EVIL = "<script>alert('\"&')</script>"
RUN = {"root": EVIL, "python": "3.11", "backend": "local", "workers": 2, "seconds": 1.5}
VOID = {"meta", "br", "input", "rect", "circle", "line"}


class Reader(HTMLParser):
    """Collects elements, and checks that each one is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def found() -> dict[str, Any]:
    functions = [(EVIL, line, 5 * line, 3 * line, 1) for line in range(1, 30)]
    copies = [{"path": f"{EVIL}.py", "name": EVIL, "line": line, "length": 9} for line in range(9)]
    group = {"files": 2, "repeated_lines": 1234, "likeness": 0.875, "functions": copies}
    failures = [{"path": EVIL, "reason": EVIL}]
    counted = tally(f"{EVIL}.py", "\n" * 1234567, [Function(*row, ()) for row in functions])
    return findings(counted, [group], failures)


@pytest.fixture
def html(found: dict[str, Any]) -> str:
    return page.as_html(found, RUN)


def test_what_things_are_called_is_text_and_nothing_else(html: str) -> None:
    reader = Reader(html)
    assert html.count("<script") == 1
    assert len(reader.all("script")) == 1
    assert EVIL in [text for _, text in reader.texts]
    assert not [attributes for _, attributes in reader.elements if any(name.startswith("on") for name in attributes)]


def test_loads_nothing(html: str) -> None:
    reader = Reader(html)
    names = {name for _, attributes in reader.elements for name in attributes}
    assert names & {"src", "href", "srcset", "action", "data", "poster", "xlink:href"} == set()
    # A namespace is a name, not an address.
    assert re.findall(r"https?:|url\(|@import|//\w", html.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []
    assert not reader.all("link")


def test_the_policy_allows_exactly_the_style_and_script_of_the_page(html: str) -> None:
    (policy,) = [each["content"] for each in Reader(html).all("meta") if "http-equiv" in each]
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts.pop("default-src") == "'none'"
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert parts.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert parts == {}
    assert not [attributes for _, attributes in Reader(html).elements if "style" in attributes]


def test_shows_figures_charts_and_tables(html: str) -> None:
    reader = Reader(html)
    assert "1,234,567" in html
    assert [each["aria-label"] for each in reader.all("svg")] == ["Histogram of complexity", "Length and complexity"]
    assert len(reader.all("rect")) == 12
    assert len(reader.all("circle")) == 29 + 25
    assert len(reader.all("table")) == 4
    assert "5 more" in html
    assert re.search(r'data-value="0.875">8[78]%<', html)


def test_everything_drawn_lies_inside_of_its_chart(html: str) -> None:
    for tag, attributes in Reader(html).elements:
        if tag in {"circle", "rect", "text"}:
            for name, limit in (("x", 560), ("cx", 560), ("y", 340), ("cy", 340)):
                assert 0 <= float(attributes.get(name) or 0) <= limit
        if tag == "rect":
            assert float(attributes["height"] or -1) >= 0


def test_a_census_of_nothing_has_a_page() -> None:
    html = page.as_html(findings(EMPTY, [], []), RUN)
    assert len(Reader(html).all("svg")) == 2
    assert "every file is valid Python" in html
