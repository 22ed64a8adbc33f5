"""What the papers and their published codes state, where no other test does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.algorithms.gepa.row_fronts import front_counts
from llmopt.algorithms.opro import opro
from llmopt.core.model import Traits
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.propose import Generate
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.values import Call


def entry(text: str, scores: list[float]) -> Entry:
    outcomes = tuple(Outcome(str(at), score, "") for at, score in enumerate(scores))
    return Entry(Candidate(text), Evaluation(outcomes, len(scores)))


def tried(count: int) -> Trajectory:
    """Return a trajectory of instructions, each better than the one before."""
    items = scripted.problem(200, (100, 40, 60)).items("train")
    entries = []
    for good in range(count):
        scores = tuple(Outcome(item.id, float(at <= good), "") for at, item in enumerate(items))
        entries.append(Entry(Candidate(f"Instruction {good}."), Evaluation(scores, len(items))))
    return Trajectory().tell(entries)


async def test_a_step_of_opro_sends_one_text_eight_times() -> None:
    """Section 2: the 20 best in ascending order, 3 exemplars, temperature 1, whole scores."""
    sent: list[Call] = []

    def answer(call: Call) -> str:
        sent.append(call)
        return "<INS>Go on.</INS>"

    model = ScriptedModel(answer, traits=Traits(chat=True))
    problem = scripted.problem(200, (100, 40, 60))
    await opro(wording="paper-like").ask(problem, tried(30), model, 0, 200)
    assert len(sent) == 8
    assert len({call.text for call in sent}) == 1
    assert {(call.temperature, call.max_tokens) for call in sent} == {(1.0, 512)}
    shown = re.findall(r"text:\n(.+)\nscore:\n(\d+)\n", sent[0].text)
    assert shown == [(f"Instruction {good}.", str(good + 1)) for good in range(10, 30)]
    assert sent[0].text.count("\nProblem:\n<INS>\n") == 3
    assert "from the worst to the best" in sent[0].text


@pytest.mark.parametrize(
    ("reply", "strict", "read"),
    [
        ("So: <INS>One.</INS> or <INS>Two.</INS>", True, "One."),
        ("<INS>No end", True, "No end"),
        ("No beginning</INS> but an end", False, "No beginning"),
        ("Nothing at all", False, "Nothing at all"),
        ("Nothing at all", True, None),
    ],
)
def test_a_reply_is_read_as_in_the_code_of_opro_and_gpo(
    reply: str, strict: bool, read: str | None
) -> None:
    """The first of each mark; with `strict=False`, from the first letter or to the last one."""
    for name in ("opro", "gpo"):
        propose = ALGORITHMS[name](strict=strict).propose
        assert isinstance(propose, Generate)
        said = propose.metaprompt("chat").read(reply)
        assert isinstance(said, Refusal) if read is None else said == read


BASELINES: dict[str, dict[str, Any]] = {
    "APE": {"momentum": "none", "scores": 0, "control": "none"},
    "APO": {
        "momentum": "none",
        "scores": 0,
        "control": "none",
        "reflection": "current",
        "refine": "edit",
    },
    "OPRO": {"momentum": "recency", "control": "none"},
    "PE2": {"momentum": "recency", "reflection": "recency", "control": "fixed"},
}
"""GPO's baselines as rows of its own parts (table 4)."""


@pytest.mark.parametrize("name", BASELINES)
async def test_gpo_s_baselines_are_rows_of_its_parts(name: str) -> None:
    """M shows scores, R asks for a critique, and a limit is said where there is one."""
    options, sent = BASELINES[name], list[str]()

    def answer(call: Call) -> str:
        sent.append(call.text)
        return "<INS>Because.</INS>"

    model = ScriptedModel(answer, traits=Traits(chat=True))
    method = ALGORITHMS["gpo"](**options)
    problem = scripted.problem(200, (100, 40, 60))
    await method.ask(problem, tried(1), model, 0, 18)
    request = sent[-1]
    assert ("from 0 to 100" in request) == ("scores" not in options)
    assert any("predictions were wrong" in text for text in sent) == ("reflection" in options)
    assert ("50 words" in request) == (options["control"] == "fixed")


def dominated_one_by_one(entries: list[Entry]) -> dict[int, int]:
    """Return the counts of fronts as the code of GEPA finds who is left: it begins again each time.

    Remove the one of the lowest mean whose fronts all hold another one, until there is none.
    """
    rows = [
        {at for at, one in enumerate(entries) if one.evaluation.outcomes[row].score == best}
        for row in range(len(entries[0].evaluation.outcomes))
        for best in (max(one.evaluation.outcomes[row].score or 0.0 for one in entries),)
    ]
    left = {at for row in rows for at in row}
    while True:
        order = sorted(left, key=lambda at: (entries[at].score, -at))
        gone = next(
            (at for at in order if all((row & left) - {at} for row in rows if at in row)), None
        )
        if gone is None:
            return {at: sum(at in row for row in rows) for at in sorted(left)}
        left.discard(gone)


@pytest.mark.parametrize("seed", range(40))
def test_the_fronts_of_gepa_are_those_of_its_code(seed: int) -> None:
    rng = np.random.RandomState(seed)
    scores = rng.randint(0, 3, (7, 9)) / 2
    entries = sorted(
        (entry(f"Text {at}.", [float(score) for score in row]) for at, row in enumerate(scores)),
        key=lambda one: -(one.score or 0.0),
    )
    assert front_counts(entries) == dominated_one_by_one(entries)
