"""Measures of functions, against complexities and depths counted by hand."""

from __future__ import annotations

import textwrap

import pytest

from examples.code_census import measure
from examples.code_census.measure import Function


def _functions(source: str) -> dict[str, Function]:
    return {each.name: each for each in measure.functions("x.py", textwrap.dedent(source))}


def _function(body: str, head: str = "def f():") -> Function:
    return _functions(f"{head}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n")["f"]


COMPLEXITIES = {
    "nothing": ("pass", 1),
    "if": ("if a: b", 2),
    "if else": ("if a: b\nelse: c", 2),
    "if elif else": ("if a: b\nelif c: d\nelif e: f\nelse: g", 4),
    "for": ("for a in b: c", 2),
    "for else": ("for a in b: c\nelse: d", 2),
    "while": ("while a: b", 2),
    "try": ("try: a\nexcept B: c\nexcept D: e\nelse: f\nfinally: g", 3),
    "try finally": ("try: a\nfinally: b", 1),
    "with": ("with a: b", 1),
    "and": ("return a and b", 2),
    "and of three": ("return a and b and c", 3),
    "and, or": ("return a and b or c", 3),
    "not": ("return not a", 1),
    "if with and": ("if a and b: c", 3),
    "ternary": ("return a if b else c", 2),
    "comprehension": ("return [a for a in b]", 2),
    "comprehension with ifs": ("return {a for a in b if c if d}", 4),
    "comprehension of two loops": ("return {a: b for a in c for b in d if e}", 4),
    "generator": ("return sum(a for a in b)", 2),
    "lambda": ("return lambda a: b if a else c", 2),
    "assert": ("assert a", 1),
    "match": ("match a:\n    case 1: b\n    case 2 | 3: c\n    case _: d", 3),
    "match with a guard": ("match a:\n    case 1 if b: c\n    case d if e: f\n    case g: h", 4),
    "match of a class": ("match a:\n    case B(c=_) as d: e", 2),
    "chained comparison": ("return a < b < c", 1),
}


@pytest.mark.parametrize(("body", "complexity"), COMPLEXITIES.values(), ids=COMPLEXITIES.keys())
def test_complexity(body: str, complexity: int) -> None:
    assert _function(body).complexity == complexity


def test_async_counts_as_its_plain_twin() -> None:
    body = "async for a in b:\n    async with c:\n        d = [e async for e in g]"
    function = _function(body, head="async def f():")
    assert (function.complexity, function.depth) == (3, 2)


DEPTHS = {
    "nothing": ("pass", 0),
    "if": ("if a: b", 1),
    "if in if": ("if a:\n    if b: c", 2),
    "elif is as deep as its if": ("if a: b\nelif c: d\nelif e: f", 1),
    "if inside of else is deeper": ("if a: b\nelse:\n    if c: d", 2),
    "block inside of elif": ("if a: b\nelif c:\n    for d in e: f", 2),
    "for, while, try, with, match": (
        """
        for a in b:
            while c:
                try:
                    with d:
                        match e:
                            case 1: f
                except G:
                    pass
        """,
        5,
    ),
    "except": ("try: a\nexcept B:\n    if c: d", 2),
    "finally": ("try: a\nfinally:\n    if b: c", 2),
    "side by side": ("if a: b\nif c: d", 1),
    "expressions are no blocks": ("return [a if b else c for d in e if f]", 0),
}


@pytest.mark.parametrize(("body", "depth"), DEPTHS.values(), ids=DEPTHS.keys())
def test_depth(body: str, depth: int) -> None:
    assert _function(body).depth == depth


def test_nested_functions_are_measured_for_themselves() -> None:
    found = _functions(
        """
        class Outer:
            if True: x = 1
            def method(self):
                if self: pass
                def inner():
                    for a in b:
                        if c: pass
                class Local:
                    y = 1 if inner else 2
                    async def deep(self): return a and b
                return lambda: a or b
        """
    )
    assert {name: (each.complexity, each.depth) for name, each in found.items()} == {
        "Outer.method": (3, 1),
        "Outer.method.inner": (3, 2),
        "Outer.method.Local.deep": (2, 0),
    }


def test_a_function_inside_of_a_block_starts_at_depth_zero() -> None:
    assert _functions("if a:\n    for b in c:\n        def f():\n            if d: pass\n")["f"].depth == 1


def test_decorators_belong_to_what_is_around_and_defaults_to_the_function() -> None:
    found = _functions(
        """
        def outer():
            @decorate(a if b else c)
            def inner(d=e or f):
                pass
        """
    )
    assert found["outer"].complexity == 2
    assert found["outer.inner"].complexity == 2
    assert (found["outer.inner"].line, found["outer.inner"].length) == (4, 2)


def test_length_ends_with_the_last_statement() -> None:
    function = _functions("\ndef f(\n    a,\n):\n    '''Text.'''\n\n    return (\n        a\n    )\n\n\nx = 1\n")["f"]
    assert (function.line, function.length) == (2, 8)


def test_lambdas_are_no_functions() -> None:
    assert _functions("f = lambda a: a if a else None\n") == {}


def test_functions_come_in_a_settled_order() -> None:
    source = "def b():\n    def a(): pass\ndef a(): pass\ndef b(): pass\n"
    assert [(each.name, each.line) for each in measure.functions("x.py", source)] == [
        ("b", 1),
        ("b.a", 2),
        ("a", 3),
        ("b", 4),
    ]


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    chain = "if a: b\n" + "elif a: b\n" * 900
    function = _function(chain)
    assert (function.complexity, function.depth) == (902, 1)
    assert _function("return " + " + ".join("a" * 900)).complexity == 1


@pytest.mark.parametrize("source", ["def f(:\n", "print 'hi'\n", "return\x00"])
def test_what_is_not_python_is_an_error(source: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        measure.functions("pkg/bad.py", source)


def test_a_syntax_error_names_the_file_and_line() -> None:
    with pytest.raises(SyntaxError, match=r"\(bad\.py, line 2\)"):
        measure.functions("pkg/bad.py", "x = 1\ndef f(:\n")


def test_warnings_about_the_code_are_not_ours() -> None:
    assert _functions("def f():\n    return '\\d' is 1\n")["f"].complexity == 1


def test_tokens_forget_names_and_constants_and_keep_attributes() -> None:
    one = _function("total = 0\nfor item in items:\n    total += item.price\nreturn total")
    other = _function("s = 7\nfor x in y:\n    s += x.price\nreturn s")
    different = _function("s = 7\nfor x in y:\n    s += x.cost\nreturn s")
    assert one.tokens == other.tokens
    assert one.tokens != different.tokens
