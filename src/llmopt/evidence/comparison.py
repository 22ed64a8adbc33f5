"""Several instructions on the same items: their scores and differences.

The unit of every figure is the item. Where an item was answered several times, its score is the
mean over its answers, so that repeated answers to one question are not taken for independent ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Evaluation, Outcome
from llmopt.evidence.differences import difference_of
from llmopt.evidence.losses import Losses, losses_of
from llmopt.evidence.scores import LEVEL, Score, score_of
from llmopt.evidence.words import by_word, can_show, deciding, than, word_of
from llmopt.statistics import Difference, holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.solution import SolutionPart
    from llmopt.core.values import Item, Usage
    from llmopt.evidence.looks import PriorLooks
    from llmopt.models.middleware.traffic import Stretch


@dataclass(frozen=True)
class ScoredInstruction:
    """One instruction, measured and compared with the first one.

    Attributes:
        text: The instruction.
        score: Mean over the measured items with its 95 % interval, in the problem's own
            direction; None where nothing could be measured.
        measured: Answers that have a score.
        planned: Answers asked for: items times samples.
        difference: This one minus the first on the items measured for both, per item; above 0
            this one is better, whatever the direction. None for the first.
        corrected: The p-value of `difference` after Holm's correction, where more than one
            instruction is compared with the first.
        outcomes: Every answer: item by item, and for each item sample by sample.
        losses: What it lost against the first on single items, where scores are graded.
    """

    text: str
    score: Score | None
    measured: int
    planned: int
    difference: Difference | None
    corrected: float | None
    outcomes: tuple[Outcome, ...]
    losses: Losses | None = None

    @property
    def p_value(self) -> float:
        """The p-value that decides: the corrected one where there is one."""
        return deciding(self.difference, self.corrected)

    @property
    def word(self) -> str:
        """What it is compared with the first: better, worse, or not distinguishable."""
        if self.difference is None:
            return "not distinguishable"
        return word_of(self.difference, self.p_value)


@dataclass(frozen=True)
class Differing:
    """An item on which some instruction, or some run's winner, scored otherwise than the first.

    Attributes:
        item: Id of the item.
        input: What the scorer LLM was given.
        target: The expected answer.
        scores: One each, in the problem's own direction: the mean over its answers; None: it was
            not measured.
        answers: One each: the answer it gave most often; None: none was readable.
    """

    item: str
    input: str
    target: str
    scores: tuple[float | None, ...]
    answers: tuple[str | None, ...]


@dataclass(frozen=True)
class Comparison:
    """What an evaluation found.

    Attributes:
        run: Name under which it is stored.
        scorer: Identity of the scorer LLM; empty where the problem needs none.
        part: Which items were used: train, validation, test or all.
        items: How many there are.
        samples: Answers to each item.
        shown: How the scores are shown.
        rows: The instructions in the order given; the others are compared with the first.
        differing: The items that the difference comes from.
        verdict: In a sentence.
        notes: What a careful reader should know.
        usage: What was paid for, by role, also when it was begun earlier.
        usd: What that cost, where the price is known.
        seconds: Wall time, likewise.
        stretch: What came from the store and what was asked again, this time.
        looks: How many results the test items had given before, which its p-values do not allow
            for; None where others than these were used.
        parts: The parts of a solution, where there are several.
        shown_rows: Input and expected answer of each training row that demonstrations show, by id.
    """

    run: str
    scorer: str
    part: str
    items: int
    samples: int
    shown: Presentation
    rows: tuple[ScoredInstruction, ...]
    differing: tuple[Differing, ...]
    verdict: str
    notes: tuple[str, ...]
    usage: dict[str, Usage]
    usd: float | None
    seconds: float
    stretch: Stretch
    looks: PriorLooks | None = None
    parts: tuple[SolutionPart, ...] = ()
    shown_rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data for JSON."""
        return asdict(self) | {"shares": self.shown.shares}


