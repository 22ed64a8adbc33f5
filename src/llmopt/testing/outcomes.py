"""Checks that every outcome names the stored replies it was made of, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.history.run_history import told
from llmopt.models.providers.scripted import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.model import Traits
    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.store import Store
    from llmopt.core.values import (
        Call,
        Evaluation,
        Item,
        Outcome,
        Reply,
    )


async def reads_again(
    store: Store, problem: Problem, traits: Traits, job: tuple[str, Item], outcome: Outcome
) -> None:
    """Check that measuring with the replies that an outcome names gives the same outcome.

    Args:
        store: Where the replies are.
        problem: What measures; a judge LLM of its own answers as before.
        traits: Of the scorer LLM, which decide the form of its calls.
        job: The text of the solution, and the item that it was measured on.
        outcome: What it got.

    Raises:
        AssertionError: A reply is not in the store or not named, or the outcome is another one.
    """
    exchanges = [(key, store.exchange(key)) for key in outcome.keys]
    lost = [key for key, kept in exchanges if kept is None]
    _demand(not lost, f"an outcome names replies that are stored, but not {lost}")
    replies = {kept[0].key(""): kept[1] for _, kept in exchanges if kept is not None}

    def stored(call: Call) -> Reply:
        key = call.key("")
        _demand(key in replies, f"an outcome names all its replies, but not that to {call.text!r}")
        return replies[key]

    again = await problem.measure(*job, ScriptedModel(stored, traits=traits))
    same = (again.item, again.score, again.answer, again.weight, again.reason)
    got = (outcome.item, outcome.score, outcome.answer, outcome.weight, outcome.reason)
    _demand(same == got, f"the replies of {got} give it again, but gave {same}")


async def run_reads_again(
    store: Store, run: str, problem: Problem, traits: Traits, *, asked: bool
) -> None:
    """Check :func:`reads_again` for every outcome with a score that a run has journaled.

    Args:
        store: Where the run is kept.
        run: Its name.
        problem: What it optimized.
        traits: Of its scorer LLM.
        asked: Whether every outcome takes a call to it.

    Raises:
        AssertionError: As for one outcome, or a call was made for one that names none.
    """
    for job, outcome in _measured(store, run, problem):
        _demand(bool(outcome.keys) == asked, f"{outcome} names its replies, if it has any")
        await reads_again(store, problem, traits, job, outcome)


def _measured(
    store: Store, run: str, problem: Problem
) -> Iterator[tuple[tuple[str, Item], Outcome]]:
    journal = told(store, run)
    tested = journal.tested.answers if journal.tested else ()
    texts = {entry.candidate.id: entry.text for entry in journal.trajectory}
    found: list[tuple[SplitName, str, Evaluation]] = [
        *(("train", entry.text, entry.evaluation) for entry in journal.trajectory),
        *(("validation", texts[v.candidate], v.evaluation) for v in journal.validations),
        *(("test", text, got) for _, text, got in tested),
    ]
    for split, text, evaluation in found:
        items = {item.id: item for item in problem.items(split)}
        for outcome in evaluation.outcomes:
            if outcome.score is not None:
                yield (text, items[outcome.item]), outcome


def _demand(truth: object, rule: str) -> None:
    if not truth:
        raise AssertionError(f"a conforming outcome keeps this rule: {rule}")
