"""How far a judge LLM agrees with people: labelled answers, and the figures about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.text import one_line
from llmopt.core.values import Item
from llmopt.errors import DataError
from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import records
from llmopt.statistics import Interval, JudgeBias, judge_bias, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from llmopt.problems.data.records import DataRecord
    from llmopt.problems.metrics.judge import Judge

_PREFERENCES = ("loss", "tie", "win")
_DRAWS = 10_000
_CELLS = 1_000_000  # numbers held at once while drawing: 8 MB


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a labelled file hold what.

    Attributes:
        input: What was asked.
        output: The answer that is judged.
        target: The reference answer; may be missing where the judge rates absolutely.
        label: What a person said: a rating on the judge's scale, or win, tie or loss of the
            output against the reference answer.
    """

    input: str = "input"
    output: str = "output"
    target: str = "target"
    label: str = "label"


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer that a person has judged.

    Attributes:
        item: What was asked; its id is the place of the row.
        output: The answer.
        label: Position of the person's verdict among :func:`verdicts`.
    """

    item: Item
    output: str
    label: int


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance: 1 is full, 0 is what chance gives.

    Attributes:
        value: None where one verdict is all that both give, which leaves nothing to measure.
        interval: 95 % percentile bootstrap interval over the rows, or None.
    """

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Share:
    """A share of `n` rows with Wilson's 95 % interval."""

    share: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class PositionBias:
    """How a pairwise judge depends on the order in which it sees the answers.

    Attributes:
        changes: Share of the rows where the verdict changes with the order.
        first: Rows among them where the judge favours what stands first.
        second: Rows among them where it favours what stands second.
    """

    changes: Share
    first: int
    second: int


@dataclass(frozen=True)
class Agreement:
    """What a judge and people said about the same answers.

    Attributes:
        verdicts: The verdicts that occur, worst first.
        confusion: Rows per label (outer) and verdict of the judge (inner), in that order.
        agreement: Share of the rows where both say the same.
        kappa: Cohen's kappa.
        weighted: Cohen's kappa with quadratic weights: near misses count less than far ones.
        bias: For a pairwise judge.
        unmeasured: Why a row has no verdict of the judge, one text for each such row.
        score_bias: How much higher the judge's scores are than people's, from 0 to 1; None with
            fewer than two rows.
    """

    verdicts: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    agreement: Share
    kappa: Kappa
    weighted: Kappa
    bias: PositionBias | None
    unmeasured: tuple[str, ...]
    score_bias: JudgeBias | None = None


def verdicts(judge: Judge) -> tuple[str, ...]:
    """Return what a judge, or a person, can say about an answer, worst first."""
    low, high = judge.scale
    return _PREFERENCES if judge.mode == "pairwise" else tuple(map(str, range(low, high + 1)))


def labelled(path: str | Path, judge: Judge, columns: Columns) -> tuple[Labelled, ...]:
    """Read a file of labelled answers: CSV, TSV, JSON, JSON Lines or Parquet.

    Raises:
        DataError: The file, a column or a row cannot be used; the message names the place.
    """
    known = {verdict: place for place, verdict in enumerate(verdicts(judge))}
    rows = []
    for record in records(path):
        said = text_of(record, columns.label).strip().lower()
        label = known.get(said.removesuffix(".0"))
        if label is None:
            low, high = judge.scale
            rule = "win, tie or loss" if judge.mode == "pairwise" else f"from {low} to {high}"
            raise DataError(
                f"{record.place}, column {columns.label!r}: a label is {rule} for this judge, but "
                f"got {one_line(said)!r}; correct it, or change the judge's mode or scale"
            )
        target = _reference(record, judge, columns)
        item = Item(record.place, text_of(record, columns.input), target)
        rows.append(Labelled(item, text_of(record, columns.output), label))
    if not rows:
        raise DataError(f"{path}: a labelled file has at least one row, but it has none")
    return tuple(rows)


def _reference(record: DataRecord, judge: Judge, columns: Columns) -> str:
    """Return the reference answer, or an empty text where there may be none."""
    given = record.values.get(columns.target)
    blank = given is None or not str(given).strip()
    optional = judge.mode != "pairwise" and columns.target == Columns().target
    return "" if blank and optional else text_of(record, columns.target)


