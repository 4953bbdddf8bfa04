"""Every snippet of the page about the public surface runs as it is written there.

The snippets stand between the smallest surroundings that let them run. What the page says in a comment or a sentence
next to a snippet is asserted after it.
"""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import routilux_dist as rd

WAIT = 60


class Tokenize(rd.Routine):
    def setup(self):  # declares ports, config, state; cheap; runs on the driver and on workers
        self.add_slot("input")
        self.add_event("output")

    def open(self): ...  # optional: heavy per-process resources (a model, a connection); close() undoes it

    def logic(self, input, **kwargs):  # one argument per slot, in declaration order
        for word in input.split():
            self.emit("output", word=word)


@rd.routine  # a plain function stays callable: clean(" a ") == "a"
def clean(text):  # slot "input", event "output"
    return text.strip()  # returned value is emitted; None emits nothing; a generator emits each item


@rd.routine(num_cpus=2, timeout=30, retries=3)
def heavy(text):
    return text.upper()


@rd.routine(max_concurrency=4)
async def async_clean(text):
    return text.strip()


def words() -> rd.Flow:
    """The flow of the page, under the name of the page."""
    flow = rd.Flow("words")
    flow.add_routine(clean, "clean")
    flow.add_routine(Tokenize(), "tokenize")
    flow.connect("clean.output", "tokenize.input")
    return flow


AB = {"tokenize.output": [{"word": "a"}, {"word": "b"}]}


@pytest.fixture
def runtime(backend: str) -> Iterator[rd.Runtime]:
    with rd.Runtime(backend=backend) as rt:
        yield rt


# ---- importing ------------------------------------------------------------------------------------------------------


def test_importing_does_not_import_ray() -> None:
    code = "import sys, routilux_dist as rd; rd.Flow, rd.Routine, rd.routine; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=WAIT).returncode == 0


# ---- routines -------------------------------------------------------------------------------------------------------


def test_a_plain_function_stays_callable() -> None:
    assert clean(" a ") == "a"


