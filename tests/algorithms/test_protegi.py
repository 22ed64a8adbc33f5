"""ProTeGi, PE2 and SGDM do in a run what their papers say, and no more than was estimated."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.gpo.sgdm import sgdm
from llmopt.algorithms.protegi import protegi
from llmopt.algorithms.protegi.gradients import Successors
from llmopt.algorithms.protegi.pe2 import pe2
from llmopt.config.reading import settings
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.bandits import UCB, SuccessiveRejects
from llmopt.parts.rate import Everything
from llmopt.preflight.estimate import estimate
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.values import Call
    from llmopt.evidence.result import Result
    from llmopt.problems.prompt.prompt_problem import PromptProblem

SIZES = (40, 8, 20)
KINDS = {
    "flaw of the": "critique",
    "This is the first part": "questions",
    "This is the second part": "refinement",
    "in other words": "wording",
    "brings together": "summary",
    "Rewrite the current": "edit",
    "Alter the current": "edit",
}
HISTORY = "that led to the current one, the oldest first"
LIMIT = "words of the current instruction may change"


def problem() -> PromptProblem:
    return scripted.problem(sum(SIZES), SIZES)


def ran(folder: Path, algorithm: Algorithm, steps: int = 3) -> tuple[list[Call], Result]:
    """Return the calls to the optimizer LLM, in order, and the result."""
    asked: list[Call] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            asked.append(call)
        return scripted.answer(call)

    task = replace(problem(), scorer=ScriptedModel(answer))
    result = llmopt.optimize(
        task, algorithm=algorithm, steps=steps, store=folder / "runs", controls=(), progress=False
    )
    return asked, result


def kind(call: Call) -> str:
    return next(kind for words, kind in KINDS.items() if words in call.text)


def test_protegi_asks_for_gradients_edits_and_wordings(tmp_path: Path) -> None:
    """The first step has two starts: 4 gradients and 4 edits of each, 2 wordings of 5 texts."""
    calls, result = ran(tmp_path, protegi(family="chat", successors=0), steps=1)
    assert Counter(map(kind, calls)) == {"critique": 8, "edit": 8, "wording": 20}
    assert all(call.temperature == 1 for call in calls)
    assert result.candidates + sum(result.rejected.values()) == 2 + 8 + 20


def test_protegi_has_at_most_8_successors_of_each_of_a_beam_of_4(tmp_path: Path) -> None:
    calls, result = ran(tmp_path, protegi(family="chat"), steps=3)
    tried = result.candidates + sum(n for why, n in result.rejected.items() if "lot" not in why)
    assert tried == 2 + 8 * (2 + 4 + 4)
    assert Counter(map(kind, calls))["critique"] <= 4 * (2 + 4 + 4)


def test_no_scores_are_shown_by_protegi(tmp_path: Path) -> None:
    for call in ran(tmp_path, protegi(family="chat"), steps=2)[0]:
        assert "score" not in call.text
        assert "accuracy" not in call.text


@pytest.mark.parametrize("selection", ["ucb", "successive-rejects"])
def test_a_bandit_takes_fewer_calls_than_everything(selection: Any, tmp_path: Path) -> None:
    few = ran(tmp_path / "few", protegi(family="chat", selection=selection, selection_calls=200))[1]
    all_ = ran(tmp_path / "all", protegi(family="chat", selection="everything"))[1]
    assert few.usage["scorer"].calls < all_.usage["scorer"].calls * 2 / 3
    assert few.best.step > 0


def test_the_selection_of_protegi_is_a_part() -> None:
    assert protegi().rate == UCB(4, 2048, 8, 32)
    assert protegi(selection="successive-rejects", beam=3).rate == SuccessiveRejects(3, 2048)
    assert protegi(selection="everything").rate == Everything()
    with pytest.raises(ConfigError, match="a selection is one of"):
        protegi(selection="best")  # type: ignore[arg-type] # what a configuration may hold


def test_pe2_answers_questions_before_each_refinement(tmp_path: Path) -> None:
    calls, _ = ran(tmp_path, pe2(family="chat"))
    counts = Counter(map(kind, calls))
    assert counts.keys() == {"questions", "refinement"}
    assert counts["refinement"] <= 4 * (2 + 4 + 4)
    for call in calls:
        assert call.temperature == (0 if kind(call) == "questions" else 0.7)
        if kind(call) == "questions":
            assert call.text.count("Label: ") == 2
        else:
            assert f"At most 15 {LIMIT}" in call.text


def test_pe2_tells_the_history_of_the_prompt_that_it_refines(tmp_path: Path) -> None:
    full = [c.text for c in ran(tmp_path / "full", pe2(family="chat"))[0] if kind(c) != "questions"]
    told = [text for text in full if HISTORY in text]
    assert told
    assert not any(HISTORY in text for text in full[:8]), "the starts have none"
    history, _, rest = told[-1].partition(HISTORY)[2].partition("The current instruction:\n")
    lines = history.strip().splitlines()[1:]
    assert len(lines) >= 2
    assert all(re.fullmatch(r"\d+: <INS>.*</INS>", line) for line in lines)
    assert lines[-1].endswith(": " + rest.splitlines()[0]), "the newest is the current one"


def test_the_final_version_of_pe2_has_neither_limit_nor_history(tmp_path: Path) -> None:
    made = pe2(family="chat", words=0, history=1)
    assert isinstance(made.propose, Successors)
    assert made.propose.edit.step_size is None
    for call in ran(tmp_path, made)[0]:
        assert LIMIT not in call.text
        assert HISTORY not in call.text


def test_sgdm_summarizes_the_past_and_edits(tmp_path: Path) -> None:
    calls, _ = ran(tmp_path, sgdm(family="chat", samples=4), steps=4)
    counts = Counter(map(kind, calls))
    assert counts["edit"] == 4 * 4
    assert counts["summary"] >= 2
    assert all(LIMIT not in call.text for call in calls)
    assert {call.temperature for call in calls if kind(call) == "summary"} == {0}


@pytest.mark.parametrize(
    "algorithm",
    [
        protegi(),
        protegi(successors=0, groups=2),
        protegi(selection_calls=100),
        protegi(selection="successive-rejects", selection_calls=100),
        pe2(),
    ],
    ids=["protegi", "no-lot", "short-of-calls", "rejects", "pe2"],
)
def test_a_run_makes_no_more_calls_than_were_estimated(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    model = scripted.model()
    found = asyncio.run(estimate(problem(), algorithm, model, model, steps=3, known={}))
    used = ran(tmp_path, algorithm)[1].usage
    for role in ("optimizer", "scorer"):
        phases = (found.high.starts, *found.high.steps, found.high.final)
        assert used[role].calls <= sum(getattr(phase, role).calls for phase in phases)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (protegi, {"selection": "successive-rejects"}),
        (protegi, {"beam": 2, "paraphrases": 0}),
        (pe2, {"words": 0}),
        (sgdm, {"samples": 2}),
    ],
)
def test_each_option_is_a_key_of_a_configuration(
    make: Any, option: dict[str, Any], tmp_path: Path
) -> None:
    data = {"problem": {"data": "x.csv"}, "scorer": {"model": "local/smollm2-135m"}}
    chosen = {"name": make.__name__, **option}
    made = settings({**data, "algorithm": chosen}, "here", tmp_path)
    assert made.algorithm.built() == make(**option)
