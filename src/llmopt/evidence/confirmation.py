"""What the items of a vault say about the winner of a finished run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.formatting import counted
from llmopt.core.presentation import Presentation
from llmopt.evidence.differences import START, about_missing, compared, scale_of
from llmopt.evidence.looks import PriorLooks
from llmopt.evidence.scores import Score, score_of
from llmopt.evidence.words import than
from llmopt.statistics import Difference, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.values import Evaluation
    from llmopt.evidence.words import Word


@dataclass(frozen=True)
class Confirmation:
    """What a vault says; scores are in the problem's own direction.

    Attributes:
        run: Name of the run.
        winner: Text of its winner.
        start: Text of its starting solution.
        items: Items of the vault.
        winner_score: The winner on these; None where nothing could be measured.
        start_score: The same of the start.
        difference: Winner minus start on the items measured for both; None without any.
        corrected: The p-value that decides: that of `difference`, unless the items had been
            looked at before.
        word: What the winner is, at the level.
        level: Confidence level of intervals and word.
        looks: How many results the items had given before.
        verdict: In a sentence.
        notes: What a careful reader should know.
        presentation: How the problem's scores are shown.
    """

    run: str
    winner: str
    start: str
    items: int
    winner_score: Score | None
    start_score: Score | None
    difference: Difference | None
    corrected: float
    word: Word
    level: float
    looks: PriorLooks
    verdict: str
    notes: tuple[str, ...]
    presentation: Presentation

    @property
    def confirmed(self) -> bool:
        """Whether the winner is better than the start."""
        return self.word == "better"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {**asdict(self), "confirmed": self.confirmed}

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild it from what :meth:`to_dict` gave, also through JSON."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        found = known["difference"]
        known["difference"] = found and Difference(
            **{**found, "interval": Interval(**found["interval"])}
        )
        for score in ("winner_score", "start_score"):
            known[score] = known[score] and Score.plain(known[score])
        known["looks"] = PriorLooks.plain(known["looks"])
        known["notes"] = tuple(known["notes"])
        known["presentation"] = Presentation.plain(known["presentation"])
        return cls(**known)


def confirmation(
    run: str,
    texts: tuple[str, str],
    found: tuple[Evaluation, Evaluation],
    *,
    groups: Mapping[str, str],
    level: float,
    looks: PriorLooks,
    notes: Sequence[str],
    shown: Presentation,
) -> Confirmation:
    """Compare a winner with the start on the items of a vault.

    Args:
        run: Name of the run.
        texts: The winner and the start.
        found: What they got, on the same items in order.
        groups: Which group each item belongs to, by its id.
        level: Confidence level.
        looks: How many results the items had given before.
        notes: What a careful reader should know in addition.
        shown: How the problem's scores are shown.
    """
    winner, start = found
    made = compared(winner, [(START, start)], level, groups, scale_of(shown))
    versus = next(iter(looks.corrected(made, level)), None)
    scores = [score_of(one, shown, level=level, groups=groups) for one in found]
    items = winner.planned
    said = list(notes)
    if versus is None:
        verdict = "Not confirmed: no vault item could be measured for both winner and start."
    else:
        yes = "Confirmed" if versus.word == "better" else "Not confirmed"
        verdict = (
            f"{yes}: the winner is {than(versus.word)} the start on "
            f"{counted(versus.difference.n, 'vault item')} "
            f"({shown.points(versus.difference.mean)})."
        )
        said += about_missing(versus, shown, level)
        if missing := items - versus.difference.n:
            said.append(
                f"{missing} of {counted(items, 'vault item')} stayed unmeasured for winner or "
                "start and are left out."
            )
    return Confirmation(
        run=run,
        winner=texts[0],
        start=texts[1],
        items=items,
        winner_score=scores[0],
        start_score=scores[1],
        difference=versus.difference if versus else None,
        corrected=versus.corrected if versus else 1.0,
        word=versus.word if versus else "not distinguishable",
        level=level,
        looks=looks,
        verdict=verdict,
        notes=(*said, *looks.notes(level)),
        presentation=shown,
    )
