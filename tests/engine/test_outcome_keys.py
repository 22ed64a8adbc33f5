"""Outcomes name the stored replies that they were made of."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt import open_store
from llmopt.core.values import (
    Call,
    Candidate,
    Item,
    Outcome,
)
from llmopt.engine.scoring import Scoring
from llmopt.errors import RefusedError, TransientError
from llmopt.history.run_history import told
from llmopt.models.middleware.stack import wrap
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted
from llmopt.testing.outcomes import reads_again, run_reads_again

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.model import Model

ITEMS = [Item("a", "first?"), Item("b", "second?")]


@dataclass(frozen=True)
class Measuring:
    """Measures in a way of its own."""

    ask: Callable[[str, Item, Model], Any]

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        assert scorer is not None
        await self.ask(text, item, scorer)
        return Outcome(item.id, 1.0)


async def measured(
    path: Path, ask: Callable[[str, Item, Model], Any], answer: Callable[[Call], str], *texts: str
) -> list[list[str]]:
    """Return for each job the prompts of the replies that its outcome names."""
    with closing(open_store(path / "runs.sqlite")) as store:
        store.create("run", {})
        model = wrap(ScriptedModel(answer), replies=store.replies("run"), attempts=1)
        scoring = Scoring(Measuring(ask), model, 4, 1.0, lambda _: None)
        outcomes = await scoring.measure([(Candidate(t), item) for t in texts for item in ITEMS])
        await model.close()
        found = []
        for outcome in outcomes:
            kept = [store.exchange(key) for key in outcome.keys]
            assert None not in kept
            found.append([pair[0].text for pair in kept if pair])
        return found


def call(text: str) -> Call:
    return Call("scorer", prompt=text)


async def test_several_calls_are_named_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    async def ask(text: str, item: Item, scorer: Model) -> None:
        await scorer.complete(call(f"{text} {item.input}"))
        slow = (scorer.complete(call(f"{n} {item.input}")) for n in "zya")
        await asyncio.gather(*slow)

    found = await measured(tmp_path, ask, lambda call: call.text, "t")
    assert found == [[f"{n} {item.input}" for n in "tzya"] for item in ITEMS]


async def test_a_shared_reply_is_named_by_all_that_use_it(tmp_path: Path) -> None:
    """Whether it was paid for, stored before, or on its way for another candidate."""

    async def ask(text: str, item: Item, scorer: Model) -> None:
        del text
        await scorer.complete(call(item.input))

    found = await measured(tmp_path, ask, lambda _: "yes", "t", "u", "v")
    assert found == [[item.input] for item in ITEMS] * 3


async def test_a_failed_call_is_not_named(tmp_path: Path) -> None:
    """Neither one that is made again at the end, nor one that the problem does without."""
    tries: list[str] = []

    def answer(call: Call) -> str:
        tries.append(call.text)
        if call.text.startswith("extra"):
            raise RefusedError("no")
        if call.text == "t second?" and tries.count(call.text) == 1:
            raise TransientError("busy")
        return "yes"

    async def ask(text: str, item: Item, scorer: Model) -> None:
        await scorer.complete(call(f"before {item.input}"))
        await scorer.complete(call(f"{text} {item.input}"))
        with pytest.raises(RefusedError):
            await scorer.complete(call(f"extra {item.input}"))

    found = await measured(tmp_path, ask, answer, "t")
    assert found == [[f"{n} {item.input}" for n in ("before", "t")] for item in ITEMS]


def judging(call: Call) -> str:
    """Give a verdict, for every third question only when it is asked for again."""
    code = call.text.rpartition("Verdict ")[2].partition(":")[0]
    if len(call.text) % 3 == 0 and not call.sample:
        return "I do not know."
    return f"Verdict {code}: {1 + len(call.text) % 5}"


@pytest.mark.parametrize("again", [False, True])
async def test_a_judge_comes_last_and_all_give_the_outcome_again(
    tmp_path: Path, again: bool
) -> None:
    judge = ScriptedModel(judging, identity="scripted/judge")
    model = scripted.model()
    problem = replace(
        scripted.problem(),
        metric=Judge(),
        judge=judge,
        asking=Asking(again=again),
        scorer=model,
    )
    path = tmp_path / "runs.sqlite"
    await llmopt.optimize_async(
        problem, optimizer=model, store=path, name="run", steps=2, progress=False, validate_every=1
    )
    with closing(open_store(path)) as store:
        bound = problem.bound(judge)
        await run_reads_again(store, "run", bound, model.traits, asked=True)
        journal = told(store, "run")
        assert journal.tested
        roles = set()
        for _, _, evaluation in journal.tested.answers:
            for outcome in evaluation.outcomes:
                kept = [store.exchange(key) for key in outcome.keys]
                roles.add(tuple(pair[0].role for pair in kept if pair))
        first = ("scorer",) * (1 + again)
        assert roles == {(*first, "judge"), (*first, "judge", "judge")}
        text, (outcome, *_) = journal.tested.answers[0][1], journal.tested.answers[0][2].outcomes
        item = next(item for item in journal.tested.items if item.id == outcome.item)
        for broken, said in (
            (replace(outcome, calls=""), "names all its replies"),
            (replace(outcome, calls="A" * 43), "names replies that are stored"),
            (replace(outcome, score=2.0), "give it again"),
        ):
            with pytest.raises(AssertionError, match=said):
                await reads_again(store, bound, model.traits, (text, item), broken)


async def test_a_function_makes_no_calls(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    model = scripted.model()
    await llmopt.optimize_async(
        scripted.numbers(), optimizer=model, store=path, name="run", steps=2, progress=False
    )
    with closing(open_store(path)) as store:
        outcomes = [o for e in told(store, "run").trajectory for o in e.evaluation.outcomes]
    assert {outcome.calls for outcome in outcomes} == {""}
