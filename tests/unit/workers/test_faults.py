from __future__ import annotations

import pytest

from routilux_dist.errors import ValidationError
from routilux_dist.wire import codec
from routilux_workers import faults


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")


class Picky(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("picky")


class Heavy(Exception):
    pass


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


def test_text_is_bounded_and_never_raises() -> None:
    assert faults.safe_text("x" * 10, 4) == "xxx…"
    assert faults.safe_text(Mute(), 99) == "<Mute whose text cannot be made: RuntimeError>"
    assert "TypeError" in faults.safe_text(1, 99, lambda value: value)


def test_no_memory_says_so() -> None:
    assert faults.describe(MemoryError())[1].startswith("its process could not get the memory")
    assert faults.describe(MemoryError("too much"))[1] == "too much"
    assert faults.describe(ValueError())[1] == ""


def test_the_root_cause_comes_last() -> None:
    try:
        try:
            raise KeyError("root")
        except KeyError as exc:
            raise ValueError("outer") from exc
    except ValueError as exc:
        text = faults.user_traceback(exc)
    assert text.index("ValueError: outer") < text.index("which was raised because of") < text.index("KeyError: 'root'")
    assert "test_faults.py" in text


def test_a_cause_that_goes_in_circles_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert faults.user_traceback(one).count("ValueError: one") == 1


def test_deep_recursion_is_shortened() -> None:
    def deep() -> None:
        deep()

    try:
        deep()
    except RecursionError as exc:
        text = faults.user_traceback(exc)
    assert "frames …" in text
    assert len(text) <= faults.TRACEBACK_CHARS + 1


@pytest.mark.parametrize("exc", [Picky(1, 2), Heavy("x" * (faults.EXCEPTION_BYTES + 1)), ValueError(lambda: 1, open)])
def test_exceptions_that_do_not_survive_stay_behind(exc: BaseException) -> None:
    carried = faults.carry(exc)
    assert carried is None or isinstance(codec.decode(carried), type(exc))
    if not isinstance(exc, ValueError):
        assert carried is None


def test_exceptions_that_survive_are_carried() -> None:
    carried = faults.carry(ValueError("a", 1))
    assert carried is not None
    assert codec.decode(carried).args == ("a", 1)


def test_a_call_that_did_not_fit_is_the_payloads_fault() -> None:
    try:
        len()  # type: ignore[call-arg]
    except TypeError as exc:
        exc.__traceback__ = None
        blamed = faults.blame_payload(exc, "r", [1])
    assert isinstance(blamed, ValidationError)
    assert "'r'" in str(blamed)


def test_a_type_error_of_the_user_stays_one() -> None:
    exc = raised(TypeError("mine"))
    assert faults.blame_payload(exc, "r", 1) is exc
    other = ValueError("x")
    assert faults.blame_payload(other, "r", 1) is other


def test_a_failure_is_a_record() -> None:
    failure = faults.failure(raised(Mute()), "j", "r", "input", payload=Mute(), attempts=3)
    assert (failure.error_type, failure.attempts) == ("Mute", 3)
    assert "cannot be made" in failure.message


def test_with_the_typed_codec_only_known_exceptions_are_carried() -> None:
    carried = faults.carry(KeyError("a"), codec.typed())
    assert carried is not None
    assert carried.form == codec.typed().form
    assert codec.decode(carried).args == ("a",)
    assert faults.carry(Picky(1, 2), codec.typed()) is None
    assert faults.failure(Picky(1, 2), "j", "r", "input", codec.typed()).exception is None
