"""Settings as data: what is left out, what a rename keeps, and what older releases stored."""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms import ALGORITHMS, algorithm_named
from llmopt.core.encoding import (
    agree,
    encoded,
    is_representation,
    named_in,
    written,
)
from llmopt.testing import scripted


@dataclass(frozen=True)
class Inner:
    size: int = 3
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    needed: str
    share: float = 0.5
    inner: Inner = field(default_factory=Inner)
    model: object = field(default=None, repr=False, compare=False)


class Plain:
    def __init__(self) -> None:
        self.k, self._limit = 4, 7


class Said:
    def __repr__(self) -> str:
        return f"Said(<object at {hex(id(self))}>)"


def add(one: int, other: int) -> int:
    return one + other


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Part("x"), {"Part": {"needed": "x"}}),
        (Part("x", 0.5, Inner(), model=object()), {"Part": {"needed": "x"}}),
        (Part("x", 1.0, Inner(3, ("a",))), {"Part": {"needed": "x", "share": 1, "inner": {
            "Inner": {"seen": ["a"]}}}}),
        ({"b": {2, 1}, "a": math.inf}, {"b": [1, 2], "a": "inf"}),
        (add, "add"),
        (Inner, "Inner"),
        (functools.partial(add, 1), {"partial": {"function": "add", "args": [1]}}),
        (Plain(), {"Plain": {"k": 4, "_limit": 7}}),
        (scripted.model(), {"ScriptedModel": {"identity": "scripted/world"}}),
        (Said(), "Said(<object>)"),
        (re.compile("x"), "re.compile('x')"),
    ],
)  # fmt: skip
def test_settings_become_data(value: object, found: Any) -> None:
    assert encoded(value) == found
    assert json.loads(written(value)) == found


def test_an_option_that_is_added_with_a_default_changes_nothing() -> None:
    later = make_dataclass("Inner", [("size", int, 3), ("seen", tuple, ()), ("fast", bool, True)])
    assert written(later()) == written(Inner())
    assert written(later(fast=False)) != written(Inner())
    assert is_representation(repr(Inner(7)), later(7))
    assert not is_representation(repr(Inner(7)), later(7, fast=False))


def test_a_renamed_class_keeps_its_stored_name() -> None:
    @dataclass(frozen=True)
    class Renamed(Inner):
        stored_name: ClassVar[str] = "Inner"

    class Below(Renamed):
        pass

    assert written(Renamed(7)) == written(Inner(7))
    assert is_representation(repr(Inner(7)), Renamed(7))
    assert encoded(Below(7)) == {"Below": {"size": 7}}


def test_an_option_that_is_gone_is_another_configuration() -> None:
    before = make_dataclass("Inner", [("size", int, 3), ("seen", tuple, ()), ("old", int, 0)])
    assert not is_representation(repr(before()), Inner())


def stored(value: Any) -> str:
    """Return the representation of a value under the class names of older releases."""
    text, values = repr(value), [value]
    while values:
        found = values.pop()
        kind = type(found)
        if is_dataclass(found):
            values += [getattr(found, one.name) for one in fields(found) if one.repr]
            text = re.sub(
                rf"\b{kind.__name__}\(", f"{getattr(kind, 'stored_name', kind.__name__)}(", text
            )
        elif isinstance(found, tuple):
            values += found
    return text


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_the_representation_of_every_method_is_known_again(name: str) -> None:
    made = algorithm_named(name)
    assert named_in(stored(made)) == name
    assert is_representation(stored(made), made)
    assert made.options == {}


@given(st.integers(-3, 3) | st.floats() | st.text() | st.booleans() | st.none(), st.text())
def test_any_setting_is_known_again(size: Any, word: str) -> None:
    value = Inner(size, (word,))
    assert is_representation(repr(value), value)
    assert not is_representation(repr(value), Inner(size, (word, word)))


@pytest.mark.parametrize("text", ["", "Inner(", "Part(<object at 0x1>)", "x" * 9, "Inner(3)"])
def test_what_cannot_be_read_is_compared_as_text(text: str) -> None:
    assert not is_representation(text, Inner())
    assert named_in(text) == ""


def test_a_name_is_found_before_what_cannot_be_read() -> None:
    assert named_in("""Algorithm(name="mother's", keep=<Recent object at 0x1>)""") == "mother's"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (repr(Inner()), written(Inner()), True),
        (repr(Inner(4)), written(Inner(4)), True),
        (repr(Inner(4)), written(Inner(5)), False),
        (written(Inner()), '{"Other":{}}', False),
        ("a task", "a task", True),
        ("a task", "another", False),
        ("1", "1.0", False),
    ],
)
def test_texts_of_two_releases_are_compared_as_far_as_both_say(
    one: str, other: str, *, alike: bool
) -> None:
    assert agree(one, other) is agree(other, one) is alike


def test_options_are_known_as_long_as_no_part_is_exchanged() -> None:
    made = algorithm_named("opro", {"samples": 3, "shown": 20})
    assert replace(made, keep=replace(made.keep)).options == {"samples": 3}  # type: ignore[type-var] # a dataclass
    assert replace(made, name="mine").options is None
    assert replace(made, keep=algorithm_named("evoprompt-ga").keep).options is None
