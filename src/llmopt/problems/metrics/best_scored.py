"""What an output is worth by a metric: the best of what it is worth for each accepted answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.text import one_line
from llmopt.errors import DataError, LlmoptError, MeasureError
from llmopt.problems.function_workers import reason_of
from llmopt.problems.metrics.contract import Scored

if TYPE_CHECKING:
    from llmopt.core.values import Item
    from llmopt.problems.metrics.contract import Metric


async def best_scored(metric: Metric, output: str, item: Item) -> Scored:
    """Return what an output is worth as an answer to an item.

    Raises:
        MeasureError: A metric of the user's raised something, or gave no score.
        ModelError: A judge LLM could not answer.
    """
    best: Scored | None = None
    for one in metric.expected(item):
        scored = await _judged(metric, output, one)
        best = scored if best is None or scored.score > best.score else best
    assert best is not None  # noqa: S101 - an item has at least its target
    return best


async def _judged(metric: Metric, output: str, item: Item) -> Scored:
    """Return what the metric gives for one expected answer.

    Raises:
        MeasureError: It raised something that says nothing of models or the budget.
    """
    try:
        scored = metric(output, item)
        return scored if isinstance(scored, Scored) else await scored
    except (Exception, SystemExit) as error:  # a script's sys.exit() must not end the run
        if isinstance(error, LlmoptError) and not isinstance(error, DataError):
            raise  # it speaks for itself: it is not that of a metric of the user's
        raise MeasureError(
            f"a metric gives every answer a score, but {metric.name} raised "
            f"{reason_of(error)} for the item {item.id} and the answer {one_line(output, 80)!r}"
        ) from error