def agreement(
    judge: Judge, rows: Sequence[Labelled], found: Sequence[tuple[float, ...] | str]
) -> Agreement | None:
    """Compare a judge with people.

    Args:
        judge: Who gave the scores.
        rows: The labelled answers.
        found: For each of them the scores of
            :meth:`~llmopt.problems.metrics.judge.Judge.scores`, or why there are none.

    Returns:
        The figures over the rows with scores; None where no row has any.
    """
    pairs = [
        (row.label, _verdict(judge, scores))
        for row, scores in zip(rows, found, strict=True)
        if not isinstance(scores, str)
    ]
    if not pairs:
        return None
    names = verdicts(judge)
    used = sorted({place for pair in pairs for place in pair})
    counts = Counter(pairs)
    confusion = tuple(tuple(counts[label, verdict] for verdict in used) for label in used)
    scores = [known for known in found if not isinstance(known, str)]
    top = len(names) - 1
    places = np.array(used, dtype=np.float64)
    distance = (places[:, None] - places[None, :]) ** 2
    table = np.array(confusion, dtype=np.float64)
    return Agreement(
        verdicts=tuple(names[place] for place in used),
        confusion=confusion,
        agreement=_share(sum(label == verdict for label, verdict in pairs), len(pairs)),
        kappa=_kappa(table, (distance > 0).astype(np.float64)),
        weighted=_kappa(table, distance),
        bias=_bias(scores) if judge.mode == "pairwise" else None,
        unmeasured=tuple(why for why in found if isinstance(why, str)),
        score_bias=judge_bias(
            [sum(one) / len(one) for one in scores], [label / top for label, _ in pairs]
        ),
    )


def _verdict(judge: Judge, scores: tuple[float, ...]) -> int:
    """Return which of the verdicts a judge's scores are."""
    mean = sum(scores) / len(scores)
    if judge.mode == "pairwise":
        return 1 + (mean > 0.5) - (mean < 0.5)  # noqa: PLR2004 - one half is a tie
    low, high = judge.scale
    return round(mean * (high - low))


def _bias(scores: Iterable[tuple[float, ...]]) -> PositionBias:
    """Say how often the judged output got something else when it stood second."""
    pairs = list(scores)
    first = sum(before > after for before, after in pairs)
    second = sum(before < after for before, after in pairs)
    return PositionBias(_share(first + second, len(pairs)), first, second)


def _share(count: int, n: int) -> Share:
    return Share(count / n, wilson(count, n), n)


def _kappa(table: NDArray[np.float64], distance: NDArray[np.float64]) -> Kappa:
    """Return Cohen's kappa (Cohen 1960; weighted: Cohen 1968) with a bootstrap interval.

    Args:
        table: How often each pair of verdicts occurs.
        distance: What a pair costs; 0 where both say the same.
    """
    value = float(_kappas(table[None], distance)[0])
    if np.isnan(value):
        return Kappa(None, None)
    n = int(table.sum())
    random, step = np.random.RandomState(0), max(1, _CELLS // table.size)
    drawn = np.empty(_DRAWS)
    for start in range(0, _DRAWS, step):
        size = min(step, _DRAWS - start)
        draws = random.multinomial(n, table.ravel() / n, size=size).reshape(size, *table.shape)
        drawn[start : start + size] = _kappas(draws.astype(np.float64), distance)
    # A draw in which both give one verdict alone says nothing about agreement beyond chance.
    low, high = np.quantile(drawn[~np.isnan(drawn)], [0.025, 0.975])
    return Kappa(value, Interval(float(low), float(high)))


def _kappas(tables: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kappa of each table; not a number where chance alone explains everything."""
    n = tables.sum(axis=(1, 2))
    seen = (tables * distance).sum(axis=(1, 2)) * n
    by_chance = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
    expected = (by_chance * distance).sum(axis=(1, 2))
    ratio = np.divide(seen, expected, out=np.full_like(seen, np.nan), where=expected > 0)
    kappas: NDArray[np.float64] = 1 - ratio
    return kappas
