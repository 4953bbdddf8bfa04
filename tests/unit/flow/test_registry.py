"""Finding flows: by name, by path, and no longer than somebody needs them."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.registry import FlowRegistry

#: What paths in these tests point to.
found = FlowModel("found")


def make() -> FlowModel:
    return FlowModel("made")


class Holder:
    inner = found


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlowRegistry, "_live", weakref.WeakSet())
    monkeypatch.setattr(FlowRegistry, "_pinned", {})


def test_a_noticed_flow_is_found_by_its_name() -> None:
    flow = FlowModel("words")
    FlowRegistry.notice(flow)
    assert FlowRegistry.get("words") is flow
    assert FlowRegistry.names() == ["words"]


def test_a_noticed_flow_is_forgotten_with_its_last_reference() -> None:
    FlowRegistry.notice(FlowModel("words"))
    gc.collect()
    assert FlowRegistry.names() == []


def test_a_registered_flow_is_kept_until_it_is_unregistered() -> None:
    FlowRegistry.register(FlowModel("words"))
    FlowRegistry.register_by_name("other", FlowModel("words"))
    gc.collect()
    assert FlowRegistry.names() == ["other", "words"]
    FlowRegistry.unregister("words")
    FlowRegistry.unregister("never there")
    assert FlowRegistry.names() == ["other"]


def test_of_two_flows_with_one_name_the_registered_one_is_meant() -> None:
    one, two = FlowModel("words"), FlowModel("words")
    FlowRegistry.notice(one)
    FlowRegistry.notice(two)
    with pytest.raises(ConfigurationError, match=r"2 flows are called 'words'.*FlowRegistry\.register"):
        FlowRegistry.get("words")
    FlowRegistry.register(two)
    assert FlowRegistry.get("words") is two


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    FlowRegistry.register(FlowModel("words"))
    with pytest.raises(
        ConfigurationError, match=r"no flow is called 'wrods'; did you mean 'words'.*package.module:attribute"
    ):
        FlowRegistry.get("wrods")


def test_a_registered_name_follows_the_rule() -> None:
    with pytest.raises(ConfigurationError, match="flow name 'two words'"):
        FlowRegistry.register(FlowModel("f"), "two words")


def test_there_is_one_registry() -> None:
    assert FlowRegistry.get_instance() is FlowRegistry


# ---- resolve -------------------------------------------------------------------------------------------------------


def test_a_flow_a_name_and_a_path_are_all_the_same() -> None:
    FlowRegistry.register(found)
    for way in (found, "found", f"{__name__}:found", f"{__name__}:Holder.inner"):
        assert FlowRegistry.resolve(way) is found


def test_a_function_is_called() -> None:
    assert FlowRegistry.resolve(f"{__name__}:make").name == "made"


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (3, "expected a flow, its name or 'package.module:attribute', got 3"),
        ("no.such.module:flow", "cannot import flow 'no.such.module:flow'.*ModuleNotFoundError.*PYTHONPATH"),
        (f"{__name__}:fuond", "has no attribute 'fuond'; did you mean 'found'"),
        (f"{__name__}:Holder.outer", "has no attribute 'Holder.outer'"),
        (f"{__name__}:Path", "is a PosixPath, not a flow"),
        (f"{__name__}:__doc__", "is a str, not a flow"),
    ],
)
def test_a_way_that_leads_nowhere(way: object, says: str) -> None:
    assert Path  # one of the ways leads here
    with pytest.raises(ConfigurationError, match=says):
        FlowRegistry.resolve(way)  # type: ignore[arg-type]


def test_a_module_that_breaks_keeps_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="ZeroDivisionError: division by zero") as caught:
        FlowRegistry.resolve("broken_module:flow")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
