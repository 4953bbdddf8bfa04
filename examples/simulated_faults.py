"""Would anybody be charged twice? A flow is run through many schedules in which workers die and receipts get lost.

The engine commits each message once, but what a routine does outside may happen again: its worker may die after the payment and
before the receipt. `charge` pays whenever it runs. `charge_once` hands the idempotency key along, so that the bank can tell a
second try from a second payment. The simulator finds out which of them is right, without Ray and without waiting.

    python -m examples.simulated_faults
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import routilux_dist as rd
from routilux_dist.testing import Outcome, SimulationError, simulate

ORDERS = [{"customer": "ann", "amount": 30}, {"customer": "bob", "amount": 12}]


class Bank:
    """A fake of the outside world. It refuses a key that it knows."""

    def __init__(self) -> None:
        self.payments: list[tuple[str, int]] = []
        self.keys: set[str] = set()

    def pay(self, customer: str, amount: int, key: str | None = None) -> None:
        if key is None or key not in self.keys:
            self.payments.append((customer, amount))
        if key is not None:
            self.keys.add(key)

    def clear(self) -> None:
        self.payments.clear()
        self.keys.clear()


BANK = Bank()


def charge(order: dict[str, Any]) -> str:
    BANK.pay(order["customer"], order["amount"])
    return f"{order['customer']} paid"


def charge_once(order: dict[str, Any]) -> str:
    BANK.pay(order["customer"], order["amount"], rd.current_job().idempotency_key)
    return f"{order['customer']} paid"


def nobody_paid_twice(outcomes: list[Outcome]) -> None:
    for one in outcomes:
        customer = one.payload["customer"]
        times = sum(payer == customer for payer, _ in BANK.payments)
        assert times == 1, f"{customer} paid {times} times"


def shop(charging: Callable[[dict[str, Any]], str]) -> rd.Flow:
    flow = rd.Flow("shop")
    flow.add_routine(charging, "charge")
    return flow


def main() -> None:
    for charging in (charge, charge_once):
        print(f"{charging.__name__}:")
        try:
            report = simulate(shop(charging), ORDERS, check=nobody_paid_twice, setup=BANK.clear, seeds=500)
            print(f"right in {report.schedules} schedules")
        except SimulationError as error:
            print(error)


if __name__ == "__main__":
    main()
