from __future__ import annotations

import pytest

from routilux_dist.testing.dangers import DANGERS
from routilux_dist.testing.faults import KINDS, Faults


def test_every_kind_can_happen() -> None:
    assert set(DANGERS) == set(KINDS)


def test_the_default_is_what_a_correct_flow_bears() -> None:
    assert "cancel" not in Faults().kinds
    assert "home" not in Faults().kinds
    assert set(Faults.every().kinds) == set(KINDS) - {"restart"}
    assert Faults.every(9).most == 9


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="no kind 'flood'; there are death, "):
        Faults(("death", "flood"))
