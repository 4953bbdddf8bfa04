from __future__ import annotations

import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire import sizes


def test_what_is_as_large_as_it_may_be_passes() -> None:
    sizes.check(1000, 1000)


def test_what_is_larger_is_refused_with_both_sizes_and_the_fix() -> None:
    with pytest.raises(SerializationError, match=r"3,145,728 bytes \(3\.0 MiB\), .* 1,000 bytes; .*max_payload_bytes"):
        sizes.check(3 << 20, 1000)


@pytest.mark.parametrize(
    ("nbytes", "text"), [(7, "7 bytes"), (1536, "1,536 bytes (1.5 KiB)"), (1 << 30, "1,073,741,824 bytes (1.0 GiB)")]
)
def test_sizes_in_words(nbytes: int, text: str) -> None:
    assert sizes.told(nbytes) == text
