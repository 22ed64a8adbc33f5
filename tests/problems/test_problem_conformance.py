"""Every kind of problem keeps the rules of the conformance suite, and the suite has teeth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.problem import Description, Exemplar
from llmopt.core.values import Item, Outcome
from llmopt.problems.data.splits import Splits
from llmopt.problems.function import FunctionProblem
from llmopt.problems.program.app_problem import AppProblem
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.problem import Problem
    from llmopt.problems.program.program_row import ProgramRow


def echoed(instruction: str, row: ProgramRow) -> str:
    return "yes" if len(instruction + row["input"]) % 2 else "no"


NUMBERS = [{"input": f"{n} + 1?", "target": str(n + 1)} for n in range(20)]

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "yes and no": scripted.problem,
    "empty start": lambda: replace(scripted.problem(), instructions=("", "be brief")),
    "numbers": lambda: PromptProblem.from_rows(NUMBERS, position="A_begin"),
    "no validation": lambda: PromptProblem.from_rows(NUMBERS, sizes=(0.4, 0.0, 0.6)),
    "filtered": lambda: replace(
        scripted.problem(), filters=Filters(max_length=40, digits=False, last_full_stop=True)
    ),
    "balanced": lambda: PromptProblem.from_splits(scripted.problem().splits, balanced=True),
    "demonstrations": scripted.few_shot,
    "program of two parts": scripted.program,
    "app": lambda: AppProblem.from_splits(
        echoed, scripted.problem().splits, instruction=["Answer.", "Answer now."]
    ),
    "maximized function": lambda: FunctionProblem(len, "Write much.", ["a", "b"]),
    "minimized function": lambda: FunctionProblem(len, "Write little.", ["a"], minimize=True),
    "failing function": lambda: FunctionProblem(float, "Find a number.", ["x"]),
}


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", PROBLEMS)
async def test_every_problem_conforms(name: str, check: problems.Check) -> None:
    await check(PROBLEMS[name]())


class Wrong:
    """A working problem, one of whose answers a test replaces."""

    def __init__(self, **replaced: Any) -> None:
        self._inner = scripted.problem()
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced[name] if name in self._replaced else getattr(self._inner, name)


ITEM = Item("1", "a?", "yes")
COUNT = iter(range(10**9))


async def zero(text: str, item: Item, scorer: Any) -> Outcome:
    """Turn a failure into a score, which nobody may."""
    try:
        await scorer.complete(scripted.problem().call(text, item, scorer))
    except Exception:  # noqa: BLE001 - what a careless problem does
        return Outcome(item.id, 0.0)
    return Outcome(item.id, 1.0)


async def nan(text: str, item: Item, scorer: Any) -> Outcome:
    del text, scorer
    return Outcome(item.id, float("nan"))


async def silent(text: str, item: Item, scorer: Any) -> Outcome:
    del text, scorer
    return Outcome(item.id, None)


FAULTS: list[tuple[problems.Check, dict[str, Any]]] = [
    (problems.describes_itself, {"description": Description(" ")}),
    (problems.names_itself, {"fingerprint": {}}),
    (problems.names_itself, {"fingerprint": {"metric": repr(object())}}),
    (problems.has_starts, {"starts": ()}),
    (problems.has_starts, {"starts": ("a", "a")}),
    (problems.has_starts, {"starts": ("not polished",)}),
    (problems.has_items, {"items": lambda _split: ()}),
    (problems.has_items, {"items": lambda split: (Item(split, "the same?", "yes"),)}),
    (problems.has_items, {"items": lambda split: (Item("1", split, "yes"),)}),
    (problems.parses_anything, {"parse": lambda text: text}),
    (problems.parses_anything, {"parse": lambda _text: f"{next(COUNT)}"}),
    (problems.refuses_markers, {"parse": lambda text: text.strip() or "x"}),
    (problems.shows_scores_in_order, {"show": lambda score, _buckets: str(-score)}),
    (problems.shows_scores_in_order, {"aim": lambda best, _buckets: str(best - 1)}),
    (problems.shows_exemplars, {"exemplar": lambda i, _p: Exemplar(i.input, i.input, i.target)}),
    (problems.measures, {"measure": nan}),
    (problems.measures, {"measure": silent}),
    (problems.passes_failures_on, {"measure": zero}),
    (
        problems.is_shown_in_its_own_direction_and_unit,
        {"description": Description("Answer.", unit="percent")},  # type: ignore[arg-type] # wrong
    ),
]


@pytest.mark.parametrize(("check", "fault"), FAULTS)
async def test_the_suite_finds_a_fault(check: problems.Check, fault: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="a conforming problem keeps this rule"):
        await check(Wrong(**fault))


def test_splits_of_the_cases_are_what_their_names_say() -> None:
    assert PROBLEMS["no validation"]().items("validation") == ()
    splits = Splits(*(PROBLEMS["balanced"]().items(s) for s in ("train", "validation", "test")))
    assert all(splits.validation)
