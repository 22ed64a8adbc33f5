"""GEPA on solutions of several parts: whose turn it is, what is told of a part, and merges."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.gepa import gepa
from llmopt.algorithms.gepa.system_merge import merged, merges_in
from llmopt.core.problem import parts_of
from llmopt.core.solution import join_parts, split_parts
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.algorithm import Asked
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call, Item

NAMES = ("plan", "answer")
GOLDEN = Path(__file__).parents[2] / "golden" / "gepa"


def entry(
    plan: str, answer: str, scores: Sequence[float], *, step: int = 0, parents: Sequence[Entry] = ()
) -> Entry:
    items = scripted.program().items("train")
    assert len(items) == len(scores)
    outcomes = (Outcome(i.id, s, "no") for i, s in zip(items, scores, strict=True))
    above = tuple(one.candidate.id for one in parents)
    text = join_parts({"plan": plan, "answer": answer})
    return Entry(Candidate(text, step, above), Evaluation(tuple(outcomes), len(items)))


START = entry("Plan.", "Answer.", [0.0] * 12)
LEFT = entry("Plan well.", "Answer.", [1.0] * 4 + [0.0] * 8, step=1, parents=[START])
RIGHT = entry("Plan.", "Answer well.", [0.0] * 4 + [1.0] * 5 + [0.0] * 3, step=2, parents=[START])


def told(*entries: Entry) -> Trajectory:
    """Return a trajectory with a step for each entry."""
    found = Trajectory()
    for one in entries:
        found = found.tell([one])
    return found


async def asked(past: Trajectory, **options: Any) -> tuple[Asked, list[str]]:
    sent: list[str] = []

    def answer(call: Call) -> str:
        if call.role != "optimizer":
            return scripted.answer(call)
        sent.append(call.text)
        return f"<INS>Do it like this, number {len(sent)}.</INS>"

    model = ScriptedModel(answer)
    made = gepa(**{"family": "chat", **options})
    return await made.ask(scripted.program(), past, model, 0, 9, scorer=model), sent


async def rewritten(past: Trajectory, **options: Any) -> list[str]:
    """Return which parts the first candidate has that its parent has not."""
    found, _ = await asked(past, **options)
    (one,) = found.candidates
    old, new = (split_parts(t, NAMES) for t in (past.entry(one.parents[-1]).text, one.text))
    return [name for name in NAMES if old[name] != new[name]]


async def test_the_parts_take_turns() -> None:
    past = told(START)
    assert await rewritten(past) == ["plan"]
    past = past.tell([])  # nothing new was found, and the turn passes all the same
    assert await rewritten(past) == ["answer"]
    assert await rewritten(past.tell([])) == ["plan"]


async def test_a_merge_is_nobodys_turn() -> None:
    both = entry("Plan well.", "Answer well.", [0.0] * 12, step=3, parents=[LEFT, RIGHT])
    past = told(START, LEFT, RIGHT)
    assert merges_in(past) == 0
    assert merges_in(past.tell([both])) == 1
    assert await rewritten(past.tell([both])) == await rewritten(past)


async def test_several_parents_have_different_turns() -> None:
    found, sent = await asked(told(START, LEFT, RIGHT), parents=2)
    assert len(found.candidates) == len(sent) == 2
    assert 'part "plan"' in "".join(sent)
    assert 'part "answer"' in "".join(sent)


async def test_all_parts_are_rewritten_by_a_request_each() -> None:
    found, sent = await asked(told(START), components="all", samples=2)
    assert len(sent) == 4
    assert len(found.calls) == 4
    for one in found.candidates:
        texts = split_parts(one.text, NAMES)
        assert "Plan." not in texts.values()
        assert "Answer." not in texts.values()
    assert len(found.candidates) == 2


async def test_a_refused_part_stays_as_it_is() -> None:
    def answer(call: Call) -> str:
        if call.role != "optimizer":
            return scripted.answer(call)
        return "<INS></INS>" if 'part "plan"' in call.text else "<INS>Answer well.</INS>"

    model = ScriptedModel(answer)
    one = gepa(family="chat", components="all")
    found = await one.ask(scripted.program(), told(START), model, 0, 9, scorer=model)
    assert [c.text for c in found.candidates] == [
        join_parts({"plan": "Plan.", "answer": "Answer well."})
    ]
    one = gepa(family="chat")
    found = await one.ask(scripted.program(), told(START), model, 0, 9, scorer=model)
    assert [r.reason for r in found.rejected] == ["plan: empty"]


async def test_a_reply_with_headings_gives_the_part_it_is_about() -> None:
    def answer(call: Call) -> str:
        if call.role != "optimizer":
            return scripted.answer(call)
        return "<INS>=== answer ===\nNot asked for.\n=== plan ===\nPlan well.</INS>"

    model = ScriptedModel(answer)
    found = await gepa(family="chat").ask(
        scripted.program(), told(START), model, 0, 9, scorer=model
    )
    (one,) = found.candidates
    assert split_parts(one.text, NAMES) == {"plan": "Plan well.", "answer": "Answer."}


async def test_a_part_is_told_its_own_steps_alone() -> None:
    _, (plan,) = await asked(told(START))
    assert "Step 1 (plan) was asked: Plan.\n" in plan
    assert "(answer) was asked" not in plan
    assert "Answer." not in plan
    _, (whole,) = await asked(told(START), components="together")
    assert "(plan) was asked" in whole
    assert "(answer) was asked" in whole


async def test_the_request_for_a_part_is_the_reviewed_one() -> None:
    _, (text,) = await asked(told(START))
    path = GOLDEN / "part.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


async def test_what_two_lines_have_changed_is_merged_without_a_call() -> None:
    found, sent = await asked(told(START, LEFT, RIGHT), merges=1)
    assert not sent
    (one,) = found.candidates
    assert split_parts(one.text, NAMES) == {"plan": "Plan well.", "answer": "Answer well."}
    assert one.parents == (LEFT.candidate.id, RIGHT.candidate.id)  # the better one last


async def test_a_merge_is_due_once_after_each_accepted_rewrite() -> None:
    past = told(START, LEFT, RIGHT)
    _, sent = await asked(past.tell([]), merges=5)  # the last step accepted nothing
    assert sent
    both = entry("Plan well.", "Answer well.", [1.0] * 9 + [0.0] * 3, step=3, parents=[LEFT, RIGHT])
    third = entry("Plan.", "Answer so.", [0.0] * 2 + [1.0] * 10, step=4, parents=[START])
    _, sent = await asked(past.tell([both]), merges=5)  # it accepted a merge
    assert sent
    _, sent = await asked(past.tell([both]).tell([third]), merges=5)
    assert not sent
    _, sent = await asked(past.tell([both]).tell([third]), merges=1)  # one was tried
    assert sent


def merge(other: Entry, better: Entry, *more: Entry, seed: int = 0) -> dict[str, str] | None:
    past = told(START, *more, other, better)
    ctx: StepContext = scripted.context(past, problem=scripted.program(), seed=seed)
    text = merged(ctx, other, better)
    return split_parts(text, NAMES) if text else None


async def test_a_merge_that_is_one_of_its_parents_is_not_tried() -> None:
    better = entry("Plan now.", "Answer well.", [0.0] * 4 + [1.0] * 8, step=2, parents=[START])
    assert merge(LEFT, better) == split_parts(better.text, NAMES)
    _, sent = await asked(told(START, LEFT, better), merges=5)
    assert sent


def test_a_part_that_both_changed_is_the_better_ones_and_one_that_one_changed_is_that_ones() -> (
    None
):
    middle = entry("Plan.", "Answer well.", [0.0] * 12, step=1, parents=[START])
    other = entry("Plan a.", "Answer well.", [1.0] * 3 + [0.0] * 9, step=2, parents=[middle])
    better = entry("Plan b.", "Answer it.", [1.0] * 4 + [0.0] * 8, step=3, parents=[middle])
    assert merge(other, better, middle) == {"plan": "Plan b.", "answer": "Answer it."}
    equal = entry("Plan c.", "Answer it.", [1.0] * 3 + [0.0] * 9, step=3, parents=[middle])
    drawn = {(merge(other, equal, middle, seed=s) or {})["plan"] for s in range(12)}
    assert drawn == {"Plan a.", "Plan c."}


def test_no_merge_of_a_candidate_with_its_own_ancestor_or_with_a_stranger() -> None:
    child = entry("Plan well.", "Answer so.", [1.0] * 6 + [0.0] * 6, step=2, parents=[LEFT])
    assert merge(LEFT, child) is None
    stranger = entry("Plan.", "Answer so.", [1.0] * 6 + [0.0] * 6, step=2)
    assert merge(LEFT, stranger) is None


def test_no_merge_over_an_ancestor_that_is_better() -> None:
    start = entry("Plan now.", "Answer now.", [1.0] * 8 + [0.0] * 4)
    one = entry("Plan x.", "Answer now.", [1.0] * 4 + [0.0] * 8, step=1, parents=[start])
    two = entry("Plan now.", "Answer x.", [1.0] * 5 + [0.0] * 7, step=2, parents=[start])
    assert merge(one, two, start) is None


async def test_merges_need_several_instructions() -> None:
    for problem in (scripted.problem(), scripted.few_shot()):
        with pytest.raises(ConfigError, match="set merges = 0"):
            gepa(merges=5).check(problem, scripted.model())
    gepa(merges=5).check(scripted.program(), scripted.model())
    with pytest.raises(ConfigError, match="merges must be 1 or more"):
        gepa(merges=-1)
    with pytest.raises(ConfigError, match="components must be"):
        gepa(components="each")  # type: ignore[arg-type]


async def rated(right: int, **options: Any) -> tuple[bool, int]:
    """Return whether a merge that is right on the first rows is accepted, and its evaluations."""
    problem, past = scripted.program(), told(START, LEFT, RIGHT)
    items = problem.items("train")
    measured: list[Item] = []

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        measured.extend(item for _, item in jobs)
        good = {item.id for item in items[:right]}
        return [Outcome(item.id, float(item.id in good), "no") for _, item in jobs]

    ctx = scripted.context(past, problem=problem)
    child = Candidate("merge", 3, (LEFT.candidate.id, RIGHT.candidate.id))
    (found,) = await gepa(**options).rate(ctx, [child], items, measure)
    return len(found.outcomes) == found.planned, len(measured)


async def test_a_merge_passes_the_published_gate_where_it_is_as_good_as_both_on_five_rows() -> None:
    assert await rated(9, gate="strict") == (True, 12)
    accepted, rows = await rated(0, gate="strict")
    assert (accepted, rows) == (False, 5)


async def test_a_merge_is_tested_against_the_better_of_its_parents() -> None:
    accepted, _ = await rated(12)
    assert accepted
    accepted, rows = await rated(5)  # as many as the better one
    assert not accepted
    assert rows < 12


@pytest.mark.parametrize(
    "options",
    [
        {"merges": 5},
        {"merges": 5, "components": "all", "gate": "strict", "samples": 2, "tracked": 0.6},
        {"components": "together"},
    ],
    ids=str,
)
@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_several_parts_conform(
    check: algorithms.Check, options: dict[str, Any], tmp_path: Path
) -> None:
    problem = scripted.program()
    assert len(parts_of(problem)) == 2
    await check(gepa(**options), problem, tmp_path)
