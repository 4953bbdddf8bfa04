"""From arguments, files and standard input to messages."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.cli import reading


def read(form: str, *values: str, **options: Any) -> list[Any]:
    return list(reading.messages(values, form, **options))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_json_values() -> None:
    assert read("json", "1", '"a"', '{"a": [null]}') == [1, "a", {"a": [None]}]
    assert read("json") == []


def test_json_from_files_and_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.json").write_text('{\n "a": 1\n}\n')
    stdin(monkeypatch, b'\xef\xbb\xbf"\xc3\xa4"')
    assert read("json", "@a.json", "-") == [{"a": 1}, "ä"]


def test_json_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.jsonl").write_bytes(b'{"a": 1}\r\n\n  \n2\n"last"')
    stdin(monkeypatch, b"")
    assert read("jsonl", "@a.jsonl", "-", "3\n4") == [{"a": 1}, 2, "last", 3, 4]


def test_lines_of_text_keep_everything_but_their_ends(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbffirst \r\n\n\x0c\xe2\x80\xa8 not an end\nlast")
    assert read("lines", "@a.txt") == ["first ", "", "\x0c\u2028 not an end", "last"]
    assert read("lines", "a b") == ["a b"]


def test_files_are_sorted_and_come_once(folder: Path) -> None:
    for name in ("b.txt", "a.txt", "deep/c.txt", "other.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    (folder / "folder.txt").mkdir()
    assert read("files", "*.txt", "a.*") == ["a.txt", "b.txt"]
    assert read("files", "**/*.txt") == ["a.txt", "b.txt", "deep/c.txt"]
    assert read("files", "*.txt", content=True) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("form", "value", "said"),
    [
        (
            "json",
            "a b",
            "--input: 'a b' is not JSON: Expecting value: line 1 column 1 (char 0); for text write '\"a b\"'",
        ),
        ("json", "", "--input: is not JSON: it is empty"),
        ("json", "@bad.json", "bad.json: '{' is not JSON"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", "@latin.txt", "latin.txt is not UTF-8 text: byte 3 is 0xe4"),
        ("jsonl", "@bad.jsonl", "bad.jsonl, line 2: '{' is not JSON"),
        ("jsonl", "1\nx", "--input, line 2: 'x' is not JSON"),
        ("lines", "@latin.txt", "latin.txt, line 2 is not UTF-8 text: byte 1 is 0xe4"),
        ("lines", "@none.txt", "there is no file 'none.txt'"),
        ("lines", "@.", "there is no file '.'"),
        ("files", "*.none", "no file matches '*.none'"),
    ],
)
def test_bad_input_is_named_with_its_place(folder: Path, form: str, value: str, said: str) -> None:
    (folder / "bad.json").write_text("{")
    (folder / "bad.jsonl").write_text("1\n{\n3\n")
    (folder / "latin.txt").write_bytes(b"a\n\xe4\n")
    with pytest.raises(rd.ConfigurationError) as caught:
        read(form, value)
    assert said in str(caught.value)


def test_what_a_file_holds_has_to_be_text(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"\xff")
    with pytest.raises(rd.ConfigurationError, match=r"a\.txt is not UTF-8 text"):
        read("files", "*.txt", content=True)


def test_faults_that_can_be_known_are_found_before_anything_is_read() -> None:
    with pytest.raises(rd.ConfigurationError):
        reading.messages(["1", "@none"], "jsonl")
    with pytest.raises(rd.ConfigurationError):
        reading.messages(["*.none"], "files")


def test_lines_are_read_only_as_far_as_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            self.taken += 1
            return b"x\n"

    endless = Endless()
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": endless}))
    lines = reading.messages(["-"], "lines")
    assert [next(lines), next(lines)] == ["x", "x"]
    assert endless.taken == 2
