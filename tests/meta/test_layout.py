"""What the repository promises about itself: packages, exports, laziness, and text that stays true."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.repo import PYPROJECT, ROOT, locked_versions, python, tracked_files

# Machine paths and index addresses have no place in a repository that others clone.
MACHINE_PATH = re.compile(r"(?<![\w.$}~*/-])/(?:(?:work|root|Users)/|home/(?!ray\b)\w)")
REGISTRY = re.compile(r"pythonhosted|pypi\.org/simple|index[-_]url|find-links|artifactory|://[^/\s:@'\"]+:[^/\s@'\"]+@")
CITATION = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.[a-z]\w*)`")
TEXT_SUFFIXES = {"", ".py", ".md", ".toml", ".lock", ".yaml", ".yml", ".sh", ".txt", ".json", ".cfg", ".pyi"}


def test_the_wheel_holds_exactly_two_packages() -> None:
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["routilux_dist", "workers/routilux_workers"]
    for package in packages:
        assert (ROOT / package / "__init__.py").is_file()
        assert (ROOT / package / "py.typed").is_file()


def test_workers_is_a_source_root_and_not_a_package() -> None:
    assert not (ROOT / "workers" / "__init__.py").exists()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-bench.lock"])
def test_lock_files_hold_nothing_but_pins(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#") and line != "-r requirements.lock"]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []


def test_the_lock_covers_every_direct_dependency() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["dev"], *extras["cli"], *extras["storage"]]
    names = {_normal(match[0]) for line in wanted if (match := re.match(r"[\w.-]+", line))} - {"routilux-dist"}
    assert names - {_normal(name) for name in locked_versions()} == set()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_public_name_exists_and_is_documented() -> None:
    facade = importlib.import_module("routilux_dist")
    assert facade.__doc__
    assert len(set(facade.__all__)) == len(facade.__all__)
    undocumented = []
    for name in facade.__all__:
        thing = getattr(facade, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            doc = thing.__doc__ or ""
            # A dataclass without a docstring gets its signature for one.
            if not doc.strip() or doc.startswith(f"{thing.__name__}("):
                undocumented.append(name)
    assert undocumented == []
    assert set(facade.__all__) <= set(dir(facade))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    facade = importlib.import_module("routilux_dist")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = facade.no_such_name


@pytest.mark.parametrize(
    "module", ["routilux_dist", "routilux_dist.flow", "routilux_workers", "routilux_workers.entry"]
)
def test_importing_does_not_import_ray(module: str) -> None:
    done = python(f"import sys, {module}; sys.exit('ray' in sys.modules)")
    assert done.returncode == 0, f"import {module} loads Ray, or fails:\n{done.stderr}"


def test_a_worker_loads_no_driver_code() -> None:
    done = python("import sys, routilux_workers.entry; print(*sys.modules, sep='\\n')")
    assert done.returncode == 0, done.stderr
    rooms = {name.split(".")[1] for name in done.stdout.split() if name.startswith("routilux_dist.")}
    assert rooms & {"coordinator", "compiler", "driver", "local", "cluster", "client", "cli", "testing"} == set()


def _error_classes() -> Iterator[type[BaseException]]:
    errors = importlib.import_module("routilux_dist.errors")
    for _, thing in inspect.getmembers(errors, inspect.isclass):
        if issubclass(thing, BaseException) and thing.__module__ == errors.__name__:
            yield thing


def test_every_error_survives_pickling() -> None:
    # Errors cross processes; one whose constructor does not fit its args would fail only when it is needed most.
    classes = list(_error_classes())
    assert classes
    for cls in classes:
        error = cls("the message")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is cls
        assert str(again) == str(error)
        assert "the message" in str(again)
        assert again.__dict__ == error.__dict__


def _documents() -> list[Path]:
    return sorted(path for path in tracked_files() if path.suffix == ".md")


def test_cited_files_exist() -> None:
    """`coordinator/machine.py` may be cited from the root, from the package or from the document's folder."""
    rooms = {path.name for path in (ROOT / "routilux_dist").iterdir() if path.is_dir()}
    folders = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT}
    dangling = []
    for document in _documents():
        for cited in CITATION.findall(document.read_text(encoding="utf-8")):
            ours = cited.split("/")[0] in rooms | folders
            homes = (ROOT, ROOT / "routilux_dist", document.parent)
            if ours and not any((home / cited).is_file() for home in homes):
                dangling.append(f"{document.relative_to(ROOT)}: {cited}")
    assert dangling == []


def test_no_machine_paths_or_registry_hosts_are_tracked() -> None:
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT_SUFFIXES or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("cd /work/main", True),
        ("'/home/ann/x'", True),
        ("/root/.ray", True),
        ("COPY x /home/ray/x", False),
        ("/workers/start.sh", False),
        ("https://example.org/work/of/art", False),
        ("a/home/b", False),
    ],
)
def test_the_machine_path_rule(text: str, bad: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is bad
