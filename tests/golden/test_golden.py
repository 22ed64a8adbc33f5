"""Every meta-prompt is a text that people review: one file per method, family and problem.

A change of a template, a part or a problem shows here as the difference of a text. Where it
is wanted, write the files again and read what `git diff` says::

    LLMOPT_GOLDEN=write pytest tests/golden
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.algorithms.ape import ape
from llmopt.algorithms.capo import capo
from llmopt.algorithms.evoprompt import evoprompt_de, evoprompt_ga
from llmopt.algorithms.mipro import mipro
from llmopt.algorithms.opro import opro
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
)
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.data.splits import Splits
from llmopt.problems.function import FunctionProblem
from llmopt.problems.prompt.constraints import Invariants
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Family
    from llmopt.core.problem import Problem
    from llmopt.core.values import Call

HERE = Path(__file__).parent
FAMILIES: tuple[Family, ...] = ("chat", "brackets", "continuation")

REVIEWS = [
    ("The soup was cold and nobody cared.", "negative"),
    ("I would walk an hour for that bread.", "positive"),
    ("Two stars, and one of them is for the parking space.", "negative"),
    ("We laughed all evening and came back the next day.", "positive"),
    ("The room smelled of paint.", "negative"),
    ("Quiet, bright, and cheaper than I feared.", "positive"),
]


DEMANDS = Invariants(
    required=("one word",),
    forbidden=("step by step",),
    placeholders=("{product}",),
    max_words=30,
    max_instruction_tokens=60,
    language="en",
)


def prompt(**options: Any) -> PromptProblem:
    items = [Item(str(n), text, label) for n, (text, label) in enumerate(REVIEWS)]
    return PromptProblem.from_splits(
        Splits(tuple(items[:4]), (), tuple(items[4:])),
        task="Decide whether a review is positive or negative.",
        position="Q_begin",
        qa_frame=True,
        **{"instructions": ["Is this good?"], **options},
    )


def demanding() -> PromptProblem:
    return prompt(instructions=["Is this {product} good? One word."], invariants=DEMANDS)


def function() -> FunctionProblem:
    return FunctionProblem(
        lambda text: abs(float(text) - 3),
        describe="Find the number x for which an unknown error is smallest.",
        seeds=["10"],
        minimize=True,
        parser=lambda text: f"{float(text):g}",
    )


TRIED: dict[str, list[tuple[str, list[float]]]] = {
    "prompt": [
        ("Is this good?", [0, 0, 1, 0]),
        ("Say positive or negative.", [1, 0, 1, 0]),
        ("Read the review and answer with one word: positive or negative.", [1, 0, 1, 1]),
    ],
    "function": [("10", [-7.0]), ("7.5", [-4.5]), ("2.75", [-0.25])],
    "numbers": [("-20, -20", [-1018.0]), ("25, 25", [-1108.0]), ("6, -5", [-5.0])],
}
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "prompt": prompt,
    "function": function,
    "numbers": scripted.numbers,
}


def asking() -> list[tuple[str, str]]:
    """Return every method that asks, with the kinds of problems on which it is looked at.

    These are prompts and functions, or numbers for a method that is for nothing else; what is
    for none of them has a test of its own.
    """
    found = []
    for name, make in sorted(ALGORITHMS.items()):
        method = make()
        if not method.needs_model or name == "catalyst":  # asks in some steps; see numbers/
            continue
        kinds = [kind for kind in ("prompt", "function") if fits(method, PROBLEMS[kind]())]
        if not kinds and fits(method, PROBLEMS["numbers"]()):
            kinds = ["numbers"]
        found += [(name, kind) for kind in kinds]
    return found


def fits(method: Algorithm, problem: Problem) -> bool:
    try:
        method.check(problem, scripted.model())
    except ConfigError:
        return False
    return True


def past(kind: str, *, partial: bool = False) -> Trajectory:
    entries = []
    for n, (text, scores) in enumerate(TRIED[kind]):
        seen = scores[:2] if partial and n == 1 else scores
        outcomes = tuple(Outcome(str(i), float(s)) for i, s in enumerate(seen))
        entries.append(Entry(Candidate(text, int(n > 0)), Evaluation(outcomes, len(scores))))
    return Trajectory().tell(entries[:1]).tell(entries[1:])


def answering(method: Algorithm) -> ScriptedModel | None:
    """Return a scorer LLM for a method that cannot ask before a batch is answered."""
    return ScriptedModel(lambda _: "negative") if method.name == "promptagent" else None


async def metaprompt(
    method: Algorithm, family: Family, problem: Problem, trajectory: Trajectory
) -> str:
    """Return what the optimizer LLM is sent first."""
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    await method.ask(problem, trajectory, model, 0, 4, scorer=answering(method))
    return sent[0]


def compare(name: str, text: str) -> None:
    path = HERE / f"{name}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert path.is_file(), f"{path.name} is not written yet; see the top of {__file__}"
    assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "kind"), asking())
async def test_the_meta_prompt_is_the_reviewed_one(name: str, family: Family, kind: str) -> None:
    text = await metaprompt(ALGORITHMS[name](), family, PROBLEMS[kind](), past(kind))
    compare(f"{name}-{family}-{kind}", text)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["ape", "opro"])
async def test_the_users_demands_are_told(name: str, family: Family) -> None:
    text = await metaprompt(ALGORITHMS[name](), family, demanding(), past("prompt"))
    compare(f"{name}-{family}-prompt-demands", text)


VARIANTS: dict[str, Algorithm] = {
    "no-exemplars": opro(exemplars=0),
    "failing": opro(exemplars=2, exemplars_by="accumulative_most_frequent"),
    "exemplars-first": opro(trajectory_first=False, order="descending", exemplars=1),
    "hidden-scores": opro(scores=0, exemplars=1),
    "twenty-buckets": opro(scores=20, order="random", exemplars=1, tag="Start"),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", VARIANTS)
async def test_the_options_of_opro_read_well(name: str, family: Family) -> None:
    text = await metaprompt(VARIANTS[name], family, prompt(), past("prompt", partial=True))
    compare(f"opro-{family}-prompt-{name}", text)


@pytest.mark.parametrize("family", FAMILIES)
async def test_with_nothing_to_show_nothing_is_announced(family: Family) -> None:
    """O15: no start could be measured."""
    lost = Entry(Candidate("10"), Evaluation((Outcome("value", None, reason="lost"),), 1))
    text = await metaprompt(opro(), family, function(), Trajectory().tell([lost]))
    compare(f"opro-{family}-function-nothing-tried", text)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["pe2", "promptagent", "protegi"])
async def test_what_a_gradient_leads_to_is_asked_for_in_reviewed_words(
    name: str, family: Family
) -> None:
    """The last request that tells a gradient: that on the worst of the past."""
    said = "It does not say which answers there are."
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return f"<TEXT>{said}</TEXT>" if "wrong" in call.text or "Label" in call.text else ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    method = ALGORITHMS[name]()
    await method.ask(prompt(), past("prompt"), model, 0, 4, scorer=answering(method))
    compare(f"{name}-{family}-prompt-told", [text for text in sent if f"\n{said}" in text][-1])


FIRST: dict[str, Algorithm] = {
    "ape-induced": ape(induced=1),
    "capo": capo(),
    "evoprompt-de": evoprompt_de(),
    "evoprompt-ga": evoprompt_ga(),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FIRST)
async def test_what_a_method_begins_with_reads_well(name: str, family: Family) -> None:
    """Solutions inferred from examples, and other wordings of the starts."""
    text, score = TRIED["prompt"][0]
    outcomes = tuple(Outcome(str(i), float(s)) for i, s in enumerate(score))
    start = Trajectory().tell([Entry(Candidate(text), Evaluation(outcomes, len(score)))])
    compare(f"{name}-{family}-prompt-first", await metaprompt(FIRST[name], family, prompt(), start))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("part", "rows"), [("summary", 2), ("first", 0)])
async def test_what_mipro_asks_reads_well(part: str, rows: int, family: Family) -> None:
    """It sums the data up, and writes instructions in the first step alone."""
    problem = prompt(demonstrations=2)
    outcomes = tuple(Outcome(str(i), float(i == 2)) for i in range(4))
    start = Entry(Candidate(problem.starts[0]), Evaluation(outcomes, 4))
    text = await metaprompt(mipro(summarized=rows), family, problem, Trajectory().tell([start]))
    compare(f"mipro-{family}-prompt-{part}", text)


def test_every_method_that_asks_has_reviewed_texts() -> None:
    names = {name for name, _ in asking()}
    left = {name for name, make in ALGORITHMS.items() if make().needs_model} - names
    # Their texts have tests of their own: in tests/algorithms, above, and with numbers.
    assert left == {"abo", "catalyst", "gepa", "mipro", "sbllm"}
    assert len(list((HERE / "abo").glob("*.txt"))) == 6
    assert len(list((HERE / "gepa").glob("*.txt"))) == 4
    assert len(list((HERE / "evolve").glob("*.txt"))) == 6
    assert len(list((HERE / "sbllm").glob("*.txt"))) == 6


def test_every_file_belongs_to_a_test() -> None:
    wanted = {f"{n}-{f}-{k}" for n, k in asking() for f in FAMILIES}
    wanted |= {f"opro-{f}-prompt-{v}" for f in FAMILIES for v in VARIANTS}
    wanted |= {f"{n}-{f}-prompt-demands" for n in ("ape", "opro") for f in FAMILIES}
    wanted |= {f"opro-{f}-function-nothing-tried" for f in FAMILIES}
    wanted |= {f"{n}-{f}-prompt-first" for n in FIRST for f in FAMILIES}
    wanted |= {f"{n}-{f}-prompt-told" for n in ("pe2", "promptagent", "protegi") for f in FAMILIES}
    wanted |= {f"mipro-{f}-prompt-{part}" for f in FAMILIES for part in ("summary", "first")}
    assert {path.stem for path in HERE.glob("*.txt")} == wanted
