"""Models by winners: what each model's own best instruction gets on every model.

Does the best instruction depend on the model? Reading it off the largest cells misleads, as some
cell is always the largest. What an instruction gives to all models, and what a model gets with all
instructions, say nothing about it either. So one figure is tested: the mean of the cells in which a
model meets its own winner, minus the mean of the other cells. Whatever models and instructions add
by themselves cancels out of it, as each has the same weight on both sides. It is computed row by
row, on the same held-out rows, and tested as any paired difference of this package.

The figure is about these winners: other searches may find others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import p_equals
from llmopt.core.values import Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.evidence.comparison import by_item
from llmopt.evidence.differences import difference_of
from llmopt.evidence.scores import LEVEL, Score, score_of
from llmopt.evidence.text_table import TextTable
from llmopt.evidence.words import can_show, word_of
from llmopt.statistics import Difference, holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.comparison import Comparison

_DIGITS = 12  # after the point, to which a mean of scores is exact


@dataclass(frozen=True)
class CrossCell:
    """A winner on a model.

    Attributes:
        score: Of this winner on this model; None where nothing could be measured.
        difference: This winner minus the model's own on the same items; above 0 this one is
            better. None for the model's own, for an equal text, and without a common item.
        corrected: Its p-value after Holm's correction over all cells of the table.
    """

    score: Score | None
    difference: Difference | None = None
    corrected: float | None = None

    @property
    def word(self) -> str:
        """What this winner is against the model's own one."""
        if self.difference is None or self.corrected is None:
            return ""
        return word_of(self.difference, self.corrected)


