"""Collects what the front of a run is made of: scores, lengths, and the cost of stored replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.text import tokens_of
from llmopt.core.values import Usage
from llmopt.evidence.differences import difference_of
from llmopt.evidence.front import AnswerCost, Front, FrontMember
from llmopt.evidence.scores import score_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Call, Evaluation, Outcome, Reply
    from llmopt.evidence.verdict import Selection
    from llmopt.models.middleware.budget import Price

    Replies = Mapping[str, tuple[Call, Reply]]

_SAMPLED = 200  # items of which the cost of an answer is the mean, at most
_MOST = 50  # solutions of a front on train


def front_of(
    problem: Problem,
    trajectory: Trajectory,
    choice: Selection,
    *,
    validated: Mapping[str, Evaluation],
    store: Store,
    price: Price | None,
) -> Front | None:
    """Return the front of a finished search; None where a text's length means nothing.

    That is where the items have no inputs, as numbers and tours have none, unless there are
    sub-scores.

    Args:
        problem: What was optimized.
        trajectory: The search.
        choice: Its winner, with what was measured on validation to choose it.
        validated: What else was measured on validation, by candidate.
        store: Where the replies are.
        price: Of the scorer LLM; None: not known.
    """
    if choice.held:
        held = {**validated, **choice.held}
        full = {key: e for key, e in held.items() if e.whole}
        pool = [entry for entry in trajectory if entry.candidate.id in full]
        split = "validation"
    else:
        pool = [entry for entry in trajectory if entry.evaluation.whole]
        full = {entry.candidate.id: entry.evaluation for entry in pool}
        pool = _sifted(pool, full, choice)
        split = "train"
    best = choice.best.candidate.id
    if best not in full or not _several(problem, full.values()):
        return None
    keys = (key for e in pool for o in _sample(full[e.candidate.id].outcomes) for key in o.keys)
    replies = store.exchanges(keys)
    members = [_member(entry, full, choice, replies, price) for entry in pool]
    return Front.of(members, best, split, choice.shown, choice.level)


def _several(problem: Problem, evaluations: Iterable[Evaluation]) -> bool:
    """Whether there are aims in addition to the score."""
    if any(item.input for item in problem.items("train")):
        return True
    return any(outcome.aims for evaluation in evaluations for outcome in evaluation.outcomes)


def _sifted(
    pool: Sequence[Entry], full: Mapping[str, Evaluation], choice: Selection
) -> list[Entry]:
    """Return the start, the winner, and those of which no shorter one is as good.

    Sub-scores are no reason to leave one out, so where there are some, the best are taken.
    """
    ranked = sorted(pool, key=lambda e: (-e.score, tokens_of(e.text)))
    ends = {choice.start.candidate.id, choice.best.candidate.id}
    if any(outcome.aims for evaluation in full.values() for outcome in evaluation.outcomes):
        return [e for at, e in enumerate(ranked) if at < _MOST or e.candidate.id in ends]
    found: list[Entry] = []
    shortest = float("inf")
    for entry in ranked:
        length = tokens_of(entry.text)
        if (length < shortest and len(found) < _MOST) or entry.candidate.id in ends:
            found.append(entry)
        shortest = min(shortest, length)
    return found


def _member(
    entry: Entry,
    full: Mapping[str, Evaluation],
    choice: Selection,
    replies: Replies,
    price: Price | None,
) -> FrontMember:
    mine, best = full[entry.candidate.id], full[choice.best.candidate.id]
    score = score_of(mine, choice.shown, level=choice.level, groups=choice.groups)
    assert score is not None  # noqa: S101 - a whole evaluation has measured items
    return FrontMember(
        candidate=entry.candidate.id,
        text=entry.text,
        step=entry.candidate.step,
        score=score,
        prompt_tokens=tokens_of(entry.text),
        cost=answer_cost(replies, mine.outcomes, price),
        aims=_aims(mine.outcomes),
        difference=(
            None if mine is best else difference_of(best, mine, choice.level, choice.groups)
        ),
    )


def _sample(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return outcomes[:_SAMPLED]


def answer_cost(
    replies: Replies, outcomes: Sequence[Outcome], price: Price | None
) -> AnswerCost | None:
    """Return the mean cost of an answer; None where no answer's replies are all stored.

    Calls of a judge LLM are no part of it.

    Args:
        replies: What was sent and received, by key.
        outcomes: What was measured; the first 200 are looked at.
        price: Of the scorer LLM; None: not known.
    """
    total, items = Usage(), 0
    for outcome in _sample(outcomes):
        found = [replies.get(key) for key in outcome.keys]
        used = [pair[1].usage for pair in found if pair and pair[0].role == "scorer"]
        if None in found or not used:
            continue
        items += 1
        total = sum(used, total)
    if not items:
        return None
    usd = price.paid(total) / items if price else None
    asked, made = total.input_tokens / items, total.output_tokens / items
    return AnswerCost(asked, made, usd, total.estimated, items)


def _aims(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the mean of each sub-score that every measured item has."""
    measured = [(dict(o.aims), o.weight) for o in outcomes if o.score is not None]
    names = list(measured[0][0]) if measured else []
    total = sum(weight for _, weight in measured)
    return {
        name: sum(aims[name] * weight for aims, weight in measured) / total
        for name in names
        if all(name in aims for aims, _ in measured)
    }
