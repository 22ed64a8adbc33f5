"""Which metric measures a problem's answers: the user's, or what suits the data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.errors import DataError
from llmopt.problems.judge import Judge
from llmopt.problems.metrics import Choice, check_targets, default_metric, metric_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.problems.metrics import Metric
    from llmopt.types import Item


def chosen_metric(metric: str | Metric, choices: Sequence[str], items: Sequence[Item]) -> Metric:
    """Return the metric, checked against every target.

    Args:
        metric: A metric, its name, or "auto" for what the targets suggest.
        choices: The closed set of answers; empty: the targets that occur.
        items: All items.

    Raises:
        DataError: A target can never be right, or all targets are equal.
        ConfigError: The metric cannot be used.
    """
    targets = [answer for item in items for answer in (item.target, *item.accepted)]
    if not isinstance(metric, str):
        chosen = metric
    elif metric == "auto":
        chosen = Choice(tuple(choices)) if choices else default_metric(targets)
    else:
        known = tuple(choices) or tuple(sorted(set(targets)))
        chosen = metric_named(metric, known)
    check_targets(
        chosen,
        [replace(i, target=one, accepted=()) for i in items for one in (i.target, *i.accepted)],
    )
    if isinstance(chosen, Judge):
        chosen.check(items)
    elif len(set(targets)) < 2:  # noqa: PLR2004 - one class is no task
        raise DataError(
            f"targets are of at least two kinds, but all {len(targets)} are {targets[0]!r}; "
            "any instruction that makes the model say so would look perfect"
        )
    return chosen
