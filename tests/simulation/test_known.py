"""What the simulator has found and nobody has mended yet; each becomes a test like the others when it is."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from routilux_dist.testing import Faults, Outcome, SimulationError, simulate


@pytest.mark.xfail(
    strict=True,
    raises=SimulationError,
    reason="the key is made of block and place, and a slice that runs again may cut its messages in another way",
)
def test_an_idempotency_key_is_the_same_however_the_work_is_cut() -> None:
    paid: dict[str, int] = {}

    def pay(amount: int) -> None:
        paid[rd.current_job().idempotency_key] = amount

    def check(outcomes: list[Outcome]) -> None:
        assert sorted(paid.values()) == [7, 9], paid

    flow = rd.Flow("keys")
    flow.add_routine(lambda amounts: (amount for amount in amounts), "order")
    flow.add_routine(pay, "pay")
    flow.connect("order.output", "pay.input")
    simulate(
        flow, [[7, 9]], check=check, setup=paid.clear, faults=Faults(("false death", "death", "resize")), seeds=3000
    )
