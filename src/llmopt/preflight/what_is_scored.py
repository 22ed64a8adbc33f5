"""The rows and the metric of a problem in words, for ``llmopt check``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.text import folded, one_line
from llmopt.problems.metrics.contract import Scored

if TYPE_CHECKING:
    from llmopt.problems.data.splits import Splits
    from llmopt.problems.program.program_problem import ProgramProblem
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_CLASSES = 6  # classes up to which their shares are listed


def data_in_words(splits: Splits) -> str:
    """Return how many rows there are, and which answers."""
    items = (*splits.train, *splits.validation, *splits.test, *splits.vault)
    kept = f", {len(splits.vault):,} in the vault" if splits.vault else ""
    twice = len(items) - len({folded(item.input) for item in items})
    repeated = f", {counted(twice, 'repeated input')} kept on one side" if twice else ""
    return (
        f"{len(items):,} rows: {len(splits.train):,} train, {len(splits.validation):,} "
        f"validation, {len(splits.test):,} test{kept}{repeated}; {_answers(splits)}"
    )


def _answers(splits: Splits) -> str:
    """Return the classes with their shares, or how many answers there are."""
    counts = Counter(i.target for i in (*splits.train, *splits.validation, *splits.test))
    if len(counts) > _CLASSES:
        return f"{len(counts):,} different answers"
    shares = [
        f"{one_line(c, 20)} {100 * n / counts.total():.0f} %" for c, n in counts.most_common()
    ]
    return ", ".join(shares)


async def metric_in_words(problem: PromptProblem | ProgramProblem, named: str) -> str:
    """Return which metric it is, tried on a target, which is a right answer."""
    item, metric = problem.items("train")[0], problem.metric
    if metric.calls:
        return f"{metric.name}; {metric.scale_in_words}"
    name = metric.title.lower() if named == "auto" else named
    chosen = ", which suits the answers" if named == "auto" else ""
    weighted = "; every class counts the same" if problem.balanced else ""
    if problem.asking.answer == "likelihood":
        return f"{name}{chosen}; a score is the probability of the expected answer{weighted}"
    scored = metric(item.target, item)
    if not isinstance(scored, Scored):
        scored = await scored
    return f"{name}{chosen}; the expected answer itself scores {scored.score:g}{weighted}"
