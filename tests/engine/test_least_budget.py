"""A budget that cannot pay for a result is refused at once, and what a message names is enough."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.values import Item, Outcome
from llmopt.errors import BudgetError
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.scripted import answer, problem

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName
    from llmopt.core.values import Call
    from llmopt.evidence.result import Result

LEAST = 12 + 8 + 20  # one start on train, validation and test


def counted() -> tuple[ScriptedModel, list[str]]:
    asked: list[str] = []

    def told(call: Call) -> str:
        asked.append(call.text)
        return answer(call)

    return ScriptedModel(told), asked


async def done(model: ScriptedModel, folder: Path, budget: Limits, **options: Any) -> Result:
    world = replace(problem(), instructions=("Answer.",), scorer=model)
    usual = {"steps": 3, "finalists": 3, "controls": (), "name": "run", "progress": False}
    return await llmopt.optimize_async(
        world,
        **{**usual, **options},
        budget=budget,
        store=folder / "runs.sqlite",
        prices=dict.fromkeys(("optimizer", "scorer"), Price(1, 2)),
    )


@pytest.mark.parametrize("calls", [1, 11, 12, 39])
async def test_too_small_a_budget_is_refused_before_the_first_call(
    tmp_path: Path, calls: int
) -> None:
    model, asked = counted()
    with pytest.raises(BudgetError, match=f"give at least {LEAST} calls") as caught:
        await done(model, tmp_path, Limits(calls=calls))
    assert asked == []
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("budget", [Limits(tokens=LEAST), Limits(usd=2 * LEAST / 1e6)])
async def test_tokens_and_dollars_that_cannot_be_enough_are_refused_too(
    tmp_path: Path, budget: Limits
) -> None:
    """Every call takes some tokens for its text, and one for its answer."""
    model, asked = counted()
    with pytest.raises(BudgetError, match=r"takes more than .* nothing was asked: llmopt check"):
        await done(model, tmp_path, budget)
    assert asked == []


async def test_the_least_budget_ends_with_a_result(tmp_path: Path) -> None:
    model, asked = counted()
    result = await done(model, tmp_path, Limits(calls=LEAST))
    assert result.test is not None
    assert len(asked) <= LEAST


async def test_what_is_stored_needs_no_budget(tmp_path: Path) -> None:
    model, asked = counted()
    await done(model, tmp_path, Limits(calls=10_000))
    paid = len(asked)
    result = await done(model, tmp_path, Limits(calls=1), name="again")
    assert result.stopped == "steps done"
    assert len(asked) == paid


@pytest.mark.parametrize("unit", ["calls", "tokens", "usd"])
async def test_each_figure_that_a_message_names_leads_to_the_next_stage(
    tmp_path: Path, unit: str
) -> None:
    model, _ = counted()
    budget = {"calls": Limits(calls=LEAST), "tokens": Limits(tokens=6_000)}
    limits, goes = budget.get(unit, Limits(usd=0.008)), 0
    steps = -1
    while True:
        result = await done(model, tmp_path, limits)
        assert result.test is not None
        if not result.out_of_budget:
            break
        goes += 1
        assert goes < 12, result.stopped
        named = re.findall(r"at least \$?([\d,.]*\d)", result.stopped)
        amount = float(named[-1].replace(",", ""))
        assert amount > getattr(limits, unit)
        steps = max(steps, result.steps)
        raised: dict[str, Any] = {unit: amount if unit == "usd" else int(amount)}
        limits = Limits(**raised)
    assert goes <= 8


async def test_a_result_says_what_it_cost_where_prices_are_known(tmp_path: Path) -> None:
    model, _ = counted()
    result = await done(model, tmp_path, Limits(calls=10_000))
    tokens = [(used.input_tokens, used.output_tokens) for used in result.usage.values()]
    assert result.usd == pytest.approx(sum(i + 2 * o for i, o in tokens) / 1e6)
    assert result.to_dict()["usd"] == result.usd


@dataclass(frozen=True)
class LongTexts:
    """Long texts are good: 100 items in each split, and nobody is asked what a text is worth."""

    starts: tuple[str, ...] = ("A start.",)
    scorer: None = None

    @property
    def description(self) -> Description:
        return Description("A long text.", noun="text", measure="value")

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"problem": "long texts"}

    def items(self, split: SplitName) -> tuple[Item, ...]:
        return tuple(Item(f"{split} {number}") for number in range(100))

    def parse(self, text: str) -> str | Refusal:
        return text.strip() or Refusal("empty")

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        return Exemplar(item.input, placeholder, item.target)

    def show(self, score: float, buckets: int) -> str:
        del buckets
        return f"{score:.2f}"

    def scale(self, buckets: int) -> str:
        del buckets
        return ""

    def aim(self, best: float, buckets: int) -> str:
        return self.show(best + 0.1, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        del scorer
        return Outcome(item.id, len(text) / 1000)


async def test_where_no_model_measures_nothing_is_kept_back_for_the_end(tmp_path: Path) -> None:
    """20 calls pay for steps, although choosing and testing takes 600 evaluations."""
    model, asked = counted()
    result = await llmopt.optimize_async(
        LongTexts(),
        optimizer=model,
        steps=2,
        finalists=3,
        controls=(),
        budget=Limits(calls=20),
        store=tmp_path / "runs.sqlite",
        progress=False,
    )
    assert result.steps == 2
    assert 0 < len(asked) <= 20
    assert result.test is not None
