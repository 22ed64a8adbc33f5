"""Warnings about rows that are not independent of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.groups import group_labels
from llmopt.core.text import one_line
from llmopt.problems.data.files import records
from llmopt.problems.data.group_columns import group_columns, shared_passages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.config.settings import Configuration
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_FEW = 10  # groups of test rows below which a test has little to go by
_SURE = 0.05  # two-sided, of the usual verdict
_MANY = 0.3  # share of inputs with a common passage from which it is said


def on_groups(problem: PromptProblem, settings: Configuration) -> Iterator[str]:
    """Yield what a careful person would say about groups of rows.

    Args:
        problem: What is optimized.
        settings: Names the file of the data, whose other columns are looked at.

    Raises:
        DataError: The file cannot be read.
    """
    splits = problem.splits
    items = (*splits.train, *splits.validation, *splits.test)
    if splits.asked:
        parts = (splits.train, splits.validation, splits.test)
        got = ", ".join(str(len(part)) for part in parts)
        asked = ", ".join(map(str, splits.asked))
        yield (
            f"Groups stay together, so train, validation and test have {got} rows, where {asked} "
            "were asked for."
        )
    number = len(set(group_labels(splits.test)))
    if number < min(_FEW, len(splits.test)):
        never = 2 / 2**number > _SURE
        yield (
            f"The {len(splits.test)} test rows are {counted(number, 'group')}, and groups are what "
            f"a test counts: with so few, {'no' if never else 'hardly any'} difference is "
            f"distinguishable from chance; take rows of {_FEW} groups at the very least, better 50."
        )
    if not any(item.group for item in items):
        yield from _unused(problem, settings)


def _unused(problem: PromptProblem, settings: Configuration) -> Iterator[str]:
    """Yield what looks like a group that nobody has named."""
    table, splits = settings.problem, problem.splits
    items = (*splits.train, *splits.validation, *splits.test)
    why = (
        "rows that share it are not independent: questions about one passage are split apart, and "
        "intervals are too narrow"
    )
    file = table.data or table.train
    if file:
        found = list(records(file, table.encoding))
        inputs = table.columns["input"]
        # One of several columns of the input may be what rows share; the only one is its text.
        taken = {table.target, table.id, table.weight, *([inputs] if type(inputs) is str else [])}
        names = list(group_columns(found, found[0].values if found else (), taken))
        if names:
            yield (
                f"The column {names[0]!r} looks like a group, and {why}; if so, set problem.group "
                f"= {names[0]!r}."
            )
            return
    sharing, passage = shared_passages(items)
    if sharing >= _MANY * len(items):
        yield (
            f"{sharing} of {len(items)} inputs share a long passage with others, such as "
            f"{one_line(passage, 60)!r}, and {why}; name a column of what they share in "
            "problem.group."
        )
