"""Reasons why compared runs may not be comparable, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.encoding import agree
from llmopt.evidence.result import BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.history.compared_run import Compared
    from llmopt.history.run_history import RunHistory

_SEVERAL = 3  # runs from which on the best of them is said to be a choice
_UNEQUAL = 1.25  # evaluations of one search over another's from which it is said

# Names in the identity of a run, and what it means when they differ.
_MEANING = {
    "problem function": "they optimized different functions",
    "problem describe": "the function was described to the optimizer LLM in different words",
    "problem task": "they were given different tasks",
    "problem train": "they searched on different training items",
    "problem validation": "they chose their winners on different validation items",
    "problem metric": "answers were judged by different metrics",
    "problem judge": "answers were judged by different judge LLMs",
    "problem prompt": "the instruction is in different prompts",
    "problem asking": "the scorer LLM was asked in different ways, such as its temperature",
    "problem answer": "answers were read from the text in one and from their likelihood in another",
    "problem instructions": "they started from different instructions",
    "problem seeds": "they started from different solutions",
    "scorer": "different scorer LLMs answered, so a difference is that of instruction and model",
}


def caveats(told: Sequence[RunHistory], rows: Sequence[Compared]) -> Iterator[str]:
    """Yield what a careful reader should know, each run against the first.

    Args:
        told: What the journals say, in order.
        rows: The same runs beside each other.
    """
    for number, other in enumerate(told[1:], 2):
        known = told[0].identity
        for name, meaning in _MEANING.items():
            if not agree(known.get(name, ""), other.identity.get(name, "")):
                yield f"[1] and [{number}] are not alike: {meaning}."
        yield from _held_out(told[0], other, number, rows[number - 1])
    for number, (one, row) in enumerate(zip(told, rows, strict=True), 1):
        if one.result is None:
            yield f"[{number}] has no result yet: its best on train is used as its winner."
        elif row.status == "budget" and one.result["stopped"].startswith(BUDGET):
            yield f"[{number}] was ended early: {one.result['stopped']}."
        elif row.status != "done":
            yield (
                f"[{number}] went on after its result, or is not done with it: the result may be "
                "of fewer steps than are shown."
            )
        if row.curve_partial:
            first = (
                "The first point"
                if row.curve_partial == 1
                else f"The first {row.curve_partial} points"
            )
            yield (
                f"{first} of [{number}]'s curve on train "
                f"{'is a partial score' if row.curve_partial == 1 else 'are partial scores'}: "
                "nothing had been measured on every train item by then."
            )
    yield from _effort(rows)
    tested = sum(row.test is not None for row in rows)
    if tested >= _SEVERAL:
        yield (
            f"To take the best of these {tested} runs by their held-out scores is a choice on the "
            "held-out items, so its score is flattered."
        )


def _held_out(first: RunHistory, other: RunHistory, number: int, row: Compared) -> Iterator[str]:
    """Say where held-out items differ, are missing, or were seen in the other's search."""
    for at, one in ((1, first), (number, other)):
        if one.result and one.result["test"] and one.tested is None:
            yield (
                f"[{at}] has kept no answers to held-out items; llmopt resume {one.run} asks for "
                "them again, which costs nothing where its replies are stored."
            )
    if first.tested is None or other.tested is None:
        return
    mine, others = set(first.items.values()), set(other.items.values())
    if mine != others:
        yield (
            f"[1] and [{number}] hold out different items: {len(mine & others)} are common to "
            f"{len(mine)} and {len(others)}, and only on {row.common} of these is a comparison "
            "made."
        )
    for at, one, there in ((1, first, number), (number, other, 1)):
        theirs = other if one is first else first
        assert theirs.tested is not None  # noqa: S101 - both have kept answers
        common = {item.id for item in mine & others}
        seen = len(common & _searched(one))
        if seen:
            yield (
                f"[{at}] was searched on {seen} of the {len(common)} items that it has in common "
                f"with [{there}], so its figures on them are flattered."
            )


def _searched(told: RunHistory) -> set[str]:
    """Return the ids of the items that candidates were measured on."""
    return {o.item for step in told.steps for e in step.entries for o in e.evaluation.outcomes}


def _effort(rows: Sequence[Compared]) -> Iterator[str]:
    """Say so where one run has searched much longer than another."""
    done = sorted((row.evaluations, number) for number, row in enumerate(rows, 1))
    (least, short), (most, long) = done[0], done[-1]
    if most > _UNEQUAL * least:
        yield (
            f"They did not search equally long: [{short}] made {least:,} evaluations and [{long}] "
            f"{most:,}."
        )