@dataclass(frozen=True)
class CrossTable:
    """Models by winners on the same items.

    Attributes:
        runs: Names of the runs, in order; run i searched with model i and found winner i.
        scorers: The models.
        texts: The winners.
        part: Which items were used.
        items: How many there are.
        cells: For each model, its cell with each winner.
        own: The mean of the cells with a model's own winner minus the mean of the others, over
            items that were measured in all cells; above 0, own winners suit their models. None
            where all winners are the same, or no item was measured everywhere.
        verdict: In a sentence.
        notes: What a careful reader should know.
        shown: How scores are shown.
    """

    runs: tuple[str, ...]
    scorers: tuple[str, ...]
    texts: tuple[str, ...]
    part: str
    items: int
    cells: tuple[tuple[CrossCell, ...], ...]
    own: Difference | None
    verdict: str
    notes: tuple[str, ...]
    shown: Presentation

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data for JSON."""
        return asdict(self)

    def table(self) -> TextTable:
        """Return a row for each model and a column for each winner."""
        heads = ("model", *(f"winner {n}" for n in range(1, len(self.runs) + 1)))
        rows = []
        for number, (scorer, line) in enumerate(zip(self.scorers, self.cells, strict=True), 1):
            cells = [self._cell(cell, own=at == number) for at, cell in enumerate(line, 1)]
            rows.append((f"{number} {scorer}", *cells))
        return TextTable(heads, tuple(rows))

    def _cell(self, cell: CrossCell, *, own: bool) -> str:
        if cell.score is None:
            return "-"
        shown, ends = self.shown, cell.score.interval
        low, high = (shown.number(end) for end in (ends.low, ends.high))
        first = f"{shown.number(cell.score.mean)} [{low}, {high}]"
        if own:
            return f"{first}\nits own"
        if cell.difference is None:
            return first
        gap = shown.points(cell.difference.mean)
        return f"{first}\n{gap}, {cell.word}"

    def __str__(self) -> str:
        """Return the texts, the table and what it says."""
        named = zip(self.runs, self.texts, strict=True)
        texts = [f"winner {n} ({run}):\n{text}" for n, (run, text) in enumerate(named, 1)]
        notes = [f"Note: {note}" for note in self.notes]
        return "\n\n".join((*texts, self.table().text(), "\n".join((self.verdict, *notes))))


def cross_table(
    runs: Sequence[str], comparisons: Sequence[Comparison], groups: Mapping[str, str]
) -> CrossTable:
    """Put evaluations of the same instructions on several models together.

    Args:
        runs: Names of the runs, in order.
        comparisons: What each run's model got, in the same order. The first instruction of each is
            the winner of its own run, and all measured the same items.
        groups: Which group each item belongs to, by its id; see
            :func:`~llmopt.evidence.differences.difference_of`.

    Raises:
        ConfigError: There are fewer than two, or instructions or items differ.
    """
    _check(comparisons)
    texts = tuple(found.rows[0].text for found in comparisons)
    measured = [
        {row.text: by_item(row.outcomes, found.samples) for row in found.rows}
        for found in comparisons
    ]
    if any(set(row) != set(texts) for row in measured):
        raise ConfigError(
            "each model is measured with every winner, but the instructions of two evaluations "
            "differ; give all of them the same ones, each its own winner first"
        )
    grid = [[row[text] for text in texts] for row in measured]
    first = comparisons[0]
    own = _own(grid, texts, groups)
    return CrossTable(
        runs=tuple(runs),
        scorers=tuple(found.scorer for found in comparisons),
        texts=texts,
        part=first.part,
        items=first.items,
        cells=_cells(grid, texts, first.shown, groups),
        own=own,
        verdict=_sentence(own, texts, first),
        notes=_notes(comparisons),
        shown=first.shown,
    )


def _check(comparisons: Sequence[Comparison]) -> None:
    """Refuse evaluations that do not belong in one table."""
    if len(comparisons) < 2:  # noqa: PLR2004 - a single model has nothing to depend on
        raise ConfigError(f"a cross table is of 2 models or more, but got {len(comparisons)}")
    items = {tuple(outcome.item for outcome in found.rows[0].outcomes) for found in comparisons}
    if len(items) > 1:
        raise ConfigError(
            "a cross table is of the same items on every model, but the items of the runs differ; "
            "choose runs with the same data, sizes and split_seed"
        )


def _cells(
    grid: Sequence[Sequence[Evaluation]],
    texts: Sequence[str],
    shown: Presentation,
    groups: Mapping[str, str],
) -> tuple[tuple[CrossCell, ...], ...]:
    """Return all cells; each p-value is corrected for all that the table has."""
    places = list(product(range(len(grid)), range(len(texts))))
    found = {
        (i, j): difference_of(grid[i][i], grid[i][j], LEVEL, groups)
        for i, j in places
        if texts[i] != texts[j]
    }
    known = {place: gap for place, gap in found.items() if gap is not None}
    corrected = dict(zip(known, holm([gap.p_value for gap in known.values()]), strict=True))
    return tuple(
        tuple(
            CrossCell(
                score_of(evaluation, shown, groups=groups), known.get((i, j)), corrected.get((i, j))
            )
            for j, evaluation in enumerate(row)
        )
        for i, row in enumerate(grid)
    )


def _own(
    grid: Sequence[Sequence[Evaluation]], texts: Sequence[str], groups: Mapping[str, str]
) -> Difference | None:
    """Return the cells with own winners minus the others, item by item."""
    if len(set(texts)) == 1:
        return None
    size = len(grid)
    sides: tuple[list[Outcome], list[Outcome]] = ([], [])
    for outcomes in zip(*(e.outcomes for row in grid for e in row), strict=True):
        scores = [outcome.score for outcome in outcomes]
        known = [score for score in scores if score is not None]
        if len(known) < len(scores):
            continue
        mine = sum(known[i * size + i] for i in range(size))
        others = (sum(known) - mine) / (size * (size - 1))
        for side, score in zip(sides, (others, mine / size), strict=True):
            # Sums in another order differ in their last digits, and would all have the same sign.
            same = round(score, _DIGITS)
            side.append(Outcome(outcomes[0].item, same, weight=outcomes[0].weight))
    n = len(sides[0])
    if not n:
        return None
    other, own = (Evaluation(tuple(side), n) for side in sides)
    return difference_of(other, own, LEVEL, groups)


def _sentence(own: Difference | None, texts: Sequence[str], found: Comparison) -> str:
    where = "items" if found.part == "all" else f"{found.part} items"
    if own is None:
        same = len(set(texts)) == 1
        why = "all winners are the same text" if same else f"no {where} were measured everywhere"
        return f"Whether the best instruction depends on the model is not tested: {why}."
    shown, word = found.shown, word_of(own, own.p_value)
    low, high = (shown.number(end, signed=True) for end in (own.interval.low, own.interval.high))
    figures = (
        f"({shown.points(own.mean)} on {own.n} {where}, {100 * LEVEL:g} % interval {low} to "
        f"{high}, p {p_equals(own.p_value)})"
    )
    said = {
        "better": "The best instruction depends on the model: winners are better on the model they "
        "were searched with than elsewhere",
        "worse": "Winners are worse on the model they were searched with than elsewhere",
    }.get(word, "That the best instruction depends on the model is not shown by these items")
    return f"{said} {figures}. {can_show(own, word, shown)}".rstrip()


def _notes(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Return what is to be known of all evaluations, each thing once."""
    notes = dict.fromkeys(note for found in comparisons for note in found.notes)
    about = "The test is about these winners: another search may find others."
    return (about, *notes)
