"""What one answer was worth and why, and whose turn it is to be rewritten: DRPO's search.

Source: "Dynamic Rewarding with Prompt Optimization" (arXiv 2411.08733), where a state of the
search is a prompt and an action is a rewrite of it. The reward is whatever the problem measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError
from llmopt.metaprompt import filled
from llmopt.part import Feedback, all_of
from llmopt.parts.overhearing import Overheard
from llmopt.problem import Remarked

if TYPE_CHECKING:
    import numpy as np

    from llmopt.model import Model
    from llmopt.part import Brief
    from llmopt.trajectory import Entry, Trajectory
    from llmopt.types import Item


@dataclass(frozen=True)
class Beam:
    """Each survivor is a state, shown last in its group, after the states it came from.

    Attributes:
        history: How many earlier states are shown at most, the oldest first; 0 or more.
    """

    history: int = 5

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ConfigError(f"the earlier states shown are 0 or more, but got {self.history}")

    async def __call__(
        self, trajectory: Trajectory, current: tuple[Entry, ...], rng: np.random.RandomState
    ) -> tuple[tuple[Entry, ...], ...]:
        """Return one group per survivor, the best survivor first."""
        del rng
        return tuple(self._line(trajectory, state) for state in current) or ((),)

    def _line(self, trajectory: Trajectory, state: Entry) -> tuple[Entry, ...]:
        line = [state]
        while len(line) <= self.history and line[-1].candidate.parents:
            line.append(trajectory.entry(line[-1].candidate.parents[-1]))
        scored = [entry for entry in line if entry.evaluation.score is not None]
        return tuple(reversed(scored))


@dataclass(frozen=True)
class Rewards:
    """Tell what the last of the parents leads to on some training items, and what that is worth.

    The items are drawn anew in each step and group, among those that are not good enough yet. The
    scorer LLM is asked what it was asked when the solution was measured, and so is a judge LLM,
    so both answer from the store. Without a scorer LLM nothing is told.

    Attributes:
        items: Training items that are told about, 1 or more.
        enough: Items with a score above this are passed over, in 0..1.
    """

    items: int = 1
    enough: float = 0.875

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ConfigError(f"the items told about are 1 or more, but got {self.items}")
        if not 0 <= self.enough <= 1:
            raise ConfigError(f"what is good enough is a score of 0 to 1, but got {self.enough}")

    async def __call__(self, brief: Brief) -> Feedback:
        """Return the answers with their rewards as text; empty where all are good enough."""
        if brief.scorer is None or not brief.parents:
            return Feedback()
        scorer, state = brief.scorer, brief.parents[-1]
        known = {item.id: item for item in brief.problem.items("train")}
        poor = [
            (known[outcome.item], outcome.score)
            for outcome in state.evaluation.outcomes
            if outcome.score is not None and outcome.score <= self.enough
        ]
        drawn = sorted(brief.rng("rewards").permutation(len(poor))[: self.items])
        told = await all_of(self._told(brief, scorer, state, *poor[int(place)]) for place in drawn)
        if not told:
            return Feedback()
        return Feedback(text=filled("drpo", "rewards", told=told))

    async def _told(
        self, brief: Brief, scorer: Model, state: Entry, item: Item, score: float
    ) -> dict[str, str]:
        problem, overheard = brief.problem, Overheard(scorer)
        await problem.measure(state.text, item, overheard)
        answer = overheard.replies[-1] if overheard.replies else ""
        remarks = await problem.remarks(answer, item) if isinstance(problem, Remarked) else ""
        return {
            "question": problem.exemplar(item, "").question,
            "answer": answer.strip(),
            "score": problem.show(score, 100),
            "remarks": remarks.strip(),
        }
