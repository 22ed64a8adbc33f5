"""The scores by which the winner is chosen: train and validation together, item by item.

Train says something of a finalist that validation does not, so it decides among those that
validation hardly tells apart. But solutions may be fitted to train, each by another amount, so an
item of train counts a quarter of an item of validation. In 300 simulated searches each
(`benchmarks/choosing.py`), with 100 train and 25 validation items, the winner is 0.2 to 0.6 points
better (standard error 0.1) than the one that validation alone chooses; with 100 and 100 items 0.1
to 0.2 points. Where solutions memorise 8 % of the train items, it is 0.1 worse (0.1). With the full
weight it would be 1.4 points worse there, and up to 1.2 better elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Evaluation

TRAIN_WEIGHT = 0.25
"""Weight of an item of train, where one of validation has 1."""

_DIGITS = 12  # of the largest score, to which sums in another order are taken for equal


def pooled(entries: Sequence[Entry], held: Mapping[str, Evaluation]) -> dict[str, float]:
    """Return the mean score of each entry over its train and validation items, by its id.

    Where everybody has the same items, it is the weighted mean. Otherwise each entry is
    compared with the mean of all of them on the items that it has, so that nobody gains by losing
    the answer to a hard item.

    Args:
        entries: Those who are compared.
        held: What they got on validation, by their ids, where there is such a split.

    Returns:
        Scores as they are inside; nothing for an entry without a measured item.
    """
    found = {e.candidate.id: _answers(e, held.get(e.candidate.id)) for e in entries}
    if len({tuple(answers) for answers in found.values()}) == 1:
        return {key: _mean(answers) for key, answers in found.items() if answers}
    seen: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for answers in found.values():
        for item, answer in answers.items():
            seen[item].append(answer)
    usual = {item: sum(s for s, _ in many) / len(many) for item, many in seen.items()}
    level = _mean({item: (usual[item], many[0][1]) for item, many in seen.items()})
    made = {
        key: level + _mean({i: (score - usual[i], w) for i, (score, w) in answers.items()})
        for key, answers in found.items()
        if answers
    }
    largest = max(map(abs, made.values()), default=0.0) or 1.0
    return {key: largest * round(score / largest, _DIGITS) for key, score in made.items()}


def _answers(entry: Entry, held: Evaluation | None) -> dict[str, tuple[float, float]]:
    """Return the scores of an entry with their weights, by split and item."""
    train, validation = entry.evaluation.outcomes, held.outcomes if held else ()
    splits = (("train", TRAIN_WEIGHT, train), ("validation", 1.0, validation))
    return {
        f"{split} {outcome.item}": (outcome.score, outcome.weight * counts)
        for split, counts, outcomes in splits
        for outcome in outcomes
        if outcome.score is not None
    }


def _mean(answers: Mapping[str, tuple[float, float]]) -> float:
    """Return the weighted mean of scores."""
    total = sum(weight for _, weight in answers.values())
    return sum(score * weight for score, weight in answers.values()) / total
