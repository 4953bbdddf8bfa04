"""Many calls at once: each order asks three services, which take their time, and becomes an offer when all have answered.

    order ──┬──> price ─────┐
            ├──> stock ─────┼──> offer
            └──> delivery ──┘

`offer` joins: its `logic` runs when each of its slots has a message. `flow.map` makes each order a job of its own, so the answers
for different orders never meet; the calls of all orders wait together.

    python -m examples.async_orchestration --backend local
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import routilux_dist as rd

SECONDS = 0.1  # how long a service takes to answer
GOODS = {"tea": (4.50, 12), "cup": (7.00, 0), "pot": (31.00, 2)}
ORDERS = [{"item": item, "town": town} for town in ("Oslo", "Lima") for item in GOODS]


def order(payload: dict[str, str]) -> dict[str, str]:
    return payload


@rd.routine(max_concurrency=100)
async def price(payload: dict[str, str]) -> float:
    await asyncio.sleep(SECONDS)
    return GOODS[payload["item"]][0]


@rd.routine(max_concurrency=100)
async def stock(payload: dict[str, str]) -> int:
    await asyncio.sleep(SECONDS)
    return GOODS[payload["item"]][1]


@rd.routine(max_concurrency=100)
async def delivery(payload: dict[str, str]) -> dict[str, Any]:
    await asyncio.sleep(SECONDS)
    return {**payload, "days": 3 if payload["town"] == "Oslo" else 9}


class Offer(rd.Routine):
    """Has one slot for each answer."""

    def setup(self) -> None:
        self.add_slot("price")
        self.add_slot("stock")
        self.add_slot("delivery")
        self.add_event("offer")

    def logic(self, price: float, stock: int, delivery: dict[str, Any]) -> None:
        if stock == 0:
            delivery = {**delivery, "days": delivery["days"] + 14}
        self.emit("offer", **delivery, price=price)


def build_flow() -> rd.Flow:
    flow = rd.Flow("async_orchestration")
    flow.add_routine(order, "order")
    flow.add_routine(Offer(), "offer")
    for service in (price, stock, delivery):
        name = flow.add_routine(service)
        flow.connect("order.output", f"{name}.input")
        flow.connect(f"{name}.output", f"offer.{name}")
    return flow


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["ray", "local"], default="ray")
    options = parser.parse_args(argv)

    with rd.Runtime(backend=options.backend) as runtime:
        started = time.perf_counter()
        for offer in build_flow().map(ORDERS, runtime=runtime):
            print(f"{offer['item']} to {offer['town']}: {offer['price']:.2f}, in {offer['days']} days")
        seconds = time.perf_counter() - started
    print(f"{3 * len(ORDERS)} calls of {SECONDS} s each, in {seconds:.1f} s")


if __name__ == "__main__":
    main()
