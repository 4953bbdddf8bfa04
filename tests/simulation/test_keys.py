"""An idempotency key is the same however often, and in whatever slices, its message runs."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from routilux_dist.testing import Faults, Outcome, simulate


@pytest.mark.parametrize("amounts", [[7, 9], [1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("mode", ["distributed", "sequential"])
def test_an_idempotency_key_is_the_same_however_the_work_is_cut(amounts: list[int], mode: str) -> None:
    paid: dict[str, int] = {}
    receipts: dict[str, int] = {}

    def pay(amount: int) -> int:
        paid[rd.current_job().idempotency_key] = amount
        return amount

    def book(amount: int) -> None:
        receipts[rd.current_job().idempotency_key] = amount

    def forget() -> None:
        paid.clear()
        receipts.clear()

    def check(outcomes: list[Outcome]) -> None:
        assert sorted(paid.values()) == sorted(receipts.values()) == amounts, (paid, receipts)
        assert not paid.keys() & receipts.keys()

    flow = rd.Flow("keys", execution_mode=mode)
    flow.add_routine(lambda amounts: (amount for amount in amounts), "order")
    flow.add_routine(pay, "pay")
    flow.add_routine(book, "book")
    flow.pipe("order", "pay", "book")
    faults = Faults(("false death", "death", "resize"))
    simulate(flow, [amounts], check=check, setup=forget, faults=faults, seeds=1500)
