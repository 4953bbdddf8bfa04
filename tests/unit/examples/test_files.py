"""Files: which are listed, in which order, and how their bytes become text."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.code_census import files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sizes = {"b.py": 10, "a.py": 10, "pkg/long.py": 90, "pkg/deep/short.py": 1, "pkg/notes.txt": 5}
    skipped = {"__pycache__/a.py": 3, "site-packages/them.py": 3, "pkg/site-packages/them.py": 3}
    for name, size in (sizes | skipped).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#" * size)
    return tmp_path


def test_lists_python_files_largest_first_then_by_name(folder: Path) -> None:
    assert files.listing(str(folder)) == ["pkg/long.py", "a.py", "b.py", "pkg/deep/short.py"]


def test_a_limit_takes_the_first_by_name(folder: Path) -> None:
    assert files.listing(str(folder), 3) == ["a.py", "b.py", "pkg/deep/short.py"]
    assert files.listing(str(folder), 0) == []


def test_what_is_not_a_regular_file_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "broken.py").symlink_to("nowhere.py")
    assert files.listing(str(tmp_path)) == []


def test_the_standard_library_is_there() -> None:
    assert "json/decoder.py" in files.listing(files.standard_library())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("x = 'é'".encode(), "x = 'é'"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        ("# coding: latin-1\nx = 'é'".encode("latin-1"), "# coding: latin-1\nx = 'é'"),
        (
            "#!/bin/python\n# -*- coding: cp1252 -*-\n'€'".encode("cp1252"),
            "#!/bin/python\n# -*- coding: cp1252 -*-\n'€'",
        ),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"", ""),
    ],
    ids=["utf-8", "byte order mark", "cookie", "cookie in the second line", "newlines", "empty"],
)
def test_decodes_as_python_does(data: bytes, text: str) -> None:
    assert files.decode(data) == text


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"# coding: uft-8\n", SyntaxError),
        (b"\xef\xbb\xbf# coding: latin-1\n", SyntaxError),
        (b"x = '\xe9'\n", SyntaxError),
        (b"1\n2\n3\nx = '\xe9'\n", UnicodeDecodeError),
    ],
    ids=["unknown encoding", "mark against cookie", "not utf-8", "not utf-8 further down"],
)
def test_refuses_what_python_refuses(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        files.decode(data)


def test_an_error_does_not_name_the_machine(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_bytes(b"# coding: uft-8\n")
    with pytest.raises(SyntaxError) as caught:
        files.read(str(tmp_path), "bad.py")
    assert str(tmp_path) not in str(caught.value)


def test_reads_a_listed_file(folder: Path) -> None:
    assert files.read(str(folder), "pkg/deep/short.py") == "#"
