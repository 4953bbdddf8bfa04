"""What to do about errors, routine by routine: try again, take another way, bypass, give up.

    ask ──> quote ──> round ──> quotes
              └──error──> remember ──┘

`quote` is tried again when the line was bad. When that does not help, the message becomes a dead letter, and goes to the event
`error`, which is connected: `remember` answers instead. `round` is bypassed for what it cannot round.

    python -m examples.error_fallback --backend local
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import routilux_dist as rd

TODAY = {"ABC": 10.126, "DEF": 20.5, "TXT": "suspended"}
YESTERDAY = {"GHI": 30.25}


def ask(names: list[str]) -> Iterator[str]:
    yield from names


def quote(name: str) -> dict[str, Any]:
    if name == "DEF" and rd.current_job().attempt < 3:
        raise ConnectionError("the line is bad")
    if name not in TODAY:
        raise LookupError(f"no quote for {name} today")
    return {"name": name, "price": TODAY[name], "source": "today"}


def remember(failure: dict[str, Any]) -> dict[str, Any]:
    name = failure["payload"]
    return {"name": name, "price": YESTERDAY.get(name, 0.0), "source": f"yesterday ({failure['error']})"}


def round_price(name: str, price: float, source: str) -> dict[str, Any]:
    return {"name": name, "price": round(price, 2), "source": source}


def quotes(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def build_flow() -> rd.Flow:
    flow = rd.Flow("error_fallback")
    for routine, name in (
        (ask, "ask"),
        (quote, "quote"),
        (remember, "remember"),
        (round_price, "round"),
        (quotes, "quotes"),
    ):
        flow.add_routine(routine, name)
    flow.pipe("ask", "quote", "round", "quotes")
    flow.connect("quote.error", "remember.input")
    flow.pipe("remember", "quotes")

    flow.routines["quote"].set_error_handler(
        rd.ErrorHandler(
            rd.ErrorStrategy.RETRY,
            max_retries=3,
            retry_delay=0.05,
            retry_on=(ConnectionError,),  # other errors are not worth another try
            exhausted=rd.ErrorStrategy.CONTINUE,
        )
    )
    flow.routines["round"].set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.SKIP))
    return flow


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["ray", "local"], default="ray")
    options = parser.parse_args(argv)

    with rd.Runtime(backend=options.backend) as runtime:
        job = runtime.submit(build_flow(), ["ABC", "DEF", "GHI", "TXT"])
        answers = job.result(timeout=60)["quotes.output"]
    for answer in sorted(answers, key=lambda answer: answer["name"]):
        print(f"{answer['name']}  {answer['price']!s:<9}  {answer['source']}")
    for error in job.errors:
        print("met:", error)
    print("dead letters:", ", ".join(str(letter.payload) for letter in job.dead_letters))


if __name__ == "__main__":
    main()
