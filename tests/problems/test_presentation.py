"""A problem is shown as it says, and readers that go by something else are found out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.problem import (
    Description,
    Exemplar,
    Refusal,
    presented,
)
from llmopt.core.text import MARKERS
from llmopt.core.values import Item, Outcome
from llmopt.history.document import record
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.problems.numeric.regression import linear_regression
from llmopt.problems.tours.tour_problem import tsp
from llmopt.store import open_store
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.problem import Problem, SplitName


@dataclass(frozen=True)
class Short:
    """A problem of one's own, as CONTRIBUTING.md has it: the shorter the text, the better.

    Attributes:
        starts: Where the search begins.
        told: What the description says beside the usual.
        tests: Whether items are held out.
    """

    starts: tuple[str, ...] = ("aaaaaaaaaa",)
    told: tuple[tuple[str, Any], ...] = ()
    tests: bool = False
    scorer: object = None

    @property
    def description(self) -> Description:
        """Lower is better."""
        found = Description("A short text.", noun="text", measure="length", higher_is_better=False)
        return replace(found, **dict(self.told))

    @property
    def fingerprint(self) -> dict[str, str]:
        """Its name."""
        return {"problem": "short text"}

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return one to train on and, if wanted, a few that are held out."""
        if split == "train":
            return (Item("value"),)
        return tuple(Item(f"{split} {n}", f"{split} {n}") for n in range(6)) if self.tests else ()

    def parse(self, text: str) -> str | Refusal:
        """Strip it."""
        if any(marker in text for marker in MARKERS):
            return Refusal("marker")
        return text.strip() or Refusal("empty")

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return the item."""
        return Exemplar(item.input, placeholder, item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return the length."""
        del buckets
        return f"{-score:.0f}"

    def scale(self, buckets: int) -> str:
        """Return nothing."""
        del buckets
        return ""

    def aim(self, best: float, buckets: int) -> str:
        """Return a length that is shorter by one."""
        return self.show(best + 1, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Count the characters."""
        del scorer
        return Outcome(item.id, -float(len(text)))


def fraction(text: str) -> float:
    return 1 / (1 + len(text))


OWN: dict[str, Callable[[], Problem]] = {
    "lower is better": Short,
    "with items held out": lambda: Short(tests=True),
    "with decimals": lambda: Short(told=(("decimals", 2),)),
    "values between 0 and 1": lambda: FunctionProblem(fraction, "x", ["aaa"], minimize=True),
    "large values": lambda: FunctionProblem(lambda t: 123456.7 * len(t), "x", ["aaa"]),
    "tours": lambda: tsp(6),
    "points": linear_regression,
    "valley": scripted.numbers,
}


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", OWN)
async def test_problems_of_one_s_own_conform(name: str, check: problems.Check) -> None:
    await check(OWN[name]())


def test_what_is_not_said_follows_from_the_scale() -> None:
    assert presented(Short()) == Presentation("text", "length", higher_is_better=False)
    assert presented(scripted.problem()) == ACCURACY
    assert presented(tsp(6)).noun == "tour"


async def test_a_share_that_is_none_is_found() -> None:
    with pytest.raises(AssertionError, match="shares are 0 to 1"):
        await problems.is_shown_in_its_own_direction_and_unit(Short(told=(("unit", "share"),)))


@pytest.mark.parametrize("told", [(), (("decimals", 1),)])
def test_a_search_is_told_and_reported_in_the_problem_s_direction(
    tmp_path: Path, told: tuple[tuple[str, Any], ...]
) -> None:
    """Words, held-out figures and the remark on luck, too."""
    model = ScriptedModel(lambda call: f"<INS>{'b' * (2 + call.sample % 9)}</INS>")
    result = llmopt.optimize(
        Short(tests=True, told=told),
        optimizer=model,
        steps=2,
        name="own",
        store=tmp_path / "own.sqlite",
        progress=False,
        controls=(),
    )
    assert [line.test.mean for line in result.lines if line.test] == [10.0, 3.0]
    assert result.test is not None
    assert (result.test.start.mean, result.test.best.mean) == (10.0, 3.0)
    assert result.test.difference.mean == 7.0
    number = "+7.0" if told else "+7"
    assert f"better than the start on held-out items ({number})" in result.verdict
    with closing(open_store(tmp_path / "own.sqlite")) as store:
        found = record(store, "own")
    assert (found["function"], found["noun"], found["task"]) == (False, "text", "A short text.")
