"""What a problem can do is asked by `isinstance`, and asking computes nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pytest

import llmopt
from llmopt.core.problem import (
    Demanding,
    ExplainsScores,
    HasControls,
    HasNeighbours,
    HasOptimum,
    Judged,
    Samplable,
    VectorSpace,
    is_problem,
    optimum_of,
)
from llmopt.problems.tours.tour_problem import TourProblem, tsp
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator


def computed(protocol: type) -> list[str]:
    """Return the members of a protocol that are no methods: `isinstance` may compute these."""
    own = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    members = {
        name: vars(base).get(name)
        for base in own
        if base is not Protocol
        for name in (*vars(base), *inspect.get_annotations(base))
        if not name.startswith("_")
    }
    return [name for name, member in members.items() if not inspect.isfunction(member)]


def checkable() -> Iterator[type]:
    """Yield every protocol of the package that `isinstance` may be asked about."""
    for info in pkgutil.walk_packages(llmopt.__path__, "llmopt."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for found in vars(module).values():
            if getattr(found, "_is_runtime_protocol", False) and found.__module__ == info.name:
                yield found


def test_no_protocol_that_isinstance_is_asked_about_has_a_property() -> None:
    found = {protocol.__name__: computed(protocol) for protocol in checkable()}
    assert {"HasControls", "HasOptimum", "VectorSpace", "NoModel", "Embedding"} <= found.keys()
    assert not {name: members for name, members in found.items() if members}


def test_a_property_would_be_found() -> None:
    @runtime_checkable
    class Costly(HasOptimum, Protocol):
        plain: int

        @property
        def answer(self) -> int: ...

    assert sorted(computed(Costly)) == ["answer", "plain"]


class Counted(TourProblem):
    """Tours of which everything that is computed is counted."""

    computed: list[str]

    @cached_property
    def solved(self) -> Any:
        self.computed.append("solved")
        return super().solved

    def controls(self) -> dict[str, str]:
        self.computed.append("controls")
        return super().controls()

    @property
    def fingerprint(self) -> dict[str, str]:
        self.computed.append("fingerprint")
        return super().fingerprint


@pytest.fixture
def counted() -> Counted:
    plain = tsp(8)
    made = Counted(**{f.name: getattr(plain, f.name) for f in fields(plain) if f.init})
    object.__setattr__(made, "computed", [])
    return made


def test_asking_what_a_problem_can_do_computes_nothing(counted: Counted) -> None:
    protocols = (
        HasControls,
        HasOptimum,
        HasNeighbours,
        Samplable,
        Judged,
        Demanding,
        ExplainsScores,
        VectorSpace,
    )
    assert [isinstance(counted, one) for one in protocols] == [True] * 4 + [False] * 4
    assert is_problem(counted)
    assert counted.computed == []
    assert optimum_of(counted) is not None
    assert counted.computed == ["solved"]


def test_a_class_of_problems_is_no_problem() -> None:
    assert is_problem(scripted.numbers())
    assert not is_problem(scripted.Valley)
    assert not is_problem(scripted.numbers)


async def test_a_property_in_place_of_a_method_is_caught() -> None:
    class Wrong(scripted.Valley):
        @property
        def controls(self) -> dict[str, str]:
            raise ValueError("computed")

    plain = scripted.numbers()
    wrong = Wrong(plain.function, plain.describe, plain.seeds)
    with pytest.raises(AssertionError, match="controls is a method"):
        await problems.says_by_methods_what_it_can_do(wrong)
    await problems.says_by_methods_what_it_can_do(plain)
