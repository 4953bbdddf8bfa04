from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.checkpoint.options import Checkpoint, as_checkpoint
from routilux_dist.errors import ConfigurationError


@pytest.mark.parametrize(
    ("every", "seconds"), [("30s", 30), ("5min", 300), ("5m", 300), ("1h", 3600), ("250ms", 0.25), (2, 2), (0.5, 0.5)]
)
def test_every_in_seconds(every: Any, seconds: float) -> None:
    assert Checkpoint("ckpt/", every=every).seconds == seconds
    assert Checkpoint("ckpt/", linger=every).linger_seconds == seconds


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": ""}, "url="),
        ({"url": 5}, "url=5"),
        ({"durability": "sometimes"}, "'group', 'sync', 'async'"),
        ({"every": "soon"}, "every='soon'"),
        ({"every": 0}, "every=0"),
        ({"every": True}, "every=True"),
        ({"every": float("nan")}, "every=nan"),
        ({"linger": "long"}, "linger='long'"),
        ({"linger": -1}, "linger=-1"),
        ({"keep": 0}, "keep=0"),
        ({"keep": 1.5}, "keep=1.5"),
        ({"key": b"short"}, "16 bytes"),
        ({"key": "text of sixteen.."}, "16 bytes"),
        ({"allow_pickle": 1}, "allow_pickle=1"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Checkpoint(**{"url": "ckpt/", **fields})
    assert words in str(caught.value)


def test_all_faults_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Checkpoint("", keep=0)
    assert len(caught.value.problems) == 2


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Checkpoint("ckpt/", key=b"secretsecretsecret"))


def test_a_text_is_a_url() -> None:
    assert as_checkpoint("ckpt/") == Checkpoint("ckpt/")
    assert as_checkpoint(None) is None
    assert as_checkpoint(Checkpoint("x", keep=1)) == Checkpoint("x", keep=1)
    with pytest.raises(ConfigurationError, match="checkpoint=5"):
        as_checkpoint(5)  # type: ignore[arg-type]
