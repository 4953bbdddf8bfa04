from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.coordinator.commands import Refuse, Report
from routilux_dist.coordinator.events import ControlAsked, Posted
from routilux_dist.driver.driver import Gone
from routilux_dist.driver.session import Opening
from routilux_dist.errors import StateError
from routilux_dist.local.session import LocalSession
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing.bench import compile_for
from routilux_dist.wire.block import Block, Form, Rows
from routilux_dist.wire.codec import PICKLE, Codec, typed
from tests.bodies import bodies

SECONDS = 20.0


class Local:
    """A session and the news of it."""

    def __init__(self, function: Callable[[Any], Any], workers: int = 1, codec: Codec = PICKLE, **tuning: Any) -> None:
        flow = rd.Flow("local")
        flow.add_routine(function, "a")
        self.plan = compile_for(flow)
        self.news: list[Any] = []
        self.changed = threading.Condition()
        self.callback: Callable[[Any], None] = lambda news: None
        opening = Opening(
            plan=self.plan, routines=flow.routines, flow_handler=None, workers=workers, tuning=Tuning(**tuning),
            validate=True, worker_id="w", client_id="c", codec=codec,
        )  # fmt: skip
        self.session = LocalSession(opening, self._hear)

    def _hear(self, news: list[Any]) -> None:
        for one in news:
            self.callback(one)
            with self.changed:
                self.news.append(one)
                self.changed.notify_all()

    def post(self, job: str, *payloads: Any, last: bool = True) -> None:
        block = Block(job, 0, 0, len(payloads), 0, 1, 0, True, "", Rows(list(payloads)))
        self.session.post(Posted(job=job, blocks=(block,), client="c", last=last))

    def report(self, job: str) -> Report:
        def found() -> list[Report]:
            return [one for one in self.news if isinstance(one, Report) and one.job == job]

        with self.changed:
            assert self.changed.wait_for(found, SECONDS), f"no report about {job}"
            return found()[0]


@pytest.fixture
def local() -> Iterator[Callable[..., Local]]:
    made: list[Local] = []

    def build(function: Callable[[Any], Any] = lambda x: x, **options: Any) -> Local:
        made.append(Local(function, **options))
        return made[-1]

    yield build
    for one in made:
        one.session.close()
        assert not one.session._thread.is_alive()


@pytest.mark.parametrize("workers", [1, 3])
def test_jobs_run_and_are_reported(local: Callable[..., Local], workers: int) -> None:
    one = local(lambda x: x + 1, workers=workers)
    for n in range(5):
        one.post(f"j{n}", n)
    outputs = [one.report(f"j{n}").outputs[0].body.payloads for n in range(5)]
    assert outputs == [[n + 1] for n in range(5)]


def test_questions_and_requests_are_served_while_a_routine_keeps_the_engine_busy(local: Callable[..., Local]) -> None:
    started, go, seen = threading.Event(), threading.Event(), []

    def wait(x: Any) -> Any:
        started.set()
        assert go.wait(SECONDS)
        seen.append(rd.current_job().cancelled)
        return x

    one = local(wait)
    one.post("j", 1)
    assert started.wait(SECONDS)
    one.post("other", 2)
    assert one.session.ask("summary", "j")["status"] == "running"
    assert one.session.ask("summary", "other")["status"] == "pending"
    one.session.control(ControlAsked("j", "cancel", "enough"))
    assert one.report("j").status == "cancelled"
    go.set()
    assert one.report("other").status == "completed"
    assert seen == [True, False]


def test_close_cancels_what_is_open_and_takes_no_more(local: Callable[..., Local]) -> None:
    one = local()
    one.post("j", 1, last=False)
    one.session.close()
    assert one.report("j").status == "cancelled"
    one.session.close()
    with pytest.raises(StateError, match="shut down"):
        one.post("k", 1)
    with pytest.raises(StateError, match="shut down"):
        one.session.ask("overview")


def test_a_post_that_slips_in_while_it_closes_is_cancelled_not_lost(local: Callable[..., Local]) -> None:
    one = local()
    check, one.session._check = one.session._check, lambda: None  # type: ignore[method-assign]
    one.session.close()
    one.post("late", 1)
    assert one.report("late").status == "cancelled"
    one.session._check = check  # type: ignore[method-assign]


def test_a_fault_of_the_engine_reaches_everybody(local: Callable[..., Local], monkeypatch: pytest.MonkeyPatch) -> None:
    quiet: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", quiet.append)
    one = local()
    one.session._mail.append("nonsense")  # type: ignore[arg-type]
    one.session._bell.put(None)
    with one.changed:
        assert one.changed.wait_for(lambda: any(isinstance(n, Gone) for n in one.news), SECONDS)
    with pytest.raises(StateError, match="fault of the engine"):
        one.post("j", 1)


def test_callbacks_may_post_ask_and_cancel(local: Callable[..., Local]) -> None:
    one = local()
    done = threading.Event()

    def callback(news: Any) -> None:
        if isinstance(news, Report) and news.job == "first":
            assert one.session.ask("summary", "first")["status"] == "completed"
            one.post("second", 1, last=False)
            one.session.control(ControlAsked("second", "cancel"))
            done.set()

    one.callback = callback
    one.post("first", 1)
    assert one.report("second").status == "cancelled"
    assert done.is_set()


def test_a_full_flow_makes_producers_wait(local: Callable[..., Local]) -> None:
    go = threading.Event()
    one = local(lambda x: go.wait(SECONDS) and x, max_pending_blocks=2)
    posted = []

    def produce() -> None:
        for n in range(8):
            one.post(f"j{n}", n)
            posted.append(n)

    producer = threading.Thread(target=produce)
    producer.start()
    with one.changed:
        one.changed.wait_for(lambda: not one.session._door.is_set(), 0.2)
    go.set()
    producer.join(SECONDS)
    assert posted == list(range(8))
    assert one.report("j7").status == "completed"


def test_who_may_wait(local: Callable[..., Local]) -> None:
    one, many = local(lambda x: None), local(lambda x: None, workers=2)
    heard: list[bool] = []
    for session in (one, many):
        session.callback = lambda news, session=session: heard.append(session.session.may_wait())
        session.post("j", 1)
        session.report("j")
    assert one.session.may_wait()
    assert False in heard
    assert True in heard


def test_a_name_twice_is_refused(local: Callable[..., Local]) -> None:
    one = local()
    one.post("j", 1)
    one.report("j")
    one.post("j", 1)
    with one.changed:
        assert one.changed.wait_for(lambda: any(isinstance(n, Refuse) for n in one.news), SECONDS)


def test_with_the_typed_codec_bodies_are_encoded_in_this_process_too(local: Callable[..., Local]) -> None:
    one = local(lambda x: {"x": {x}}, codec=typed())
    assert one.session.packed
    one.post("j", 1)
    report = one.report("j")
    found = list(bodies(report.outputs))
    assert [getattr(body, "form", None) for body in found] == [Form.TYPED]