def test_the_forms_of_emit(backend: str) -> None:
    class Forms(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("event")

        def logic(self, payload):
            event = "event"
            self.emit(event, payload)
            self.emit(event, a=1, b=2)
            self.emit(event)

    flow = rd.Flow("forms")
    flow.add_routine(Forms(), "forms")
    assert flow.run("value", backend=backend, timeout=WAIT) == {"forms.event": ["value", {"a": 1, "b": 2}, {}]}


def test_routine_options(backend: str) -> None:
    flow = rd.pipeline(async_clean, heavy)
    assert list(flow.run(" a ", backend=backend, timeout=WAIT).values()) == [["A"]]


def test_slot_forms(backend: str) -> None:
    class Slots(rd.Routine):
        def setup(self):
            name = "plain"
            self.add_slot(name)
            self.add_slot("handled", handler=self.on_input)
            self.add_slot("all", handler=self.on_all, merge="append")
            self.add_slot("newest", handler=self.on_input, merge="override")
            self.define_slot("sum", handler=self.on_input, merge=lambda so_far, new: so_far + new)
            self.define_event("output")

        def on_input(self, payload):
            self.emit("output", payload)

        def on_all(self, payloads):
            self.emit("output", list(payloads))

        def logic(self, plain):
            self.emit("output", f"logic {plain}")

    for slot, expected in {
        "plain": ["logic 1", "logic 2"],
        "handled": [1, 2],
        "all": [[1], [1, 2]],
        "newest": [1, 2],
        "sum": [1, 3],
    }.items():
        wired = rd.Flow(f"slots_{slot}")
        wired.add_routine(spread, "spread")
        wired.add_routine(Slots(), "slots")
        wired.connect("spread", "output", "slots", slot)
        assert wired.run([1, 2], backend=backend, timeout=WAIT) == {"slots.output": expected}


def spread(items):
    yield from items


def test_a_slot_as_a_decorator(backend: str) -> None:
    routine = rd.Routine("name")

    @routine.define_slot("input")
    def on_input(payload):
        return payload + 1

    routine.define_event("output")
    flow = rd.Flow("bare")
    flow.add_routine(routine)
    assert flow.run(1, backend=backend, timeout=WAIT) == {"name.output": [2]}


def test_a_routine_without_a_subclass(backend: str) -> None:
    def fn(payload):
        return payload * 2

    with_handler = rd.Routine("with_handler")
    with_handler.define_slot("input", handler=fn)
    with_handler.define_event("output")
    with_logic = rd.Routine("with_logic")
    with_logic.define_slot("input")
    with_logic.define_event("output")
    with_logic.set_logic(fn)
    flow = rd.Flow("small")
    flow.add_routine(with_handler)
    flow.add_routine(with_logic)
    flow.pipe("with_handler", "with_logic")
    assert flow.run(1, backend=backend, timeout=WAIT) == {"with_logic.output": [4]}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (rd.all_ready(), [0, 1, 2, 3, 4]),
        (rd.immediate(), [0, 1, 2, 3, 4]),
        (rd.batch(2), [[0, 1], [2, 3], [4]]),
        (rd.batch(2, timeout=None), [[0, 1], [2, 3], [4]]),
        (rd.every(3600), [[0, 1, 2, 3, 4]]),
        (lambda slots: len(slots["input"]) == 5, [[0, 1, 2, 3, 4]]),
    ],
    ids=["all_ready", "immediate", "batch", "batch without timeout", "every", "function"],
)
def test_activation_policies(policy: object, expected: list) -> None:
    class Gather(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(policy)

        def logic(self, input):
            self.emit("output", input)

    flow = rd.Flow("policies")
    flow.add_routine(spread, "spread")
    flow.add_routine(Gather(), "gather")
    flow.pipe("spread", "gather")
    assert flow.run(range(5), backend="local", timeout=WAIT) == {"gather.output": expected}


def test_config_and_state(backend: str) -> None:
    class Count(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("output")
            self.add_state(count=0, key="user_id")
            self.set_config(step=2)

        def logic(self, input):
            self.state["count"] += self.get_config("step", 1)
            self.emit("output", (input["user_id"], self.state["count"]))

    flow = rd.Flow("counting")
    flow.add_routine(spread, "spread")
    flow.add_routine(Count(), "count")
    flow.pipe("spread", "count")
    outputs = flow.run([{"user_id": u} for u in "aba"], backend=backend, timeout=WAIT)
    assert sorted(outputs["count.output"]) == [("a", 2), ("a", 4), ("b", 2)]


def test_current_job(runtime: rd.Runtime) -> None:
    class Look(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("output")

        def logic(self, input):
            job = rd.current_job()
            job.set_data("seen", input)
            for reducer in ("sum", "max", "min", "append", "last"):
                job.update(f"by_{reducer}", 1, reducer=reducer)
            job.update("by_union", [1], reducer="union")
            job.trace("looked")
            self.emit(
                "output",
                [job.job_id, job.flow_id, job.routine_id, dict(job.metadata), job.attempt, job.get_data("seen")],
            )
            assert not job.cancelled
            assert job.idempotency_key
            assert job.correlation_id is None or isinstance(job.correlation_id, str)

    flow = rd.Flow("looking")
    flow.add_routine(Look(), "look")
    job = runtime.submit(flow, "x")
    assert job.result(timeout=WAIT) == {"look.output": [[job.job_id, "looking", "look", {}, 1, "x"]]}
    data = job.data
    assert set(data.pop("by_union")) == {1}
    assert data == {"seen": "x", "by_sum": 1, "by_max": 1, "by_min": 1, "by_append": [1], "by_last": 1}


# ---- flows ----------------------------------------------------------------------------------------------------------


def test_building_a_flow(backend: str) -> None:
    """The same connection in all its forms: made once, whatever the form."""
    flow = rd.Flow("words")
    flow.add_routine(clean, "clean")
    flow.add_routine(Tokenize(), "tokenize")
    flow.connect("clean.output", "tokenize.input")
    flow.connect("clean", "output", "tokenize", "input")
    a, b = flow.routines["clean"], flow.routines["tokenize"]
    a.get_event("output").connect(b.get_slot("input"))
    flow.pipe("clean", "tokenize")
    flow.validate()
    assert list(flow.routines) == ["clean", "tokenize"]
    assert flow.run("a b", backend=backend, timeout=WAIT) == AB


def test_all_options_of_a_flow() -> None:
    for mode in ("distributed", "concurrent", "sequential"):
        flow = rd.Flow(
            "words",
            execution_mode=mode,
            max_workers=2,
            execution_timeout=60,
            max_messages=1000,
            max_hops=100,
            max_history_size=100,
            history_ttl_seconds=60,
        )
        flow.add_routine(clean, "clean")
        assert flow.run(" a ", backend="local", timeout=WAIT) == {"clean.output": ["a"]}


def test_a_pipeline_of_plain_functions(backend: str) -> None:
    def f(text):
        return text.strip()

    def g(text):
        return text.split()

    def h(words):
        return len(words)

    flow = rd.pipeline(f, g, h)
    assert flow.run(" a b ", backend=backend, timeout=WAIT) == {"h.output": [2]}


def test_validate_lists_every_fault_at_once() -> None:
    flow = rd.Flow("faulty")
    for name in ("one", "two"):
        routine = rd.Routine(name)
        routine.define_slot("input", handler=clean)
        routine.define_event("output")
        routine.lock = threading.Lock()
        flow.add_routine(routine)
    with pytest.raises(rd.ConfigurationError) as caught:
        flow.validate()
    assert "'one'" in str(caught.value)
    assert "'two'" in str(caught.value)


def test_looking_at_a_flow(capsys: pytest.CaptureFixture[str]) -> None:
    flow = words()
    print(flow.explain())  # noqa: T201 - as on the page
    explained = capsys.readouterr().out
    assert "clean" in explained
    assert "tokenize" in explained
    for drawing in (flow.to_mermaid(), flow.to_dot(), flow.to_d2()):
        assert "clean" in drawing
        assert "tokenize" in drawing
    assert flow.to_dot().lstrip().startswith("digraph")


# ---- running --------------------------------------------------------------------------------------------------------


def test_run_locally() -> None:
    flow = words()
    assert flow.run("a b", backend="local") == AB


@pytest.mark.ray
def test_run_on_ray_by_default(ray_cluster: str) -> None:
    flow = words()
    assert flow.run("a b") == AB


def test_map(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("big.txt").write_text("a b\n" * 500)
    flow = words()
    count = 0
    with open("big.txt") as big:
        for r in flow.map(big, buffersize=256, ordered=False, on_error="raise", backend=backend):
            assert r in ({"word": "a"}, {"word": "b"})
            count += 1
    assert count == 1000


def test_map_collects_errors(backend: str) -> None:
    flow = words()
    good, bad = flow.map([" a", None], backend=backend, ordered=True, on_error="collect")
    assert good == {"word": "a"}
    assert isinstance(bad, rd.ItemError)
    assert bad.item is None
    assert isinstance(bad.error, Exception)
    assert list(flow.map([" a", None], backend=backend, on_error="skip")) == [{"word": "a"}]


def test_execute(backend: str) -> None:
    flow = words()
    job = flow.execute("clean", entry_params="a b", backend=backend)
    flow.wait_for_completion(job, timeout=10)
    job.state()
    assert job.result(timeout=WAIT) == AB


def test_a_runtime(backend: str) -> None:
    flow = words()
    with rd.Runtime(backend=backend) as rt:
        worker = rt.exec(flow)
        worker, job = rt.post("words", "clean", "input", "a b", worker_id=worker.worker_id, metadata={"user": "u1"})
        assert job.result(timeout=WAIT) == AB
        job = rt.submit(flow, "a b", job_id="nightly")
        assert job.status in ("pending", "running", "completed")
        assert job.wait_for_completion(timeout=WAIT) is True
        assert job.status == "completed"
        assert job.result(timeout=10) == AB
        assert job.outputs == AB
        assert list(job.errors) == []
        assert list(job.dead_letters) == []
        assert job.data == {}
        assert job.history
        assert job.stats()
        assert job.state()
        assert "nightly" in str(rt.list_jobs())


def test_pause_resume_cancel(runtime: rd.Runtime) -> None:
    flow = words()
    worker = runtime.exec(flow)
    worker, job = runtime.post("words", "clean", "input", "a b", worker_id=worker.worker_id, close=False)
    job.pause()
    job.resume()
    job.cancel()
    with pytest.raises(rd.JobCancelledError):
        job.result(timeout=WAIT)
    assert job.status == "cancelled"


def test_entry(runtime: rd.Runtime) -> None:
    flow = words()
    assert flow.run("a b", entry="tokenize.input", backend="local") == AB
    assert runtime.submit(flow, "a b", entry="tokenize.input").result(timeout=WAIT) == AB
    inner = rd.Flow("inner", entry="tokenize.input")
    inner.add_routine(clean, "clean")
    inner.add_routine(Tokenize(), "tokenize")
    assert inner.run("a b", backend="local")["tokenize.output"] == AB["tokenize.output"]


def test_a_job_is_a_future(runtime: rd.Runtime) -> None:
    flow = words()
    jobs = [runtime.submit(flow, "a b") for _ in range(3)]
    done, _ = concurrent.futures.wait(jobs, timeout=WAIT)
    assert done == set(jobs)
    assert {job.job_id for job in concurrent.futures.as_completed(jobs)} == {job.job_id for job in jobs}
    called = threading.Event()
    jobs[0].add_done_callback(lambda _: called.set())
    assert called.wait(WAIT)
    assert (jobs[0].done(), jobs[0].running(), jobs[0].exception(), jobs[0].cancel()) == (True, False, None, False)


def test_a_flow_by_its_path(runtime: rd.Runtime) -> None:
    worker = runtime.exec("tests.acceptance.test_api_page:words")
    _, job = runtime.post("words", "clean", "input", "a b", worker_id=worker.worker_id)
    assert job.result(timeout=WAIT) == AB


# ---- errors ---------------------------------------------------------------------------------------------------------


class Picky(rd.Routine):
    def setup(self):
        self.add_slot("input")
        self.add_event("output")

    def logic(self, input):
        if input is None:
            raise ValueError("nothing to do")
        if input == "later" and rd.current_job().attempt <= 3:
            raise ConnectionError("not now")
        self.emit("output", input)


def classify(exc: BaseException) -> object:
    return rd.RETRYABLE if isinstance(exc, ConnectionError) else rd.WARNING if exc.args else rd.FATAL


def test_an_error_handler(backend: str) -> None:
    routine = Picky()
    routine.set_error_handler(
        rd.ErrorHandler(
            rd.ErrorStrategy.RETRY,
            max_retries=3,
            retry_delay=0.01,
            retry_backoff=2.0,
            jitter=0.1,
            retry_on=(ConnectionError,),
            classify=classify,
        )
    )
    flow = rd.Flow("picky")
    flow.add_routine(spread, "spread")
    flow.add_routine(routine, "picky")
    flow.pipe("spread", "picky")
    outputs = flow.run(["now", "later", None], backend=backend, timeout=WAIT)
    assert sorted(outputs["picky.output"]) == ["later", "now"]


def test_critical_and_optional(backend: str) -> None:
    critical, optional = Picky(), Picky()
    critical.set_as_critical(max_retries=3, retry_delay=0.01)
    optional.set_as_optional()
    flow = rd.Flow("both")
    flow.add_routine(critical, "critical")
    flow.add_routine(optional, "optional")
    assert flow.run("later", entry="critical.input", backend=backend)["critical.output"] == ["later"]
    assert flow.run("later", entry="optional.input", backend=backend)["optional.output"] == []
    with pytest.raises(rd.JobFailedError, match="ValueError: nothing to do"):
        flow.run(None, entry="critical.input", backend=backend)


@pytest.mark.parametrize("strategy", ["STOP", "CONTINUE", "SKIP"])
def test_strategies(runtime: rd.Runtime, strategy: str) -> None:
    flow = rd.Flow("strategies", error_handler=rd.ErrorHandler(rd.ErrorStrategy[strategy]))
    flow.add_routine(Picky(), "picky")
    flow.add_routine(rd.routine(lambda payload: [payload]), "box")
    flow.pipe("picky", "box")
    job = runtime.submit(flow, None)
    assert job.wait_for_completion(timeout=WAIT)
    if strategy == "STOP":
        assert job.status == "failed"
        return
    assert job.result(timeout=0) == {"box.output": [[None]] if strategy == "SKIP" else []}
    assert [letter.payload for letter in job.dead_letters] == ([None] if strategy == "CONTINUE" else [])


def test_retry_failed(runtime: rd.Runtime) -> None:
    flow = rd.Flow("second_chance", error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    flow.add_routine(Picky(), "picky")
    job = runtime.submit(flow, None)
    assert job.wait_for_completion(timeout=WAIT)
    again = job.retry_failed()
    assert again.wait_for_completion(timeout=WAIT)
    assert [letter.payload for letter in again.dead_letters] == [None]


def test_the_exceptions() -> None:
    for error in ("ExecutionError", "SerializationError", "ConfigurationError", "StateError", "SlotHandlerError"):
        assert issubclass(getattr(rd, error), rd.RoutiluxError)
    for error in ("ValidationError", "JobFailedError", "JobCancelledError", "JobTimeoutError", "LimitExceededError"):
        assert issubclass(getattr(rd, error), rd.RoutiluxError)
    assert issubclass(rd.JobFailedError, rd.ExecutionError)


def test_a_failed_job_tells_everything(backend: str) -> None:
    flow = rd.Flow("telling")
    flow.add_routine(Picky(), "picky")
    with pytest.raises(rd.JobFailedError) as caught:
        flow.run(None, backend=backend, timeout=WAIT)
    text = str(caught.value)
    assert "test_api_page.py" in text
    assert 'raise ValueError("nothing to do")' in text
    for word in ("telling", "picky", "None"):
        assert word in text
    assert text.rstrip().endswith("ValueError: nothing to do")
