"""Chooses the finalists, orders them, and notes what a careful reader should know."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from llmopt.core.problem import Concludes
from llmopt.core.text import one_line
from llmopt.core.trajectory import Entry, Trajectory, rank

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.values import Evaluation, Outcome

_FEW = 20  # fewer validation items than this are too few to choose on
_SHOWN = 3  # items named of those that stayed unmeasured
_WORDS = 300  # characters of a reason
_REASONS = 3  # told of those for which solutions could not be measured
_CUT_OFF = 0.1  # share of answers from which it is said that they were cut off
_SAME_ANSWER = 0.9  # a winner that answers one thing more often than this is pointed out


def finalists_of(trajectory: Trajectory, k: int, start: Entry) -> list[Entry]:
    """Return the best on train, best first, and the start wherever it ranks."""
    # Where an item cannot be measured for anybody, nobody is measured on more than the start.
    first, best = start.evaluation, trajectory.best(k)
    enough = first.measured if first.partial and first.measured else first.planned + 1
    found = [e for e in best if e.evaluation.comparable or e.evaluation.measured >= enough] or list(
        best[:1]
    )
    if all(e.candidate.id != start.candidate.id for e in found):
        found.append(start)
    return [start if e.candidate.id == start.candidate.id else e for e in found]


def standing(
    held: Evaluation | None, entry: Entry, start: Entry, score: float | None
) -> tuple[Any, ...]:
    """Order by a score, then validation, train, *the* start, any start, the shorter text.

    On both splits a score of which more than a few answers are missing is behind those that have
    them; see :attr:`~llmopt.core.values.Evaluation.whole`.

    Args:
        held: What was measured on validation.
        entry: What was measured on train.
        start: The solution to beat.
        score: Of :func:`~llmopt.evidence.pooled.pooled`; None: nothing was measured.
    """
    return (
        held is not None and held.whole,
        held is not None or entry.evaluation.comparable,
        -math.inf if score is None else score,
        -math.inf if held is None or held.score is None else held.score,
        (False, -1, -math.inf) if entry.evaluation.score is None else rank(entry),
        entry is start,
        entry.candidate.step == 0,
        -len(entry.text),
    )


def behind(held: Collection[Evaluation]) -> list[str]:
    """Say that finalists with many unmeasured validation items rank behind the others."""
    partial = sum(not e.whole for e in held)
    if partial in (0, len(held)):
        return []
    count = "One finalist" if partial == 1 else f"{partial} finalists"
    rank = "ranks" if partial == 1 else "rank"
    return [
        f"{count} could not be measured on enough validation items, and {rank} behind the others."
    ]


def unbeaten(problem: Problem, trajectory: Trajectory, entries: Sequence[Entry]) -> str:
    """Say what did not do better than the start, on what, where the start has won."""
    others = len(entries) - 1
    if not others:
        alone = len(trajectory) == 1
        return f"{'nothing else was' if alone else 'no other solution could be'} compared with it"
    who = "the other finalist did not do" if others == 1 else f"none of {others} finalists did"
    validation, train = len(problem.items("validation")), len(problem.items("train"))
    where = f" on {train:,} train items" if train > 1 else ""
    if validation:
        where = f" in the choice on {validation:,} validation and {train:,} train items"
    return f"{who} better than the start{where}"


def on_choosing(problem: Problem) -> list[str]:
    """Point out a choice among too few validation items, or without any."""
    items = len(problem.items("validation"))
    if items >= _FEW or isinstance(problem, Concludes):  # which measures more than answers
        return []
    if items:
        return [
            f"Only {items} validation items: the choice of the winner is hardly better than chance."
        ]
    if len(problem.items("train")) == 1:
        return []
    return ["There is no validation split: the winner was selected on train, which flatters it."]


def monotony(problem: Problem, evaluation: Evaluation | None) -> list[str]:
    """Point out a winner that gives one answer nearly always though the targets do not."""
    if evaluation is None or evaluation.measured < 2:  # noqa: PLR2004 - nothing to compare
        return []
    answers = Counter(o.answer for o in evaluation.outcomes if o.score is not None)
    answer, count = answers.most_common(1)[0]
    targets = Counter(i.target for s in ("validation", "test") for i in problem.items(s))
    usual = max(targets.values()) / targets.total()
    share = count / evaluation.measured
    if share < _SAME_ANSWER or usual >= _SAME_ANSWER:
        return []
    if answer is None and cut_off(evaluation.outcomes, ""):
        return []  # said by itself, with the cause
    said = "gives no readable answer" if answer is None else f"answers {answer!r}"
    return [f"The winner {said} on {share:.0%} of the items, whatever the input."]


def cut_off(outcomes: Iterable[Outcome], whose: str) -> list[str]:
    """Say that answers were cut off at the token limit before they were right, if many were.

    Args:
        outcomes: What was measured.
        whose: Whose answers they are, for the sentence.
    """
    measured = [o for o in outcomes if o.score is not None]
    cut = [o for o in measured if o.cut_at and o.score is not None and o.score < 1]
    if len(cut) < max(1, _CUT_OFF * len(measured)):
        return []
    limits = " or ".join(f"{limit:,}" for limit in sorted({o.cut_at for o in cut}))
    count = "All" if len(cut) == len(measured) else f"{len(cut):,} of"
    unread = sum(o.answer is None for o in cut)
    missing = f", {unread:,} of them before there was any" if unread < len(cut) else ""
    said = f"{count} {len(measured):,} answers {whose} were cut off at {limits} tokens before they"
    return [f"{said} gave the right answer{missing}; raise scorer.max_tokens."]


def picking(what: str) -> str:
    """Say that taking the best of several by held-out items is a choice on these.

    Args:
        what: The several, as ``5 instructions``.
    """
    return (
        f"Picking the best of these {what} by these items is a choice on held-out items: its score "
        "here is flattered, and only other items can confirm it."
    )


def unmeasured(trajectory: Trajectory) -> list[str]:
    """Say which solutions could not be measured on train at all."""
    notes = []
    start = next(iter(trajectory))
    if start.evaluation.score is None:
        reason = next((o.reason for o in start.evaluation.outcomes if o.reason), "no reason known")
        notes.append(f"The starting solution could not be measured on train: {reason}.")
    failed = [e for e in trajectory if e.evaluation.outcomes and not e.evaluation.measured]
    if failed and failed != [start]:
        reasons = Counter(e.evaluation.outcomes[0].reason or "no reason known" for e in failed)
        told = [f"{count} x {reason}" for reason, count in reasons.most_common(_REASONS)]
        more = ["…"] if len(reasons) > _REASONS else []
        notes.append(
            f"{len(failed)} of {len(trajectory)} solutions could not be measured: "
            f"{', '.join(told + more)}."
        )
    return notes


def left_out(split: SplitName, scored: Iterable[tuple[str, Evaluation | None]]) -> list[str]:
    """Say which items of a split stayed unmeasured for lines of the table.

    Args:
        split: Which.
        scored: Label and evaluation of each line.
    """
    lost = {
        label: [o for o in evaluation.outcomes if o.score is None]
        for label, evaluation in scored
        if evaluation is not None
    }
    missing = [outcome for outcomes in lost.values() for outcome in outcomes]
    if not missing:
        return []
    reason = next((one_line(o.reason, _WORDS) for o in missing if o.reason), "")
    first = f" The first: {reason.rstrip('.')}." if reason else ""
    several = len(missing) > 1
    words = f"answer{'s' * several} stayed unmeasured and {'are' if several else 'is'}"
    where = "; ".join(f"{label} on {_named(items)}" for label, items in lost.items() if items)
    return [f"{len(missing)} {split} {words} left out: {where}.{first}"]


def _named(items: Sequence[Outcome]) -> str:
    """Return the first of some items by their ids, and how many there are more."""
    shown = ", ".join(outcome.item for outcome in items[:_SHOWN])
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return f"{'item' if len(items) == 1 else 'items'} {shown}{more}"
