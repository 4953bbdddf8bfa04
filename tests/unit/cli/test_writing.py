"""From results to JSON."""

from __future__ import annotations

import datetime as dt
import enum
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.cli.writing import Writer, item_error, to_json


class Color(enum.Enum):
    RED = 1


@pytest.mark.parametrize("value", [1, 1.5, "ä", None, True, [1, {"a": []}], {}])
def test_what_json_holds_comes_back(value: Any) -> None:
    assert json.loads(to_json(value)) == value
    assert json.loads(to_json(value, use_repr=True)) == value


def test_text_is_written_as_it_is() -> None:
    assert to_json("ä") == '"ä"'.encode()
    assert to_json("\udcff") == b'"\\udcff"'


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({1, 2}, "it holds a set"),
        ([{"a": b"x"}], "it holds a bytes"),
        (dt.date(2024, 1, 2), "datetime.date"),
        (Color.RED, f"{__name__}.Color"),
        (float("nan"), "Out of range float"),
        ({(1, 2): 3}, "keys must be"),
        (recursive(), "Circular reference"),
    ],
)
def test_what_json_cannot_hold_is_named(value: Any, named: str) -> None:
    with pytest.raises(rd.SerializationError) as caught:
        to_json(value)
    assert named in str(caught.value)
    assert "--repr" in str(caught.value)
    json.loads(to_json(value, use_repr=True))


def test_repr_replaces_only_what_has_to_be() -> None:
    assert json.loads(to_json({"a": {1}, "b": 2}, use_repr=True)) == {"a": "{1}", "b": 2}
    assert json.loads(to_json({(1, 2): 3}, use_repr=True)) == "{(1, 2): 3}"


def test_lines_are_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))  # type: ignore[arg-type]
    writer = Writer()
    writer.write({"a": 1})
    assert raw.getvalue() == b'{"a": 1}\n'
    writer.close()
    assert not sys.stdout.closed


def test_a_file_is_made_when_there_is_something_to_write(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    writer = Writer(str(path))
    assert path.read_text() == "old"
    writer.write(1)
    writer.write(2)
    writer.close()
    assert path.read_text() == "1\n2\n"
    Writer(str(path)).close()
    assert path.read_text() == ""


def test_a_closed_standard_output_is_found_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(rd.ConfigurationError, match="--output FILE"):
        Writer()


def test_a_file_that_cannot_be_written_is_found_early(tmp_path: Path) -> None:
    with pytest.raises(rd.ConfigurationError, match="is a folder"):
        Writer(str(tmp_path))
    with pytest.raises(rd.ConfigurationError, match="folder does not exist"):
        Writer(str(tmp_path / "none" / "out.json"))


def test_an_item_that_failed_as_a_line() -> None:
    error = rd.JobFailedError("job failed\nTraceback ...", routine="shout", cause=ValueError("bad"))
    assert item_error("x", error) == {"item": "x", "error": "bad", "error_type": "ValueError", "routine": "shout"}
    assert item_error({1}, rd.StateError("no"))["item"] == "{1}"
