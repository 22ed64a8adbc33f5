"""A scorer that is asked how likely each of a closed set of answers is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.model import Traits
from llmopt.core.values import Item, Reply
from llmopt.errors import ConfigError, RefusedError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.rules import (
    Boolean,
    Choice,
    Exact,
    LetteredOptions,
)
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call

LIKELY = Asking(answer="likelihood")
ABLE = Traits(completion=True, likelihood=True)


def likely(call: Call) -> Reply | str:
    """Give three to one for the first answer; as optimizer LLM, write instructions."""
    if not call.answers:
        return scripted.answer(call)
    rest = math.log(0.25 / (len(call.answers) - 1))
    logs = [math.log(0.75), *[rest for _ in call.answers[1:]]]
    return Reply(call.answers[0], likelihoods=tuple(log - 5.0 for log in logs))


def reviews(**options: Any) -> PromptProblem:
    rows = [{"input": f"Review {n}", "target": ("good", "bad")[n % 2]} for n in range(40)]
    given: dict[str, Any] = {"sizes": (12, 8, 20), "instructions": ["Rate it."], "asking": LIKELY}
    return PromptProblem.from_rows(rows, **given | options)


async def test_a_score_is_the_probability_of_the_expected_answer_among_all() -> None:
    problem = reviews(choices=["good", "bad"])
    model = ScriptedModel(likely, traits=ABLE)
    for item in problem.items("train"):
        outcome = await problem.measure("Rate it.", item, model)
        assert outcome.score == pytest.approx(0.75 if item.target == "good" else 0.25)
        assert outcome.answer == "good", "the likeliest is what it answers"


def test_the_call_asks_for_one_token_and_names_the_answers() -> None:
    asking = Asking(max_tokens=40, stop=("\n",), answer="likelihood")
    problem = reviews(asking=asking)
    call = problem.call("Rate it.", problem.items("train")[0], scripted.model())
    assert (call.answers, call.max_tokens, call.stop) == (("bad", "good"), 1, ())
    text = reviews(asking=Asking(max_tokens=40, stop=("\n",)))
    assert asking.spoken(call, problem.metric) == text.call(
        "Rate it.", problem.items("train")[0], scripted.model()
    )


def test_lettered_options_are_asked_for_by_their_letters() -> None:
    item = Item("0", "Which?\n(A) a cat\n(B) a dog", "(B)")
    found = LetteredOptions().closed(item)
    assert (found.texts, found.right) == (("A", "B"), 1)
    assert Choice(("(A)", "(B)")).closed(item).texts == ("A", "B")
    named = Item("0", "Which?\n(A) a cat\n(B) a dog", "a dog")
    assert LetteredOptions().closed(named).right == 1
    broken = Item("0", "Which?\n(A) a cat\n(B) a dog", "a cow")
    assert LetteredOptions().closed(broken).right == 2, (
        "a target that no option shows is one more answer"
    )


def test_booleans_are_their_pair_of_words() -> None:
    found = Boolean().closed(Item("0", "?", "No"))
    assert (found.texts, found.right) == (("yes", "no"), 1)
    assert Boolean().closed(Item("0", "?", "True")).right == 0


def test_a_metric_without_a_closed_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="a closed set, which choice, boolean and options have"):
        reviews(metric=Exact())


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"asked for once, .* but got scorer\.again"):
        Asking(again=True, answer="likelihood")
    with pytest.raises(ConfigError, match=r"got scorer\.temperature = 0\.5"):
        Asking(temperature=0.5, answer="likelihood")
    with pytest.raises(UnknownNameError, match=r"scorer\.answer is one of likelihood, text"):
        Asking(answer="odds")  # type: ignore[arg-type]


def test_a_model_that_cannot_is_refused_before_the_first_call(tmp_path: Path) -> None:
    model = scripted.model()
    problem = reviews(scorer=model)
    with pytest.raises(ConfigError, match="needs a model that tells how likely an answer is"):
        llmopt.optimize(problem, optimizer=model, store=tmp_path / "s.sqlite", progress=False)
    with pytest.raises(ConfigError, match="needs a model that tells how likely an answer is"):
        llmopt.evaluate(problem, ["Rate it."], store=tmp_path / "s.sqlite", progress=False)
    assert model.calls == 0


async def test_a_model_that_says_it_can_and_does_not_is_refused() -> None:
    problem = reviews()
    model = ScriptedModel(lambda _: "good", traits=ABLE)
    with pytest.raises(RefusedError, match="each of 2 answers is, but got 0 likelihoods"):
        await problem.measure("Rate it.", problem.items("train")[0], model)


def test_runs_from_before_go_on_and_others_are_told_apart() -> None:
    text, likelihood = reviews(asking=Asking()), reviews()
    assert "answer" not in text.fingerprint
    assert "answer" not in text.fingerprint["asking"]
    assert likelihood.fingerprint["answer"] == "likelihood"


def test_a_whole_search_goes_on_graded_scores(tmp_path: Path) -> None:
    """Its verdict too: every score lies between right and wrong."""
    model = ScriptedModel(likely, traits=ABLE, identity="scripted/likely")
    result = llmopt.optimize(
        reviews(scorer=model, choices=["good", "bad"]),
        optimizer=model,
        steps=2,
        store=tmp_path / "s.sqlite",
        progress=False,
    )
    assert result.test is not None
    assert 0.4 < result.test.start.mean < 0.6
