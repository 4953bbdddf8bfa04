"""The routine: what it declares, what copies of it know, and when it may be written."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

from routilux_dist.errors import ConfigurationError, StateError
from routilux_dist.flow import activation, context
from routilux_dist.flow.handling import ErrorHandler, ErrorStrategy
from routilux_dist.flow.routine import MISSING, Phase, Routine, join_payload, replica


class Counter(Routine):
    """Counts its setups; everything a subclass may override is there."""

    setups = 0

    def __init__(self, start: int, *, step: int = 1) -> None:
        super().__init__("counter")
        self.start, self.step = start, step

    def setup(self) -> None:
        type(self).setups += 1
        self.add_slot("input", handler=self.on_input)
        self.add_slot("more", merge=self.fold)
        self.add_event("output")
        self.add_state(count=self.start, key=self.key)

    def on_input(self, payload: Any) -> Any:
        return self, payload

    def fold(self, so_far: Any, new: Any) -> Any:
        return self, so_far, new

    def key(self, payload: Any) -> Any:
        return self, payload

    def ready(self, slots: Any) -> Any:
        return self, slots

    def logic(self, more: Any) -> Any:
        return self, more


class Plain(Routine):
    """Nothing of its own, not even a call of the constructor it inherits."""

    def __init__(self) -> None:
        pass

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")


def _by_pickle(routine: Routine) -> Routine:
    return pickle.loads(pickle.dumps(routine))  # type: ignore[no-any-return]


def _by_cloudpickle(routine: Routine) -> Routine:
    return pickle.loads(cloudpickle.dumps(routine))  # type: ignore[no-any-return]


#: The ways in which a worker gets its copy.
COPIES = pytest.mark.parametrize(
    "copy",
    [replica, _by_pickle, _by_cloudpickle, lambda r: replica(_by_pickle(r))],
    ids=["replica", "pickle", "cloudpickle", "twice"],
)
Copy = Callable[[Routine], Any]


# ---- construction --------------------------------------------------------------------------------------------------


def test_setup_runs_once_after_the_constructor() -> None:
    before = Counter.setups
    counter = Counter(5)
    assert Counter.setups == before + 1
    assert counter._declared.state is not None
    assert counter._declared.state.initial == {"count": 5}


def test_setup_of_a_subclass_runs_after_all_constructors() -> None:
    order: list[str] = []

    class Base(Routine):
        def __init__(self) -> None:
            super().__init__()
            order.append("base")

        def setup(self) -> None:
            order.append("setup")

    class Derived(Base):
        def __init__(self) -> None:
            super().__init__()
            order.append("derived")

    Derived()
    assert order == ["base", "derived", "setup"]


def test_a_constructor_that_forgets_its_base_is_fine() -> None:
    assert Plain().name is None
    assert repr(Plain()) == "Plain('Plain')"


def test_define_and_add_are_the_same() -> None:
    made = Routine("made")
    slot = made.define_slot("input", lambda payload: payload)
    event = made.define_event("output", ["payload"])
    assert made.get_slot("input") is slot
    assert made.get_event("output") is event


@pytest.mark.parametrize("declare", [lambda r: r.add_slot("input"), lambda r: r.add_event("output")])
def test_names_are_unique(declare: Callable[[Routine], Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"routine 'Plain' has (a slot 'input'|an event 'output') already"):
        declare(Plain())


def test_a_handler_is_a_function_or_a_method() -> None:
    made = Counter(0)
    made.add_slot("by_name", handler="on_input")
    for wrong in ("on_inptu", 3, "start"):
        with pytest.raises(ConfigurationError, match=f"slot 'x': handler has to be .* got {wrong!r}"):
            made.add_slot("x", handler=wrong)  # type: ignore[arg-type]
    assert list(made._declared.slots) == ["input", "more", "by_name"]


def test_logic_is_a_function() -> None:
    made = Plain()
    assert made.set_logic(len) is len
    assert made._declared.logic is len
    with pytest.raises(ConfigurationError, match="set_logic takes a function, got 3"):
        made.set_logic(3)  # type: ignore[arg-type]


def test_a_missing_port_is_told_with_what_there_is() -> None:
    made = Plain()
    with pytest.raises(ConfigurationError, match="no slot 'inptu'; did you mean 'input'"):
        made.get_slot("inptu")
    with pytest.raises(ConfigurationError, match="no event 'outptu'; did you mean 'output'"):
        made.get_event("outptu")


def test_every_routine_has_the_event_error() -> None:
    assert made_event(Plain()) == ("error", False)
    own = Plain()
    own.add_event("error", required=True)
    assert made_event(own) == ("error", True)


def made_event(routine: Routine) -> tuple[str, bool]:
    event = routine.get_event("error")
    return event.name, event.required


def test_config_is_kept() -> None:
    made = Plain()
    made.set_config(a=1, b=2)
    made.set_config(b=3)
    assert (made.get_config("a"), made.get_config("b"), made.get_config("c", 4)) == (1, 3, 4)


def test_critical_and_optional() -> None:
    made = Plain()
    made.set_as_critical(max_retries=7)
    assert made._declared.handler == ErrorHandler(ErrorStrategy.RETRY, max_retries=7, is_critical=True)
    made.set_as_optional()
    assert made._declared.handler == ErrorHandler(ErrorStrategy.CONTINUE)
    with pytest.raises(ConfigurationError, match=r"takes an rd.ErrorHandler, got 'stop'"):
        made.set_error_handler("stop")  # type: ignore[arg-type]


# ---- options of a class --------------------------------------------------------------------------------------------


class Heavy(Plain, num_cpus=2, timeout=30):
    pass


class Heavier(Heavy, num_cpus=4):
    def setup(self) -> None:
        super().setup()
        self.set_options(retries=1)


def test_options_are_inherited_and_overridden() -> None:
    heavy, heavier = Heavy()._declared.options, Heavier()._declared.options
    assert (heavy.num_cpus, heavy.timeout, heavy.retries) == (2, 30, None)
    assert (heavier.num_cpus, heavier.timeout, heavier.retries) == (4, 30, 1)


def test_a_class_with_a_misspelt_option_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"class Wrong: unknown routine option 'num_cpu'.*'num_cpus'"):

        class Wrong(Routine, num_cpu=1):
            pass


def test_options_of_a_class_that_travels_by_value() -> None:
    class Local(Plain, num_gpus=1):
        pass

    assert _by_cloudpickle(Local())._declared.options.num_gpus == 1


# ---- copies --------------------------------------------------------------------------------------------------------


@COPIES
def test_a_copy_is_built_as_the_original_was(copy: Copy) -> None:
    before = Counter.setups
    again = copy(Counter(5, step=2))
    assert (again.start, again.step, again.name) == (5, 2, "counter")
    assert Counter.setups > before + 1
    assert list(again._declared.slots) == ["input", "more"]
    assert again._declared.phase is Phase.READY


@COPIES
def test_what_came_after_setup_is_replayed_in_order(copy: Copy) -> None:
    made = Plain()
    made.add_slot("second", required=False)
    made.add_event("late", required=True)
    made.add_state(count=1, scope="worker")
    made.set_activation_policy(activation.batch(3))
    made.set_config(a=1)
    made.set_config(a=2)
    made.set_options(num_cpus=3)
    made.set_as_optional()
    made.set_logic(divmod)
    again = copy(made)._declared
    assert [(s.name, s.required) for s in again.slots.values()] == [("input", True), ("second", False)]
    assert [(e.name, e.required) for e in again.events.values()] == [("output", False), ("late", True)]
    assert (again.state.initial, again.state.scope) == ({"count": 1}, "worker")
    assert (again.policy, again.config, again.options.num_cpus) == (activation.Batch(3), {"a": 2}, 3)
    assert (again.handler, again.logic) == (ErrorHandler(ErrorStrategy.CONTINUE), divmod)


@COPIES
def test_methods_of_a_copy_are_its_own(copy: Copy) -> None:
    """A bound method, given in setup() or later, must not reach back to the original."""
    made = Counter(0)
    made.add_slot("late", made.on_input, made.fold)
    made.set_activation_policy(made.ready)
    made.set_logic(made.logic)
    made.callback = made.key
    again = copy(made)
    declared = again._declared
    functions = [
        *(declared.slots["input"].handler, declared.slots["late"].handler, declared.logic),
        *(declared.policy.decide, declared.state.key, again.callback),
    ]
    assert [f(1) for f in functions] == [(again, 1)] * 6
    assert [declared.slots[s].merge(1, 2) for s in ("more", "late")] == [(again, 1, 2)] * 2


@COPIES
def test_a_method_by_name_is_found_on_the_copy(copy: Copy) -> None:
    made = Counter(0)
    made.add_slot("late", handler="on_input")
    made.set_logic("key")  # type: ignore[arg-type]
    again = copy(made)
    assert again._declared.slots["late"].handler == "on_input"
    assert again._declared.logic(1) == (again, 1)


@COPIES
def test_a_method_of_another_object_stays_one(copy: Copy) -> None:
    made = Plain()
    made.set_logic("a-b".split)
    assert copy(made)._declared.logic("-") == ["a", "b"]


@pytest.mark.parametrize("copy", [replica, _by_cloudpickle])
def test_a_decorated_handler_travels(copy: Copy) -> None:
    """It is a function inside a function: only cloudpickle takes it."""
    made = Plain()

    @made.get_slot("input")
    def shout(text: str) -> str:
        return text.upper()

    assert copy(made)._declared.slots["input"].handler("hey") == "HEY"


@COPIES
def test_attributes_assigned_later_travel(copy: Copy) -> None:
    made = Counter(5)
    made.start = 6
    made.extra = [1, 2]
    del made.step
    again = copy(made)
    assert (again.start, again.extra) == (6, [1, 2])
    assert not hasattr(again, "step")


@COPIES
def test_what_was_replaced_need_not_travel(copy: Copy) -> None:
    made = Plain()
    made.connection = threading.Lock()
    made.connection = None
    made.helper = threading.Lock()
    del made.helper
    again = copy(made)
    assert again.connection is None
    assert not hasattr(again, "helper")


@COPIES
def test_a_property_gets_all_that_it_was_given(copy: Copy) -> None:
    made = Notebook()
    made.note, made.note = "a", "b"
    assert copy(made).notes == ["a", "b"]


class Notebook(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    @property
    def note(self) -> str:
        return self.notes[-1]

    @note.setter
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_write_that_fails_is_not_replayed() -> None:
    made = Counter(0)
    with pytest.raises(AttributeError):
        made._label = "x"  # type: ignore[misc]
    assert made._declared.late == []


@COPIES
def test_a_copy_keeps_its_id_and_leaves_the_flow(copy: Copy) -> None:
    made = Plain()
    made._declared.id = "first"
    again = copy(made)
    assert (repr(again), again._declared.flow) == ("Plain('first')", None)


def test_a_replica_shares_the_recorded_values() -> None:
    big = [0] * 10
    made = Plain()
    made.data = big
    assert replica(made).data is big


# ---- phases --------------------------------------------------------------------------------------------------------


@pytest.fixture
def running() -> Counter:
    made = Counter(0)
    made._declared.phase = Phase.RUNNING
    return made


def test_a_write_while_running_says_what_to_use_instead(running: Counter) -> None:
    with pytest.raises(StateError) as caught:
        running.total = 1
    for words in (
        "'counter' writes self.total",
        "self.add_state(total=…)",
        "self.state['total']",
        "set_data",
        "open()",
    ):
        assert words in caught.value.message
    assert not hasattr(running, "total")


def test_a_deletion_while_running_is_refused(running: Counter) -> None:
    with pytest.raises(StateError, match=r"deletes self\.start while a job runs"):
        del running.start
    assert running.start == 0


DECLARE: dict[str, Callable[[Routine], Any]] = {
    "add_slot": lambda r: r.add_slot("x"),
    "add_event": lambda r: r.add_event("x"),
    "add_state": lambda r: r.add_state(x=1),
    "set_activation_policy": lambda r: r.set_activation_policy(activation.immediate()),
    "set_logic": lambda r: r.set_logic(len),
    "set_config": lambda r: r.set_config(x=1),
    "set_options": lambda r: r.set_options(num_cpus=1),
    "set_error_handler": lambda r: r.set_as_optional(),
    "set_handler": lambda r: r.get_slot("input")(len),
}


@pytest.mark.parametrize("method", DECLARE)
@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.RUNNING])
def test_declaring_while_running_is_refused(method: str, phase: Phase) -> None:
    made = Counter(0)
    made._declared.phase = phase
    with pytest.raises(StateError, match=f"'counter' calls {method} while a job runs: declare in setup"):
        DECLARE[method](made)


def test_open_may_write() -> None:
    made = Counter(0)
    made._declared.phase = Phase.OPEN
    made.connection = threading.Lock()
    assert made._declared.late == []
    assert replica(made).start == 0


def test_state_outside_of_an_activation() -> None:
    with pytest.raises(StateError, match=r"uses self.state but declares none: call self.add_state"):
        _ = Plain().state
    with pytest.raises(StateError, match="only while logic, a handler or finish runs"):
        _ = Counter(0).state


def test_a_missing_attribute_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="'Plain' object has no attribute 'nothing'"):
        _ = Plain().nothing  # type: ignore[attr-defined]


# ---- emit ----------------------------------------------------------------------------------------------------------


def test_emit_outside_of_an_activation() -> None:
    with pytest.raises(StateError, match=r"'Plain' cannot emit 'output' now.*flow.run"):
        Plain().emit("output", 1)


def test_emit_goes_to_the_running_activation() -> None:
    class Emitted:
        def __init__(self) -> None:
            self.emitted: list[tuple[str, Any]] = []

        def emit(self, event: str, payload: Any) -> None:
            self.emitted.append((event, payload))

    activity, made = Emitted(), Plain()
    token = context.ACTIVITY.set(activity)  # type: ignore[arg-type]
    try:
        made.emit("output", 1)
        made.emit("output", None)
        made.emit("output", a=1, event=2, payload=3)
        made.emit("output")
    finally:
        context.ACTIVITY.reset(token)
    payloads = [1, None, {"a": 1, "event": 2, "payload": 3}, {}]
    assert activity.emitted == [("output", p) for p in payloads]


def test_a_payload_and_fields_are_one_too_many() -> None:
    assert join_payload("e", MISSING, {"a": 1}) == {"a": 1}
    with pytest.raises(ConfigurationError, match=r"emit\('e', payload, a, b=…\)"):
        join_payload("e", 1, {"a": 1, "b": 2})
