"""Everything a user can pass wrong is refused at once, by name, with the rule and the fix; never by a traceback from inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd


def make_flow(**options: Any) -> rd.Flow:
    flow = rd.Flow("arguments", **options)
    flow.add_routine(lambda x: x, "a")
    return flow


@pytest.fixture(scope="module")
def runtime() -> Iterator[rd.Runtime]:
    with rd.Runtime(backend="local") as opened:
        yield opened


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"num_cpus": True}, "num_cpus=True"),
    ({"num_cpus": math.nan}, "num_cpus=nan"),
    ({"num_gpus": "1"}, "num_gpus='1'"),
    ({"memory": None}, "memory=None"),
    ({"resources": 5}, "resources=5: has to be a mapping"),
    ({"resources": {"tape": "much"}}, "resources['tape']='much'"),
    ({"resources": {5: 1}}, "its keys are names"),
    ({"timeout": math.nan}, "timeout=nan"),
    ({"timeout": math.inf}, "None means no bound"),
    ({"timeout": -1}, "timeout=-1"),
    ({"timeout": True}, "timeout=True"),
    ({"timeout": "5"}, "timeout='5'"),
    ({"retries": -1}, "retries=-1"),
    ({"retries": 1.5}, "retries=1.5: has to be a whole number"),
    ({"max_concurrency": 2.5}, "max_concurrency=2.5"),
    ({"actors": 2.5}, "actors=2.5: has to be a whole number"),
    ({"actors": True}, "actors=True"),
    ({"runtime_env": 5}, "runtime_env=5: has to be a mapping"),
    ({"label_selector": "eu"}, "label_selector='eu'"),
    ({"label_selector": {"region": 5}}, "label_selector['region']=5"),
    ({"scheduling_strategy": "FAST"}, "use one of 'DEFAULT', 'SPREAD'"),
    ({"accelerator_type": 5}, "accelerator_type=5"),
    ({"ray_options": 5}, "ray_options=5"),
    *(
        ({"ray_options": {name: 1}}, "Ray's own retries stay off")
        for name in ("max_retries", "max_task_retries", "max_restarts", "retry_exceptions")
    ),
    *(
        ({"ray_options": {name: 1}}, "the engine decides that")
        for name in ("num_returns", "name", "namespace", "lifetime", "get_if_exists", "max_pending_calls")
    ),
    *(
        ({"ray_options": {name: 1}}, f"{name}=…")
        for name in ("max_concurrency", "num_cpus", "resources", "runtime_env")
    ),
    ({"nun_cpus": 1}, "did you mean 'num_cpus'"),
]

HANDLERS: list[tuple[dict[str, Any], str]] = [
    ({"strategy": "again"}, "rd.ErrorStrategy.STOP"),
    ({"max_retries": 1.5}, "max_retries=1.5"),
    ({"max_retries": "3"}, "max_retries='3'"),
    ({"retry_delay": math.nan}, "retry_delay=nan"),
    ({"retry_delay": "soon"}, "retry_delay='soon'"),
    ({"retry_backoff": math.inf}, "retry_backoff=inf"),
    ({"max_delay": None}, "max_delay=None"),
    ({"jitter": 2}, "jitter=2: has to be a number from 0 to 1"),
    ({"jitter": True}, "jitter=True"),
    ({"retry_on": ("KeyError",)}, "has to be exception classes"),
    ({"retry_on": 5}, "has to be exception classes"),
    ({"classify": 5}, "classify=5: has to be a function"),
    ({"exhausted": "retry"}, "cannot be RETRY"),
    ({"is_critical": 1}, "is_critical=1"),
]

FLOWS: list[tuple[dict[str, Any], str]] = [
    ({"error_handler": 5}, "error_handler=5: has to be an rd.ErrorHandler"),
    ({"error_handler": rd.ErrorStrategy.SKIP}, "has to be an rd.ErrorHandler"),
    ({"execution_mode": "fast"}, "execution_mode='fast'"),
    ({"execution_mode": []}, "execution_mode=[]"),
    ({"max_workers": 0}, "max_workers=0"),
    ({"max_workers": True}, "max_workers=True"),
    ({"max_workers": 1.5}, "max_workers=1.5"),
    ({"entry": 5}, "entry=5"),
    ({"execution_timeout": math.nan}, "execution_timeout=nan"),
    ({"execution_timeout": True}, "execution_timeout=True"),
    ({"execution_timeout": math.inf}, "None means no bound"),
    ({"max_messages": 1.5}, "max_messages=1.5"),
    ({"max_hops": "many"}, "max_hops='many'"),
    ({"max_history_size": -1}, "max_history_size=-1"),
    ({"history_ttl_seconds": -1}, "history_ttl_seconds=-1"),
    ({"no_progress_timeout": 0}, "no_progress_timeout=0"),
    ({"max_worker": 1}, "did you mean 'max_workers'"),
]

RUNTIMES: list[tuple[dict[str, Any], str]] = [
    ({"backend": "spark"}, "backend='spark': use one of 'ray', 'local'"),
    ({"backend": ["local"]}, "backend=['local']"),
    ({"address": 5}, "address=5"),
    ({"max_workers": True}, "max_workers=True"),
    ({"namespace": 5}, "namespace=5"),
    ({"namespace": ""}, "namespace=''"),
    ({"tuning": {"block_rows": 5}}, "has to be an rd.Tuning"),
    ({"ray_options": 5}, "ray_options=5"),
]

CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "batch of none": (lambda: rd.batch(0), "n=0"),
    "batch by text": (lambda: rd.batch("3"), "n='3'"),  # type: ignore[arg-type]
    "batch in no time": (lambda: rd.batch(3, timeout="1"), "timeout='1'"),  # type: ignore[arg-type]
    "every nan": (lambda: rd.every(math.nan), "seconds=nan"),
    "every text": (lambda: rd.every("1"), "seconds='1'"),  # type: ignore[arg-type]
    "policy not called": (lambda: rd.Routine("r").set_activation_policy(rd.batch), "rd.batch(n)"),
    "policy by name": (lambda: rd.Routine("r").set_activation_policy("immediate"), "rd.immediate()"),  # type: ignore[arg-type]
    "handler of a routine": (lambda: rd.Routine("r").set_error_handler("stop"), "rd.ErrorHandler"),  # type: ignore[arg-type]
    "optional": (lambda: rd.Routine("r").set_as_optional("no"), "no error strategy"),  # type: ignore[arg-type]
    "critical": (lambda: rd.Routine("r").set_as_critical(max_retries=-1), "max_retries=-1"),
    "name of a routine": (lambda: rd.Routine(5), "name=5"),  # type: ignore[arg-type]
    "name of a flow": (lambda: rd.Flow(5), "flow name has to be a str"),  # type: ignore[arg-type]
    "tuning": (lambda: rd.Tuning(block_rows=0), "block_rows=0"),
    "tuning by text": (lambda: rd.Tuning(slice_seconds="1"), "slice_seconds='1'"),  # type: ignore[arg-type]
    "registered": (lambda: rd.FlowRegistry.register("words"), "flow='words'"),  # type: ignore[arg-type]
    "required slot": (lambda: rd.Routine("r").add_slot("a", required="no"), "required='no'"),  # type: ignore[arg-type]
    "required event": (lambda: rd.Routine("r").add_event("a", required=1), "required=1"),  # type: ignore[arg-type]
    "slot of another kind": (lambda: rd.Routine("r").get_slot([]), "no slot []"),  # type: ignore[arg-type]
    "event of another kind": (lambda: rd.Routine("r").get_event([]), "no event []"),  # type: ignore[arg-type]
    "registered by number": (lambda: rd.FlowRegistry.get(5), "name=5"),  # type: ignore[arg-type]
    "no steps": (lambda: rd.pipeline(), "has no steps"),
    "connected": (lambda: make_flow().connect(5, 6), "5 does not name an event"),  # type: ignore[arg-type]
    "piped": (lambda: make_flow().pipe(5, 6), "no routine 5"),  # type: ignore[arg-type]
    "default runtime": (lambda: make_flow().run(1, backend=["local"]), "backend=['local']"),  # type: ignore[arg-type]
    "runtime by name": (lambda: make_flow().run(1, runtime="local"), "runtime='local'"),  # type: ignore[arg-type]
    "run for nan": (lambda: make_flow().run(1, backend="local", timeout=math.nan), "timeout=nan"),
    "run for less than nothing": (lambda: make_flow().run(1, backend="local", timeout=-1), "timeout=-1"),
    "job of another kind": (lambda: make_flow().wait_for_completion("job-1"), "job='job-1'"),  # type: ignore[arg-type]
}

POSTS: list[tuple[dict[str, Any], str]] = [
    ({"metadata": 5}, "metadata=5"),
    ({"metadata": {5: 1}}, "its keys are names"),
    ({"entry": 5}, "entry=5"),
    ({"entry": "b"}, "no routine 'b'"),
    ({"entry": "a.b.c"}, "'a.b.c' does not name a slot"),
    ({"job_id": 5}, "job_id 5 is not allowed"),
    ({"job_id": ""}, "job_id '' is not allowed"),
    ({"job_id": []}, "job_id [] is not allowed"),
    ({"correlation_id": 5}, "correlation_id=5"),
]

MAPS: list[tuple[dict[str, Any], str]] = [
    ({"buffersize": True}, "buffersize=True"),
    ({"buffersize": 0}, "buffersize=0"),
    ({"buffersize": 1.5}, "buffersize=1.5"),
    ({"on_error": "ignore"}, "on_error='ignore'"),
    ({"on_error": []}, "on_error=[]"),
    ({"ordered": "no"}, "ordered='no'"),
    ({"timeout": "x"}, "timeout='x'"),
    ({"timeout": math.nan}, "timeout=nan"),
    ({"items": 5}, "items=5"),
    ({"items": None}, "items=None"),
    ({"entry": 5}, "entry=5"),
]


def refused(says: str, call: Callable[[], Any]) -> None:
    with pytest.raises(rd.ConfigurationError) as caught:
        call()
    assert says in caught.value.message


@pytest.mark.parametrize(("options", "says"), OPTIONS, ids=str)
def test_routine_options(options: dict[str, Any], says: str) -> None:
    refused(says, lambda: rd.routine(**options)(len))
    refused(says, lambda: rd.Routine("r").set_options(**options))


@pytest.mark.parametrize(("options", "says"), HANDLERS, ids=str)
def test_error_handlers(options: dict[str, Any], says: str) -> None:
    refused(says, lambda: rd.ErrorHandler(**options))


@pytest.mark.parametrize(("options", "says"), FLOWS, ids=str)
def test_flows(options: dict[str, Any], says: str) -> None:
    refused(says, lambda: make_flow(**options))


@pytest.mark.parametrize(("options", "says"), RUNTIMES, ids=str)
def test_runtimes(options: dict[str, Any], says: str) -> None:
    refused(says, lambda: rd.Runtime(**{"backend": "local", **options}))


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    call, says = CALLS[name]
    refused(says, call)


@pytest.mark.parametrize(("options", "says"), POSTS, ids=str)
def test_posting(runtime: rd.Runtime, options: dict[str, Any], says: str) -> None:
    flow = make_flow()
    refused(says, lambda: runtime.submit(flow, 1, **options))
    if "entry" not in options:
        refused(says, lambda: runtime.post(flow, "a", "input", 1, **options))


@pytest.mark.parametrize(("options", "says"), MAPS, ids=str)
def test_mapping(runtime: rd.Runtime, options: dict[str, Any], says: str) -> None:
    refused(says, lambda: make_flow().map(**{"items": [1], "runtime": runtime, **options}))


def test_names_of_places(runtime: rd.Runtime) -> None:
    flow = make_flow()
    refused("worker_id 5 is not allowed", lambda: runtime.exec(flow, worker_id=5))  # type: ignore[arg-type]
    refused("worker_id 'a b' is not allowed", lambda: runtime.exec(flow, worker_id="a b"))
    refused("expected a flow", lambda: runtime.exec(5))  # type: ignore[arg-type]
    refused("expected a flow", lambda: runtime.post(5, "a", "input"))  # type: ignore[arg-type]
    refused("routine=['a']", lambda: runtime.post(flow, ["a"], "input"))  # type: ignore[arg-type]
    refused("slot=None", lambda: runtime.post(flow, "a", None))  # type: ignore[arg-type]
    refused("close='no'", lambda: runtime.post(flow, "a", "input", 1, close="no"))  # type: ignore[arg-type]
    worker = runtime.exec(flow)
    refused(
        "runs flow 'arguments', not 'other'", lambda: runtime.post("other", "a", "input", worker_id=worker.worker_id)
    )


def test_waiting(runtime: rd.Runtime) -> None:
    job = runtime.submit(make_flow(), 1)
    for wrong in ("x", math.nan, True, [1]):
        for wait in (job.result, job.exception, job.wait_for_completion):
            refused(f"timeout={wrong!r}", lambda wait=wait, wrong=wrong: wait(timeout=wrong))  # type: ignore[misc]
    refused("None means for ever", lambda: job.result(timeout=math.inf))
    assert job.result(timeout=60) == {"a.output": [1]}
    assert job.result(timeout=-1) == {"a.output": [1]}
    refused("reason=5", lambda: job.cancel(5))  # type: ignore[arg-type]
    refused("letters=5", lambda: job.retry_failed(5))  # type: ignore[arg-type]
    refused("no dead letter", lambda: job.retry_failed([0]))
    refused("no dead letter True", lambda: job.retry_failed([True]))
