"""GPO's meta-prompts and the texts beside them are reviewed; see test_golden.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.gpo import gpo
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Family
    from llmopt.core.values import Call

FOLDER = Path(__file__).parent / "gpo"
FAMILIES: tuple[Family, ...] = ("chat", "brackets", "continuation")
REVIEWS = [
    ("The soup was cold and nobody cared.", "negative"),
    ("I would walk an hour for that bread.", "positive"),
    ("Two stars, and one of them is for the parking space.", "negative"),
    ("We laughed all evening and came back the next day.", "positive"),
    ("The room smelled of paint.", "negative"),
    ("Quiet, bright, and cheaper than I feared.", "positive"),
]
LABELS = ("positive", "negative")  # what is said where it is wrong, of every second review
LINE = [
    ("Let's think step by step.", [0, 0, 1, 0]),
    ("Think step by step, then say positive or negative.", [1, 0, 1, 0]),
    ("Say positive or negative.", [1, 1, 1, 0]),
    ("Think about the tone, then say positive or negative.", [1, 0, 1, 0]),
]
VARIANTS: dict[str, Algorithm] = {
    "default": gpo(),
    "edit": gpo(refine="edit", control="linear", exemplars=1),
    "reflection": gpo(reflection="recency", exemplars=1),
    "summary": gpo(momentum="summary", exemplars=1),
    "prompts-alone": gpo(momentum="none", scores=0, control="none", exemplars=0),
    "again": gpo(above="again", control="fixed", words=1, exemplars=1),
}
ASIDES = {
    "critique": gpo(reflection="current"),
    "merge-critiques": gpo(reflection="summary"),
    "merge-prompts": gpo(momentum="summary"),
}


def problem() -> PromptProblem:
    items = [Item(str(n), text, label) for n, (text, label) in enumerate(REVIEWS)]
    return PromptProblem.from_splits(
        Splits(tuple(items[:4]), (), tuple(items[4:])),
        task="Decide whether a review is positive or negative.",
        position="Q_end",
        instructions=[LINE[0][0]],
    )


def past() -> Trajectory:
    """Each prompt out of the one before."""
    told, last = Trajectory(), tuple[str, ...]()
    for step, (text, scores) in enumerate(LINE):
        told_of = enumerate(scores)
        outcomes = tuple(Outcome(str(i), float(s), LABELS[(i + s) % 2]) for i, s in told_of)
        entry = Entry(Candidate(text, step, last), Evaluation(outcomes, len(scores)))
        told, last = told.tell([entry]), (entry.candidate.id,)
    return told


def answer(call: Call) -> str:
    """Answer as a model would, in every family at once."""
    if call.role == "scorer":
        return "positive"
    if "list of problems" in call.text:
        return "<TEXT>The beginnings are no good.</TEXT>"
    if "a reason why" in call.text:
        found = next(text for text, _ in reversed(LINE) if f"\n{text}\n" in call.text)
        return f"<TEXT>{found.split()[0]!r} is no good beginning.</TEXT>"
    if "brings together" in call.text:
        return "<TEXT>Say step by step: positive or negative.</TEXT>"
    new = "Is the tone of this review warm or cold?"
    return new if call.prompt is not None else f"<INS>{new}</INS> [{new}]"


async def sent(method: Algorithm, family: Family) -> list[str]:
    """Return all that the optimizer LLM is sent, without repetitions."""
    texts: dict[str, None] = {}

    def listen(call: Call) -> str:
        if call.role == "optimizer":
            texts[call.text] = None
        return answer(call)

    model = ScriptedModel(listen, traits=Traits(completion=True, family=family))
    await method.ask(problem(), past(), model, 0, 8, scorer=model)
    return list(texts)


def compare(name: str, text: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert path.is_file(), f"{path.name} is not written yet; see the top of test_golden.py"
    assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", VARIANTS)
async def test_the_options_of_gpo_read_well(name: str, family: Family) -> None:
    compare(f"{name}-{family}", (await sent(VARIANTS[name], family))[-1])


@pytest.mark.parametrize("family", ["chat", "continuation"])
@pytest.mark.parametrize("name", ASIDES)
async def test_what_is_asked_beside_the_meta_prompt_reads_well(name: str, family: Family) -> None:
    compare(f"{name}-{family}", (await sent(ASIDES[name], family))[-2])


def test_every_file_belongs_to_a_test() -> None:
    wanted = {f"{name}-{family}" for name in VARIANTS for family in FAMILIES}
    wanted |= {f"{name}-{family}" for name in ASIDES for family in ("chat", "continuation")}
    assert {path.stem for path in FOLDER.glob("*.txt")} == wanted
