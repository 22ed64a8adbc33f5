"""Which metric measures a problem's answers, the user's or what suits the data, and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError, DataError
from llmopt.problems.data.labels import spellings
from llmopt.problems.data.splits import Splits, balance, check_disjoint
from llmopt.problems.metrics.rules import (
    Choice,
    check_closed,
    check_targets,
    default_metric,
    metric_named,
    owned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.values import Item
    from llmopt.problems.metrics.contract import Metric


def chosen_metric(
    metric: str | Metric | Callable[[str, Item], Any],
    choices: Sequence[str],
    items: Sequence[Item],
) -> Metric:
    """Return the metric, checked against every target.

    Args:
        metric: A metric, its name, or "auto" for what the targets suggest. A mere callable of
            the output and the item is one as well.
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


def scored_splits(
    splits: Splits,
    metric: str | Metric | Callable[[str, Item], Any],
    choices: Sequence[str],
    *,
    judge: object = None,
    balanced: bool = False,
    likelihood: bool = False,
) -> tuple[Splits, Metric]:
    """Return the rows with their weights, and the metric that scores answers to them.

    Args:
        splits: As they are split.
        metric: See :func:`chosen_metric`.
        choices: As above.
        judge: The judge LLM, or None.
        balanced: Whether each class has the same weight.
        likelihood: Whether answers are read from their likelihood.

    Raises:
        DataError: A split shares an input with another, a target can never be right, or all
            targets are equal.
        ConfigError: These do not go together.
    """
    check_disjoint(splits)
    items = (*splits.train, *splits.validation, *splits.test, *splits.vault)
    chosen = chosen_metric(metric, choices, items)
    if likelihood:
        check_closed(chosen)
    if judge is not None and not chosen.calls:
        raise ConfigError(
            f"a judge LLM is asked by the metric 'judge' alone, but got one for {chosen!r}; "
            "leave it out, or set metric = 'judge'"
        )
    _check_accepted(items, balanced=balanced, likelihood=likelihood)
    if balanced:
        parts = (splits.train, splits.validation, splits.test, splits.vault)
        splits = Splits(*map(balance, parts), asked=splits.asked)
    return splits, chosen


def _check_accepted(items: Sequence[Item], *, balanced: bool, likelihood: bool) -> None:
    """Refuse lists of accepted answers and weights where they would be passed over.

    Raises:
        ConfigError: They would.
    """
    several = any(item.accepted for item in items)
    if several and likelihood:
        raise ConfigError(
            "scorer.answer = 'likelihood' compares the one right answer with the others, but some "
            "rows have several right ones; use scorer.answer = 'text'"
        )
    if balanced and (several or any(item.weight != 1 for item in items)):
        raise ConfigError(
            "a balanced score weighs the answers alike, but the data bring weights, or several "
            "right answers for a row; set balanced = false, or leave problem.weight out"
        )
