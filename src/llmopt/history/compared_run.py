"""One run of a comparison, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.evidence.words import deciding, word_of

if TYPE_CHECKING:
    from llmopt.core.values import Usage
    from llmopt.evidence.losses import Losses
    from llmopt.evidence.scores import Score
    from llmopt.history.readable_solution import ChangedPart
    from llmopt.history.text_diff import Change
    from llmopt.statistics import Difference


@dataclass(frozen=True)
class Compared:
    """One run, and how its winner does against that of the first run.

    Attributes:
        run: Its name.
        created: ISO 8601, UTC.
        status: How it stands.
        algorithm: The method.
        optimizer: Identity of the optimizer LLM.
        scorer: Identity of the scorer LLM; empty where there is none.
        task: The task as it was told, or what the function is said to be.
        seed: Of the run.
        steps: Steps done, not counting the starting solutions.
        candidates: Solutions measured.
        evaluations: Answers measured on train items, for all of them together.
        usage: What was used, by role.
        seconds: Wall time.
        caps: What it might spend, by name: calls, tokens, usd, seconds.
        start: Text of the starting solution.
        best: Text of the winner; the best on train while there is no result.
        train: Score of the winner on train, in the problem's own direction, as the next two.
        validation: On validation items.
        test: On held-out items.
        verdict: What the run says of itself; empty while there is no result.
        curve: The best score on train after each step, in the problem's own direction.
        curve_partial: How many of its first points are partial scores; later ones are full.
        common: Held-out items measured for its winner and for the first run's; None where one
            of the two has kept no answers to held-out items.
        difference: Its winner minus the first run's on these items; above 0 it is better,
            whatever the direction. None for the first run, and where nothing is common.
        corrected: The p-value of `difference` after Holm's correction, where more than one run
            is compared with the first.
        wording: How the first run's winner becomes this one's; empty for the first run.
        readable: Text of the winner with its demonstrations, if any, as numbered pairs.
        part_changes: The same part by part, where solutions have several.
        usd: What was used in US dollars; None where a price is not known.
        losses: What its winner lost against the first run's on single items, where scores are
            graded.
    """

    run: str
    created: str
    status: str
    algorithm: str
    optimizer: str
    scorer: str
    task: str
    seed: str
    steps: int
    candidates: int
    evaluations: int
    usage: dict[str, Usage]
    seconds: float
    caps: dict[str, float]
    start: str
    best: str
    train: Score | None
    validation: Score | None
    test: Score | None
    verdict: str
    curve: tuple[float, ...]
    curve_partial: int = 0
    common: int | None = None
    difference: Difference | None = None
    corrected: float | None = None
    wording: tuple[Change, ...] = ()
    readable: str = ""
    part_changes: tuple[ChangedPart, ...] = ()
    usd: float | None = None
    losses: Losses | None = None

    @property
    def calls(self) -> int:
        """Calls used, over all roles."""
        return sum(used.calls for used in self.usage.values())

    @property
    def tokens(self) -> int:
        """Tokens used, over all roles."""
        return sum(used.tokens for used in self.usage.values())

    @property
    def p_value(self) -> float:
        """The p-value that decides: the corrected one where there is one."""
        return deciding(self.difference, self.corrected)

    @property
    def word(self) -> str:
        """What its winner is, compared with the first run's."""
        if self.difference is None:
            return "not comparable"
        return word_of(self.difference, self.p_value)
