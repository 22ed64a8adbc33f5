"""EvoLLM: numbers go out worst first, a mean comes back, a population is drawn around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.algorithms.evollm.recombination import Generations, NextMean
from llmopt.core.model import Traits
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, InputError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.part import Proposed
    from llmopt.core.values import Call

LINE = re.compile(r"^(?:Value: )?([-\d.e+]+)(?: <TEXT>|: \[?)(\d[\d, ]*)", re.MULTILINE)


def entry(text: str, score: float | None, step: int = 0) -> Entry:
    return Entry(Candidate(text, step), Evaluation((Outcome("value", score),), 1))


def valley(*texts: str) -> Trajectory:
    def score(text: str) -> float:
        return -float(
            sum((int(x) - (-3 if i % 2 else 7)) ** 2 for i, x in enumerate(text.split(",")))
        )

    return Trajectory().tell([entry(text, score(text)) for text in texts])


async def proposed(
    answer: Callable[[Call], str], trajectory: Trajectory, part: NextMean, dimensions: int = 2
) -> tuple[tuple[Proposed, ...], list[Call]]:
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return answer(call)

    (group,) = await Generations()(scripted.context(trajectory))
    problem = scripted.numbers(dimensions)
    ctx = scripted.context(
        trajectory,
        problem=problem,
        model=ScriptedModel(listen),
        shown=group.shown,
        steps=9,
        seed=1,
        group=0,
    )
    return await part(ctx), calls


async def test_the_best_of_the_last_steps_are_shown_from_the_worst_to_the_best() -> None:
    told = Trajectory().tell([entry("1", 5.0), entry("2", None)])
    told = told.tell([entry("3", 1.0, 1), entry("4", 2.0, 1), entry("5", 0.0, 1)])
    told = told.tell([]).tell([entry("6", 3.0, 3), entry("7", 1.5, 3)])
    for steps, members, expected in (
        (2, 2, ["3", "7", "4", "6"]),
        (1, 9, ["7", "6"]),
        (9, 1, ["4", "6", "1"]),
    ):
        (group,) = await Generations(steps, members)(scripted.context(told))
        assert [e.text for e in group.shown] == expected


async def test_with_many_in_each_step_no_step_is_cut_off() -> None:
    told = Trajectory()
    for step in range(6):
        told = told.tell([entry(f"{step} {n}", float(n), step) for n in range(100)])
    (group,) = await Generations(5, 3)(scripted.context(told))
    assert sorted({e.candidate.step for e in group.shown}) == [1, 2, 3, 4, 5]
    assert min(e.score for e in group.shown) == 97


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_is_numbers_worst_first_and_a_better_aim(family: str) -> None:
    told = valley("-30, 30", "0, 0", "7, 0")
    part = NextMean(family=family)  # type: ignore[arg-type] # parametrized
    _, calls = await proposed(lambda _: "<INS>1, 2</INS> [1, 2]", told, part)
    text = calls[0].text
    found = LINE.findall(text)
    assert [float(value) for value, _ in found] == [2458, 58, 9]
    assert [numbers.strip() for _, numbers in found] == ["0, 1000", "500, 500", "617, 500"]
    assert "8.1" in text  # the problem's aim for a best of 9
    assert "-30 to 30" not in text  # the problem itself is not described


async def test_the_reply_is_the_mean_and_the_first_of_the_population() -> None:
    found, calls = await proposed(
        lambda _: "<INS>617, 450</INS>", valley("-30, 30"), NextMean(population=6, family="chat")
    )
    assert len(calls) == 1
    assert found[0].text == "7, -3"
    assert found[0].further == (calls[0].key("scripted"),)
    points = np.array([[int(x) for x in str(p.text).split(",")] for p in found])
    assert len({p.text for p in found}) == 6
    assert np.abs(points - [7, -3]).max() <= 15  # five standard deviations of 0.05 * 60


async def test_blocks_of_dimensions_are_asked_for_apart() -> None:
    told = valley("-30, 30, -30, 30, -30", "0, 1, 2, 3, 4")

    def answer(call: Call) -> str:
        size = int(re.findall(r"list of (\d)", call.text)[0])
        return f"<INS>{', '.join(['500'] * size)}</INS>"

    part = NextMean(block=2, family="chat")
    found, calls = await proposed(answer, told, part, dimensions=5)
    assert len(calls) == 3
    assert len({call.sample for call in calls}) == 3
    assert found[0].text == "0, 0, 0, 0, 0"
    assert found[0].further == tuple(call.key("scripted") for call in calls)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I would try the middle.", "no marked text in the reply"),
        ("<INS>5</INS>", "not a list of 2"),
        ("<INS>5, 6, 7</INS>", "not a list of 2"),
        ("<INS>5, 1001</INS>", "a number out of its range"),
        ("<INS>-1, 7</INS>", "a number out of its range"),
        ("<INS>5, 99999999999999999999</INS>", "a number out of its range"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_replaced_by_recombination(
    reply: str, reason: str
) -> None:
    told = valley("-30, 30", "10, 10", "0, 0", "7, 3")
    found, calls = await proposed(lambda _: reply, told, NextMean(family="chat"))
    refused = found[0]
    assert refused.text == Refusal(reason)
    assert (refused.reply, refused.call) == (reply, calls[0].key("scripted"))
    weights = np.log(2.5) - np.log([1, 2])
    mean = np.average([[7, 3], [0, 0]], axis=0, weights=weights)
    assert found[1].text == ", ".join(str(round(x)) for x in mean)
    assert all(not p.further for p in found)
    assert len(found) == 1 + 8


async def test_a_model_that_recombines_leads_to_the_bottom() -> None:
    """With the weighted mean of what it is shown as its answer, the valley is descended."""

    def answer(call: Call) -> str:
        rows = [[int(x) for x in numbers.split(",")] for _, numbers in LINE.findall(call.text)]
        best = rows[-3:]
        return ", ".join(str(sum(column) // len(best)) for column in zip(*best, strict=True))

    model = ScriptedModel(answer, traits=Traits(completion=True, family="continuation"))
    problem, algorithm = scripted.numbers(), ALGORITHMS["evollm"]()
    trajectory = valley(*problem.starts)
    for _ in range(25):
        asked = await algorithm.ask(problem, trajectory, model, 3, 25)
        entries = []
        for candidate in asked.candidates:
            outcome = await problem.measure(candidate.text, problem.items("train")[0], None)
            entries.append(Entry(candidate, Evaluation((outcome,), 1)))
        trajectory = trajectory.tell(entries)
    assert trajectory.best(1)[0].score >= -1


@pytest.mark.parametrize(
    "options",
    [
        {"population": 0},
        {"resolution": 0},
        {"block": 0},
        {"sigma": 0.0},
        {"generations": 0},
        {"members": 0},
        {"family": "song"},
        {"temperature": 3.0},
    ],
)
def test_options_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ALGORITHMS["evollm"](**options)


def test_a_family_that_the_model_cannot_answer_is_refused() -> None:
    model = ScriptedModel(lambda _: "", traits=Traits(completion=False))
    with pytest.raises(ConfigError, match="raw completions"):
        ALGORITHMS["evollm"](family="continuation").check(scripted.numbers(), model)
