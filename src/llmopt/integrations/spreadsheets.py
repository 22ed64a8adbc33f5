"""A run as rows for a spreadsheet or a dataframe (CSV, with a header, as RFC 4180 has it)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from llmopt.core.values import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.values import Evaluation, Item
    from llmopt.integrations.exported import Material

    Row = Sequence[object]

_TRAJECTORY = ("step", "id", "parents", "score", "measured", "planned", "refused", "text")
_ITEMS = (
    "split",
    "step",
    "id",
    "solution",
    "item",
    "input",
    "target",
    "score",
    "answer",
    "weight",
    "reason",
)


def trajectory_rows(found: Material) -> str:
    """Return a row for every solution tried, and for every text refused, in their order.

    The columns: step; id; parents (ids parted by blanks); score (mean on the train items
    measured, in the problem's own direction); measured and planned (numbers of items); refused
    (why; empty for a solution that was tried); text.
    """
    return _written(_TRAJECTORY, _tried(found))


def item_rows(found: Material) -> str:
    """Return a row for what every solution got on every item.

    The columns: split (train or test); step (empty for a control); id; solution (best, start or
    a control's name, on test items); item (its id); input and target (where they are known);
    score; answer; weight; reason (why it is unmeasured).
    """
    return _written(_ITEMS, _measured(found))


def _written(head: Sequence[str], rows: Iterable[Row]) -> str:
    into = io.StringIO()
    writer = csv.writer(into)
    writer.writerow(head)
    writer.writerows(rows)
    return into.getvalue()


def _tried(found: Material) -> Iterator[Row]:
    shown = found.shown
    for step in found.standing.journal.steps:
        for entry in step.entries:
            candidate, got = entry.candidate, entry.evaluation
            yield (
                step.number,
                candidate.id,
                " ".join(candidate.parents),
                shown.facing(got.score),
                got.measured,
                got.planned,
                "",
                candidate.text,
            )
        for refused in step.rejected:
            yield step.number, "", "", None, 0, 0, refused.reason, refused.text


def _measured(found: Material) -> Iterator[Row]:
    journal = found.standing.journal
    items = {item.id: item for item in journal.problem.items["train"]} if journal.problem else {}
    born: dict[str, int] = {}
    shown = found.shown
    for step in journal.steps:
        for entry in step.entries:
            name = entry.candidate.id
            born.setdefault(name, step.number)
            yield from _outcomes(("train", step.number, name, ""), entry.evaluation, items, shown)
    if held := journal.tested:
        items = {item.id: item for item in held.items}
        for label, text, got in held.answers:
            name = Candidate(text).id
            yield from _outcomes(("test", born.get(name), name, label), got, items, shown)


def _outcomes(
    about: Row, got: Evaluation, items: dict[str, Item], shown: Presentation
) -> Iterator[Row]:
    for outcome in got.outcomes:
        item = items.get(outcome.item)
        asked = (item.input, item.target) if item else ("", "")
        yield (
            *about,
            outcome.item,
            *asked,
            shown.facing(outcome.score),
            outcome.answer,
            outcome.weight,
            outcome.reason,
        )