def compare(
    found: Mapping[str, Sequence[Outcome]],
    samples: int,
    *,
    groups: Mapping[str, str],
    shown: Presentation,
) -> tuple[ScoredInstruction, ...]:
    """Score each instruction, and compare each with the first.

    Args:
        found: For each instruction one outcome per answer: the same items in the same order,
            `samples` of each in a row. Scores are as they are inside: higher is better.
        samples: Answers to each item, 1 or more.
        groups: Which group each item belongs to, by its id; see :func:`difference_of`.
        shown: How the problem's scores are shown.
    """
    rows: list[ScoredInstruction] = []
    first: Evaluation | None = None
    for text, outcomes in found.items():
        items = by_item(outcomes, samples)
        rows.append(
            ScoredInstruction(
                text=text,
                score=score_of(items, shown, groups=groups),
                measured=sum(outcome.score is not None for outcome in outcomes),
                planned=len(outcomes),
                difference=None if first is None else difference_of(first, items, LEVEL, groups),
                corrected=None,
                outcomes=tuple(outcomes),
                losses=losses_of(first, items, shown, samples),
            )
        )
        first = first or items
    return _corrected(rows)


def differing(
    rows: Sequence[ScoredInstruction], items: Sequence[Item], samples: int, shown: Presentation
) -> tuple[Differing, ...]:
    """Return the items on which some row scored otherwise than the first, in item order."""
    columns = [by_item(row.outcomes, samples).outcomes for row in rows]
    found = []
    for at, item in enumerate(items):
        here = [column[at].score for column in columns]
        if len(set(here)) > 1:
            answers = [row.outcomes[at * samples : (at + 1) * samples] for row in rows]
            found.append(
                Differing(
                    item.id,
                    item.input,
                    item.target,
                    tuple(shown.facing(score) for score in here),
                    tuple(_usual(of_one) for of_one in answers),
                )
            )
    return tuple(found)


def sentence(rows: Sequence[ScoredInstruction], part: str, shown: Presentation) -> str:
    """Return in words what the rows say, each against the first."""
    where = "items" if part == "all" else f"{part} items"
    if len(rows) == 1:
        score = rows[0].score
        if score is None:
            return "Nothing could be measured."
        low, high = shown.amount(score.interval.low), shown.amount(score.interval.high)
        on = f"{score.items} {where}"
        return f"{shown.amount(score.mean)} on {on} (95 % interval {low} to {high})."
    if len(rows) > 2:  # noqa: PLR2004 - two get a sentence of their own
        said = by_word(
            (f"[{number}]", row.word if row.difference else "not comparable")
            for number, row in enumerate(rows[1:], 2)
        )
        several = sum(row.difference is not None for row in rows)
        corrected = f", corrected for {several} comparisons" if several > 1 else ""
        return f"Against [1]{corrected}: {said}."
    row = rows[1]
    if row.difference is None:
        return f"[2] cannot be compared with [1]: no {where} were measured for both."
    said = (
        f"[2] is {than(row.word)} [1] on {row.difference.n} {where} "
        f"({shown.points(row.difference.mean)})."
    )
    return f"{said} {can_show(row.difference, row.word, shown)}".rstrip()


def large_losses(rows: Sequence[ScoredInstruction], part: str, shown: Presentation) -> list[str]:
    """Return a note for each row that lost much on single items against the first."""
    where = "items" if part == "all" else f"{part} items"
    return [
        note
        for number, row in enumerate(rows, 1)
        if row.losses
        for note in row.losses.note(f"[{number}]", where, shown)
    ]


def by_item(outcomes: Sequence[Outcome], samples: int) -> Evaluation:
    """Return the mean score of each item over its measured answers, as one outcome each."""
    found = []
    for start in range(0, len(outcomes), samples):
        answers = outcomes[start : start + samples]
        scores = [answer.score for answer in answers if answer.score is not None]
        mean = sum(scores) / len(scores) if scores else None
        found.append(Outcome(answers[0].item, mean, weight=answers[0].weight))
    return Evaluation(tuple(found), len(found))


def _corrected(rows: Sequence[ScoredInstruction]) -> tuple[ScoredInstruction, ...]:
    """Correct the p-values where more than one row is compared with the first."""
    values = [row.difference.p_value for row in rows if row.difference is not None]
    if len(values) < 2:  # noqa: PLR2004 - one comparison needs no correction
        return tuple(rows)
    adjusted = iter(holm(values))
    return tuple(replace(r, corrected=next(adjusted)) if r.difference else r for r in rows)


def _usual(outcomes: Sequence[Outcome]) -> str | None:
    """Return the answer that was given most often, the earliest of several."""
    counts = Counter(outcome.answer for outcome in outcomes if outcome.score is not None)
    return counts.most_common(1)[0][0] if counts else None
