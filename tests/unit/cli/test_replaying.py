from __future__ import annotations

import pdb
from types import TracebackType
from typing import Any

import pytest

from routilux_dist.cli import replaying
from routilux_dist.cli.outcomes import Exit
from routilux_dist.client import replaying as client
from routilux_dist.driver.messages import Message
from routilux_dist.errors import SerializationError
from routilux_dist.plan.plan import PortKind
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Form, Packed
from routilux_dist.wire.failure import Failure


def message(body: Any, **fields: Any) -> Message:
    block = Block("j", 0, 0, 2, 0, 1, 0, True, "", body)
    return Message(
        name="j/1.1", flow="f", routine="r", slot="s", kind=PortKind.SLOT, status="waits", block=block, row=1, **fields
    )


def test_payloads_are_shown_where_opening_them_runs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replaying.message_line(message(codec.typed().pack([1, {"x": 2}], None)))["payload"] == "{'x': 2}"
    trusted = Packed(codec.typed(allow_pickle=True).pack([1, 2], None).data, (), Form.TRUSTED)
    assert replaying.message_line(message(trusted))["payload"] == ""
    monkeypatch.setattr(replaying.codec, "rows_of", lambda _: (_ for _ in ()).throw(SerializationError("unknown")))
    assert replaying.message_line(message(codec.typed().pack([1, 2], None)))["payload"] == ""


def test_what_is_told_of_a_dead_letter_and_of_those_that_are_not_shown() -> None:
    failure = Failure(job="j", routine="r", error_type="ValueError", message="no", attempts=3)
    line = replaying.message_line(message(codec.typed().pack([1, 2], None), failure=failure))
    assert (line["error"], line["attempts"]) == ("ValueError: no", 3)
    counts = {"dead": 1, "pending": 1000, "in_flight": 1}
    shown = list(replaying.message_lines({"messages": [line], "jobs": {"j": {"messages": counts}}}))
    assert shown[0] == "  message j/1.1: waits at r.s, 2: ValueError: no"
    assert shown[1].startswith("  … 1,001 more messages")


def test_the_debugger_begins_where_the_routine_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError("no")

    seen: list[TracebackType] = []
    monkeypatch.setattr(pdb, "post_mortem", seen.append)
    monkeypatch.setattr(client, "saved_message", lambda *_: message(None))
    monkeypatch.setattr(client, "ready", lambda *_, **__: fail)
    monkeypatch.setattr(replaying, "load_flow", lambda _: None)
    request = replaying.Request(None, "j/1.1", None, "flows.py", pdb=True)  # type: ignore[arg-type]
    assert replaying.replay(request) is Exit.FAILED
    [frame] = seen
    while frame.tb_next is not None:
        frame = frame.tb_next
    assert frame.tb_frame.f_code is fail.__code__
    assert "it has not run yet" in capsys.readouterr().err
