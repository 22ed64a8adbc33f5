"""The training rows in two disjoint shares: those that feedback is written on, and rewards.

Source: PromptAgent (arXiv 2310.16427) draws feedback from a training split and rewards from an
evaluation split. Here both are shares of the training items, so that validation and test items
remain held out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.core.groups import group_labels
from llmopt.errors import ConfigError
from llmopt.parts.rate import Everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.values import Candidate, Evaluation, Item


@dataclass(frozen=True)
class RewardRows:
    """Divides the training items: the first ones for feedback, the last ones for rewards.

    A training split is in mixed order, so its first items are a fair sample. Items that belong
    together (equal inputs, or one group) stay in one share. Items that all belong together are in
    both, which only a rehearsal has: a run refuses them (:meth:`check`).

    Attributes:
        share: Share that gives rewards, between 0 and 1; each share has at least one input.
    """

    share: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(
                f"the share of rows for rewards is between 0 and 1, but got {self.share}"
            )

    def check(self, items: Sequence[Item]) -> None:
        """Refuse training items that cannot be divided.

        Raises:
            ConfigError: All of them belong together.
        """
        if len(set(group_labels(items))) < 2:  # noqa: PLR2004 - one for each share
            raise ConfigError(
                "training rows are 2 or more that do not belong together, one for feedback and "
                f"one for rewards, but got {len(items)} of one input or group; give more rows"
            )

    def __call__(self, items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Return the items for feedback, and those for rewards."""
        labels = group_labels(items)
        groups = list(dict.fromkeys(labels))
        if len(groups) < 2:  # noqa: PLR2004 - as above
            return tuple(items), tuple(items)
        size = max(1, min(len(groups) - 1, round(self.share * len(groups))))
        rewarding = set(groups[-size:])
        pairs = list(zip(items, labels, strict=True))
        return (
            tuple(item for item, label in pairs if label not in rewarding),
            tuple(item for item, label in pairs if label in rewarding),
        )


@dataclass(frozen=True)
class OnRewardRows:
    """Every candidate on every reward row, the starting solutions included.

    An evaluation that has all reward rows is full, so scores are comparable with one another.

    Attributes:
        rows: How the training items are divided.
    """

    rows: RewardRows = field(default_factory=RewardRows)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem with too few training rows."""
        self.rows.check(problem.items("train"))

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return one evaluation per candidate."""
        return await Everything()(ctx, candidates, self.rows(items)[1], measure)
