from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.migrations import Migration


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rd.migrations, "_known", {})


def test_what_is_registered_is_known_by_the_older_name() -> None:
    def change(state: dict[str, Any]) -> dict[str, Any]:
        return state

    rd.migrations.register("old", "new.slot", change)
    rd.migrations.register("same", "same", change)
    assert rd.migrations.registered() == {
        "old": Migration("old", "new", "slot", change),
        "same": Migration("same", "same", None, change),
    }
    rd.migrations.unregister("old")
    rd.migrations.unregister("nobody")
    assert list(rd.migrations.registered()) == ["same"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("", "new"), "source="),
        (("old", None), "target="),
        (("old", "new", 3), "fn=3"),
        (("old.slot", "new"), "names a routine"),
        (("old", ".slot"), "names a routine"),
        (("same", "same"), "changes nothing"),
    ],
)
def test_what_is_no_migration_is_refused(arguments: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        rd.migrations.register(*arguments)
    assert not rd.migrations.registered()
