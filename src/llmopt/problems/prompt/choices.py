"""Which metric measures a problem's answers: the user's, or what suits the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.errors import DataError
from llmopt.problems.data.labels import spellings
from llmopt.problems.metrics.rules import (
    Choice,
    check_targets,
    default_metric,
    metric_named,
    owned,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.core.values import Item
    from llmopt.problems.metrics.contract import Metric, Scored


def chosen_metric(
    metric: str | Metric | Callable[[str, Item], Scored | Awaitable[Scored]],
    choices: Sequence[str],
    items: Sequence[Item],
) -> Metric:
    """Return the metric, checked against every target.

    Args:
        metric: A metric, its name, or "auto" for what the targets suggest. A mere callable that
            gives a :class:`~llmopt.problems.metrics.contract.Scored` is one as well.
        choices: The closed set of answers; empty: the targets that occur.
        items: All items.

    Raises:
        DataError: A target can never be right, or all targets are equal.
        ConfigError: The metric cannot be used.
    """
    targets = [answer for item in items for answer in (item.target, *item.accepted)]
    if not isinstance(metric, str):
        chosen = owned(metric)
    elif metric == "auto":
        chosen = Choice(tuple(choices)) if choices else default_metric(targets)
    else:
        known = tuple(choices) or tuple(sorted(spellings(targets)))
        chosen = metric_named(metric, known)
    check_targets(chosen, [one for item in items for one in chosen.expected(item)])
    if chosen.by_target and len(set(targets)) < 2:  # noqa: PLR2004 - one class is no task
        raise DataError(
            f"targets are of at least two kinds, but all {len(targets)} are {targets[0]!r}; "
            "any instruction that makes the model say so would look perfect"
        )
    return chosen
