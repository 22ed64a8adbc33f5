"""Several answers to each test row: drawn once, kept back, counted, and said."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

import llmopt
from llmopt.core.values import digest
from llmopt.engine.repeated_answers import answers_each
from llmopt.errors import BudgetError, ConfigError
from llmopt.evidence.result import Result
from llmopt.evidence.verdict import final_calls
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.scorer_call import Asking

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result as Found

_TEST = 20


def _problem(temperature: float = 1.0, group: str = "") -> llmopt.PromptProblem:
    right = ["yes" if n % 2 else "no" for n in range(36)]
    rows = [{"input": f"question {n}", "target": t, "user": n // 2} for n, t in enumerate(right)]
    return llmopt.PromptProblem.from_rows(
        rows,
        instructions=["Answer."],
        sizes=(8, 8, _TEST),
        asking=Asking(temperature=temperature),
        metric="exact",
        group=group,
    )


class _Answers:
    """Answers at random, but always alike to one call; a longer instruction is better."""

    def __init__(self) -> None:
        self.asked: list[Call] = []

    def __call__(self, call: Call) -> str:
        self.asked.append(call)
        luck = random.Random(digest(f"{call.text} {call.sample}"))
        if call.role == "optimizer":
            return f"<INS>Answer with care {call.sample}.</INS>"
        right = "yes" if int(call.text.split("question ")[1].split()[0]) % 2 else "no"
        return right if luck.random() < (0.8 if "care" in call.text else 0.4) else "maybe"

    def model(self) -> ScriptedModel:
        return ScriptedModel(self, identity="warm")


def _found(store: Path, answers: _Answers, **options: object) -> Found:
    problem = options.pop("problem", _problem())
    assert isinstance(problem, llmopt.PromptProblem)
    usual: dict[str, object] = {"steps": 1, "controls": ("empty",), "samples": 3, "name": "run"}
    model = answers.model()
    from dataclasses import replace

    return asyncio.run(
        llmopt.optimize_async(
            replace(problem, scorer=model),
            optimizer=model,
            store=store,
            progress=False,
            **usual | options,  # type: ignore[arg-type]  # options by name
        )
    )


def test_each_tested_text_is_answered_as_often_as_asked_for(tmp_path: Path) -> None:
    answers = _Answers()
    found = _found(tmp_path / "a.db", answers)
    tested = [call for call in answers.asked if call.role == "scorer" and call.sample]
    assert {call.sample for call in tested} == {1, 2}
    assert len(tested) == 2 * 3 * _TEST  # start, winner and the empty instruction
    assert found.samples == 3
    assert found.test is not None
    assert found.test.best.n == _TEST
    noise = found.noise
    assert noise is not None
    assert (noise.samples, noise.rows) == (3, _TEST)
    (said,) = (note for note in found.notes if "was answered 3 times" in note)
    assert "within" in said
    again = Result.plain(found.to_dict())
    assert again == found


def test_a_repeat_pays_for_nothing_and_evaluate_uses_the_same_draws(tmp_path: Path) -> None:
    answers = _Answers()
    first = _found(tmp_path / "a.db", answers)
    count = len(answers.asked)
    second = _found(tmp_path / "a.db", answers, name="again")
    assert len(answers.asked) == count
    assert second.test == first.test
    from dataclasses import replace

    problem = replace(_problem(), scorer=answers.model())
    texts = [first.start.text, first.best.text]
    asyncio.run(
        llmopt.evaluate_async(problem, texts, samples=3, store=tmp_path / "a.db", progress=False)
    )
    assert len(answers.asked) == count


def test_how_noisy_draws_are_is_not_said_of_rows_that_belong_together(tmp_path: Path) -> None:
    found = _found(tmp_path / "a.db", _Answers(), problem=_problem(group="user"))
    assert (found.samples, found.noise) == (3, None)
    assert found.test is not None
    assert "over 10 groups" in found.test.difference.method


def test_equal_greedy_answers_are_not_bought_twice(tmp_path: Path) -> None:
    answers = _Answers()
    found = _found(tmp_path / "a.db", answers, problem=_problem(0.0))
    assert {call.sample for call in answers.asked if call.role == "scorer"} == {0}
    assert found.samples == 1
    assert found.noise is None
    assert any(
        "evidence.samples is 3, but each test item was measured once" in n for n in found.notes
    )
    assert answers_each(_problem(0.0), object(), 3) == 1
    assert answers_each(_problem(), None, 3) == 1


def test_a_budget_keeps_back_the_draws(tmp_path: Path) -> None:
    problem = _problem()
    assert final_calls(problem, 1, 3) - final_calls(problem, 1) == 2 * 2 * _TEST
    answers = _Answers()
    least = 8 + 8 + 3 * _TEST
    with pytest.raises(BudgetError, match=f"takes {least} calls at least"):
        _found(tmp_path / "a.db", answers, budget=Limits(calls=least - 1))
    assert answers.asked == []
    kept = 8 + final_calls(problem, 1, 3)
    found = _found(
        tmp_path / "b.db", answers, budget=Limits(calls=kept + 20), finalists=1, controls=()
    )
    assert found.test is not None
    assert found.test.best.n == _TEST


def test_samples_are_one_or_more(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evidence\.samples are 1 to 1,000 answers, but got 0"):
        _found(tmp_path / "a.db", _Answers(), samples=0)
