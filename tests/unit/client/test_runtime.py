from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.driver.driver import Gone
from routilux_dist.errors import ConfigurationError, StateError


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    return condition()


def flow(name: str = "one") -> rd.Flow:
    made = rd.Flow(name)
    made.add_routine(lambda x: x, "a")
    return made


@pytest.mark.parametrize(
    "options",
    [{"backend": "spark"}, {"backend": "local", "max_workers": 0}, {"backend": "local", "max_workers": "two"},
     {"backend": "local", "address": "auto"}],
)  # fmt: skip
def test_wrong_arguments_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        rd.Runtime(**options)


def test_a_flow_keeps_its_instance_until_it_changes() -> None:
    with rd.Runtime(backend="local") as runtime:
        one = flow()
        first = runtime.worker_for(one)
        assert runtime.worker_for(one) is first
        one.add_routine(lambda x: x, "b")
        one.connect("a.output", "b.input")
        second = runtime.worker_for(one)
        assert second is not first
        assert list(runtime.workers()) == [second]


def test_instances_of_changed_flows_are_let_go() -> None:
    with rd.Runtime(backend="local") as runtime:
        one = flow()
        old = weakref.ref(runtime.worker_for(one))
        one.add_routine(lambda x: x, "b")
        one.connect("a.output", "b.input")
        runtime.worker_for(one)
        assert eventually(lambda: old() is None)


def test_an_instance_ends_with_its_flow() -> None:
    with rd.Runtime(backend="local") as runtime:
        one = flow()
        assert runtime.submit(one, 1).result(timeout=20) == {"a.output": [1]}
        (worker,) = runtime.workers()
        del one
        gc.collect()
        assert list(runtime.workers()) == []
        assert eventually(lambda: worker.session.closed)  # type: ignore[attr-defined]


def blocking(started: threading.Event, go: threading.Event) -> rd.Flow:
    made = rd.Flow("blocking")
    made.add_routine(lambda x: (started.set(), go.wait(20))[1], "a")
    return made


def test_a_flow_may_be_collected_on_any_thread() -> None:
    started, go = threading.Event(), threading.Event()
    with rd.Runtime(backend="local") as runtime:
        one = blocking(started, go)
        job = runtime.submit(one, 1)
        assert started.wait(20)
        # As if the garbage collector ran it: nothing is waited for, and the job goes on.
        _, retire, worker = runtime._implicit[one]
        before = time.monotonic()
        retire()
        assert time.monotonic() - before < 1
        assert runtime._retiring == {worker}
        go.set()
        assert job.result(timeout=20) == {"a.output": [True]}
        assert eventually(lambda: worker.closed and not runtime._retiring)


def test_shutdown_ends_the_jobs_of_collected_flows() -> None:
    started, go = threading.Event(), threading.Event()
    runtime = rd.Runtime(backend="local")
    one = blocking(started, go)
    job = runtime.submit(one, 1)
    assert started.wait(20)
    del one
    gc.collect()
    threading.Timer(0.2, go.set).start()
    runtime.shutdown()
    assert job.cancelled()
    assert runtime._retiring == set()


def test_a_closed_instance_is_not_used_again() -> None:
    with rd.Runtime(backend="local") as runtime:
        one = flow()
        first = runtime.worker_for(one)
        first.close()
        assert not first.alive
        assert list(runtime.workers()) == []
        assert runtime.submit(one, 1).result(timeout=20) == {"a.output": [1]}
        named = runtime.exec(one, worker_id="w")
        named.close()
        with pytest.raises(ConfigurationError, match="'w'"):
            runtime.post(one, "a", "input", 1, worker_id="w")
        assert runtime.exec(one, worker_id="w") is not named
        assert runtime.post(one, "a", "input", 1, worker_id="w")[1].result(timeout=20) == {"a.output": [1]}


def test_an_instance_whose_coordinator_is_gone_is_not_used_again() -> None:
    with rd.Runtime(backend="local") as runtime:
        one = flow()
        first = runtime.worker_for(one)
        first._on_news([Gone("its node died")])
        assert runtime.worker_for(one) is not first
        assert eventually(lambda: first.session.closed)  # type: ignore[attr-defined]
        assert runtime.submit(one, 1).result(timeout=20) == {"a.output": [1]}


def test_a_closed_runtime_lets_everything_go_and_takes_nothing() -> None:
    runtime = rd.Runtime(backend="local")
    one = flow()
    worker = weakref.ref(runtime.worker_for(one))
    runtime.shutdown()
    runtime.shutdown()
    gc.collect()
    assert worker() is None
    with pytest.raises(StateError, match="shut down"):
        runtime.submit(one, 1)


def test_names_of_instances_are_unique() -> None:
    with rd.Runtime(backend="local") as runtime:
        runtime.exec(flow(), worker_id="w")
        with pytest.raises(ConfigurationError, match="'w' is taken"):
            runtime.exec(flow("two"), worker_id="w")
        with pytest.raises(ConfigurationError, match="running: w"):
            runtime.post("one", "a", "input", 1, worker_id="v")


def test_a_running_name_is_not_started_twice() -> None:
    go = threading.Event()
    slow = rd.Flow("slow")
    slow.add_routine(lambda x: go.wait(20), "a")
    with rd.Runtime(backend="local") as runtime:
        job = runtime.submit(slow, 1, job_id="nightly")
        with pytest.raises(StateError, match="'nightly' is running already"):
            runtime.submit(slow, 1, job_id="nightly")
        assert job in runtime.list_jobs()
        go.set()
        assert job.result(timeout=20) == {"a.output": [True]}


def test_a_routine_that_waits_for_its_own_flow_is_told_so() -> None:
    inner: list[rd.Flow] = []

    def ask(x: int) -> Any:
        return runtime.submit(inner[0], x + 1).result() if x < 1 else x

    with rd.Runtime(backend="local") as runtime:
        one = rd.Flow("own")
        one.add_routine(ask, "a")
        inner.append(one)
        with pytest.raises(rd.JobFailedError, match="cannot be waited for here"):
            runtime.submit(one, 0).result(timeout=20)
        inner.clear()
